"""WAIL (Xiao et al. 2019): the reward is the output of a Wasserstein discriminator.

Its slope is held below 1 by a one-sided penalty, in place of the paper's regularised dual.
"""

from dataclasses import dataclass

from rl.discriminators import DenseDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """WAIL."""

    reward: str = "log_ratio"
    loss: str = "wasserstein"
    penalty: str = "lipschitz=10"


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = DenseDiscriminator(*task.parts, hidden=o.d_layers(), spectral=o.spectral)
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
