"""CPU seconds of 10,000 environment steps of GAIL, and where they go.

    python benchmarks/imitation_speed.py [--env CartPole-v1] [--steps 40960]

One thread, ten epochs of PPO in minibatches of 1,024, and critic steps with R1, 8 a round as in
the recipe's defaults unless --critic_steps says otherwise. The demonstrations are of random
actions: speed does not depend on what they show.
"""

import argparse
import functools
import json
import time
from collections.abc import Callable
from typing import Any

import torch

from image_core.adversarial import penalties
from image_core.adversarial.engine import Engine
from image_core.memory import keep_freed_memory
from rl.critics import DenseCritic
from rl.demos import expert, record
from rl.envs import make_envs
from rl.games.imitation import ImitationGame
from rl.nets import Normaliser
from rl.policies import make_policy, value_net
from rl.ppo import PPO
from rl.rollout import Collector
from seqgan.recipes.uniform import Uniform

ENVS, STEPS, HIDDEN = 16, 256, (64, 64)


class Clock:
    """CPU seconds by part; a part within a part is counted in both."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def around(self, owner: Any, method: str, part: str) -> None:
        """Time every call of a method."""
        inner: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(inner)
        def timed(*args: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return inner(*args, **options)
            finally:
                spent = time.process_time() - began
                self.seconds[part] = self.seconds.get(part, 0.0) + spent

        object.__setattr__(owner, method, timed)


def build(env: str, critic_steps: int) -> tuple[Engine, ImitationGame]:
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
    critic = DenseCritic(envs.observations, envs.actions, normaliser, hidden=HIDDEN)
    game = ImitationGame(
        learner,
        critic,
        Collector(envs, STEPS),
        data,
        normaliser,
        penalty=penalties.r1(1.0),
        critic_steps=critic_steps,
    )
    adam = functools.partial(torch.optim.Adam, lr=3e-4, fused=True)
    return Engine(game, {"G": adam, "D": adam}, clip={"G": 0.5}), game


def measure(env: str, steps: int, critic_steps: int) -> dict[str, Any]:
    torch.manual_seed(0)
    engine, game = build(env, critic_steps)
    data, rounds = Uniform(256, 0), max(1, steps // (ENVS * STEPS))
    list(engine.rounds(data, 1))  # warm
    clock = Clock()
    clock.around(game.collector.envs, "step", "stepping")
    clock.around(game.learner.policy, "act", "policy")
    clock.around(game.collector, "collect", "rollout, stepping and policy included")
    clock.around(game, "rewards", "rewards, one pass a round")
    clock.around(game.learner, "prepare", "advantages")
    began = time.process_time()
    for player in engine.rounds(data, rounds):
        assert player
    total = time.process_time() - began
    scale = 10_000 / (rounds * ENVS * STEPS)
    parts = {name: round(seconds * scale, 4) for name, seconds in clock.seconds.items()}
    once = ("rollout, stepping and policy included", "rewards, one pass a round", "advantages")
    parts["critic's and policy's updates"] = round(
        (total - sum(clock.seconds.get(name, 0.0) for name in once)) * scale, 4
    )
    head = {"env": env, "critic_steps": critic_steps}
    return {**head, "cpu_seconds_per_10k_steps": round(total * scale, 3), "parts": parts}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--env", action="append", help="gymnasium id; may be given several times")
    parser.add_argument("--steps", type=int, default=40_960)
    parser.add_argument("--critic_steps", type=int, default=8, help="a round of 4,096 steps")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for name in options.env or ["CartPole-v1", "Acrobot-v1", "MountainCar-v0"]:
        print(json.dumps(measure(name, options.steps, options.critic_steps)), flush=True)
