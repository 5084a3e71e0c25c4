"""Question answering: texts of questions and answers, their tokens, and scorers of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.split import held_out
from seqgan.data.errors import reason
from seqgan.metrics.neighbours import nearest
from seqgan.retrieval.judged import Judged, inverse_frequency, read_answers, token_matrix, words
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.text_scorers import CNNMatcher, EncoderMatcher, SharedWords, encode

LONGEST_QUESTION, LONGEST_ANSWER = 60, 200
"""Tokens kept of a text."""
NEAR = 0.8
"""Dice coefficient of words and word pairs from which questions are near duplicates."""


class Answers:
    """Questions with judged answers: to learn from, to choose settings on, to measure on.

    Args:
        data: File to learn from.
        test: File to measure on.
        valid: File to choose settings on; None holds out a share of the training questions.
        columns: Names of the columns of all three, see `read_answers`.
        header: Whether the three begin with a header.
        share: Share held out where there is no validation file.
        seed: Seed of that share.

    Raises:
        UserError: There are too few questions to hold some out.
    """

    def __init__(
        self,
        data: str,
        test: str,
        valid: str | None,
        *,
        columns: Sequence[str] = (),
        header: str = "auto",
        share: float,
        seed: int,
    ):
        files = {"train": data, "valid": valid, "test": test}
        read = {r: read_answers(f, columns, header) for r, f in files.items() if f is not None}
        sets = self.sets = list(read.values())
        self.told = [f"{role}: {each.told}" for role, each in read.items()]
        self.questions = [name for each in sets for name in each.names]
        self.texts = [text for each in sets for text in each.texts]
        first = np.cumsum([[0, 0], *((len(s.names), len(s.label)) for s in sets)], axis=0)
        at = [(int(q), int(d)) for q, d in first]
        train, measured = sets[0], sets[-1]
        good = train.relevant_queries()
        self.train = self.fit = train.split(good)
        if valid is not None:
            self.valid = sets[1].split(sets[1].relevant_queries(), at[1])
        else:
            # Equal questions are on one side, whatever their numbers
            groups = [train.names[n] for n in good]
            held = held_out(len(good), share, seed, groups=groups)
            if not held:
                raise UserError(f"{data} has too few questions to hold some out; name a --valid")
            self.valid, self.fit = train.split(good[held]), train.split(np.delete(good, held))
        self.test = measured.split(measured.relevant_queries(), at[len(sets) - 1])
        self.dropped = _total(sets)
        self.noted = {
            "test questions without a right answer, not measured": len(measured.names)
            - len(self.test),
            "training questions without a right answer": len(train.names) - len(good),
        }
        asked = {"valid": self.valid, "test": self.test}
        self.facts = self._facts(read, {n: split.queries.tolist() for n, split in asked.items()})
        self._vectors: dict[str, tuple[Tensor, Tensor]] = {}
        self.vocabulary: dict[str, int] = {}
        self.question_tokens = token_matrix(
            self.questions, self.vocabulary, LONGEST_QUESTION, grow=True
        )
        self.answer_tokens = token_matrix(self.texts, self.vocabulary, LONGEST_ANSWER, grow=True)
        # Frequencies of the training answers only; a word that they lack is rare
        count = len(train.label)
        self.idf = inverse_frequency(self.answer_tokens[:count], len(self.vocabulary) + 2)

    def _facts(self, read: Mapping[str, Judged], asked: Mapping[str, list[int]]) -> dict[str, Any]:
        """Sizes, counts of labels, and questions of held-out sets that training has too."""
        found: dict[str, Any] = {}
        for role, each in read.items():
            found |= {f"{role}_questions": len(each.names), f"{role}_rows": len(each.label)}
            found[f"{role}_classes"] = each.classes()
        number: dict[str, int] = {}
        for role, queries in asked.items():
            learned = self.train if role == "test" else self.fit
            train = [self.questions[n] for n in learned.queries.tolist()]
            held = [self.questions[n] for n in queries]
            rows = [
                [[number.setdefault(w, len(number)) for w in words(text)] for text in texts]
                for texts in (held, train)
            ]
            near = [one.overlap >= NEAR for one in nearest(*rows)]
            known = set(train)
            found[f"{role}_in_train"] = sum(text in known for text in held) / len(held)
            found[f"{role}_near_train"] = sum(near) / len(near)
        return found

    def scorer(self, name: str, dim: int, encoder: str | None) -> Scorer:
        """A scorer of these texts.

        Args:
            name: Name of the scorer.
            dim: Size of its vectors.
            encoder: Folder or name of an encoder of texts; None where the scorer has none.

        Raises:
            UserError: The scorer reads no texts.
        """
        if name == "encoder":
            if encoder is None:
                raise UserError("--scorer encoder needs --encoder: a name or a folder of a model")
            return EncoderMatcher(*self._encoded(encoder), self.overlap())
        return CNNMatcher(self.overlap(), dim, filters=max(1, dim // 2))

    def _encoded(self, encoder: str) -> tuple[Tensor, Tensor]:
        """Vectors of all questions and answers, made once."""
        if encoder not in self._vectors:
            everything = encode(encoder, [*self.questions, *self.texts])
            count = len(self.questions)
            self._vectors[encoder] = everything[:count], everything[count:]
        return self._vectors[encoder]

    def overlap(self) -> SharedWords:
        """Scores by shared words: the baseline, and a part of the other scorers."""
        return SharedWords(self.question_tokens, self.answer_tokens, self.idf)

    @torch.no_grad()
    def ask(self, scorer: Scorer, question: str, answers: Sequence[str]) -> Float[Tensor, " D"]:
        """Scores of any answers to any question, by a scorer of ours, which then knows them.

        Args:
            scorer: Scorer of these texts.
            question: Text of the question.
            answers: Texts of the answers.
        """
        assert isinstance(scorer, CNNMatcher | EncoderMatcher)
        scorer.words.read(
            token_matrix([question], self.vocabulary, LONGEST_QUESTION, grow=False),
            token_matrix(answers, self.vocabulary, LONGEST_ANSWER, grow=False),
        )
        if isinstance(scorer, EncoderMatcher):
            (encoder,) = self._vectors  # the run's own
            vectors = encode(encoder, [question, *answers])
            scorer.read(vectors[:1], vectors[1:])
        everything = torch.arange(len(answers))
        return scorer.cpu().eval()(torch.zeros(1, dtype=torch.int64), everything)[0]


def _total(sets: Sequence[Judged]) -> dict[str, int]:
    dropped: dict[str, int] = {}
    for each in sets:
        for why, count in each.dropped.items():
            dropped[why] = dropped.get(why, 0) + count
    return dropped


def read_lines(source: str) -> list[str]:
    """Lines of a text file that hold more than blanks.

    Args:
        source: Path of the file.

    Raises:
        UserError: The file cannot be read, is not UTF-8 or is empty.
    """
    try:
        with open(source, encoding="utf-8-sig") as file:
            lines = [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise UserError(f"{source} is not UTF-8 ({reason(error)}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{source} cannot be read: {reason(error)}") from error
    if not lines:
        raise UserError(f"{source} is empty; write one document a line")
    return lines
