"""MaliGAN (Che, Li, Zhang, Hjelm, Li, Song & Bengio 2017): likelihood of re-weighted own samples.

    r(y) = D(y) / (1 - D(y)),  gradient = sum_i (r_i / sum_j r_j - b) d log G(y_i)

One verdict a sentence, no rollouts. b = 1/B centres the weights, as the authors' code; the paper
lets it grow from 0. r is bounded, for a critic that is sure of one sample would leave no other.
"""

from typing import TYPE_CHECKING, Any

from image_core.adversarial import estimators
from image_core.adversarial.game import Game
from image_core.adversarial.losses import density_ratio
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.discriminators import SequenceCritic
from seqgan.text.games.sequence import SequenceGame
from seqgan.text.papers import RealRows
from seqgan.text.rewards import sentence_reward

if TYPE_CHECKING:
    from seqgan.text.config import SequenceConfig

NAME = "MaliGAN"
METHOD: dict[str, Any] = {"estimator": "importance", "baseline": "none", "reduction": "mean"}
RATES: dict[str, Any] = {"policy_lr": 1e-3}
GAME = "sequence"
PAPER: dict[str, Any] = {}
UNREAD = ("rollouts", "beta_max")
policy = LSTMPolicy


def maligan(G: SequencePolicy, D: SequenceCritic, length: int, **options: object) -> SequenceGame:
    """MaliGAN: importance weights D/(1-D) over the batch, one verdict a sentence.

    Args:
        G: the policy.
        D: the critic.
        length: tokens of a sequence.
        options: of `SequenceGame`.

    Source: Che et al. 2017, eq. 8.
    """
    defaults = {"reward": sentence_reward(density_ratio), "estimator": estimators.importance()}
    return SequenceGame(G, D, length, **{**defaults, **options})  # type: ignore[arg-type]


def game(policy: LSTMPolicy, length: int, real: RealRows, options: "SequenceConfig") -> Game:
    """The game of a run's options."""
    return maligan(policy, options.make_critic(policy), length, **options.game_options(length))
