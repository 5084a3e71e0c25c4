"""A run in an environment that leaves a policy."""

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch

from image_core.runs.parsing import Recipes, open_run
from image_core.runs.recipe import Run

if TYPE_CHECKING:
    from rl.envs import Envs
    from rl.policies import Actor


class PolicyRun(Run):
    """What the recipes expert and imitate share.

    Their options hold `env`, `env_kwargs`, `max_episode_steps`, `stepping` and `fixed_horizon`.
    """

    window = 1
    """Newest observations of an episode that the policy reads at once."""

    @abstractmethod
    def policy(self) -> "Actor":
        """The policy that the run leaves."""

    def make_envs(self, count: int) -> "Envs":
        """Fresh environments of the run's kind, as its policy sees them.

        Args:
            count: Number of environments.
        """
        from rl.envs.window import WindowedEnvs

        envs = self.plain_envs(count)
        return envs if self.window == 1 else WindowedEnvs(envs, self.window)

    def plain_envs(self, count: int) -> "Envs":
        """Fresh environments of the run's kind, which show one observation at a time.

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


def open_quietly(folder: str, recipes: Recipes) -> PolicyRun:
    """The run in a folder, without its data; random numbers and threads stay as they were.

    Args:
        folder: Folder of the run.
        recipes: Modules of the recipes that leave a policy, by name.

    Raises:
        UserError: The folder is no run of these.
    """
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            run = open_run(folder, recipes, data=False)
    finally:
        torch.set_num_threads(threads)
    assert isinstance(run, PolicyRun)
    return run
