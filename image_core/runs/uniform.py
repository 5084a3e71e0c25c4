"""A stream of uniform numbers, with which games select rows of data that they hold themselves."""

import torch
from jaxtyping import Float
from torch import Tensor


class Uniform:
    """Uniform random numbers; batch i is a function of i and the seed.

    Args:
        size: Number of values per batch.
        seed: Seed of all batches.
    """

    def __init__(self, size: int, seed: int):
        self.size, self.seed = size, seed

    def __call__(self, index: int) -> Float[Tensor, " size"]:
        """Values in [0, 1), (size,)."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        return torch.rand(self.size, generator=generator)
