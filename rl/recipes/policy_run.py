"""A run in an environment that leaves a policy."""

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game
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


def paths_of(game: Game, shard: str) -> str:
    """Paths of the modules that --shard names, in all games that are played in a run.

    Args:
        game: Game, and the games and learners that it consists of.
        shard: Names with commas between, such as policy,D.

    Raises:
        UserError: No game has such a module.
    """
    from rl.learner import Learner

    learning: dict[str, list[str]] = {}
    parts = dict(game.named_modules())
    for path, module in parts.items():
        owner, _, name = path.rpartition(".")
        inside = isinstance(parts[owner], Game | Learner)
        holds = not isinstance(module, Game | Learner | nn.ModuleDict)
        if inside and holds and any(p.requires_grad for p in module.parameters()):
            learning.setdefault(name, []).append(path)
    asked = shard.replace(",", " ").split()
    for name in asked:
        if name not in learning:
            known = ", ".join(sorted(learning))
            raise UserError(f"--shard {name}: the modules of this run are {known}")
    return ",".join(path for name in asked for path in learning[name])


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
