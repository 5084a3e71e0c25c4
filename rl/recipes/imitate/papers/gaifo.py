"""GAIfO (Torabi, Warnell & Stone 2018): GAIL from observations alone, by D(s, s').

The discriminator sees a state and the next one, and no action.
"""

from dataclasses import dataclass

from rl.discriminators import DenseDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """GAIfO."""

    reward: str = "positive"
    loss: str = "non_saturating"
    penalty: str = "r1=1"

    def reads_actions(self) -> bool:
        return self.bc_steps > 0  # cloning alone needs them


PRESETS = {"paper": {"penalty": ""}, "tiny": {"bc_steps": 0}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = DenseDiscriminator(*task.parts, "state_next", o.d_layers(), o.spectral)
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
