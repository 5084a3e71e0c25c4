"""Named sets of defaults of imitation; the first is the default."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "classic": {"env_steps": 1_000_000, "g_lr": 1e-3},
    "mujoco": {
        "env_steps": 2_000_000,
        "rollout": 256,
        "minibatch": 1024,
        "gamma": 0.99,
        "subsample": 20,
        "eval_episodes": 20,
    },
    "paper": {
        "learner": "trpo",
        "env_steps": 1_500_000,
        "envs": 10,
        "rollout": 500,
        "gamma": 0.995,
        "gae_lambda": 0.97,
        "hidden": 100,
        "d_hidden": 100,
        "d_steps": 1,
        "d_batch": 5_000,
        "d_lr": 1e-2,
        "absorbing": False,
    },
    "tiny": {
        "env_steps": 128,
        "envs": 4,
        "rollout": 16,
        "minibatch": 32,
        "epochs": 2,
        "hidden": 8,
        "d_hidden": 8,
        "d_steps": 2,
        "d_batch": 8,
        "bc_steps": 2,
        "eval_episodes": 2,
        "evaluate_every": 2,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}
