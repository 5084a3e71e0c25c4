"""Adversarial imitation in an environment, from demonstrations, with the controls beside it.

The same game is played again with a critic that is never trained, and with demonstrations of a
random policy. Where those reach the expert too, the result proves nothing, and the table says so.
"""

import functools
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game
from image_core.runs import options, plots, recipe
from image_core.runs.phase import Phase
from image_core.runs.table import print_table
from image_core.runs.uniform import Uniform
from rl.recipes.imitate import build as games
from rl.recipes.imitate.config import OTHERS, Config
from rl.recipes.imitate.config import PRESETS as PRESETS

if TYPE_CHECKING:
    from rl.demos import Expert, Trajectory
    from rl.envs import Envs
    from rl.policies import Actor

PASSED = 0.9
"""A control that comes this far from the random policy to the expert proves the task too easy."""


PAPERS = None


class Run(recipe.Run):
    """A run of imitation and its controls.

    Args:
        config: its options.
        data: read in any case, for the demonstrations are part of the game.
    """

    recipe = "imitate"
    show = ("G/return", "return", "D/accuracy")
    movable = ("demos", "teacher")
    config: Config

    def __init__(self, config: Config, *, data: bool = True):
        super().__init__(config)
        from rl.demos import expert
        from rl.games.controlled import ControlledGame

        self.device = options.pick_device(config.device)
        envs = self.make_envs(config.envs)
        self.trajectories = self._demonstrations(envs)
        self.expert = expert(
            self.trajectories,
            subsample=config.subsample,
            seed=config.seed,
            absorbing=config.absorbing,
        )
        self.random = self._play_random(max(len(self.trajectories), 10))
        played: dict[str, Game] = {"imitation": self._game(envs, self.expert)}
        if config.bc_steps:
            played["clone"] = self._clone(played["imitation"])
        if config.controls and config.algorithm not in ("bc", "dagger"):
            played["untrained"] = self._game(
                self.make_envs(config.envs), self.expert, train_critic=False
            )
            # Each leaves one row at least, and two are the fewest
            others = expert(
                self.random[: max(2, len(self.trajectories))],
                subsample=config.subsample,
                seed=config.seed,
                absorbing=config.absorbing,
            )
            played["random"] = self._game(self.make_envs(config.envs), others)
        self.game = ControlledGame(played).to(self.device)
        self.engine = Engine(
            self.game,
            self._optimizers(),
            clip=self._clip(),
            schedule=self._fall(),
            ema=dict.fromkeys(self._policies().values(), config.average) if config.average else {},
        )
        dagger = config.algorithm == "dagger"
        self.data = Uniform(config.minibatch if dagger else config.critic_batch, config.seed)

    # ------------------------------------------------------------------------------------- phases

    def phases(self) -> list[Phase]:
        c, game = self.config, self.game
        every = c.evaluate_every
        found = []
        if c.bc_steps:
            look = functools.partial(self._look, "imitation")
            turns = game.turns_of("clone")
            found.append(Phase("clone", turns, c.bc_steps, look, max(1, c.bc_steps // 10)))
        if c.algorithm != "bc":
            for name in game.games:
                if name != "clone":
                    look = functools.partial(self._look, name)
                    found.append(Phase(name, game.turns_of(name), self._rounds(), look, every))
        return found

    def policy(self, name: str = "imitation") -> "Actor":
        """The policy of one of the games, averaged if that was asked for.

        Args:
            name: imitation, untrained or random.
        """
        if self.config.average:
            return self.engine.ema[self._policies()[name]].module  # type: ignore[return-value]
        return self.game.games[name].policy  # type: ignore[return-value]

    def _policies(self) -> dict[str, str]:
        """Where each game keeps its policy, as the engine names submodules."""
        names = {id(module): name for name, module in self.game.named_modules()}
        games = {name: game for name, game in self.game.games.items() if name != "clone"}
        return {name: names[id(game.policy)] for name, game in games.items()}

    def data_fingerprint(self) -> int:
        crc = 0
        for t in self.trajectories:
            for array in (t.obs, t.act, t.last_obs, np.array(t.terminated)):
                crc = zlib.crc32(array.tobytes(), crc)
        return crc

    def data_source(self) -> str:
        return f"--demos {self.config.demos}"

    # ------------------------------------------------------------------------------------- report

    def report(self, cpu_seconds: float | None = None) -> None:
        c = self.config
        shown = [t.ret for t in self.trajectories]
        low = float(np.mean([t.ret for t in self.random]))
        high = float(np.mean(shown))
        names = ["imitation", *(n for n in ("untrained", "random") if n in self.game.games)]
        found = {name: self._returns(name, c.episodes) for name in names}
        table = {"expert": _row(np.array(shown), low, high)}
        titles = {"imitation": c.algorithm, "untrained": "critic never trained"}
        titles["random"] = "random demonstrations"
        table |= {titles[name]: _row(found[name], low, high) for name in names}
        sure = self._returns("imitation", c.episodes, deterministic=True)
        table[f"{c.algorithm}, likeliest action"] = _row(sure, low, high)
        table["random policy"] = _row(np.array([t.ret for t in self.random]), low, high)
        verdict = _verdict({titles[n]: table[titles[n]].get("share", math.nan) for n in names})
        self.folder.write_result(
            {
                "table": table,
                "verdict": verdict,
                "returns": {name: values.tolist() for name, values in found.items()},
                "trajectories": len(self.trajectories),
                "rows": len(self.expert.steps().obs),
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
        keys = ["return", "G/return", "D/accuracy", "D/d_real", "D/d_fake", "G/kl", "G/entropy"]
        plots.learning_curves(self.folder.log, self.folder.plots / "learning.png", keys)
        print_table(f"{self.folder.folder}: returns of {c.episodes} episodes in {c.env}", table)
        print(verdict)

    def _returns(self, name: str, episodes: int, deterministic: bool = False) -> np.ndarray:
        from rl.metrics import returns_of

        envs, seed = self.make_envs(min(episodes, 50)), self.config.seed + 1
        return returns_of(self.policy(name), envs, episodes, seed=seed, deterministic=deterministic)

    def _look(self, name: str) -> dict[str, float]:
        return {"return": float(self._returns(name, 10).mean())}

    # -------------------------------------------------------------------------------------- parts

    def make_envs(self, count: int) -> "Envs":
        """Fresh environments of the run's kind."""
        from rl.envs import make_envs

        c = self.config
        return make_envs(
            c.env, count, limit=c.horizon or None, stepping=c.stepping, fixed=c.fixed_horizon
        )

    def _demonstrations(self, envs: "Envs") -> "list[Trajectory]":
        from rl.formats import load_demonstrations

        c = self.config
        found = load_demonstrations(c.demos, envs, c.env)
        if c.trajectories > len(found):
            raise UserError(
                f"--trajectories {c.trajectories}: --demos {c.demos} hold only {len(found)}"
            )
        found = found[: c.trajectories or None]
        if c.fixed_horizon and any(len(t.obs) != envs.horizon for t in found):
            raise UserError(
                f"--demos {c.demos} hold episodes that are not {envs.horizon} steps long; record "
                "them by `seqgan demos --fixed_horizon`"
            )
        return found

    def _play_random(self, count: int) -> "list[Trajectory]":
        from rl.demos import record

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return record(self.make_envs(min(count, 10)), None, count)

    def _game(self, envs: "Envs", expert: "Expert", train_critic: bool = True) -> Game:
        """The game that the algorithm names; a control's critic is never trained."""
        c, expert = self.config, expert.to(self.device)
        if c.algorithm == "dac":
            return games.off_policy(c, envs, expert, self.device, train_critic)
        if c.algorithm == "dagger":
            return games.dagger(c, envs, expert, self.device, self._teacher(envs))
        return games.adversarial(c, envs, expert, self.device, train_critic)

    def _clone(self, game: Any) -> Game:
        from rl.bc import BehaviouralCloning

        steps = self.expert.to(self.device).steps()
        return BehaviouralCloning(game.policy, steps, game.normaliser, self.config.seed)

    def _teacher(self, envs: "Envs") -> "Actor":
        """Whom dagger asks; opening a run leaves random numbers and threads as they were."""
        from rl.experts import load_actor

        where = self.config.teacher
        if not Path(where).is_dir():
            return load_actor(where, envs.actions, "--teacher")
        from image_core.runs.parsing import open_run
        from rl.recipes import expert

        threads = torch.get_num_threads()
        with torch.random.fork_rng(devices=[]):
            recipes = {"expert": "rl.recipes.expert", "imitate": "rl.recipes.imitate.recipe"}
            run = open_run(where, recipes, data=False)
        torch.set_num_threads(threads)
        if not isinstance(run, expert.Run | Run) or run.config.env != self.config.env:
            raise UserError(
                f"--teacher {where} is no run of expert or imitate in {self.config.env}"
            )
        run.load()
        return run.policy()

    def _rounds(self) -> int:
        return math.ceil(self.config.steps / (self.config.envs * self.config.rollout))

    def _optimizers(self) -> dict[str, Any]:
        c = self.config
        made: dict[str, Any] = {}
        for player in self.game.players():
            kind = player.partition("_")[0]
            adam: Any = functools.partial(torch.optim.Adam, fused=True)
            if player == "G_clone":
                made[player] = functools.partial(adam, lr=c.bc_lr)
            elif kind == "D":
                made[player] = functools.partial(adam, lr=c.critic_lr)
            elif kind == "G" and c.learner == "trpo":
                made[player] = functools.partial(torch.optim.SGD, lr=1.0)
            else:
                made[player] = functools.partial(adam, lr=c.policy_lr, eps=1e-5)
        return made

    def _players(self, *kinds: str) -> list[str]:
        return [p for p in self.game.players() if p.partition("_")[0] in kinds and p != "G_clone"]

    def _clip(self) -> dict[str, float]:
        ppo = self.config.learner == "ppo" and self.config.algorithm not in OTHERS
        return dict.fromkeys(self._players("G"), 0.5) if ppo else {}

    def _fall(self) -> dict[str, Any]:
        """Rates fall to 0 over the steps that will be taken.

        The critic's too, but off-policy: one that goes on alone learns the few demonstrations by
        heart, and the policy, whose rate is gone, cannot answer.
        """
        c, rounds = self.config, self._rounds()
        if c.algorithm == "dagger":
            return dict.fromkeys(self._players("G"), _to_zero(rounds * c.updates))
        if c.algorithm == "dac":
            policies, values = self._players("G"), self._players("Q")
            fall = {player: _to_zero(rounds * c.updates) for player in policies}
            return fall | {player: _to_zero(2 * rounds * c.updates) for player in values}
        if c.learner == "trpo":
            return {}
        rows = c.envs * c.rollout
        steps = rounds * c.epochs * max(1, rows // min(c.minibatch, rows))
        fall = dict.fromkeys(self._players("G"), _to_zero(steps))
        return fall | dict.fromkeys(self._players("D"), _to_zero(rounds * c.critic_steps))


def _to_zero(steps: int) -> Any:
    return functools.partial(
        torch.optim.lr_scheduler.LinearLR, start_factor=1.0, end_factor=0.0, total_iters=steps
    )


def _row(returns: np.ndarray, low: float, high: float) -> dict[str, float]:
    """Mean and deviation, and how far it is from the random policy's 0 to the expert's 1."""
    mean = float(returns.mean())
    share = (mean - low) / (high - low) if high > low else math.nan
    row = {"return": mean, "sd": float(returns.std()), "episodes": float(len(returns))}
    return {**row, "share": share} if math.isfinite(share) else row


def _verdict(shares: dict[str, float]) -> str:
    """What the controls say of the result."""
    name, *controls = shares
    if math.isnan(shares[name]):
        return "The demonstrations earn no more than random actions: nothing can be proved by them."
    if not controls:
        return "No control was played: this result alone proves nothing."
    passed = [control for control in controls if shares[control] >= PASSED]
    if passed:
        return (
            f"This proves nothing: {' and '.join(passed)} also came {PASSED:.0%} of the way from "
            "the random policy to the expert."
        )
    far = "reached" if shares[name] >= PASSED else "did not reach"
    return f"{name} {far} {PASSED:.0%} of the way to the expert; neither control did."
