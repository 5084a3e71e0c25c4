"""Seconds of 10,000 environment steps of GAIL, and where they go.

    python benchmarks/imitation_speed.py [--env CartPole-v1] [--env_steps 40960]

One thread, ten epochs of PPO in minibatches of 1,024, and discriminator steps with R1, 8 a round as
in the recipe's defaults unless --d_steps says otherwise. The demonstrations are of random actions:
speed does not depend on what they show.
"""

import argparse
import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import torch
from timing import forget_peak, name_of, now, peak_gib

from image_core.adversarial import penalties
from image_core.adversarial.engine import Engine, Logs
from image_core.adversarial.game import Batch, Turn
from image_core.memory import keep_freed_memory
from image_core.runs.uniform import Uniform
from rl.demos import expert, record
from rl.discriminators import DenseDiscriminator
from rl.envs import make_envs
from rl.games.imitation import ImitationGame
from rl.nets import Normaliser
from rl.policies import make_policy, value_net
from rl.ppo import PPO
from rl.rollout import Collector

ENVS, STEPS, HIDDEN = 16, 256, (64, 64)


class Clock:
    """Seconds by part: CPU seconds of the process, or of the clock on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    def around(self, owner: Any, method: str, part: str) -> None:
        """Time every call of a method."""
        inner: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(inner)
        def timed(*args: Any, **options: Any) -> Any:
            began = now(self.device)
            try:
                return inner(*args, **options)
            finally:
                spent = now(self.device) - began
                self.seconds[part] = self.seconds.get(part, 0.0) + spent

        object.__setattr__(owner, method, timed)

    def around_turn(self, engine: Engine, player: str) -> None:
        """Time one player's turns, with all that happens in them."""
        inner = engine.play

        def timed(turn: Turn, batches: Iterator[Batch]) -> Logs:
            began = now(self.device)
            try:
                return inner(turn, batches)
            finally:
                if turn.player == player:
                    spent = now(self.device) - began
                    part = f"turn {player}"
                    self.seconds[part] = self.seconds.get(part, 0.0) + spent

        object.__setattr__(engine, "play", timed)


def build(env: str, d_steps: int, device: torch.device) -> tuple[Engine, ImitationGame]:
    envs = make_envs(env, ENVS)
    normaliser = Normaliser(envs.observations)
    data = expert(record(make_envs(env, 4), None, 4))
    learner = PPO(
        make_policy(envs.observations, envs.actions, normaliser, HIDDEN),
        value_net(envs.observations, normaliser, HIDDEN),
        ENVS,
        epochs=10,
        minibatch=1024,
    )
    discriminator = DenseDiscriminator(envs.observations, envs.actions, normaliser, hidden=HIDDEN)
    game = ImitationGame(
        learner,
        discriminator,
        Collector(envs, STEPS),
        data,
        normaliser,
        penalty=penalties.r1(1.0),
        d_steps=d_steps,
    )
    adam = functools.partial(torch.optim.Adam, lr=3e-4, fused=True)
    return Engine(game.to(device), {"G": adam, "D": adam}, clip={"G": 0.5}), game


def measure(env: str, steps: int, d_steps: int, device: torch.device) -> dict[str, Any]:
    torch.manual_seed(0)
    forget_peak(device)
    engine, game = build(env, d_steps, device)
    data, rounds = Uniform(256, 0), max(1, steps // (ENVS * STEPS))
    list(engine.rounds(data, 1))  # warm
    clock = Clock(device)
    clock.around(game.collector.envs, "step", "stepping")
    clock.around(game.learner.policy, "act", "policy")
    clock.around(game.collector, "collect", "rollout")
    clock.around(game, "rewards", "rewards")
    for turn in game.turns():
        clock.around_turn(engine, turn.player)
    began = now(device)
    for logs in engine.rounds(data, rounds):
        assert logs
    total = now(device) - began
    scale, found = 10_000 / (rounds * ENVS * STEPS), clock.seconds
    seconds = {
        "stepping": found["stepping"],
        "policy": found["policy"],
        "rest of the rollout": found["rollout"] - found["stepping"] - found["policy"],
        "discriminator's updates": found["turn D"] - found["rollout"],
        "discriminator's rewards": found["rewards"],
        "policy's updates": found["turn G"] - found["rewards"],
    }
    parts = {name: round(spent * scale, 4) for name, spent in seconds.items()}
    head = {"env": env, "d_steps": d_steps, "device": name_of(device)}
    head |= {"peak_gib": peak_gib(device)}
    return {**head, "seconds_per_10k_steps": round(total * scale, 3), "parts": parts}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--env", action="append", help="gymnasium id; may be given several times")
    parser.add_argument("--env_steps", type=int, default=40_960)
    parser.add_argument("--d_steps", type=int, default=8, help="a round of 4,096 steps")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for name in options.env or ["CartPole-v1", "Acrobot-v1", "MountainCar-v0"]:
        line = measure(name, options.env_steps, options.d_steps, torch.device(options.device))
        print(json.dumps(line), flush=True)
