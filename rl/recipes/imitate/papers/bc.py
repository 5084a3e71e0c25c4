"""BC (Pomerleau 1989): behavioural cloning, the likelihood of the expert's actions alone.

There is no discriminator and no step in the environment but those of evaluations.
"""

from dataclasses import dataclass

from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam
from rl.bc import BehaviouralCloning
from rl.policies import make_policy
from rl.recipes.imitate.build import ImitationTask
from rl.recipes.imitate.config import PhasedRun, WindowOptions


@dataclass(kw_only=True)
class Options(WindowOptions):
    """Behavioural cloning.

    Args:
        bc_steps: Optimizer steps.
        bc_lr: Adam's learning rate.
        batch: Rows of an optimizer step.
    """

    bc_steps: int = 2_000
    bc_lr: float = 1e-3
    batch: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "bc_steps", "batch")
        options.check_above_zero(self, "bc_lr")

    def objective(self) -> dict[str, str]:
        return {"loss": "negative log likelihood of the demonstrated actions"}

    def stream_rows(self) -> int:
        return self.batch


PRESETS = {"paper": {"batch": 5_000}, "tiny": {"bc_steps": 2, "batch": 8}}


def game(o: Options, task: ImitationTask) -> BehaviouralCloning:
    """The game of a run's options."""
    policy = make_policy(*task.parts, o.layers())
    return BehaviouralCloning(policy, task.expert.steps(), task.normaliser, o.seed)


def players(o: Options) -> list[Player]:
    """The policy at a constant rate."""
    return [Player("G", adam(o.bc_lr))]


def phases(run: PhasedRun) -> list[Phase]:
    """One, in which a round is an optimizer step."""
    steps = run.config.bc_steps
    return [run.phase("imitation", steps, max(1, steps // 10), title="clone")]
