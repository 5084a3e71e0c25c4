"""A task's reward and a style from examples: AMP on CartPole, whose reward does not ask where.

    python benchmarks/imitation_style.py --out runs/style [--seeds 0 1 2]

The demonstrations stand at the right, near x = 1, by a linear controller; actions and rewards are
not shown. The style is the cart's place and speed (`--features imitation_style:place`). Rows:

    task alone             PPO on the environment's reward (--env_weight 1)
    task and style         AMP, half of each
    style alone            AMP without the environment's reward (--env_weight 0)
    random demonstrations  task and style, the style being that of random actions

Return is the environment's; `style distance` is the mean over steps of |x - x_d|, with x_d the mean
place in demonstrations. Every run is a command of `seqgan`, told when it begins, in a folder of its
own under --out; finished ones are kept, and the same command goes on. Writes result.json and
table.md.
"""

import argparse
from pathlib import Path

import gymnasium
import kept_runs
import numpy as np
from torch import Tensor

ENV = "CartPole-v1"
ROWS = {
    "task alone": ("style", 1.0),
    "task and style": ("style", 0.5),
    "style alone": ("style", 0.0),
    "random demonstrations": ("random", 0.5),
}
"""Demonstrations, and the weight of the environment's reward."""
GAINS = np.array([0.4, 0.8, 8.0, 1.6])
"""Of place, speed, angle and its rate: the cart is pushed to the side of their sum."""
EPISODES = 8


def place(obs: Tensor) -> Tensor:
    """The style's features: place and speed of the cart."""
    return obs[:, :2]


def write_demonstrations(file: Path, seed: int) -> None:
    """States of episodes that stand near x = 1, each at a place of its own."""
    env, draw = gymnasium.make(ENV), np.random.default_rng(seed)
    seen, lengths, last = [], [], []
    for episode in range(EPISODES):
        goal = np.array([draw.uniform(0.7, 1.3), 0, 0, 0])
        obs, _ = env.reset(seed=seed + episode)
        ended, before = False, len(seen)
        while not ended:
            seen.append(obs)
            obs, _, fell, late, _ = env.step(int(GAINS @ (obs - goal) > 0))
            ended = fell or late
        lengths.append(len(seen) - before)
        last.append(obs)
        if fell:
            raise SystemExit(f"the controller fell in episode {episode}")
    ends = {"terminals": np.zeros(len(seen), bool), "traj_len": np.array(lengths)}
    np.savez(file, obs=np.array(seen, np.float32), last_obs=np.array(last), **ends)


def measure(out: Path, row: str, seed: int, env_steps: int) -> tuple[float, float]:
    """Mean return of a row's policy, and its style distance.

    Args:
        out: Folder of the seed's runs.
        row: One of `ROWS`.
        seed: Seed of all of them.
        env_steps: Environment steps of the run.
    """
    whose, weight = ROWS[row]
    file = {name: out / f"{name}.npz" for name in ("style", "random")}
    if not file["style"].exists():
        out.mkdir(parents=True, exist_ok=True)
        write_demonstrations(file["style"], seed)
    if not file["random"].exists():
        few = f"--episodes={EPISODES}"
        kept_runs.command("demos", "--env", ENV, few, f"--seed={seed}", f"--out={file['random']}")
    shown = {"demos": file[whose], "features": "imitation_style:place", "env_weight": weight}
    sized = {"env_steps": env_steps, "seed": seed, "threads": 1, "controls": "false"}
    run = kept_runs.train("imitate", out / row, paper="amp", env=ENV, **shown, **sized)
    with np.load(file["style"]) as style:
        centre = float(style["obs"][:, 0].mean())
    return run["table"]["AMP"]["return"], distance(out / row, centre, seed)


def distance(folder: Path, centre: float, seed: int) -> float:
    """Mean of |x - centre| over the steps of 50 episodes of a run's policy."""
    import torch

    import seqgan as sg
    from rl.envs import make_envs
    from rl.metrics import episodes_of

    torch.manual_seed(seed)
    policy = sg.load(folder).policy
    episodes = episodes_of(policy, make_envs(ENV, 50), 50, seed=seed + 1, deterministic=False)
    return float(np.abs(np.concatenate([t.obs[:, 0] for t in episodes]) - centre).mean())


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--env_steps", type=int, default=150_000, help="of every run")
    options = parser.parse_args(given)
    out, returns, far = Path(options.out), dict[str, list[float]](), dict[str, list[float]]()
    for seed in options.seeds:
        for row in ROWS:
            earned, apart = measure(out / f"seed{seed}", row, seed, options.env_steps)
            returns.setdefault(row, []).append(earned)
            far.setdefault(row, []).append(apart)
    facts = {"seeds": options.seeds, "env_steps": options.env_steps, "interval_over": "seeds"}
    columns = {"return": returns, "style distance": far}
    kept_runs.write(out, {**facts, **columns}, kept_runs.table_over_seeds(columns, digits=2))


if __name__ == "__main__":
    main()
