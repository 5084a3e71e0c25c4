"""PWIL (Dadashi, Hussenot, Geist & Pietquin 2021): rewards by a greedy coupling with the expert.

Nothing but the policy learns: each step goes to the nearest of the expert's rows that are still
free in this episode, and earns alpha exp(-beta T c / sqrt(d)), where c is how far it goes.
"""

import copy
from dataclasses import dataclass

from image_core.runs import options
from rl.discriminators import Encoding
from rl.games.coupling import CouplingImitation
from rl.recipes.imitate.build import ImitationTask, make_learner, policy_players
from rl.recipes.imitate.config import PolicyGradientOptions, RandomControlOptions
from rl.rollout import Collector


@dataclass(kw_only=True)
class Options(PolicyGradientOptions, RandomControlOptions):
    """PWIL.

    Args:
        alpha: Greatest reward of a step.
        beta: How fast the reward falls with the distance.
    """

    alpha: float = 5.0
    beta: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "alpha", "beta")

    def objective(self) -> dict[str, str]:
        return {"reward": "alpha exp(-beta T c / sqrt(d))", "loss": "none", **super().objective()}


def game(o: Options, task: ImitationTask) -> CouplingImitation:
    """The game of a run's options."""
    observations, actions, normaliser = task.parts
    frozen = Encoding(observations, actions, copy.deepcopy(normaliser))
    return CouplingImitation(
        make_learner(o, task),
        frozen,
        Collector(task.envs, o.rollout),
        task.expert,
        normaliser,
        steps=task.envs.max_episode_steps,
        alpha=o.alpha,
        beta=o.beta,
    )


players = policy_players
