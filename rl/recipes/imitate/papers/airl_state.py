"""State-only AIRL (Fu, Luo & Levine 2018, section 5): AIRL whose reward g(s) sees states alone.

Such a reward is what carries over to other dynamics.
"""

from dataclasses import dataclass

from rl.discriminators import ShapedDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """State-only AIRL."""

    reward: str = "log_ratio"
    loss: str = "non_saturating"
    penalty: str = "r1=1"


PRESETS = {"paper": {"penalty": ""}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = ShapedDiscriminator(
        *task.parts, o.gamma, o.d_layers(), state_only=True, spectral=o.spectral
    )
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
