"""AIRL (Fu, Luo & Levine 2018): D = e^f / (e^f + pi) with f = g(s, a) + gamma h(s') - h(s).

Its reward log D - log(1 - D) is f - log pi. g is the reward that is recovered, h its shaping.
"""

from dataclasses import dataclass

from rl.discriminators import ShapedDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """AIRL."""

    reward: str = "log_ratio"
    loss: str = "non_saturating"
    penalty: str = "r1=1"


PRESETS = {"paper": {"penalty": ""}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = ShapedDiscriminator(*task.parts, o.gamma, o.d_layers(), spectral=o.spectral)
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
