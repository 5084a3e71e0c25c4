"""How pictures differ from data, and whether they show their sentences.

Scores say in their names which vectors they are made of: `fd_matcher` is a Frechet distance of the
run's own matcher and compares with nothing outside that run. None of them is the FID.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from seqgan.text2image.shapes import UNSAID

CANDIDATES = 100
"""Sentences among which a picture's own is looked for, itself included."""
SHUFFLES = 5
"""Draws of wrong sentences for the control."""


class RetrievalHits(NamedTuple):
    """How often pictures find their sentences.

    Args:
        hits: Of each picture, 1 where it fits its own sentence best, shared among ties.
        chance: What guesses score: 1 in the number of sentences to choose from.
    """

    hits: Float[Tensor, " N"]
    chance: float

    @property
    def mean(self) -> float:
        """R-precision."""
        return float(self.hits.mean())

    def half_width(self, z: float = 1.96, groups: Sequence[str] = ()) -> float:
        """Half the width of its interval over groups of pictures; 1 where there is one group.

        z sqrt(G / (G - 1) sum_g (sum_{i in g} h_i - mean)^2) / N

        Args:
            z: Quantile of the normal distribution.
            groups: Group of each picture; empty where each is a group.
        """
        named = groups or [str(row) for row in range(len(self.hits))]
        number = {group: i for i, group in enumerate(dict.fromkeys(named))}
        place = torch.tensor([number[group] for group in named])
        count = len(number)
        if count < 2:
            return 1.0
        sums = torch.zeros(count).index_add(0, place, self.hits - self.hits.mean())
        return z * float((sums.square().sum() * count / (count - 1)).sqrt()) / len(self.hits)


def r_precision(scores: Float[Tensor, "N N"], captions: list[str], *, seed: int = 0) -> float:
    """How often a picture fits its own sentence better than 99 others; ties are shared.

    Args:
        scores: In row i and column j, how well picture i fits sentence j; high is well.
        captions: Sentences of the pictures; equal ones are never drawn as others.
        seed: Seed of the others.

    Source: Xu et al. 2018 (AttnGAN), section 4.
    """
    return retrieval(scores, captions, seed=seed).mean


def retrieval(scores: Float[Tensor, "N N"], captions: list[str], *, seed: int = 0) -> RetrievalHits:
    """R-precision picture by picture, see `r_precision`.

    Args:
        scores: Score of each sentence for each picture, (N, N).
        captions: Sentences, of which equal ones are equally right.
        seed: Seed of the draws.
    """
    ids = _numbers(captions)
    return _looked_for(scores, ids, torch.arange(len(ids)), torch.Generator().manual_seed(seed))


def shuffled_retrieval(
    scores: Float[Tensor, "N N"], captions: list[str], *, seed: int = 0
) -> RetrievalHits | None:
    """The control of R-precision: a sentence of another picture in the place of a picture's own.

    Neither it nor the picture's own is drawn among the others, so that it is found by chance. None
    where all sentences are equal.

    Args:
        scores: In row i and column j, how well picture i fits sentence j.
        captions: Sentences of the pictures.
        seed: Seed of the draws.
    """
    ids, draw = _numbers(captions), torch.Generator().manual_seed(seed)
    count = len(ids)
    if len(set(ids.tolist())) < 3:
        return None
    found = []
    for _ in range(SHUFFLES):
        order = torch.randperm(count, generator=draw).tolist()
        wrong = []
        for row in range(count):
            start = int(torch.randint(count, (), generator=draw))
            others = (order[(start + step) % count] for step in range(count))
            wrong.append(next(other for other in others if ids[other] != ids[row]))
        found.append(_looked_for(scores, ids, torch.tensor(wrong), draw))
    hits = torch.stack([one.hits for one in found]).mean(0)
    return RetrievalHits(hits, sum(one.chance for one in found) / len(found))


def _numbers(captions: list[str]) -> Int64[Tensor, " N"]:
    number = {text: i for i, text in enumerate(dict.fromkeys(captions))}
    return torch.tensor([number[text] for text in captions])


def _looked_for(
    scores: Float[Tensor, "N N"],
    ids: Int64[Tensor, " N"],
    place: Int64[Tensor, " N"],
    draw: torch.Generator,
) -> RetrievalHits:
    """How often the sentence at a place wins against others, neither equal to it nor the true."""
    hits, chances = [], []
    for row, mine in enumerate(place.tolist()):
        others = ((ids != ids[mine]) & (ids != ids[row])).nonzero().squeeze(1)
        picked = others[torch.randperm(len(others), generator=draw)[: CANDIDATES - 1]]
        rival, own = scores[row, picked], scores[row, mine]
        ties = int((rival == own).sum())
        # A score that is no number is no hit
        hits.append(1 / (1 + ties) if bool((rival <= own).all()) else 0.0)
        chances.append(1 / (1 + len(picked)))
    return RetrievalHits(torch.tensor(hits), sum(chances) / len(chances))


def is_fair(real: RetrievalHits, shuffled: RetrievalHits | None, groups: Sequence[str] = ()) -> str:
    """Why R-precision says nothing here; "" where it does.

    Real pictures must find their sentences more often than by chance, and wrong sentences must be
    found by chance, within an interval of 99.9 % over groups of pictures.

    Args:
        real: Real pictures with their own sentences.
        shuffled: Real pictures with wrong sentences; None where all sentences are equal.
        groups: Group of each picture; empty where each is a group.
    """
    if shuffled is None:
        return "there are not three different sentences"
    if real.mean - real.half_width(groups=groups) <= real.chance:
        return (
            f"real pictures find their sentences in {real.mean:.1%}, no more than by chance "
            f"({real.chance:.1%})"
        )
    gap = abs(shuffled.mean - shuffled.chance)
    if gap > max(shuffled.half_width(3.29, groups), 3 / len(shuffled.hits) / SHUFFLES):
        return (
            f"wrong sentences are found in {shuffled.mean:.1%}, not by chance "
            f"({shuffled.chance:.1%})"
        )
    return ""


def exact_scores(read: Int64[Tensor, "N A"], asked: Int64[Tensor, "M A"]) -> Float[Tensor, "N M"]:
    """Share of what a sentence says that a picture shows, for all pairs.

    Args:
        read: Attributes of pictures.
        asked: Attributes of sentences, -1 where nothing is said.
    """
    said = asked != UNSAID
    right = (read[:, None] == asked) & said
    return right.sum(2) / said.sum(1).clamp(min=1)


def cosines(one: Float[Tensor, "N D"], other: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """Cosines of all pairs.

    Args:
        one: Vectors, (N, D).
        other: Vectors, (M, D).
    """
    return F.normalize(one, dim=1) @ F.normalize(other, dim=1).T


def spread(images: Float[Tensor, "P K 3 S S"]) -> float:
    """Root mean squared difference of two pictures of one sentence, over all such pairs.

    Args:
        images: K pictures of each of P sentences, in [-1, 1].
    """
    rows = images.flatten(2)
    apart = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    count = rows.shape[1]
    return float(apart.sum() / (len(rows) * count * (count - 1)) / rows.shape[2] ** 0.5)


def nearest(
    images: Float[Tensor, "N 3 S S"], training: Float[Tensor, "M 3 S S"]
) -> Float[Tensor, " N"]:
    """Root mean squared difference of each picture and the training picture most like it.

    Args:
        images: Pictures in [-1, 1].
        training: Training pictures in [-1, 1].
    """
    apart = torch.cdist(images.flatten(1), training.flatten(1)).amin(1)
    return apart / images[0].numel() ** 0.5
