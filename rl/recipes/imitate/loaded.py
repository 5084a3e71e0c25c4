"""A trained run of imitation to work with, without its demonstrations: policy and reward."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

import numpy as np
from jaxtyping import Float32
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from rl.discriminators import ShapedDiscriminator, Transitions
from rl.envs import Envs
from rl.games.soft import SoftImitation
from rl.imitator import AdversarialImitator
from rl.recipes.imitate.reward_model import RewardModel
from rl.recipes.loaded import LoadedPolicy
from rl.rollout import Rollout

if TYPE_CHECKING:
    from rl.recipes.imitate.recipe import Run


@final
class LoadedImitation(LoadedPolicy):
    """A trained run of imitation: its policy, and the reward that it learned.

    Args:
        run: Run that was built without demonstrations; its last checkpoint is loaded.
    """

    def __init__(self, run: "Run"):
        super().__init__(run)
        self._paper, self._absorbing = run.paper.name, run.config.reads_absorbing()
        self._device, self._adversarial = run.device, run.adversarial()
        played = run.games["imitation"]
        self._learned = (
            self._of(played.reward_of)
            if isinstance(played, AdversarialImitator | SoftImitation)
            else None
        )

    @python_call()
    def reward(self, obs: Any, act: Any, next_obs: Any, done: Any) -> Float32[np.ndarray, " batch"]:
        """The paper's reward of each transition, by the discriminator as it is at the end.

        With the logit l, GAIL's is softplus(l). Where the discriminator sees terminal states, one
        that ends also earns gamma r_abs / (1 - gamma). AIRL's has -log pi(a | s) of the run's own
        policy in it. What `env_weight` and a reward of your own mix in is left out. Of soft values
        it is Q(s, a) - gamma V(s'), and Q(s, a) where the episode ends.

        Args:
            obs: Observations as the environment shows them, (N, ...).
            act: Actions in the environment's units, (N, ...).
            next_obs: Observations that followed, (N, ...).
            done: Whether next_obs is terminal, (N,); a time limit is not.

        Raises:
            UserError: The paper learns no reward, or the transitions are of another environment.
        """
        if self._learned is None:
            raise UserError(self._none("reward", "gail or of another paper that learns one"))
        return self._learned.reward(obs, act, next_obs, done)

    def transferable_reward(self) -> RewardModel:
        """AIRL's g(s, a), or g(s) if it sees states alone, without shaping and without log pi.

        It has `reward` as this run has, and a terminal state earns gamma g_abs / (1 - gamma). It is
        a reward of maximum-entropy control at the temperature 1: whoever learns from it is to earn
        -log pi(a | s) of its own policy as well.

        Raises:
            UserError: The paper has no such reward.
        """
        game = self._adversarial
        if game is None or not isinstance(game.D, ShapedDiscriminator):
            raise UserError(self._none("transferable reward", "airl or airl_state"))
        discriminator = game.D

        def unshaped(rows: Transitions) -> Tensor:
            return discriminator.transferable(discriminator.encode(rows))

        def reward(rows: Transitions) -> Tensor:
            return game.with_absorbing_reward(rows, unshaped)

        return self._of(reward)

    @python_call()
    def rollout_reward(self, envs: Envs) -> Callable[[Rollout], Tensor]:
        """The transferable reward, or the paper's where there is none, of each row of rollouts.

        Args:
            envs: Environments of the rollouts; their dynamics may be others.

        Raises:
            UserError: The paper learns no reward, or the environments have other spaces.
        """
        model = self.transferable_reward() if self._shaped else self._learned
        if model is None:
            raise UserError(self._none("reward", "gail or of another paper that learns one"))
        if not model.fits(envs):
            raise UserError(
                f"{self.folder} has a reward of {self.env_id}, whose observations or actions are "
                "of other sizes; take a run of an environment with the same spaces"
            )
        return model.of_rollout

    @property
    def temperature(self) -> float:
        """Weight of -log pi(a | s) beside `rollout_reward`, for which its next policy is to learn.

        AIRL's g is a reward of maximum-entropy control at the temperature 1: its discriminator is
        at a half where f = log pi, so without an entropy even the expert earns less than 0 a step.
        """
        return 1.0 if self._shaped else 0.0

    @property
    def _shaped(self) -> bool:
        game = self._adversarial
        return game is not None and isinstance(game.D, ShapedDiscriminator)

    def _none(self, what: str, papers: str) -> str:
        return (
            f"{self.folder} is a run of {self._paper}, which learns no {what}; load a run of "
            f"{papers}"
        )

    def _of(self, reward: Callable[[Transitions], Tensor]) -> RewardModel:
        return RewardModel(self._envs, reward, absorbing=self._absorbing, device=self._device)


Loaded = LoadedImitation
