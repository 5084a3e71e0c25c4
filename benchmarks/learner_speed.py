"""PPO and soft actor-critic beside those of Stable-Baselines3, CPU seconds of one thread.

    python benchmarks/learner_speed.py [--repeats 3]

PPO on CartPole-v1: 10,000 environment steps of 16 environments, 256 steps a round, ten epochs in
minibatches of 1,024, hidden widths 64. Soft actor-critic on Pendulum-v1: one update of values,
policy and temperature on 256 rows, hidden widths 256; ours is that of `dac`, whose rewards are a
discriminator's, with its step (gradient penalty of 10) and the rollout apart. Ours and theirs take
turns, and the least of the repeats counts.
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
from image_core.runs.uniform import Uniform
from rl.demos import expert, record
from rl.discriminators import DenseDiscriminator
from rl.envs import make_envs
from rl.games.control import ControlGame
from rl.games.off_policy import OffPolicyImitation
from rl.nets import Normaliser
from rl.policies import make_policy, value_net
from rl.ppo import PPO
from rl.rollout import Collector
from rl.sac import SquashedPolicy, TwinValues

ENVS, STEPS, ROUNDS, UPDATES = 16, 256, 3, 64
adam = functools.partial(torch.optim.Adam, lr=3e-4, fused=True)


def seconds(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def our_ppo() -> Callable[[], float]:
    envs = make_envs("CartPole-v1", ENVS)
    normaliser = Normaliser(envs.observations)
    parts = (
        make_policy(envs.observations, envs.actions, normaliser, (64, 64)),
        value_net(envs.observations, normaliser, (64, 64)),
    )
    learner = PPO(*parts, ENVS, epochs=10, minibatch=1024)
    game = ControlGame(learner, Collector(envs, STEPS), normaliser)
    engine = Engine(game, {"G": adam}, clip={"G": 0.5})
    list(engine.rounds(Uniform(1, 0), 1))  # warm
    share = 10_000 / (ROUNDS * ENVS * STEPS)
    return lambda: share * seconds(lambda: list(engine.rounds(Uniform(1, 0), ROUNDS)))


def their_ppo() -> Callable[[], float]:
    import gymnasium
    from stable_baselines3 import PPO as Theirs
    from stable_baselines3.common.vec_env import DummyVecEnv

    venv = DummyVecEnv([lambda: gymnasium.make("CartPole-v1")] * ENVS)
    agent = Theirs(
        "MlpPolicy", venv, n_steps=STEPS, batch_size=1024, n_epochs=10, device="cpu", seed=0,
        policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip
    agent.learn(ENVS * STEPS)  # warm
    share = 10_000 / (ROUNDS * ENVS * STEPS)
    return lambda: share * seconds(lambda: agent.learn(ROUNDS * ENVS * STEPS))


def our_sac() -> tuple[Engine, OffPolicyImitation]:
    envs = make_envs("Pendulum-v1", 4)
    data = expert(record(make_envs("Pendulum-v1", 4), None, 4))
    normaliser = Normaliser(envs.observations)
    normaliser.see(data.steps().obs)
    policy = SquashedPolicy(envs.observations, envs.actions, normaliser, (256, 256))
    discriminator = DenseDiscriminator(
        envs.observations, envs.actions, normaliser, hidden=(256, 256)
    )
    game = OffPolicyImitation(
        policy,
        TwinValues(discriminator.features, (256, 256)),
        discriminator,
        Collector(envs, 64),
        data,
        normaliser,
        buffer_size=10_000,
        penalty=penalties.gradient_penalty(10.0),
        gradient_steps=UPDATES,
    )
    return Engine(game, {"D": adam, "Q": adam, "G": adam}), game


def our_updates() -> Callable[[], dict[str, float]]:
    engine, game = our_sac()
    stream = engine.stream(Uniform(256, 0))
    list(engine.rounds(Uniform(256, 0), 1))  # warm

    def measure() -> dict[str, float]:
        found = {}
        for turn in game.turns():
            steps = UPDATES * (2 if turn.player == "Q" else 1)
            found[turn.player] = seconds(functools.partial(engine.play, turn, stream)) / steps
        return found

    return measure


def their_updates() -> Callable[[], float]:
    from stable_baselines3 import SAC

    agent = SAC("MlpPolicy", "Pendulum-v1", learning_starts=256, device="cpu", seed=0)
    agent.learn(512)  # warm
    return lambda: seconds(lambda: agent.train(UPDATES, 256)) / UPDATES


def main(repeats: int) -> None:
    ours, theirs = our_ppo(), their_ppo()
    pairs = [(ours(), theirs()) for _ in range(repeats)]
    mine, other = (min(column) for column in zip(*pairs))
    line = {"of": "PPO, 10,000 steps", "ours": round(mine, 3), "stable_baselines3": round(other, 3)}
    print(json.dumps({**line, "times": round(other / mine, 2)}), flush=True)
    parts, theirs = our_updates(), their_updates()
    rows = [(parts(), theirs()) for _ in range(repeats)]
    each = {player: min(row[0][player] for row in rows) for player in "DQG"}
    mine, other = each["Q"] + each["G"], min(row[1] for row in rows)
    line = {"of": "SAC, ms an update", "ours": round(1e3 * mine, 2)}
    line |= {"discriminator": round(1e3 * each["D"], 2), "stable_baselines3": round(1e3 * other, 2)}
    print(json.dumps({**line, "times": round(other / mine, 2)}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    main(options.repeats)
