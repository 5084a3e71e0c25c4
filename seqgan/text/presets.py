"""Named presets of runs on text."""

from typing import Any

_DEFAULT: dict[str, Any] = {
    "dropout": 0.3,
    "embedding": 128,
    "hidden": 128,
    "mle_epochs": 80,
    "mle_lr": 3e-3,
    "d_warmup_steps": 620,
    "d_epochs": 1,
    "d_steps": 62,
    "d_lr": 1e-3,
    "negatives": 2_000,
    "rounds": 100,
    "g_lr": 1e-3,
}
TEXT: dict[str, dict[str, Any]] = {
    "default": _DEFAULT,
    "paper": {},
    "demo": {
        **_DEFAULT,
        "data": "chitchat",
        "limit": 10_000,
        "min_count": 3,
        "discriminator": "small",
        "hidden": 64,
        "embedding": 64,
        "mle_epochs": 10,
        "d_warmup_steps": 93,
        "d_steps": 31,
        "negatives": 1_000,
        "rounds": 15,
        "g_steps": 3,
        "evaluate_every": 5,
        "sweep_samples": 1_000,
        "judge_epochs": 2,
    },
    "tiny": {
        **_DEFAULT,
        "batch": 16,
        "embedding": 8,
        "hidden": 8,
        "discriminator": "small",
        "mle_epochs": 3,
        "d_warmup_steps": 4,
        "d_steps": 4,
        "negatives": 32,
        "rounds": 3,
        "samples": 8,
        "evaluate_every": 1,
        "save_seconds": 0.0,
        "sweep_samples": 32,
        "judge_epochs": 1,
        "device": "cpu",
    },
}
"""The first is the default."""
