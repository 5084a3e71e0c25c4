"""VAIL (Peng, Kanazawa, Toyer, Abbeel & Levine 2019): GAIL behind an information bottleneck.

The discriminator may learn only so much about each row, here with R1 beside the bottleneck. It
takes three times the steps that the relatives take: with fewer its code is not settled before the
policy learns from it, and in the end the policy finds rows that it likes better than the expert's.
"""

from dataclasses import dataclass

from image_core.runs import options
from rl.discriminators import BottleneckDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """VAIL.

    Args:
        information: Nats that the discriminator may learn about a row.
        beta_rate: Step size of the multiplier that holds the information there.
    """

    reward: str = "positive"
    loss: str = "non_saturating"
    penalty: str = "r1=1"
    d_steps: int = 24
    information: float = 0.5
    beta_rate: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "information", "beta_rate")
        options.check_least(self, 2, "d_hidden")


PRESETS = {"paper": {"penalty": "", "d_steps": 1}, "tiny": {"d_steps": 2}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = BottleneckDiscriminator(
        *task.parts,
        hidden=o.d_layers(),
        information=o.information,
        beta_rate=o.beta_rate,
        spectral=o.spectral,
    )
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
