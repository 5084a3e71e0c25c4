"""A stream of uniform numbers, by which games pick rows of data they hold themselves."""

import torch
from jaxtyping import Float
from torch import Tensor


class Uniform:
    """Batch i is a function of i and the seed.

    Args:
        size: Numbers of a batch.
        seed: Of all batches.
    """

    def __init__(self, size: int, seed: int):
        self.size, self.seed = size, seed

    def __call__(self, index: int) -> Float[Tensor, " size"]:
        """Numbers in [0, 1)."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        return torch.rand(self.size, generator=generator)
