"""Figures of replies as text, the same whatever wrote them, and the pairs they are measured on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from importlib.util import find_spec
from typing import NamedTuple

import torch
import torch.nn.functional as F

from seqgan import metrics
from seqgan.dialogue.encode import EncodedPairs, Format
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.turns import Dialogues, pairs_of
from seqgan.dialogue.words import joined, words_of
from seqgan.judges.encoders import TransformerEncoder

DULL = 10
"""So many of the most frequent training replies are called dull."""

Row = dict[str, float | str]


class AnsweredPairs(NamedTuple):
    """Contexts, and what they are answered with by people.

    Args:
        encoded: Contexts and replies, encoded.
        contexts: The last turn of each context.
        replies: People's replies.
    """

    encoded: EncodedPairs
    contexts: list[str]
    replies: list[str]


def texts_of(dialogues: Dialogues) -> tuple[list[str], list[str]]:
    """The turn before each reply, and the reply; in the order in which they are encoded.

    Args:
        dialogues: Dialogues to learn from.
    """
    pairs = [(before[-1].text, r.text) for d in dialogues.items for before, r in pairs_of(d)]
    return [context for context, _ in pairs], [reply for _, reply in pairs]


def drawn_of(
    encoded: EncodedPairs, dialogues: Dialogues, most: int, device: torch.device
) -> tuple[AnsweredPairs, AnsweredPairs]:
    """Two disjoint draws of a test set, the same in every run on it.

    The models answer the contexts of the first; people's replies of the second stand in the
    models' place. Both have as many pairs, unless there is one in all, which is in both.

    Args:
        encoded: The whole test set, encoded.
        dialogues: The same as text.
        most: Most pairs of each.
        device: Device of the encoded pairs.
    """
    count = max(1, min(most, len(encoded.reply) // 2))
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(encoded.reply), generator=generator)
    contexts, replies = texts_of(dialogues)

    def pick(places: torch.Tensor) -> AnsweredPairs:
        some = EncodedPairs(*(part[places].to(device) for part in encoded))
        rows = places.tolist()
        return AnsweredPairs(some, [contexts[i] for i in rows], [replies[i] for i in rows])

    return pick(order[:count]), pick(order[-count:])


def answers(
    policy: DialoguePolicy, pairs: EncodedPairs, generation: GenerationOptions, length: int
) -> torch.Tensor:
    """A model's replies, as tokens.

    Args:
        policy: Generator that writes them.
        pairs: AnsweredPairs whose contexts are answered.
        generation: How tokens are sampled.
        length: Most tokens of a reply.
    """
    found = []
    for context, attention_mask, _ in zip(*(part.split(64) for part in pairs), strict=True):
        reply = policy.sample(context, attention_mask, length, generation)
        found.append(F.pad(reply, (0, length - reply.shape[1]), value=policy.pad))
    return torch.cat(found)


def lines_of(replies: torch.Tensor, form: Format) -> list[str]:
    """Replies as lines of text, each with its marks where they are written.

    Args:
        replies: Ids of replies, (N, T).
        form: Tells tokens as text.
    """
    return [line_of(form.decode(row)) for row in replies.tolist()]


def line_of(text: str) -> str:
    """A text on one line, with its marks where they are written.

    Args:
        text: Text, of words with blanks between them.
    """
    return " ".join(joined(text).split())


class Training(NamedTuple):
    """What a model has read.

    Args:
        contexts: The turn before each reply.
        replies: People's replies.
        often: Number of times that each reply is said, as its words.
    """

    contexts: list[str]
    replies: list[str]
    often: Counter[str]


def training_of(dialogues: Dialogues) -> Training:
    """The training set as text.

    Args:
        dialogues: Training set.
    """
    contexts, replies = texts_of(dialogues)
    return Training(contexts, replies, Counter(map(spoken, replies)))


def spoken(text: str) -> str:
    """A text as its words alone.

    Args:
        text: Text of a turn.
    """
    return " ".join(words_of(text))


def figures(
    replies: Sequence[str],
    references: Sequence[str],
    contexts: Sequence[str],
    training: Training,
) -> Row:
    """Figures of replies, as lines; BLEU in per cent.

    Words are those of `seqgan evaluate --lowercase`, whose figures of the same name are these.
    `ms_jaccard` compares n-grams with the references' (quality and diversity in one).
    `from_training`: share said word for word in training; `dull`: share that is one of its ten most
    frequent replies; `from_context`: mean share of a reply that is one piece of its context.

    Args:
        replies: The replies.
        references: People's replies to the contexts that models answer, as many.
        contexts: The last turn of each reply's context.
        training: What the models have read.
    """
    sentences, wanted = numbered(replies, references)
    said, asked = [spoken(text) for text in replies], [spoken(text) for text in contexts]
    dull = {text for text, _ in training.often.most_common(DULL)}
    row: Row = {
        f"bleu{n}": metrics.corpus_bleu(replies, [references], order=n, lowercase=True).score
        for n in (2, 4)
    }
    return row | {
        "distinct1": metrics.distinct(sentences, 1),
        "distinct2": metrics.distinct(sentences, 2),
        "entropy4": metrics.ngram_entropy(sentences, 4),
        "self_bleu4": metrics.self_bleu(sentences, [4])[4],
        "ms_jaccard": metrics.ms_jaccard(sentences, wanted),
        "length": metrics.lengths(sentences).mean,
        "unique": metrics.unique_share(sentences),
        "repeats": metrics.repetition_share(sentences, 2),
        "echoes": sum(a == b for a, b in zip(said, asked, strict=True)) / len(said),
        "from_context": sum(map(_piece, replies, contexts)) / len(said),
        "from_training": sum(text in training.often for text in said) / len(said),
        "dull": sum(text in dull for text in said) / len(said),
    }


def _piece(reply: str, context: str) -> float:
    """The longest run of words of a reply that its context holds, as a share of the reply."""
    a, b = words_of(reply), words_of(context)
    return SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size / max(1, len(a))


def numbered(*kinds: Sequence[str]) -> list[list[list[int]]]:
    """Each kind of lines as numbers of its lower-cased words, the same in all kinds."""
    from nltk.tokenize import NLTKWordTokenizer

    ids: dict[str, int] = {}
    split = NLTKWordTokenizer().tokenize
    return [
        [[ids.setdefault(word, len(ids)) for word in split(line.lower())] for line in lines]
        for lines in kinds
    ]


def alike(
    source: str, references: Sequence[str], said: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, Row]]:
    """Figures of vectors, for each row: likeness to the references, word vectors, MAUVE.

    `likeness` is the mean cosine of both sentences' vectors.

    Args:
        source: An encoder, see `judges.encoders.TransformerEncoder`.
        references: People's replies to the contexts that the rows answer.
        said: Replies by row.

    Returns:
        The encoder's name, and figures by row.
    """
    encoder, rows = TransformerEncoder(source), {}
    wanted, words = encoder.sentences(references), [words_of(text) for text in references]
    for name, replies in said.items():
        vectors = encoder.sentences(replies)
        found = metrics.embedding_similarity(
            [words_of(text) for text in replies], words, encoder.words
        )
        row: Row = {f"embedding_{key}": value for key, value in found._asdict().items()}
        row["likeness"] = float(F.cosine_similarity(vectors, wanted).mean())
        if find_spec("mauve"):
            row["mauve"] = metrics.mauve(wanted, vectors)
        rows[name] = row
    return encoder.name, rows
