"""An expert for an environment, by PPO on the environment's reward or on one that was learned."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs import options, plots
from image_core.runs.html_report import Picture, write_html
from image_core.runs.phase import Phase
from image_core.runs.players import Player, make_engine
from image_core.runs.shared_options import ShardOptions
from image_core.runs.table import cell, print_table
from image_core.runs.uniform import Uniform
from rl.recipes.curves import Curve, curves_of, draw_returns
from rl.recipes.policy_run import PolicyRun, open_quietly, paths_of
from rl.recipes.rates import policy_adam, to_zero

if TYPE_CHECKING:
    from rl.demos import Trajectory
    from rl.envs import Envs
    from rl.policies import Policy
    from rl.rollout import Rollout


@dataclass(kw_only=True)
class Config(ShardOptions):
    """An expert by PPO.

    Args:
        env: Id of a gymnasium environment, as in CartPole-v1 or module:Env-v0.
        env_kwargs: Keyword arguments of the environment as JSON, as in {"gravity": 9.0}.
        reward_of: Folder of a run of imitation in an environment with the same spaces; the reward
            that it learned is maximised in the place of the environment's. AIRL's is taken without
            its shaping, that of another paper as it is. Returns stay the environment's.
        env_steps: Environment steps of the whole run, of all environments together.
        envs: Number of environments that are stepped side by side.
        rollout: Steps of each environment in a round.
        max_episode_steps: Time limit of an episode in steps; 0 keeps the environment's own.
        fixed_horizon: Whether episodes that end go on at their end, without reward, to the time
            limit.
        stepping: How environments are stepped: auto (the fastest way that is exact), sync (one by
            one) or envpool (a package in C++).
        gamma: Discount per step.
        gae_lambda: Decay of generalised advantage estimates.
        epochs: Passes over a round.
        minibatch: Rows of an optimizer step.
        g_lr: Adam's learning rate of policy and values; it falls to 0 over the run.
        entropy: Weight of the policy's entropy.
        hidden: Width of both layers of each network.
        eval_episodes: Number of episodes of the evaluation at the end.
        evaluate_every: Rounds between two evaluations of 10 episodes.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    env: str
    env_kwargs: str = ""
    reward_of: str = ""
    env_steps: int = 200_000
    envs: int = 16
    rollout: int = 256
    max_episode_steps: int = 0
    fixed_horizon: bool = False
    stepping: str = "auto"
    gamma: float = 0.99
    gae_lambda: float = 0.95
    epochs: int = 10
    minibatch: int = 512
    g_lr: float = 1e-3
    entropy: float = 0.0
    hidden: int = 64
    eval_episodes: int = 50
    evaluate_every: int = 10

    def __post_init__(self) -> None:
        from rl.envs import STEPPING, keywords

        super().__post_init__()
        keywords(self.env_kwargs)
        options.check_least(self, 1, "env_steps", "envs", "rollout", "epochs", "minibatch")
        options.check_least(self, 1, "hidden", "eval_episodes", "evaluate_every")
        options.check_least(self, 0, "max_episode_steps", "entropy")
        options.check_choice("stepping", self.stepping, STEPPING)
        options.check_above_zero(self, "g_lr")
        for name in ("gamma", "gae_lambda"):
            if not 0 < getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it must lie above 0 and below 1")


PRESETS: dict[str, dict[str, Any]] = {
    "classic": {},
    "mujoco": {"env_steps": 1_000_000, "g_lr": 3e-4, "minibatch": 256, "rollout": 128},
    "tiny": {
        "env_steps": 128,
        "envs": 4,
        "rollout": 16,
        "minibatch": 32,
        "epochs": 2,
        "hidden": 8,
        "eval_episodes": 2,
        "evaluate_every": 2,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}


PAPERS = None
REWARDING = {"imitate": "rl.recipes.imitate.recipe"}
"""Recipes whose runs leave a reward."""
LOADER = "rl.recipes.imitate.loaded"
"""Module that loads a run with its reward."""
STEPS = "environment steps"
CURVES = ("return", "G/return", "G/kl", "G/entropy", "G/value_error")


class Run(PolicyRun):
    """A run of PPO on the environment's reward or on a learned one.

    Args:
        config: Its options.
        data: Has no effect, for there is none.
    """

    recipe = "expert"
    show = ("G/return", "return")
    movable = ("reward_of",)
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
            gae_lambda=c.gae_lambda,
            epochs=c.epochs,
            minibatch=c.minibatch,
            entropy=c.entropy,
        )
        reward, entropy = self._reward(envs)
        collector = Collector(envs, c.rollout)
        self.game = ControlGame(learner, collector, normaliser, reward, entropy=entropy)
        self.game.to(options.pick_device(c.device))
        rows = c.envs * c.rollout
        total = self._rounds() * c.epochs * max(1, rows // min(c.minibatch, rows))
        player = Player("G", policy_adam(c.g_lr), max_grad_norm=0.5, schedule=to_zero(total))
        shard = paths_of(self.game, c.shard)
        self.engine = make_engine(self.game, [player], "no", shard=shard)
        self.data = Uniform(1, c.seed)

    def _reward(self, envs: "Envs") -> "tuple[Callable[[Rollout], Tensor] | None, float]":
        """The learned reward that stands in the place of the environment's, and its temperature."""
        if not self.config.reward_of:
            return None, 0.0
        run = open_quietly(self.config.reward_of, REWARDING)
        loaded = import_module(LOADER).Loaded(run)
        return loaded.rollout_reward(envs), loaded.temperature

    def phases(self) -> list[Phase]:
        c = self.config
        return [Phase("ppo", None, self._rounds(), self._look, c.evaluate_every)]

    def data_fingerprint(self) -> int:
        return 0

    def data_source(self) -> str:
        return f"--env {self.config.env}"

    def policy(self) -> "Policy":
        """The current policy."""
        return self.game.learner.policy

    def report(self, cpu_seconds: float | None = None) -> None:
        from rl.recipes.samples import write_samples

        c = self.config
        sampled = self._episodes(c.eval_episodes)
        found = {
            "sampled": np.array([t.ret for t in sampled]),
            "likeliest action": self._returns(c.eval_episodes, deterministic=True),
        }
        table = {
            name: {"return": float(v.mean()), "sd": float(v.std()), "episodes": len(v)}
            for name, v in found.items()
        }
        curves = self._curves()
        self.folder.write_result(
            {
                "table": table,
                "learning": {
                    "x": STEPS,
                    "curves": {
                        n: {"steps": k.steps, "return": k.returns} for n, k in curves.items()
                    },
                    "levels": {},
                },
                "env_steps": self._rounds() * c.envs * c.rollout,
                "rounds": self.engine.round,
                "steps": self.engine.steps,
                "seed": c.seed,
                "config": self.as_dict(),
                "cpu_seconds": self.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
                "versions": {"torch": torch.__version__},
            }
        )
        self._draw(table, curves)
        write_samples(self, sampled)
        print_table(self._heading(), table)

    def _curves(self) -> dict[str, Curve]:
        rows = plots.read_log(self.folder.log)
        return curves_of(rows, self.config.envs * self.config.rollout)

    def _draw(self, table: dict[str, dict[str, float]], curves: dict[str, Curve]) -> None:
        """Plots and report.html."""
        c, rows = self.config, plots.read_log(self.folder.log)
        drawn = {
            "Returns over training": draw_returns(curves, {}, STEPS),
            "Logged numbers over the rounds": plots.draw_learning_curves(rows, CURVES),
        }
        self.folder.plots.mkdir(parents=True, exist_ok=True)
        for name, figure in zip(("returns.png", "learning.png"), drawn.values()):
            plots.write_figure(figure, self.folder.plots / name)
        columns = ["return", "sd", "episodes"]
        write_html(
            self.folder.html,
            title=f"Expert by PPO in {c.env}",
            facts={name: str(value) for name, value in self.as_dict().items()},
            columns=columns,
            table={name: [cell(row[k]) for k in columns] for name, row in table.items()},
            notes=[f"{self._heading()}."],
            pictures=[Picture(caption, figure) for caption, figure in drawn.items()],
            samples=(),
        )

    def _heading(self) -> str:
        c = self.config
        return f"{self.folder.folder}: returns of {c.eval_episodes} episodes in {c.env}, one seed"

    def _episodes(self, episodes: int, deterministic: bool = False) -> "list[Trajectory]":
        from rl.metrics import episodes_of

        envs, seed = self.make_envs(min(episodes, 50)), self.config.seed + 1
        return episodes_of(self.policy(), envs, episodes, seed=seed, deterministic=deterministic)

    def _returns(self, episodes: int, deterministic: bool = False) -> np.ndarray:
        return np.array([t.ret for t in self._episodes(episodes, deterministic)])

    def _look(self) -> dict[str, float]:
        return {"return": float(self._returns(10).mean())}

    def _rounds(self) -> int:
        return math.ceil(self.config.env_steps / (self.config.envs * self.config.rollout))
