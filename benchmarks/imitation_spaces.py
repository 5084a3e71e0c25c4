"""Imitation where observations are pictures or of parts, and actions several choices at once.

    python benchmarks/imitation_spaces.py --out runs/spaces [--seeds 0 1 2] [--task Catch-v0]

Four tasks of seconds to minutes, whose best policy is known and is the expert:

    Catch-v0      a picture of 10 x 10 bytes: a ball falls, a paddle goes left, right or stays
    Dials-v0      MultiDiscrete([3, 4]) from [1, -2]: each dial to where a number shown says
    Switches-v0   MultiBinary(4): each switch by the sign of a number shown
    Corners-v0    a Dict of a corner and a place; moves in a box of (-5 .. 5, 0 .. 20)

All episodes are equally long, so that no reward pays for long or short ones. Every run is a command
of `seqgan`, told when it begins, in a folder of its own under --out; finished ones are kept, and
the same command goes on. Writes result.json and table.md.
"""

import argparse
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import kept_runs
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rl.policies import Actor

SIDE, BALLS = 10, 4
DIALS = np.array([3, 4])
CORNERS = np.array([[-0.8, -0.8], [-0.8, 0.8], [0.8, -0.8], [0.8, 0.8]])
MIDDLE, HALF_WIDTH = np.array([0.0, 10.0]), np.array([5.0, 10.0])
LONGEST_MOVE = 0.25
EPISODES = 20
"""Demonstrations; the first ones are learned from, the rest are held out."""
ROWS = {
    "expert": ("gail", "expert"),
    "random policy": ("gail", "random policy"),
    "cloning": ("bc", "BC"),
    "GAIL": ("gail", "GAIL"),
    "discriminator never trained": ("gail", "discriminator never trained"),
    "random demonstrations": ("gail", "random demonstrations"),
}
"""Run and row of its table."""


class Task(gymnasium.Env[Any, Any]):
    """A task without terminal states; its episodes end at the time limit."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.begin()
        return self.shown(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = self.earned(np.asarray(action))
        return self.shown(), reward, False, False, {}

    @abstractmethod
    def begin(self) -> None:
        """The first state."""

    @abstractmethod
    def earned(self, action: np.ndarray) -> float:
        """Go to the next state; the reward of the action."""

    @abstractmethod
    def shown(self) -> Any:
        """Observation of the state."""


class Catch(Task):
    """A ball falls from a column at random; 1 where the paddle is below it at the end."""

    observation_space = spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8)
    action_space = spaces.Discrete(3)

    def begin(self) -> None:
        self.paddle = int(self.np_random.integers(SIDE))
        self._drop()

    def earned(self, action: np.ndarray) -> float:
        self.paddle = int(np.clip(self.paddle + int(action) - 1, 0, SIDE - 1))
        self.row += 1
        if self.row < SIDE - 1:
            return 0.0
        caught = float(self.paddle == self.column)
        self._drop()
        return caught

    def shown(self) -> np.ndarray:
        picture = np.zeros((SIDE, SIDE, 1), np.uint8)
        picture[self.row, self.column] = picture[SIDE - 1, self.paddle] = 255
        return picture

    def _drop(self) -> None:
        self.row, self.column = 0, int(self.np_random.integers(SIDE))


class Numbers(Task):
    """Shows four numbers at random, new ones each step; earns the share of right choices."""

    observation_space = spaces.Box(-1, 1, (4,), np.float32)
    action_space: spaces.MultiDiscrete | spaces.MultiBinary
    right: Callable[[np.ndarray], np.ndarray]

    def begin(self) -> None:
        self.numbers = self.np_random.uniform(-1, 1, 4).astype(np.float32)

    def earned(self, action: np.ndarray) -> float:
        start = getattr(self.action_space, "start", 0)
        share = float(np.mean(action - start == type(self).right(self.numbers)))
        self.begin()
        return share

    def shown(self) -> np.ndarray:
        return self.numbers


def right_dials(numbers: np.ndarray) -> np.ndarray:
    """The first number by thirds of its range, the second by quarters."""
    return np.minimum((numbers[..., :2] + 1) / 2 * DIALS, DIALS - 1).astype(np.int64)


def right_switches(numbers: np.ndarray) -> np.ndarray:
    """The sign of each number."""
    return (numbers > 0).astype(np.int64)


class Dials(Numbers):
    """Two dials at once."""

    action_space = spaces.MultiDiscrete(DIALS, start=[1, -2])
    right = staticmethod(right_dials)


class Switches(Numbers):
    """Four switches at once."""

    action_space = spaces.MultiBinary(4)
    right = staticmethod(right_switches)


class Corners(Task):
    """Costs the distance to the corner that is shown; a corner changes every tenth step."""

    observation_space = spaces.Dict(
        {"corner": spaces.Discrete(4), "place": spaces.Box(-2, 2, (2,), np.float32)}
    )
    action_space = spaces.Box(
        (MIDDLE - HALF_WIDTH).astype(np.float32), (MIDDLE + HALF_WIDTH).astype(np.float32)
    )

    def begin(self) -> None:
        self.place, self.steps = self.np_random.uniform(-1, 1, 2), 0
        self.corner = int(self.np_random.integers(4))

    def earned(self, action: np.ndarray) -> float:
        move = np.clip((action - MIDDLE) / HALF_WIDTH, -1, 1)
        self.place, self.steps = np.clip(self.place + LONGEST_MOVE * move, -2, 2), self.steps + 1
        cost = float(np.linalg.norm(self.place - CORNERS[self.corner]))
        if self.steps % 10 == 0:
            self.corner = int(self.np_random.integers(4))
        return -cost

    def shown(self) -> dict[str, Any]:
        return {"corner": self.corner, "place": self.place.astype(np.float32)}


LEARNING: dict[str, dict[str, Any]] = {"Catch-v0": {"env_steps": 40_000, "penalty": ""}}
"""Options of GAIL: R1 holds down the slopes that two bright pixels of a hundred are told by."""
STEPS = {"Catch-v0": BALLS * (SIDE - 1), "Dials-v0": 20, "Switches-v0": 20, "Corners-v0": 20}
for name, steps in STEPS.items():
    # By the module's name, also where it is run as a script and imported once more
    entry = f"imitation_spaces:{name.removesuffix('-v0')}"
    gymnasium.register(name, entry, max_episode_steps=steps)


class Best(Actor):
    """The best policy of one of the tasks.

    Args:
        task: Id of the task.
    """

    def __init__(self, task: str):
        super().__init__()
        self.rule = {
            "Catch-v0": towards_the_ball,
            "Dials-v0": lambda seen: torch.from_numpy(right_dials(seen.numpy())),
            "Switches-v0": lambda seen: torch.from_numpy(right_switches(seen.numpy())),
            "Corners-v0": towards_the_corner,
        }[task]

    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        return self.rule(obs)


def towards_the_ball(picture: Tensor) -> Tensor:
    """Left, stay or right: where the ball is, seen from the paddle."""
    bright = picture[:, 0] > 0
    paddle = bright[:, -1].int().argmax(1)
    ball = bright[:, :-1].any(1).int().argmax(1)
    return (ball - paddle).sign() + 1


def towards_the_corner(seen: Tensor) -> Tensor:
    """Straight there, as fast as the box allows; the one-hot corner comes before the place."""
    goal = seen[:, :4] @ torch.from_numpy(CORNERS).float()
    move = ((goal - seen[:, 4:]) / LONGEST_MOVE).clamp(-1, 1)
    middle, half = (torch.from_numpy(x).float() for x in (MIDDLE, HALF_WIDTH))
    return middle + half * move


def write_demonstrations(file: Path, task: str, seed: int) -> None:
    """Episodes of the best policy."""
    from rl.demos import record
    from rl.envs import make_envs
    from rl.formats import save_npz

    env = f"imitation_spaces:{task}"
    envs = make_envs(env, EPISODES)
    torch.manual_seed(seed)
    save_npz(file, record(envs, Best(task), EPISODES), envs, env)


def measure(out: Path, task: str, seed: int, env_steps: int) -> dict[str, float]:
    """Mean return of each row.

    Args:
        out: Folder of the task's runs of this seed.
        task: Id of the task.
        seed: Seed of all of them.
        env_steps: Environment steps of GAIL; 0 takes those of the task.
    """
    file = out / "expert.npz"
    if not file.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_demonstrations(file, task, seed)
    shared = {"env": f"imitation_spaces:{task}", "demos": file, "trajectories": EPISODES // 2}
    shared |= {"seed": seed, "threads": 1}
    small = {"envs": 8, "rollout": 64, "minibatch": 128, "d_batch": 128}
    small |= {"env_steps": 20_000} | LEARNING.get(task, {})
    small |= {"env_steps": env_steps} if env_steps else {}
    tables = {
        "gail": kept_runs.train("imitate", out / "gail", paper="gail", **shared, **small)["table"],
        "bc": kept_runs.train("imitate", out / "bc", paper="bc", **shared, bc_steps=1000)["table"],
    }
    return {row: tables[run][of]["return"] for row, (run, of) in ROWS.items()}


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--task", choices=STEPS, action="append", help="may be given several times")
    parser.add_argument("--env_steps", type=int, default=0, help="of every run of GAIL")
    options = parser.parse_args(given)
    out, returns = Path(options.out), dict[str, dict[str, list[float]]]()
    for task in options.task or STEPS:
        for seed in options.seeds:
            found = measure(out / task / f"seed{seed}", task, seed, options.env_steps)
            for row, value in found.items():
                returns.setdefault(task, {}).setdefault(row, []).append(value)
    facts = {"seeds": options.seeds, "interval_over": "seeds"}
    facts |= {"env_steps": options.env_steps or "those of the task"}
    table = kept_runs.table_over_seeds(returns, digits=2)
    kept_runs.write(out, {**facts, "return": returns}, table)


if __name__ == "__main__":
    main()
