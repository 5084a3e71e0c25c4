"""Rewards that travel: a reward learned by imitation trains a new agent under other dynamics.

    python benchmarks/imitation_transfer.py --out runs/transfer [--seeds 0 1 2]

An expert of CartPole-v1 is imitated. Then the cart's motor is reversed, so that what the expert did
is wrong in every state, and PPO starts anew on the learned reward alone. Rows of the table, returns
by the environment's own reward:

    airl_state             AIRL's g(s), without shaping and without log pi
    airl                   the same of g(s, a)
    gail                   the reward of a discriminator of state and action
    random demonstrations  g(s) of AIRL that was shown random actions
    true reward            the environment's own: what can be reached
    policy, moved          no training: the policy of airl_state as imitation left it

Everything is a command of `seqgan`, told when it begins, in a folder of its own under --out; what
is finished is kept, and the same command goes on. Writes result.json and table.md.
"""

import argparse
from pathlib import Path
from typing import Any

import gymnasium
import kept_runs
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

SOURCE = "CartPole-v1"
TARGET = "imitation_transfer:ReversedCartPole-v0"
REWARDS = {
    "airl_state": ("airl_state", "expert"),
    "airl": ("airl", "expert"),
    "gail": ("gail", "expert"),
    "random demonstrations": ("airl_state", "random"),
}
"""Paper and demonstrations of each learned reward."""
TRUE, MOVED = "true reward", "policy, moved"


class ReversedCartPole(CartPoleEnv):
    """CartPole whose motor pushes to the other side."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        return super().step(1 - action)


gymnasium.register("ReversedCartPole-v0", ReversedCartPole, max_episode_steps=500)


class Transfer:
    """The runs of one seed.

    Args:
        out: Folder of its runs.
        seed: Seed of all of them.
        env_steps: Environment steps of each.
    """

    def __init__(self, out: Path, seed: int, env_steps: int):
        self.out, self.seed, self.env_steps = out, seed, env_steps

    def train(self, recipe: str, name: str, **named: Any) -> dict[str, Any]:
        """The result of a run."""
        sized = {"env_steps": self.env_steps, "seed": self.seed, "threads": 1}
        return kept_runs.train(recipe, self.out / name, **named, **sized)

    def demonstrations(self, whose: str) -> Path:
        """Four episodes of a new expert, or of random actions."""
        file = self.out / f"{whose}.npz"
        if not file.exists():
            who = ["--env", SOURCE]
            if whose == "expert":
                self.train("expert", "expert", env=SOURCE)
                who = [str(self.out / "expert")]
            kept_runs.command("demos", *who, "--episodes=4", f"--seed={self.seed}", f"--out={file}")
        return file

    def imitated(self, row: str) -> Path:
        """Folder of the run that learned the reward of a row."""
        paper, whose = REWARDS[row]
        shown = {"env": SOURCE, "demos": self.demonstrations(whose), "controls": "false"}
        if paper != "gail":  # a reward that has forgotten where early policies went misleads there
            shown |= {"past_rollouts": 20}
        self.train("imitate", f"imitate {row}", paper=paper, **shown)
        return self.out / f"imitate {row}"

    def returns(self) -> dict[str, float]:
        """Mean return of each row under the changed dynamics, of sampled actions."""
        found = {}
        for row in REWARDS:
            run = self.train("expert", f"retrain {row}", env=TARGET, reward_of=self.imitated(row))
            found[row] = run["table"]["sampled"]["return"]
        true = self.train("expert", f"retrain {TRUE}", env=TARGET)
        return {
            **found,
            TRUE: true["table"]["sampled"]["return"],
            MOVED: moved(self.imitated("airl_state"), self.seed),
        }


def moved(folder: Path, seed: int) -> float:
    """Mean return of a run's policy under the changed dynamics."""
    import torch

    import seqgan as sg
    from rl.envs import make_envs
    from rl.metrics import returns_of

    torch.manual_seed(seed)
    policy = sg.load(folder).policy
    return float(returns_of(policy, make_envs(TARGET, 50), 50, seed=seed + 1).mean())


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--env_steps", type=int, default=100_000, help="of every run")
    options = parser.parse_args(given)
    out, returns = Path(options.out), dict[str, list[float]]()
    for seed in options.seeds:
        for row, value in Transfer(out / f"seed{seed}", seed, options.env_steps).returns().items():
            returns.setdefault(row, []).append(value)
    facts = {"seeds": options.seeds, "env_steps": options.env_steps, "interval_over": "seeds"}
    kept_runs.write(
        out, {**facts, "return": returns}, kept_runs.table_over_seeds({"return": returns})
    )


if __name__ == "__main__":
    main()
