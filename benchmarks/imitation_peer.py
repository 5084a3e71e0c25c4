"""CPU seconds of 10,000 environment steps of GAIL by the `imitation` package, on this machine.

    python benchmarks/imitation_peer.py [--env CartPole-v1] [--env_steps 20480]

The sizes are those of `imitation_speed.py`: one thread, 16 environments, 256 steps a round, ten
epochs of Stable-Baselines3's PPO in minibatches of 1,024, hidden widths 64, 8 discriminator steps
of 256 rows a side a round; demonstrations of random actions. The package pins an older gymnasium,
which builds no more. It runs beside today's all the same:

    pip install stable-baselines3 tensorboard && pip install --no-deps imitation==1.0.1
"""

import argparse
import json
import time
from typing import Any

import gymnasium
import numpy as np
import torch

from rl.demos import record
from rl.envs import make_envs

ENVS, STEPS, MINIBATCH, EPOCHS, D_STEPS, ROWS = 16, 256, 1024, 10, 8, 256


def demonstrations(env: str) -> Any:
    """Transitions of four random episodes, repeated to as many as the package wants at once."""
    from imitation.data.types import Transitions

    found = record(make_envs(env, 4), None, 4)
    obs = np.concatenate([t.obs for t in found])
    after = np.concatenate([np.vstack([t.obs[1:], t.last_obs]) for t in found])
    acts = np.concatenate([t.act for t in found])
    rows = np.arange(max(len(obs), 2 * ROWS)) % len(obs)
    infos, no = np.array([{}] * len(rows)), np.zeros(len(rows), np.bool_)
    return Transitions(obs[rows], acts[rows], infos, after[rows], no)


def build(env: str) -> Any:
    """GAIL of the package, by Stable-Baselines3's PPO."""
    from imitation.algorithms.adversarial.gail import GAIL
    from imitation.rewards.reward_nets import BasicRewardNet
    from imitation.util import logger
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    venv = DummyVecEnv([lambda: gymnasium.make(env)] * ENVS)
    learner = PPO(
        "MlpPolicy",
        venv,
        n_steps=STEPS,
        batch_size=MINIBATCH,
        n_epochs=EPOCHS,
        policy_kwargs={"net_arch": [64, 64]},
        device="cpu",
        seed=0,
    )
    reward = BasicRewardNet(venv.observation_space, venv.action_space, hid_sizes=(64, 64))
    return GAIL(
        demonstrations=demonstrations(env),
        demo_batch_size=ROWS,
        gen_replay_buffer_capacity=ENVS * STEPS,
        n_disc_updates_per_round=D_STEPS,
        venv=venv,
        gen_algo=learner,
        reward_net=reward,
        allow_variable_horizon=True,
        custom_logger=logger.configure(format_strs=()),
    )


def measure(env: str, steps: int) -> dict[str, Any]:
    torch.manual_seed(0)
    gail, rounds = build(env), max(1, steps // (ENVS * STEPS))
    gail.train(total_timesteps=ENVS * STEPS)  # warm
    began = time.process_time()
    gail.train(total_timesteps=rounds * ENVS * STEPS)
    spent = time.process_time() - began
    found = round(spent * 10_000 / (rounds * ENVS * STEPS), 3)
    return {"env": env, "library": "imitation 1.0.1", "cpu_seconds_per_10k_steps": found}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--env", action="append", help="gymnasium id; may be given several times")
    parser.add_argument("--env_steps", type=int, default=20_480)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.env or ["CartPole-v1"]:
        print(json.dumps(measure(name, options.env_steps)), flush=True)
