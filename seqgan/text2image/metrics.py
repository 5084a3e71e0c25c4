"""How pictures differ from data, and whether they show their sentences.

Scores say in their names which vectors they are made of: `fd_matcher` is a Frechet distance of the
run's own matcher and compares with nothing outside that run. None of them is the FID.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from seqgan.text2image.shapes import UNSAID

CANDIDATES = 100
"""Sentences among which a picture's own is looked for, itself included."""


def r_precision(scores: Float[Tensor, "N N"], captions: list[str], *, seed: int = 0) -> float:
    """How often a picture fits its own sentence better than 99 others; ties are shared.

    Args:
        scores: In row i and column j, how well picture i fits sentence j; high is well.
        captions: Sentences of the pictures; equal ones are never drawn as others.
        seed: Seed of the others.

    Source: Xu et al. 2018 (AttnGAN), section 4.
    """
    draw = torch.Generator().manual_seed(seed)
    number = {text: i for i, text in enumerate(dict.fromkeys(captions))}
    ids = torch.tensor([number[text] for text in captions])
    hits = []
    for row, own in enumerate(ids):
        others = (ids != own).nonzero().squeeze(1)
        picked = others[torch.randperm(len(others), generator=draw)[: CANDIDATES - 1]]
        rival, mine = scores[row, picked], scores[row, row]
        ties = int((rival == mine).sum())
        hits.append(0.0 if bool((rival > mine).any()) else 1 / (1 + ties))
    return sum(hits) / len(hits)


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
    """Cosines of all pairs."""
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
