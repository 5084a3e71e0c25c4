"""MaliGAN (Che, Li, Zhang, Hjelm, Li, Song & Bengio 2017): likelihood of re-weighted own samples.

    r(y) = D(y) / (1 - D(y)),  gradient = sum_i (r_i / sum_j r_j - b) d log G(y_i)

The discriminator judges whole sentences, without rollouts. b = 1/B centres the weights, as in the
authors' code; the paper lets it grow from 0. r is bounded, for a discriminator that is sure of one
sample would leave no other.
"""

from dataclasses import dataclass

from image_core.adversarial import estimators
from image_core.adversarial.losses import density_ratio
from seqgan.lm.policies import SequencePolicy
from seqgan.text.config import ClassifierOptions, Sequences, two_players
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.games.sequence import SequenceGame
from seqgan.text.rewards import sentence_reward


@dataclass(kw_only=True)
class Options(ClassifierOptions):
    """MaliGAN."""

    g_lr: float = 1e-3


def maligan(
    G: SequencePolicy, D: SequenceDiscriminator, length: int, **options: object
) -> SequenceGame:
    """MaliGAN: importance weights D/(1-D) over the batch, one output of D a sentence.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence.
        options: Those of `SequenceGame`.

    Source: Che et al. 2017, eq. 8.
    """
    defaults = {"reward": sentence_reward(density_ratio), "estimator": estimators.importance()}
    return SequenceGame(G, D, length, **{**defaults, **options})  # type: ignore[arg-type]


def game(o: Options, s: Sequences) -> SequenceGame:
    """The game of a run's options."""
    policy = o.lstm(s)
    return maligan(policy, o.cnn(policy, o.d_l2), s.length, **o.sampled())


players = two_players
