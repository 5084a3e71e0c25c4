"""A game of four queries and random networks."""

import functools

import torch

from seqgan.retrieval.papers.irgan import irgan
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import MatrixFactorization
from seqgan.retrieval.split import Split

adam = functools.partial(torch.optim.Adam, lr=0.02)


def small(**options):
    """Four queries, one without positives, and random networks."""
    torch.manual_seed(1)
    positives = Ragged(torch.tensor([0, 2, 2, 3, 6]), torch.tensor([1, 4, 0, 2, 3, 5]))
    split = Split(torch.arange(4), 7, positives)
    make = options.pop("paper", irgan)
    return make(
        MatrixFactorization(4, 7, 3, 1.0), MatrixFactorization(4, 7, 3, 1.0), split, **options
    )
