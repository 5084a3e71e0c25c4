"""AMP (Peng, Ma, Abbeel, Levine & Kanazawa 2021): a task's own reward, and a style from examples.

The discriminator sees features of a state and of the next one, and no action; its outputs are
regressed on 1 for the demonstrations and -1 for the policy. The style's reward is
max(0, 1 - (d - 1)^2 / 4), mixed with the environment's by --env_weight.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from image_core.runs import outside
from rl.features import FeatureDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """AMP.

    Args:
        features: Function module:name from observations (N, ...) to the features (N, F) that make
            up the style; an empty text takes the observations themselves.
    """

    reward: str = "quadratic"
    loss: str = "least_squares_pearson"
    penalty: str = "r1=20"
    absorbing: bool = False
    env_weight: float = 0.5
    features: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.features_of()

    def features_of(self) -> Callable[[Tensor], Tensor] | None:
        """The function of --features; None where there is none."""
        if not self.features:
            return None
        return outside.load_function("features", self.features, "observations (N, ...) -> (N, F)")

    def reads_actions(self) -> bool:
        return self.bc_steps > 0


PRESETS = {"tiny": {"d_hidden": 8}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = FeatureDiscriminator.of(
        o.features_of(), *task.parts, task.expert.steps().obs, o.d_layers(), spectral=o.spectral
    )
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players
