"""DAgger (Ross, Gordon & Bagnell 2011): the policy acts, and the expert corrects it everywhere.

The demonstrations are the data of the first round (beta_i = 1 there, and 0 from then on).
"""

from dataclasses import dataclass

from image_core.runs import options
from image_core.runs.players import Player
from rl.games.dagger import Dagger
from rl.policies import make_policy
from rl.recipes.imitate.build import ImitationTask
from rl.recipes.imitate.config import CloningOptions, RolloutOptions
from rl.recipes.rates import policy_adam, to_zero
from rl.rollout import Collector


@dataclass(kw_only=True)
class Options(RolloutOptions, CloningOptions):
    """DAgger.

    Args:
        expert_policy: Whom the learner asks: DIR of a run of expert or imitate, or an .npz file of
            weights.
        gradient_steps: Optimizer steps of the policy in a round.
        buffer_size: Transitions of the learner that are kept.
    """

    expert_policy: str
    gradient_steps: int = 16
    buffer_size: int = 300_000

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "gradient_steps", "buffer_size")

    def objective(self) -> dict[str, str]:
        return {"loss": "negative log likelihood of the expert's actions"}

    def stream_rows(self) -> int:
        return self.minibatch


def game(o: Options, task: ImitationTask) -> Dagger:
    """The game of a run's options."""
    expert_policy = task.load_policy("expert_policy", o.expert_policy)
    return Dagger(
        make_policy(*task.parts, o.layers()),
        expert_policy,
        Collector(task.envs, o.rollout),
        task.expert.steps(),
        task.normaliser,
        buffer_size=o.buffer_size,
        gradient_steps=o.gradient_steps,
    )


def players(o: Options) -> list[Player]:
    """The policy, whose rate falls to 0."""
    steps = o.rounds() * o.gradient_steps
    return [Player("G", policy_adam(o.g_lr), schedule=to_zero(steps))]
