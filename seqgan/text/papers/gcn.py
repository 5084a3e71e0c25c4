"""Generative cooperative networks (Lamprier, Scialom et al. 2022): likelihood of what D prefers.

    q(y) = G(y) D(y) / Z,   next G = argmin KL(q, G)

The policy learns samples of q by maximum likelihood: here samples of G with the self-normalised
weights D(y) / sum D. With an exact D this map has the data distribution as its fixed point, with
weights below 1; MaliGAN's D / (1 - D) would arrive in one step, with weights without a bound.
SelfGAN (Scialom et al. 2021) draws from q by a tree search that D guides; this costs many outputs
of D a token, and is not done here.
"""

from dataclasses import dataclass

import torch

from seqgan.text.config import ClassifierOptions, Sequences, two_players
from seqgan.text.games.weighted import WeightedGame


@dataclass(kw_only=True)
class Options(ClassifierOptions):
    """Generative cooperative networks."""

    g_lr: float = 1e-3
    samples: int = 512

    def method(self) -> dict[str, str]:
        weight = "D of the whole sentence, normalised over samples"
        return {**super().method(), "reward": weight, "estimator": "weighted likelihood"}


PRESETS = {"tiny": {"samples": 8}}


def game(o: Options, s: Sequences) -> WeightedGame:
    """Build the game from a run's options."""
    policy = o.build_policy(s)
    discriminator = o.build_discriminator(policy)
    return WeightedGame(
        policy, discriminator, s.length, weight=torch.sigmoid, mixed=False, **o.sampled()
    )


players = two_players
