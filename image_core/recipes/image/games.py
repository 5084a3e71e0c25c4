"""What each image game brings along from its paper, and the names of losses."""

from typing import Any

from image_core.adversarial import divergences, fgan, losses
from image_core.adversarial.losses import AdversarialLoss

LOSSES: dict[str, AdversarialLoss] = {
    **{n: getattr(losses, n) for n in losses.__all__},
    **{n: getattr(fgan, n) for n in fgan.__all__},
    **{n: getattr(divergences, n) for n in ("boundary", "boundary_normalised")},
}
"""Losses by name: the plain ones, those of f-GAN, and boundary seeking for continuous samples."""

ENERGY = ("ebgan", "began", "magan", "loss_sensitive")
AUTOENCODERS = ("ebgan", "began", "magan")
LABELLED = ("cgan", "projection", "acgan", "semi_supervised")

_PLAIN: dict[str, Any] = {
    "loss": "non_saturating",
    "penalty": "",
    "norm": "batch",
    "arch": "dcgan",
    "critic_steps": 1,
    "optimizer": "adam",
    "generator_lr": 1e-3,
    "critic_lr": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
}
_ENERGY = {**_PLAIN, "loss": "own", "norm": "none"}
_CRITIC = {"norm": "none", "generator_lr": 1e-3, "critic_lr": 1e-3}

GAMES: dict[str, dict[str, Any]] = {
    "dcgan": _PLAIN,
    "lsgan": {**_PLAIN, "loss": "least_squares"},
    "wgan": {
        **_PLAIN,
        "loss": "wasserstein",
        "critic_steps": 5,
        "optimizer": "rmsprop",
        "generator_lr": 5e-4,
        "critic_lr": 5e-4,
        "clip": 0.01,
    },
    "wgan_gp": {
        **_PLAIN,
        **_CRITIC,
        "loss": "wasserstein",
        "penalty": "interpolated=10",
        "critic_steps": 5,
        "beta1": 0.0,
        "beta2": 0.9,
    },
    "wgan_lp": {
        **_PLAIN,
        **_CRITIC,
        "loss": "wasserstein",
        "penalty": "lipschitz=10",
        "critic_steps": 5,
        "beta1": 0.0,
        "beta2": 0.9,
    },
    "dragan": {**_PLAIN, **_CRITIC, "penalty": "dragan=10", "beta2": 0.9},
    "sngan": {
        **_PLAIN,
        "loss": "hinge",
        "norm": "spectral",
        "critic_lr": 4e-4,
        "beta1": 0.0,
        "beta2": 0.9,
    },
    "f_gan": {**_PLAIN, "loss": "f_kullback_leibler"},
    "r3gan": {
        **_PLAIN,
        "loss": "relativistic",
        "penalty": "r1=1,r2=1",
        "norm": "none",
        "critic_lr": 1e-3,
        "beta1": 0.0,
        "beta2": 0.99,
    },
    "ebgan": {**_ENERGY, "generator_lr": 1e-3, "critic_lr": 1e-3},
    "began": {**_ENERGY, "generator_lr": 4e-4, "critic_lr": 8e-4},
    # The margin bites only while fakes come below it, so the generator must be the faster one
    "magan": {**_ENERGY, "optimizer": "adamax", "generator_lr": 2e-3, "critic_lr": 3e-4},
    "loss_sensitive": {**_ENERGY, "norm": "batch"},
    "cgan": _PLAIN,
    "projection": {
        **_PLAIN,
        "loss": "hinge",
        "norm": "spectral",
        "critic_lr": 4e-4,
        "beta1": 0.0,
        "beta2": 0.9,
    },
    "acgan": _PLAIN,
    "semi_supervised": {
        **_PLAIN,
        "loss": "own",
        "generator_lr": 1e-3,
        "critic_lr": 5e-4,
    },
    "info": _PLAIN,
}
"""Each paper's parts; rates that train images of 16 to 32 pixels in 2,000 rounds, not in 100,000.

Every value is an option; the papers' rates are mostly 2e-4 and 1e-4 for both players.
"""
