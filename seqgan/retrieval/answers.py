"""Question answering: texts of questions and answers, their tokens, and scorers of them."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.data.errors import reason
from seqgan.retrieval.judged import Judged, inverse_frequency, read_answers, token_matrix
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.text_scorers import CNNMatcher, EncoderMatcher, SharedWords, encode

LONGEST_QUESTION, LONGEST_ANSWER = 60, 200
"""Tokens kept of a text."""


class Answers:
    """Questions with judged answers: to learn from, to choose settings on, to measure on.

    Args:
        data: File to learn from.
        test: File to measure on.
        valid: File to choose settings on; None holds out a share of the training questions.
        columns: Names of the columns of all three, see `read_answers`.
        share: Share held out where there is no validation file.
        seed: Seed of that share.
    """

    def __init__(
        self,
        data: str,
        test: str,
        valid: str | None,
        *,
        columns: Sequence[str],
        share: float,
        seed: int,
    ):
        sets = [read_answers(file, columns) for file in (data, valid, test) if file is not None]
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
            shuffled = np.random.default_rng(seed).permutation(good)
            held = max(1, int(share * len(good)))
            if held >= len(good):
                raise UserError(f"{data} has too few questions to hold some out; name a --valid")
            self.valid = train.split(np.sort(shuffled[:held]))
            self.fit = train.split(np.sort(shuffled[held:]))
        self.test = measured.split(measured.relevant_queries(), at[len(sets) - 1])
        self.dropped = _total(sets)
        self.noted = {
            "test questions without a right answer, not measured": len(measured.names)
            - len(self.test),
            "training questions without a right answer": len(train.names) - len(good),
        }
        self._vectors: dict[str, tuple[Tensor, Tensor]] = {}
        self.vocabulary: dict[str, int] = {}
        self.question_tokens = token_matrix(
            self.questions, self.vocabulary, LONGEST_QUESTION, grow=True
        )
        self.answer_tokens = token_matrix(self.texts, self.vocabulary, LONGEST_ANSWER, grow=True)
        # Frequencies of the training answers only; a word that they lack is rare
        count = len(train.label)
        self.idf = inverse_frequency(self.answer_tokens[:count], len(self.vocabulary) + 2)

    def scorer(self, name: str, dim: int, filters: int, encoder: str | None) -> Scorer:
        """A scorer of these texts."""
        if name == "encoder":
            if encoder is None:
                raise UserError("--scorer encoder needs --encoder: a name or a folder of a model")
            return EncoderMatcher(*self._encoded(encoder), self.overlap())
        return CNNMatcher(self.overlap(), dim, filters=filters)

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
        """Scores of any answers to any question, by a scorer of ours, which then knows them."""
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
