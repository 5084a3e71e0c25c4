"""AIRL (Fu, Luo & Levine 2018): D = e^f / (e^f + pi) with f = g(s, a) + gamma h(s') - h(s).

Its reward log D - log(1 - D) is f - log pi. g is the reward that is recovered, h its shaping.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from image_core.runs import options
from rl.discriminators import ShapedDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """AIRL.

    Args:
        past_rollouts: Number of newest rollouts that the discriminator learns against. The paper's
            20 keep a reward true where only earlier policies went, which another agent needs; the
            policy itself learns faster against the newest alone.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    reward: str = "log_ratio"
    loss: str = "non_saturating"
    penalty: str = "r1=1"
    past_rollouts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "past_rollouts")


PRESETS: Mapping[str, Mapping[str, Any]] = {"paper": {"penalty": "", "past_rollouts": 20}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = ShapedDiscriminator(*task.parts, o.gamma, o.d_layers(), spectral=o.spectral)
    return make_game(o, task, learner, D, **o.reward_and_loss(), past_rollouts=o.past_rollouts)


players = on_policy_players
