"""Networks on soft letters: maps of a letter at its place, discriminators of pairs of letters."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn


@final
class LetterMap(nn.Module):
    """Soft letters to soft letters, one by one, by the tables of their places in the key.

    softmax(s W_p x): one matrix a place, which is all that a cipher of tables needs.

    Args:
        letters: Number V of letters.
        period: Number P of places that take turns.
        sharpness: Factor s of the logits, which scales the learning rate.
    """

    def __init__(self, letters: int, period: int, sharpness: float = 10.0):
        super().__init__()
        self.tables = nn.Parameter(0.02 * torch.randn(period, letters, letters))
        self.sharpness = sharpness
        self.multiple = self.scale = 1  # of any length

    def forward(self, soft: Float[Tensor, "N V 1 T"]) -> Float[Tensor, "N V 1 T"]:
        place = torch.arange(soft.shape[3], device=soft.device) % len(self.tables)
        logits = torch.einsum("twv,nvut->nwut", self.tables[place], soft)
        return (self.sharpness * logits).softmax(1)


@final
class PairDiscriminator(nn.Module):
    """Soft letters to a logit for each pair of neighbours, from tables of each place of the key.

    x_t M_p x_(t+1) + b_p x_t

    It is linear in a letter, so that a soft letter counts as the mean of the letters that it mixes,
    and a generator is not driven to commit itself before it knows.

    Args:
        letters: Number V of letters.
        period: Number P of places that take turns.
    """

    def __init__(self, letters: int, period: int):
        super().__init__()
        self.pairs = nn.Parameter(0.01 * torch.randn(period, letters, letters))
        self.singles = nn.Parameter(torch.zeros(period, letters))

    def forward(self, soft: Float[Tensor, "N V 1 T"]) -> Float[Tensor, "N S"]:
        one, other = soft[:, :, 0, :-1], soft[:, :, 0, 1:]
        place = torch.arange(one.shape[2], device=soft.device) % len(self.pairs)
        towards = torch.einsum("tvw,nvt->nwt", self.pairs[place], one)
        return (towards * other).sum(1) + (self.singles[place].T * one).sum(1)
