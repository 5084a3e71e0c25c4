"""What each image game brings along from its paper, and the names of losses and penalties."""

import math
from dataclasses import dataclass
from typing import Any

from image_core.adversarial import divergences, fgan, losses, penalties, regularizers
from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import AdversarialLoss
from image_core.games.critic import Coupling
from image_core.runs import options

LOSSES: dict[str, AdversarialLoss] = {
    **{n: getattr(losses, n) for n in losses.__all__},
    **{n: getattr(fgan, n) for n in fgan.__all__},
    **{n: getattr(divergences, n) for n in ("boundary", "boundary_normalised")},
}
"""Losses by name: the plain ones, those of f-GAN, and boundary seeking for continuous samples."""

COUPLINGS = ("look_ahead", "consensus")
PENALTIES = (*penalties.__all__, *regularizers.__all__, "consistency", *COUPLINGS)
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


@dataclass(frozen=True)
class Parts:
    """Terms of --penalty, by what they act on.

    Args:
        slopes: gradient penalties, name and weight.
        weights: regularizers of the critic's weights.
        coupling: of the game's gradients.
        consistency: weight of the augmentation's.
    """

    slopes: tuple[tuple[str, float], ...]
    weights: tuple[tuple[str, float], ...]
    coupling: Coupling | None
    consistency: float


def parse_penalties(text: str) -> Parts:
    """Read "NAME=WEIGHT,NAME=WEIGHT".

    Raises:
        UserError: a name is unknown, a weight is no positive number, or two couplings are named.
    """
    slopes, weights, couplings, consistency = [], [], [], 0.0
    for part in filter(None, text.replace(" ", ",").split(",")):
        name, _, weight = part.partition("=")
        options.check_choice("penalty", name, PENALTIES)
        try:
            value = float(weight) if weight else 10.0
        except ValueError:
            value = math.nan
        if not value > 0 or not math.isfinite(value):
            raise UserError(f"--penalty {part}: the weight must be a positive number, as in r1=10")
        if name in penalties.__all__:
            slopes.append((name, value))
        elif name in regularizers.__all__:
            weights.append((name, value))
        elif name == "consistency":
            consistency = value
        else:
            couplings.append(Coupling("look_ahead" if name == "look_ahead" else "consensus", value))
    if len(couplings) > 1:
        raise UserError("--penalty names look_ahead and consensus; both steer the game, choose one")
    coupling = couplings[0] if couplings else None
    return Parts(tuple(slopes), tuple(weights), coupling, consistency)
