"""DRAIL (Lai, Wang, Hsieh, Frank Wang, Chen & Sun 2024): GAIL whose discriminator denoises.

A conditional diffusion model removes noise from rows of state and action, once as the expert's and
once as the policy's; the logit is the difference of its errors. Rewards are log D - log(1 - D).
"""

from dataclasses import dataclass

from image_core.runs import options
from rl.diffusion import DiffusionDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions

DEPTH = 4
"""Layers of the denoiser."""


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """DRAIL.

    Args:
        draws: Draws of noise of which a reward is the mean.
    """

    reward: str = "log_ratio"
    loss: str = "non_saturating"
    penalty: str = ""
    d_hidden: int = 128
    draws: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "draws")


PRESETS = {"tiny": {"d_hidden": 8}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = DiffusionDiscriminator(
        *task.parts, hidden=[o.d_hidden] * DEPTH, draws=o.draws, spectral=o.spectral
    )
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
