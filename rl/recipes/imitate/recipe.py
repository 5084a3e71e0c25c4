"""Adversarial imitation in an environment, from demonstrations, with the controls beside it.

The same game is played again with a discriminator that is never trained, and with demonstrations of
a random policy. Where those reach the expert too, the result proves nothing, and the table says so.
"""

import functools
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS, Limit
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.papers import Papers
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam, make_engine
from image_core.runs.uniform import Uniform
from rl.recipes.imitate.config import ImitationOptions, PhasedRun, RewardOptions
from rl.recipes.imitate.presets import PRESETS as PRESETS
from rl.recipes.imitate.report import AGAIN, TITLES, Returns, write_report
from rl.recipes.policy_run import open_quietly, paths_of

if TYPE_CHECKING:
    from rl.demos import Expert, Trajectory
    from rl.discriminators import Transitions
    from rl.envs import Envs
    from rl.imitator import AdversarialImitator, Imitator
    from rl.policies import Actor
    from rl.recipes.imitate.data import DemonstrationSplit

PAPERS = Papers("rl.recipes.imitate.papers", "gail", shared=ImitationOptions, own=ImitationOptions)
POLICIES = {"expert": "rl.recipes.expert", "imitate": "rl.recipes.imitate.recipe"}
"""Recipes whose runs leave a policy."""


class Run(PhasedRun):
    """A run of imitation and its controls.

    Args:
        config: Its options.
        data: Whether demonstrations are read; playing and rewarding do not need them.

    Raises:
        UserError: The data cannot be read or do not fit, or the paper's game is of another kind.
    """

    recipe = "imitate"
    show = ("G/return", "return", "D/accuracy", "d_auc", "d_auc_train")
    movable = ("demos", "valid", "expert_policy")
    config: ImitationOptions

    def __init__(self, config: ImitationOptions, *, data: bool = True):
        super().__init__(config, data=data)
        from rl.games.controlled import ControlledGame
        from rl.recipes.imitate.data import stand_in

        self.paper = PAPERS.load(config.paper)
        self.device = options.pick_device(config.device)
        self.window = config.seen_at_once()
        envs = self.make_envs(config.env_count())
        plain = envs if self.window == 1 else self.plain_envs(1)
        self.shown = self._read(plain) if data else stand_in(plain)
        self.trajectories = self.shown.learned
        self.expert = self._rows(self.trajectories)
        self.random = (
            self._play_random(max(len(self.trajectories), 10)) if data else self.trajectories
        )
        self.games = self._games(envs)
        self.game = ControlledGame(self.games).to(self.device)
        self.engine = make_engine(
            self.game,
            self._players(),
            "no",
            source=self.paper.file,
            shard=paths_of(self.game, config.shard),
            ema=dict.fromkeys(self._policies().values(), config.ema_decay)
            if config.ema_decay
            else {},
        )
        self.data = Uniform(config.stream_rows(), config.seed)

    def start(self) -> None:
        from rl.recipes.imitate.data import told_of, told_unlike

        super().start()
        told = told_of(self.shown, self._facts(), judged=self.adversarial() is not None)
        told += told_unlike(self.trajectories, self.random, self.plain_envs(1))
        for line in told:
            print(line, file=sys.stderr)

    # ------------------------------------------------------------------------------------- phases

    def phases(self) -> list[Phase]:
        """The paper's phases; cloning, the game and its controls where it has none."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        c, steps = self.config, self.config.cloning().steps
        found = []
        if steps:
            found.append(self.phase("clone", steps, max(1, steps // 10)))
        played = [name for name in self.games if name != "clone"]
        return [*found, *(self.phase(n, c.rounds(), c.round_evaluations()) for n in played)]

    def phase(self, game: str, rounds: int, every: int, *, title: str = "") -> Phase:
        """Rounds of one of the games, with evaluations of its policy.

        Args:
            game: Name of the game: imitation, clone, untrained or random.
            rounds: Number of rounds.
            every: Rounds between two evaluations.
            title: Name of the phase in the log; the game's where it is empty.
        """
        look = functools.partial(self._look, game)
        limits = self._limits() if game == "imitation" else ()
        turns = self.game.turns_of(game)
        return Phase(title or game, turns, rounds, look, every, limits=limits)

    def policy(self, name: str = "imitation") -> "Actor":
        """The policy of one of the games, averaged if that was asked for.

        Args:
            name: Name of the game: imitation, untrained or random.
        """
        if self.config.ema_decay:
            return self.engine.ema[self._policies()[name]].module  # type: ignore[return-value]
        return self.games[name].policy

    def _policies(self) -> dict[str, str]:
        """Where each game keeps its policy, as the engine names submodules."""
        names = {id(module): name for name, module in self.game.named_modules()}
        played = {name: game for name, game in self.games.items() if name != "clone"}
        return {name: names[id(game.policy)] for name, game in played.items()}

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
        from rl.recipes.occupancy import occupancy_of
        from rl.recipes.samples import write_samples

        c, played = self.config, [name for name in self.games if name != "clone"]
        sampled = {name: self._episodes(name, c.eval_episodes) for name in played}
        likeliest = self._episodes("imitation", c.eval_episodes, deterministic=True)
        shown = self.shown
        found = Returns(
            [t.ret for t in shown.learned],
            [t.ret for t in shown.held_out],
            [t.ret for t in self.random],
            {name: _returns(some) for name, some in sampled.items()},
            _returns(likeliest),
        )
        facts = {
            "objective": c.objective(),
            "data": self._facts(),
            **self._discrimination(sampled["imitation"]),
            **self._overfit(),
            "trajectories": len(self.trajectories),
            "rows": len(self.expert.steps().obs),
            "env_steps": c.rounds() * c.round_steps(),
            "alarms": self.engine.notes.get("alarms", []),
            "rounds": self.engine.round,
            "steps": self.engine.steps,
            "seed": c.seed,
            "config": self.as_dict(),
            "cpu_seconds": self.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
        }
        visited = occupancy_of(
            {
                "expert": shown.learned,
                **({AGAIN: shown.held_out} if shown.held_out else {}),
                **{TITLES.get(name, self.paper.title): some for name, some in sampled.items()},
                "random policy": self.random,
            }
        )
        write_report(self.folder, self.paper.title, found, c.round_steps(), facts, visited)
        write_samples(self, sampled["imitation"])

    def _facts(self) -> dict[str, float | str]:
        from rl.recipes.imitate.data import facts_of

        return facts_of(self.shown, len(self.expert.steps().obs), self.config.seed)

    def _episodes(
        self, name: str, episodes: int, deterministic: bool = False
    ) -> "list[Trajectory]":
        from rl.metrics import episodes_of
        from rl.windows import newest

        envs, seed = self.make_envs(min(episodes, 50)), self.config.seed + 1
        policy = self.policy(name)
        found = episodes_of(policy, envs, episodes, seed=seed, deterministic=deterministic)
        return found if self.window == 1 else [newest(episode, self.window) for episode in found]

    def _look(self, name: str) -> dict[str, float]:
        found = self._episodes("imitation" if name == "clone" else name, 10)
        judged = self._discrimination(found) if name == "imitation" else {}
        return {"return": float(_returns(found).mean()), **judged}

    # ------------------------------------------------------------------------ the discriminator

    def _discrimination(self, fresh: "list[Trajectory]") -> dict[str, float]:
        """AUC and accuracy on held-out demonstrations and new episodes of the policy.

        Where none are held out it is on the training demonstrations, and the names say so.
        """
        from rl.metrics import discrimination

        game, real = self.adversarial(), self.shown.held_out or self.shown.learned
        if game is None:
            return {}
        rows = self._whole(real), self._whole(fresh)
        found = discrimination(game, *rows, diagnose=self.config.diagnose)
        return {f"{name}{self._suffix()}": value for name, value in found.items()}

    def _overfit(self) -> dict[str, float]:
        """AUC of training rows against held-out ones: above 0.5 they are learned by heart."""
        from rl.metrics import discrimination

        game = self.adversarial()
        if not self.shown.held_out or game is None:
            return {}
        again = self._whole(self.shown.held_out)
        train = self.expert.to(self.device).steps()
        found = discrimination(game, train, again.pick(~again.absorbing))
        return {"d_auc_real_again": found["d_auc"]}

    def adversarial(self) -> "AdversarialImitator | None":
        """The game of the paper, where it has a discriminator."""
        from rl.imitator import AdversarialImitator

        game = self.games["imitation"]
        return game if isinstance(game, AdversarialImitator) else None

    def _suffix(self) -> str:
        return "" if self.shown.held_out else "_train"

    def _whole(self, trajectories: "list[Trajectory]") -> "Transitions":
        from rl.demos import whole

        seen = self._seen(trajectories)
        return whole(seen, absorbing=self.config.reads_absorbing()).to(self.device)

    def _limits(self) -> list[Limit]:
        """Alarms of a discriminator that is too strong or at chance."""
        end = self._suffix()
        return [
            DISCRIMINATOR_WINS._replace(metric=f"d_accuracy{end}"),
            DISCRIMINATOR_AT_CHANCE._replace(metric=f"d_auc{end}"),
        ]

    # ---------------------------------------------------------------------- environments and data

    def _read(self, envs: "Envs") -> "DemonstrationSplit":
        from rl.recipes.imitate.data import read

        c = self.config
        return read(
            envs,
            c.env,
            c.demos,
            valid=c.valid,
            trajectories=c.trajectories,
            fixed_horizon=c.fixed_horizon,
            needs_actions=c.reads_actions(),
            env_kwargs=c.env_kwargs,
        )

    def _rows(self, trajectories: "list[Trajectory]") -> "Expert":
        from rl.demos import expert

        c, seen = self.config, self._seen(trajectories)
        return expert(seen, subsample=c.subsample, seed=c.seed, absorbing=c.reads_absorbing())

    def _seen(self, trajectories: "list[Trajectory]") -> "list[Trajectory]":
        """Episodes as the policy sees them: windows where it has a memory."""
        from rl.windows import windowed

        return (
            trajectories if self.window == 1 else [windowed(t, self.window) for t in trajectories]
        )

    def _play_random(self, count: int) -> "list[Trajectory]":
        from rl.demos import record

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return record(self.plain_envs(min(count, 10)), None, count)

    # -------------------------------------------------------------------------- games and players

    def _games(self, envs: "Envs") -> "dict[str, Imitator]":
        """The paper's game, what clones its policy first, and the controls."""
        c = self.config
        played = {"imitation": self._game(envs, self.expert)}
        if c.cloning().steps:
            played["clone"] = self._clone(played["imitation"])
        controls = c.controls_played()
        if "untrained" in controls:
            played["untrained"] = self._game(
                self.make_envs(c.env_count()), self.expert, trained=False
            )
        if "random" in controls:
            # Each leaves one row at least, and two are the fewest
            others = self._rows(self.random[: max(2, len(self.trajectories))])
            played["random"] = self._game(self.make_envs(c.env_count()), others)
        return played

    def _game(self, envs: "Envs", expert: "Expert", trained: bool = True) -> "Imitator":
        """The paper's game; the discriminator of a control is never trained."""
        from rl.imitator import Imitator
        from rl.nets import Normaliser
        from rl.recipes.imitate.build import ImitationTask

        expert = expert.to(self.device)
        normaliser = Normaliser(envs.observations).to(self.device)
        normaliser.see(expert.steps().obs)
        load = functools.partial(self._load_policy, envs)
        task = ImitationTask(envs, expert, normaliser, trained, load)
        game = self.paper.game(self.config, task)
        if not isinstance(game, Imitator):
            raise UserError(
                f"--paper {self.paper.name}: `game` of {self.paper.file} returns no Imitator of "
                "rl.imitator"
            )
        self._add_own_reward(game, envs)
        return game

    def _add_own_reward(self, game: "Imitator", envs: "Envs") -> None:
        """Mix the user's own reward in, where there is one."""
        c = self.config
        if not isinstance(c, RewardOptions) or not (name := c.own_reward()):
            return
        from rl.recipes.imitate.own import own_reward

        game.add_reward(own_reward(name, envs), c.reward_weight)

    def _clone(self, game: "Imitator") -> "Imitator":
        from rl.bc import BehaviouralCloning
        from rl.policies import Policy

        steps = self.expert.to(self.device).steps()
        if not isinstance(game.policy, Policy):
            raise UserError(
                f"--paper {self.paper.name}: `game` of {self.paper.file} has a policy without "
                "likelihoods, which --bc_steps needs; pass 0"
            )
        return BehaviouralCloning(game.policy, steps, game.normaliser, self.config.seed)

    def _load_policy(self, envs: "Envs", option: str, where: str) -> "Actor":
        """The policy of a run or a file, as it sees the observations of this run."""
        from rl.experts import load_actor
        from rl.windows import NewestAlone

        if not Path(where).is_dir():
            alone = load_actor(where, envs.actions, f"--{option}")
            return alone if self.window == 1 else NewestAlone(alone, self.window)
        run = open_quietly(where, POLICIES)
        if run.config.env != self.config.env:
            raise UserError(
                f"--{option} {where} is no run of expert or imitate in {self.config.env}"
            )
        run.load()
        if run.window not in (1, self.window):
            raise UserError(
                f"--{option} {where} has --window {run.window}; give the same here, or another run"
            )
        policy = run.policy()
        return policy if run.window == self.window else NewestAlone(policy, self.window)

    def _players(self) -> list[Player]:
        """The paper's players, the same again in each control, and the one that clones."""
        c, found = self.config, []
        for name in self.games:
            if name == "clone":
                found.append(Player(self.game.renamed(name, "G"), adam(c.cloning().lr)))
                continue
            for player in self.paper.players(c):
                found.append(player._replace(name=self.game.renamed(name, player.name)))
        return found


def _returns(trajectories: "list[Trajectory]") -> np.ndarray:
    return np.array([t.ret for t in trajectories])
