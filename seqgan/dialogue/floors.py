"""Replies that need no model: what any figure of a model has to be seen beside."""

import math
import random
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from seqgan.dialogue.words import words_of


def random_replies(train: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """Replies of the training set, to other contexts.

    Args:
        train: Replies of the training set.
        count: Number of replies.
        seed: Seed of the draw.
    """
    draw = random.Random(seed)
    return [draw.choice(train) for _ in range(count)]


def dull_replies(train: Sequence[str], count: int) -> list[str]:
    """The reply that is most frequent in the training set, always.

    Args:
        train: Replies of the training set.
        count: Number of replies.
    """
    often = Counter(" ".join(words_of(text)) for text in train)
    return [often.most_common(1)[0][0]] * count


def nearest_replies(
    train_contexts: Sequence[str], train_replies: Sequence[str], contexts: Sequence[str]
) -> list[str]:
    """The reply to the training context that is nearest by cosine of TF-IDF vectors.

    tf-idf(w) = (1 + log count) log(N / (1 + contexts with w)); ties go to the first

    Args:
        train_contexts: Contexts of the training set.
        train_replies: Reply to each of them.
        contexts: Contexts to answer.
    """
    vocabulary: dict[str, int] = {}
    rows = [Counter(words_of(text)) for text in train_contexts]
    in_contexts: Counter[str] = Counter()
    for row in rows:
        in_contexts.update(row.keys())
    for word in in_contexts:
        vocabulary[word] = len(vocabulary)
    rarity = {w: math.log(len(rows) / (1 + n)) + 1 for w, n in in_contexts.items()}
    table = _vectors(rows, vocabulary, rarity)
    found = []
    for first in range(0, len(contexts), 64):
        asked = [Counter(words_of(text)) for text in contexts[first : first + 64]]
        query = _vectors(asked, vocabulary, rarity).to_dense()
        likeness = torch.sparse.mm(table, query.T)
        found += [train_replies[i] for i in likeness.argmax(0).tolist()]
    return found


def _vectors(
    rows: Sequence[Counter], vocabulary: dict[str, int], rarity: dict[str, float]
) -> Tensor:
    """Sparse rows of length 1."""
    indices: tuple[list[int], list[int]] = ([], [])
    values: list[float] = []
    for number, row in enumerate(rows):
        weights = {w: (1 + math.log(n)) * rarity[w] for w, n in row.items() if w in vocabulary}
        norm = math.sqrt(sum(v * v for v in weights.values())) or 1.0
        for word, weight in weights.items():
            indices[0].append(number)
            indices[1].append(vocabulary[word])
            values.append(weight / norm)
    size = (len(rows), len(vocabulary))
    table = torch.sparse_coo_tensor(
        torch.tensor(indices), torch.tensor(values), size, check_invariants=True
    )
    return table.coalesce()
