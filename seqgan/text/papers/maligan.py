"""MaliGAN (Che, Li, Zhang, Hjelm, Li, Song & Bengio 2017): likelihood of re-weighted samples.

    r(y) = D(y) / (1 - D(y)),  gradient = sum_i (r_i / sum_j r_j - b) d log G(y_i)

The discriminator scores whole sentences, without rollouts. b = 1/B centres the weights, as in the
authors' code; in the paper b grows from 0. r is bounded, because otherwise a single sample with
D(y) close to 1 would receive all the weight.
"""

from dataclasses import dataclass

from image_core.adversarial import estimators
from image_core.adversarial.arguments import python_call
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

    def method(self) -> dict[str, str]:
        weights = {"reward": "D/(1-D) of the whole sentence", "estimator": "importance"}
        return {**super().method(), **weights}


@python_call()
def maligan(
    G: SequencePolicy, D: SequenceDiscriminator, length: int, **options: object
) -> SequenceGame:
    """MaliGAN: importance weights D/(1-D) over the batch, one output of D per sentence.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        options: Further arguments of `SequenceGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Che et al. 2017, eq. 8.
    """
    defaults = {"reward": sentence_reward(density_ratio), "estimator": estimators.importance()}
    return SequenceGame(G, D, length, **{**defaults, **options})  # type: ignore[arg-type]


def game(o: Options, s: Sequences) -> SequenceGame:
    """Build the game from a run's options."""
    policy = o.build_policy(s)
    return maligan(policy, o.build_discriminator(policy), s.length, **o.sampled())


players = two_players
