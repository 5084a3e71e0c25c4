"""An expert for an environment, trained by PPO on the environment's own reward."""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.runs import options, plots, recipe
from image_core.runs.phase import Phase
from image_core.runs.recipe import RunConfig
from image_core.runs.table import print_table
from image_core.runs.uniform import Uniform

if TYPE_CHECKING:
    from rl.envs import Envs
    from rl.policies import Policy


@dataclass(kw_only=True)
class Config(RunConfig):
    """An expert by PPO.

    Args:
        env: gymnasium id, as in CartPole-v1 or module:Env-v0.
        steps: of the environments, all together.
        envs: stepped side by side.
        rollout: steps of each environment in a round.
        horizon: time limit of an episode; 0 = the environment's own.
        fixed_horizon: episodes that end go on at their end, without reward, to the time limit.
        stepping: auto, the fastest that is exact; sync, one by one; envpool, a package in C++.
        gamma: discount a step.
        lam: of generalised advantage estimates.
        epochs: passes over a round.
        minibatch: rows of a step.
        lr: Adam rate of policy and value; falls to 0 over the run.
        entropy: weight of the policy's entropy.
        hidden: width of both layers of each network.
        episodes: of the evaluation at the end.
        evaluate_every: rounds between two evaluations of 10 episodes.
    """

    env: str
    steps: int = 200_000
    envs: int = 16
    rollout: int = 256
    horizon: int = 0
    fixed_horizon: bool = False
    stepping: str = "auto"
    gamma: float = 0.99
    lam: float = 0.95
    epochs: int = 10
    minibatch: int = 512
    lr: float = 1e-3
    entropy: float = 0.0
    hidden: int = 64
    episodes: int = 50
    evaluate_every: int = 10

    def __post_init__(self) -> None:
        from rl.envs import STEPPING

        super().__post_init__()
        options.check_least(self, 1, "steps", "envs", "rollout", "epochs", "minibatch", "hidden")
        options.check_least(self, 1, "episodes", "evaluate_every")
        options.check_least(self, 0, "horizon", "entropy")
        options.check_choice("stepping", self.stepping, STEPPING)
        options.check_above_zero(self, "lr")
        for name in ("gamma", "lam"):
            if not 0 < getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it lies above 0 and below 1")


PRESETS: dict[str, dict[str, Any]] = {
    "classic": {},
    "mujoco": {"steps": 1_000_000, "lr": 3e-4, "minibatch": 256, "rollout": 128},
    "tiny": {
        "steps": 128,
        "envs": 4,
        "rollout": 16,
        "minibatch": 32,
        "epochs": 2,
        "hidden": 8,
        "episodes": 2,
        "evaluate_every": 2,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}


PAPERS = None


class Run(recipe.Run):
    """A run of PPO on the environment's reward.

    Args:
        config: its options.
        data: there is none.
    """

    recipe = "expert"
    show = ("G/return", "return")
    config: Config

    def __init__(self, config: Config, *, data: bool = True):
        super().__init__(config)
        from rl.games.control import ControlGame
        from rl.nets import Normaliser
        from rl.policies import make_policy, value_net
        from rl.ppo import PPO
        from rl.rollout import Collector

        c, envs = config, self.make_envs(config.envs)
        normaliser, sizes = Normaliser(envs.observations), (c.hidden, c.hidden)
        learner = PPO(
            make_policy(envs.observations, envs.actions, normaliser, sizes),
            value_net(envs.observations, normaliser, sizes),
            c.envs,
            gamma=c.gamma,
            lam=c.lam,
            epochs=c.epochs,
            minibatch=c.minibatch,
            entropy=c.entropy,
        )
        self.game = ControlGame(learner, Collector(envs, c.rollout), normaliser)
        self.game.to(options.pick_device(c.device))
        rows = c.envs * c.rollout
        total = self._rounds() * c.epochs * max(1, rows // min(c.minibatch, rows))
        self.engine = Engine(
            self.game,
            {"G": functools.partial(torch.optim.Adam, lr=c.lr, eps=1e-5, fused=True)},
            clip={"G": 0.5},
            schedule={
                "G": functools.partial(
                    torch.optim.lr_scheduler.LinearLR,
                    start_factor=1.0,
                    end_factor=0.0,
                    total_iters=total,
                )
            },
        )
        self.data = Uniform(1, c.seed)

    def phases(self) -> list[Phase]:
        c = self.config
        return [Phase("ppo", None, self._rounds(), self._look, c.evaluate_every)]

    def data_fingerprint(self) -> int:
        return 0

    def data_source(self) -> str:
        return f"--env {self.config.env}"

    def policy(self) -> "Policy":
        """The policy as it stands."""
        return self.game.learner.policy

    def make_envs(self, count: int) -> "Envs":
        """Fresh environments of the run's kind."""
        from rl.envs import make_envs

        c = self.config
        return make_envs(
            c.env, count, limit=c.horizon or None, stepping=c.stepping, fixed=c.fixed_horizon
        )

    def report(self, cpu_seconds: float | None = None) -> None:
        c = self.config
        found = {
            "sampled": self._returns(c.episodes),
            "likeliest action": self._returns(c.episodes, deterministic=True),
        }
        table = {
            name: {"return": float(v.mean()), "sd": float(v.std()), "episodes": float(len(v))}
            for name, v in found.items()
        }
        self.folder.write_result(
            {
                "table": table,
                "env_steps": self._rounds() * c.envs * c.rollout,
                "rounds": self.engine.round,
                "steps": self.engine.steps,
                "seed": c.seed,
                "config": self.as_dict(),
                "cpu_seconds": self.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
                "versions": {"torch": torch.__version__},
            }
        )
        self.folder.plots.mkdir(parents=True, exist_ok=True)
        keys = ["return", "G/return", "G/kl", "G/entropy", "G/value_error"]
        plots.learning_curves(self.folder.log, self.folder.plots / "learning.png", keys)
        print_table(f"{self.folder.folder}: returns of {c.episodes} episodes in {c.env}", table)

    def _returns(self, episodes: int, deterministic: bool = False) -> np.ndarray:
        from rl.metrics import returns_of

        envs, seed = self.make_envs(min(episodes, 50)), self.config.seed + 1
        return returns_of(self.policy(), envs, episodes, seed=seed, deterministic=deterministic)

    def _look(self) -> dict[str, float]:
        return {"return": float(self._returns(10).mean())}

    def _rounds(self) -> int:
        return math.ceil(self.config.steps / (self.config.envs * self.config.rollout))
