"""DAC (Kostrikov, Agrawal, Dwibedi, Levine & Tompson 2019): GAIL off-policy, from a replay buffer.

Soft actor-critic stands in the place of TD3. Actions must be continuous, in a box with two ends.
"""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.penalties import make_penalty
from image_core.runs.players import Player, adam
from rl.discriminators import DenseDiscriminator
from rl.games.off_policy import OffPolicyImitation
from rl.recipes.imitate.build import ImitationTask
from rl.recipes.imitate.config import RewardOptions
from rl.recipes.rates import policy_adam, to_zero
from rl.rollout import Collector
from rl.sac import SquashedPolicy, TwinValues


@dataclass(kw_only=True)
class Options(RewardOptions):
    """DAC.

    Args:
        gradient_steps: Optimizer steps of discriminator and policy in a round; the values take
            twice as many.
        buffer_size: Transitions that the replay buffer keeps.
        expert_share: Share of the expert's rows among those that values and policy learn from.
        target_entropy: Entropy that the policy keeps, in nats per component of its squashed action.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    reward: str = "log_ratio"
    loss: str = "non_saturating"
    penalty: str = "gradient_penalty=10"
    env_steps: int = 320_000
    envs: int = 8
    rollout: int = 8
    minibatch: int = 256
    g_lr: float = 1e-3
    d_batch: int = 128
    d_lr: float = 3e-4
    hidden: int = 128
    ema_decay: float = 0.999
    evaluate_every: int = 400
    save_seconds: float = 300.0
    gradient_steps: int = 8
    buffer_size: int = 100_000
    expert_share: float = 0.25
    target_entropy: float = -2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "gradient_steps", "buffer_size")
        options.check_finite(self, "target_entropy")
        if not 0 <= self.expert_share < 1:
            raise UserError(f"--expert_share {self.expert_share}: it must be at least 0, below 1")

    def objective(self) -> dict[str, str]:
        return {**super().objective(), "estimator": "reparameterised gradient of soft actor-critic"}


PRESETS = {
    # An optimizer step of each for every environment step: far fewer of those are needed
    "classic": {"gradient_steps": 64, "env_steps": 20_000, "evaluate_every": 25},
    "tiny": {
        "env_steps": 128,
        "envs": 4,
        "rollout": 16,
        "minibatch": 32,
        "hidden": 8,
        "d_batch": 8,
        "evaluate_every": 2,
        "save_seconds": 0.0,
        "gradient_steps": 2,
        "buffer_size": 64,
    },
}


def game(o: Options, task: ImitationTask) -> OffPolicyImitation:
    """The game of a run's options."""
    D = DenseDiscriminator(*task.parts, hidden=o.d_layers(), spectral=o.spectral)
    return OffPolicyImitation(
        SquashedPolicy(*task.parts, o.layers()),
        TwinValues(D.features, o.layers()),
        D,
        Collector(task.envs, o.rollout),
        task.expert,
        task.normaliser,
        buffer_size=o.buffer_size,
        **o.reward_and_loss(),
        penalty=make_penalty(o.penalty),
        gamma=o.gamma,
        gradient_steps=o.gradient_steps,
        train_discriminator=task.trained,
        batch=o.minibatch,
        expert_share=o.expert_share,
        target_entropy=o.target_entropy,
    )


def players(o: Options) -> list[Player]:
    """Discriminator at a constant rate; values and policy at rates that fall to 0."""
    steps = o.rounds() * o.gradient_steps
    return [
        Player("D", adam(o.d_lr)),
        Player("Q", policy_adam(o.g_lr), schedule=to_zero(2 * steps)),
        Player("G", policy_adam(o.g_lr), schedule=to_zero(steps)),
    ]
