"""Bayesian GAN (Saatci & Wilson 2017): samples of generators and discriminators by SGHMC.

Weights move by Adam at first, as in the authors' code; noise and prior are the formula's, where the
code has approximations of them. The samples are the members as they stand; none are kept from
earlier rounds.
"""

import functools
from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.sghmc import SGHMC
from image_core.adversarial.stream import Data
from image_core.data.images import ImageSet
from image_core.games.bayesian import BURN_IN, BayesianGAN
from image_core.nets.discriminators import ClassDiscriminator
from image_core.nets.mixture import MixtureGenerator
from image_core.recipes.image.build import (
    adam_players,
    classes_of,
    few_labels,
    image_data,
    networks,
    played,
)
from image_core.recipes.image.config import AdamOptions, GeneratorNormOptions
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "data", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, GeneratorNormOptions):
    """Bayesian GAN.

    Args:
        rounds: Number of rounds of both phases together.
        norm: Norm of the discriminators.
        labelled: Number of images whose label is seen; 0 needs no labels and names no classes.
        generators: Number of samples of the generator.
        discriminators: Number of samples of the discriminator.
        burn_in: Share of the rounds in which weights move by Adam, before they are samples.
        sampling_lr: Learning rate of the sampler.
        friction: Share of the momentum that is lost in each of the sampler's steps.
        prior_variance: Variance of the normal prior of each weight.
        feature_matching: Weight of matched features in the generators' losses.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    prior: str = "uniform"
    norm: str = "batch"
    d_lr: float = 5e-4
    labelled: int = 100
    generators: int = 5
    discriminators: int = 2
    burn_in: float = 0.5
    sampling_lr: float = 1e-3
    friction: float = 0.1
    prior_variance: float = 10.0
    feature_matching: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "labelled", "feature_matching")
        options.check_least(self, 1, "generators", "discriminators")
        options.check_least(self, 2, "rounds")
        options.check_above_zero(self, "sampling_lr", "friction", "prior_variance", "burn_in")
        options.check_below_one(self, "burn_in")
        if self.friction > 1:
            raise UserError(f"--friction {self.friction}: it is a share of at most 1")


PRESETS = {"tiny": {"generators": 2}}


def game(o: Options, images: ImageSet) -> BayesianGAN:
    """The game of a run's options."""
    classes = classes_of(o, images) if o.labelled else 1
    Gs = [networks(o, images, generator_norm=o.generator_norm)[0] for _ in range(o.generators)]
    Ds = [networks(o, images)[1] for _ in range(o.discriminators)]
    return BayesianGAN(
        MixtureGenerator(Gs),
        [ClassDiscriminator(D, classes) for D in Ds],
        o.latent,
        labelled=o.labelled > 0,
        feature_matching=o.feature_matching,
        **played(o),
    )


def players(o: Options) -> list[Player]:
    """Samplers, which `phases` tells the number of images, and Adam for the same weights before."""
    sampler = functools.partial(
        SGHMC, lr=o.sampling_lr, friction=o.friction, prior_variance=o.prior_variance
    )
    before = [player._replace(name=player.name + BURN_IN) for player in adam_players(o)]
    return [*(player._replace(optimizer=sampler) for player in adam_players(o)), *before]


def data(o: Options, images: ImageSet) -> Data:
    """Batches {"images", "labelled", "labels"}, or {"images"} where no label is seen."""
    return few_labels(o, images, o.labelled) if o.labelled else image_data(o, images)


def phases(run: Any) -> list[Phase]:
    """Adam, then the sampler."""
    own: Phase = run.adversarial_phase()
    rows = functools.partial(_tell_rows, run)
    first = min(max(1, round(run.config.burn_in * own.rounds)), own.rounds - 1)
    return [
        Phase(
            name,
            run.game.turns_of(end),
            rounds,
            own.evaluate,
            own.evaluate_every,
            enter=rows,
            limits=own.limits,
        )
        for name, end, rounds in (
            ("burn-in", BURN_IN, first),
            ("adversarial", "", own.rounds - first),
        )
    ]


def _tell_rows(run: Any) -> None:
    """The likelihood is of all images, and noise and prior are measured by it."""
    for player in ("G", "D"):
        for group in run.engine.optimizers[player].param_groups:
            group["rows"] = len(run.sets.train.images)
