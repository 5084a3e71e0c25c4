"""GAIL (Ho & Ermon 2016): a policy rewarded by -log(1 - D(s, a)), where D knows the expert's moves.

The reward is positive, which alone pays for staying alive; in the preset classic it is
log D - log(1 - D), of either sign, so that one setting serves tasks that want to live long and
tasks that want to end.
"""

from dataclasses import dataclass

from rl.discriminators import DenseDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """GAIL."""

    reward: str = "positive"
    loss: str = "non_saturating"
    penalty: str = "r1=1"


PRESETS = {"classic": {"reward": "log_ratio"}, "paper": {"penalty": ""}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = DenseDiscriminator(*task.parts, hidden=o.d_layers(), spectral=o.spectral)
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
