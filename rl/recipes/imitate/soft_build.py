"""What papers share that learn soft values and no discriminator."""

from dataclasses import dataclass
from typing import Any

from image_core.runs import options
from image_core.runs.players import Player
from rl.discriminators import Encoding
from rl.games.soft import Objective, SoftImitation
from rl.recipes.imitate.build import ImitationTask
from rl.recipes.imitate.config import RandomControlOptions
from rl.recipes.rates import policy_adam, to_zero
from rl.rollout import Collector
from rl.soft import SoftBox, SoftChoices

SOFT_PRESETS: dict[str, dict[str, Any]] = {
    "mujoco": {"env_steps": 320_000, "hidden": 128, "minibatch": 256},
    "tiny": {
        "env_steps": 128,
        "envs": 4,
        "rollout": 16,
        "minibatch": 16,
        "evaluate_every": 2,
        "save_seconds": 0.0,
        "gradient_steps": 2,
        "buffer_size": 64,
    },
}
"""Values of these papers for the recipe's presets."""


@dataclass(kw_only=True)
class SoftOptions(RandomControlOptions):
    """Soft values.

    Args:
        gradient_steps: Optimizer steps in a round.
        buffer_size: Transitions that the replay buffer keeps.
        temperature: Temperature of choices, in units of the reward; in a box the first one.
        target_entropy: Entropy that the policy of a box keeps, in nats per component of its
            squashed action.
        tau: Share of the way that the slow copy of the values follows in a step.
    """

    env_steps: int = 50_000
    envs: int = 8
    rollout: int = 8
    minibatch: int = 128
    g_lr: float = 1e-3
    evaluate_every: int = 100
    save_seconds: float = 300.0
    gradient_steps: int = 8
    buffer_size: int = 100_000
    temperature: float = 0.1
    target_entropy: float = -1.0
    tau: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "gradient_steps", "buffer_size")
        options.check_above_zero(self, "temperature", "tau")
        options.check_finite(self, "target_entropy")

    def stream_rows(self) -> int:
        return self.minibatch


def make_soft(
    o: SoftOptions, task: ImitationTask, objective: Objective, *, collects: bool = True
) -> SoftImitation:
    """Imitation by soft values that fit the actions.

    Args:
        o: Options of the run.
        task: What the game is about.
        objective: What the values minimise.
        collects: Whether the policy steps environments.
    """
    values = (
        SoftChoices(*task.parts, o.layers(), temperature=o.temperature, tau=o.tau)
        if task.envs.actions.discrete
        else SoftBox(
            *task.parts,
            o.layers(),
            temperature=o.temperature,
            target_entropy=o.target_entropy,
            tau=o.tau,
        )
    )
    return SoftImitation(
        values,
        Encoding(*task.parts),
        Collector(task.envs, o.rollout) if collects else None,
        task.expert,
        task.normaliser,
        objective=objective,
        buffer_size=o.buffer_size,
        gamma=o.gamma,
        gradient_steps=o.gradient_steps,
    )


def soft_players(o: SoftOptions) -> list[Player]:
    """Values and policy, whose rate falls to 0."""
    return [Player("G", policy_adam(o.g_lr), schedule=to_zero(o.rounds() * o.gradient_steps))]
