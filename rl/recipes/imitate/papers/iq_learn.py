"""IQ-Learn (Garg et al. 2021): one soft Q whose implied reward Q - gamma V' fits the expert best.

There is no discriminator: r = Q(s, a) - gamma V(s'), held near 0 by the chi^2 divergence. With
`--offline true` it learns from the demonstrations alone.
"""

import math
from dataclasses import dataclass

from image_core.runs import options
from rl.games.soft import SoftImitation, inverse
from rl.recipes.imitate.build import ImitationTask
from rl.recipes.imitate.soft_build import SOFT_PRESETS, SoftOptions, make_soft, soft_players


@dataclass(kw_only=True)
class Options(SoftOptions):
    """IQ-Learn.

    Args:
        alpha: Weight of the divergence: a small one holds rewards near 0.
        offline: Whether it learns from the demonstrations alone, without steps of its own.
        offline_steps: Optimizer steps of a run that is offline.
    """

    temperature: float = 0.01
    alpha: float = 0.5
    offline: bool = False
    offline_steps: int = 5_000

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "alpha")
        options.check_least(self, 1, "offline_steps")

    def rounds(self) -> int:
        if self.offline:
            return math.ceil(self.offline_steps / self.gradient_steps)
        return super().rounds()

    def round_steps(self) -> int:
        return 0 if self.offline else super().round_steps()

    def objective(self) -> dict[str, str]:
        return {"reward": "Q - gamma V'", "loss": "inverse soft Q with chi^2"}


PRESETS = SOFT_PRESETS


def game(o: Options, task: ImitationTask) -> SoftImitation:
    """The game of a run's options."""
    return make_soft(o, task, inverse(o.alpha), collects=not o.offline)


players = soft_players
