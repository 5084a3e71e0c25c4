"""A run in an environment that leaves a policy."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from image_core.runs.recipe import Run

if TYPE_CHECKING:
    from rl.envs import Envs
    from rl.policies import Actor


class PolicyRun(Run):
    """What the recipes expert and imitate share.

    Their options hold `env`, `env_kwargs`, `max_episode_steps`, `stepping` and `fixed_horizon`.
    """

    @abstractmethod
    def policy(self) -> "Actor":
        """The policy that the run leaves."""

    def make_envs(self, count: int) -> "Envs":
        """Fresh environments of the run's kind.

        Args:
            count: Number of environments.
        """
        from rl.envs import keywords, make_envs

        c = self.config
        return make_envs(
            c.env,
            count,
            keywords(c.env_kwargs),
            max_episode_steps=c.max_episode_steps or None,
            stepping=c.stepping,
            fixed=c.fixed_horizon,
        )
