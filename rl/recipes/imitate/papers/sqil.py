"""SQIL (Reddy, Dragan & Levine 2019): soft Q-learning of 1 for the expert and 0 for itself.

There is no discriminator. Each batch is half the expert's, half the policy's own. Choices are drawn
from the softmax of Q; a box has an actor, as in soft actor-critic.
"""

from dataclasses import dataclass

from rl.games.soft import SoftImitation, regression
from rl.recipes.imitate.build import ImitationTask
from rl.recipes.imitate.soft_build import SOFT_PRESETS, SoftOptions, make_soft, soft_players


@dataclass(kw_only=True)
class Options(SoftOptions):
    """SQIL."""

    def objective(self) -> dict[str, str]:
        return {"reward": "1 expert, 0 own", "loss": "squared error of the soft Bellman equation"}


PRESETS = SOFT_PRESETS


def game(o: Options, task: ImitationTask) -> SoftImitation:
    """The game of a run's options."""
    return make_soft(o, task, regression)


players = soft_players
