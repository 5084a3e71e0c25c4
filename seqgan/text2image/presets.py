"""Named sizes and budgets of text to image, chosen for StackGAN."""

from typing import Any

FAST: dict[str, Any] = {"g_lr": 1e-3, "d_lr": 1e-3}
"""Learning rates of small pictures."""

HINGE: dict[str, Any] = {"loss": "hinge", "norm": "none", "kl_coef": 0.2, "beta1": 0.0}
# "small": any small set of 32 pixels. "shapes": the same with what only shapes have, wrong
# sentences that miss by one attribute, and discriminators that multiply. "pictures": a few thousand
# pictures of 64 pixels. "emoji": the same, small and with pictures that differ much, meant for one
# hour of a GPU. "paper": 600 epochs of CUB's 8,855 pictures in batches of 64, rates halved every 50
# epochs.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "data": "shapes",
        **HINGE,
        **FAST,
        "candidates": 8,
        "halve_every": 1400,
        "rounds": 200,
    },
    "shapes": {
        "data": "shapes",
        **HINGE,
        **FAST,
        "candidates": 1,
        "hard_negatives": True,
        "projection": True,
        "halve_every": 1500,
        "rounds": 250,
    },
    "pictures": {
        "side": 64,
        "small": 32,
        "features": 128,
        "condition": 64,
        "noise": 32,
        "width": 32,
        "d_width": 64,
        **HINGE,
        "g_lr": 4e-4,
        "d_lr": 4e-4,
        "match_rounds": 150,
        "rounds": 1500,
        "refine_rounds": 1500,
        "halve_every": 12_000,
    },
    "emoji": {
        "side": 64,
        "small": 32,
        "features": 128,
        "condition": 64,
        "noise": 32,
        **HINGE,
        **FAST,
        "candidates": 8,
        "projection": True,
        "augment": "translation,cutout",
        "match_rounds": 30,
        "rounds": 2000,
        "refine_rounds": 2000,
        "halve_every": 13_000,
        "evaluate_every": 50,
    },
    "paper": {
        "side": 256,
        "small": 64,
        "features": 1024,
        "condition": 128,
        "noise": 100,
        "width": 64,
        "d_width": 64,
        "match_rounds": 200,
        "rounds": 4140,
        "refine_rounds": 4140,
        "halve_every": 6900,
        "ema_decay": 0.0,
    },
    "tiny": {
        "data": "shapes",
        "size": 64,
        "side": 32,
        "small": 16,
        "features": 8,
        "match_rounds": 1,
        "rounds": 2,
        "refine_rounds": 2,
        "steps": 2,
        "batch": 8,
        "condition": 4,
        "noise": 4,
        "width": 4,
        "d_width": 4,
        "evaluate_every": 1,
        "eval_samples": 8,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}
