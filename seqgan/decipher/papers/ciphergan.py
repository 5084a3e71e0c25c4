"""CipherGAN (Gomez et al. 2018): CycleGAN on letters deciphers without a pair.

A generator is one table of letters a place of the key, and a discriminator one table of pairs,
linear in each letter; the paper has convolutions of both. There is no pool: that of the released
code is emptied in every step.
"""

import functools
from dataclasses import dataclass

import torch

from image_core.games.cycle import CycleGAN
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.penalties import make_penalty
from image_core.runs.players import Player, adam
from seqgan.decipher.ciphers import Cipher
from seqgan.decipher.config import RoundTripOptions
from seqgan.decipher.nets import LetterMap, PairDiscriminator

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(RoundTripOptions):
    """CipherGAN."""


def game(o: Options, cipher: Cipher) -> CycleGAN:
    """The game of a run's options: A is cipher text, B plain text."""
    letters, period = len(o.alphabet), o.period or cipher.period
    row = torch.zeros(letters, 1, o.length)
    return CycleGAN(
        *(LetterMap(letters, period) for _ in range(2)),
        *(PairDiscriminator(letters, period) for _ in range(2)),
        pool=0,
        rows=(row, row),
        loss=make_loss(o.loss, CONTINUOUS),
        penalty=make_penalty(o.penalty),
        cycle=o.cycle * letters,  # its mean is over all letters, not over the one of a place
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """Both generators as one player, which learns by SGD, and the two discriminators."""
    rates = {"G": o.g_lr, "DA": o.d_lr, "DB": o.d_lr}
    made = {name: adam(lr, (o.beta1, o.beta2)) for name, lr in rates.items()}
    # Adam would move rare letters as fast as frequent ones, and all of them to the same letter
    made["G"] = functools.partial(torch.optim.SGD, lr=o.g_lr, momentum=o.beta1)
    return [Player(name, own, o.max_grad_norm) for name, own in made.items()]
