"""Ranking metrics, one value a query, with the two rules that peers disagree on made explicit.

Ties: documents with equal scores stand in random order, seeded, unless another rule is named: a
list with its right answers first makes any stable sort of a constant scorer perfect.
Ideal: NDCG is divided by the gain of the best list of all relevant documents ("full"), or of those
that the first k hold ("found", as some published code does; always higher).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError

__all__ = [
    "average_precision",
    "hit_rate",
    "ndcg",
    "precision",
    "recall",
    "reciprocal_rank",
]

TIES = ("random", "first", "last")
IDEALS = ("full", "found")
CELLS = 1 << 23
"""Scores ranked at a time: bounds memory, changes nothing."""


class Ranking(NamedTuple):
    """Relevance in the order of the ranking, a row a query.

    Args:
        gain: Gain of each place, 0 where nothing relevant stands or the list has ended.
        relevant: Gains of all relevant documents, the best first, ranked or not.
    """

    gain: Float[Tensor, "Q K"]
    relevant: Float[Tensor, "Q R"]


def rank(
    scores: Float[Tensor, "Q K"],
    gain: Float[Tensor, "Q K"],
    mask: Bool[Tensor, "Q K"],
    *,
    ties: str = "random",
    generator: torch.Generator | None = None,
) -> Ranking:
    """Order documents by score, best first.

    Args:
        scores: Scores of the columns.
        gain: Relevance of each column, 0 or more.
        mask: Columns that are ranked; what is relevant and not ranked counts as missed.
        ties: Order of equal scores: random; first or last column first.
        generator: Generator of the random order.

    Raises:
        UserError: The tie rule is unknown, or a score is no number.
    """
    if ties not in TIES:
        raise UserError(f"ties = {ties!r}: choose one of {', '.join(TIES)}")
    if bool(scores.isnan().any()):
        raise UserError("a score is not a number: nothing can be ranked by it")
    # A score of -inf stands behind all others, and before what is not ranked at all
    scores = scores.clamp(min=torch.finfo(scores.dtype).min).masked_fill(~mask, -torch.inf)
    if ties == "first":
        order = scores.argsort(dim=1, descending=True, stable=True)
    elif ties == "last":
        order = scores.argsort(dim=1, stable=True).flip(1)
    else:
        # On the generator's own device, so that a seed means the same everywhere
        device = None if generator is None else generator.device
        key = torch.rand(scores.shape, generator=generator, device=device).to(scores.device)
        shuffle = key.argsort(dim=1)
        shuffled = scores.gather(1, shuffle).argsort(dim=1, descending=True, stable=True)
        order = shuffle.gather(1, shuffled)
    ranked = gain.masked_fill(~mask, 0).gather(1, order)
    most = int((gain > 0).sum(1).max().clamp(min=1)) if len(gain) else 1
    return Ranking(ranked, gain.topk(min(most, gain.shape[1]), dim=1).values)


def _count(ranking: Ranking) -> Int64[Tensor, " Q"]:
    return (ranking.relevant > 0).sum(1)


def _hits(ranking: Ranking, k: int) -> Int64[Tensor, " Q"]:
    if k < 1:
        raise UserError(f"k = {k}: a list has at least one place")
    return (ranking.gain[:, :k] > 0).sum(1)


def precision(ranking: Ranking, k: int) -> Float[Tensor, " Q"]:
    """P@k: relevant documents among the first k, over k, however short the list is.

    Args:
        ranking: Relevance in the order of the ranking.
        k: Length of the list.

    Raises:
        UserError: k is below 1.
    """
    return _hits(ranking, k) / k


def recall(ranking: Ranking, k: int) -> Float[Tensor, " Q"]:
    """Share of all relevant documents among the first k; 0 where nothing is relevant.

    Args:
        ranking: Relevance in the order of the ranking.
        k: Length of the list.

    Raises:
        UserError: k is below 1.
    """
    return _hits(ranking, k) / _count(ranking).clamp(min=1)


def hit_rate(ranking: Ranking, k: int) -> Float[Tensor, " Q"]:
    """1 where any of the first k is relevant, else 0.

    Args:
        ranking: Relevance in the order of the ranking.
        k: Length of the list.

    Raises:
        UserError: k is below 1.
    """
    return (_hits(ranking, k) > 0).float()


def ndcg(ranking: Ranking, k: int, ideal: str = "full") -> Float[Tensor, " Q"]:
    """Discounted gain over that of an ideal list; 0 where nothing is relevant.

    sum_(i <= k) gain_i / log2(i + 1)  /  the same of the ideal list

    The gain is linear in the relevance; give 2^relevance - 1 for the other convention.

    Args:
        ranking: Ranking of the queries.
        k: Number of places that count.
        ideal: What it divides by: full, all relevant documents, the best first; found, those among
            the first k.

    Raises:
        UserError: The ideal is unknown, or k is below 1.

    Source: Jarvelin & Kekalainen 2002; discount as in trec_eval.
    """
    if ideal not in IDEALS:
        raise UserError(f"ideal = {ideal!r}: choose one of {', '.join(IDEALS)}")
    _hits(ranking, k)
    found = ranking.gain[:, :k]
    best = ranking.relevant[:, :k] if ideal == "full" else found.sort(1, descending=True).values
    return _discounted(found) / _discounted(best).clamp(min=torch.finfo(found.dtype).tiny)


def _discounted(gain: Tensor) -> Tensor:
    place = torch.arange(1, gain.shape[1] + 1, device=gain.device, dtype=gain.dtype)
    return (gain / torch.log2(place + 1)).sum(1)


def average_precision(ranking: Ranking) -> Float[Tensor, " Q"]:
    """Mean over all relevant documents of the precision where each stands; 0 for those missed.

    Args:
        ranking: Relevance in the order of the ranking.
    """
    relevant = (ranking.gain > 0).double()
    place = torch.arange(1, relevant.shape[1] + 1, device=relevant.device)
    total = (relevant * relevant.cumsum(1) / place).sum(1)
    return (total / _count(ranking).clamp(min=1)).to(ranking.gain.dtype)


def reciprocal_rank(ranking: Ranking) -> Float[Tensor, " Q"]:
    """1 over the place of the first relevant document; 0 where there is none.

    Args:
        ranking: Relevance in the order of the ranking.
    """
    relevant = ranking.gain > 0
    first = relevant.to(torch.int8).argmax(1) + 1
    return relevant.any(1) / first


def measure(ranking: Ranking, at: Sequence[int] = (3, 5, 10)) -> dict[str, Float[Tensor, " Q"]]:
    """All metrics of each query: p@k, ndcg@k, recall@k and hit@k for each k, map and mrr.

    Args:
        ranking: Relevance in the order of the ranking.
        at: Lengths k of the list.
    """
    values: dict[str, Tensor] = {f"p@{k}": precision(ranking, k) for k in at}
    values |= {f"ndcg@{k}": ndcg(ranking, k) for k in at}
    values |= {"map": average_precision(ranking), "mrr": reciprocal_rank(ranking)}
    values |= {f"recall@{k}": recall(ranking, k) for k in at}
    values |= {f"hit@{k}": hit_rate(ranking, k) for k in at}
    return values
