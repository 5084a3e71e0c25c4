"""DAIL (2025, arXiv 2510.00922): GAIL with a discovered reward, sigmoid(l) (tanh(l) + 1) / 2.

A search over formulas found it. It lies between 0 and 1, and where the logit l is far below 0 it
pays almost nothing.
"""

from dataclasses import dataclass

from rl.discriminators import DenseDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """DAIL."""

    reward: str = "discovered"
    loss: str = "non_saturating"
    penalty: str = "r1=1"


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = DenseDiscriminator(*task.parts, hidden=o.d_layers(), spectral=o.spectral)
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
