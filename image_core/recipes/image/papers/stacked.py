"""Stacked GAN (Huang, Li, Poursaeed, Hopcroft & Belongie 2017): a classifier turned round.

The encoder learns in a phase of its own. No gradient of the images' loss reaches the generator of
features, and the number of generator steps does not depend on losses, as in the authors' code for
digits.
"""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.data.images import ImageSet
from image_core.games.stacked import StackedGAN
from image_core.metrics.features import FEATURES, SmallClassifier
from image_core.nets.dcgan import dcgan
from image_core.nets.discriminators import HeadsDiscriminator
from image_core.nets.stacked import (
    FeatureGenerator,
    LayerDiscriminator,
    StackedDiscriminator,
    StackedGenerator,
)
from image_core.recipes.image.build import adam_players, classes_of, labelled_data, played
from image_core.recipes.image.config import AdamOptions, AnyLossOptions, LatentOptions
from image_core.runs import options
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam

__all__ = ["PRESETS", "Options", "data", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, LatentOptions, AnyLossOptions):
    """Stacked GAN.

    Args:
        rounds: Number of rounds of both GAN phases together: in the first half each level learns
            from real features, in the second both together.
        latent: Size of the noise of the images, beside the features that they are made from.
        norm: Norm of the discriminator of images.
        feature_latent: Size of the noise of the features.
        condition_weight: Weight of what the encoder reads wrongly off generated features and
            images.
        entropy_weight: Weight of what the discriminators read wrongly of the noise; without it the
            generators ignore it.
        encoder_rounds: Rounds in which the encoder learns to classify, before the others begin.
        encoder_lr: Learning rate of the encoder.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    latent: int = 16
    prior: str = "uniform"
    norm: str = "batch"
    feature_latent: int = 16
    condition_weight: float = 1.0
    entropy_weight: float = 2.5
    encoder_rounds: int = 900
    encoder_lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "feature_latent", "encoder_rounds")
        options.check_least(self, 2, "rounds")
        options.check_least(self, 0, "condition_weight", "entropy_weight")
        options.check_above_zero(self, "encoder_lr")
        if self.norm == "virtual":
            raise UserError("--norm virtual: --paper stacked has no reference batch; use another")


PRESETS = {"tiny": {"encoder_rounds": 2, "latent": 4, "feature_latent": 3}}


def game(o: Options, images: ImageSet) -> StackedGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    classes, noise = classes_of(o, images), o.feature_latent
    lower, D = dcgan(size, channels, FEATURES + o.latent, width=o.width, norm=o.norm)
    upper = FeatureGenerator(classes, noise, FEATURES, max(8, round(512 * o.width)))
    judge = LayerDiscriminator(FEATURES, noise, max(8, round(256 * o.width)))
    return StackedGAN(
        SmallClassifier(channels, classes),
        StackedGenerator(upper, lower, noise),
        StackedDiscriminator(judge, HeadsDiscriminator(D, o.latent)),
        noise + o.latent,
        classes,
        loss=make_loss(o.loss, CONTINUOUS),
        condition_weight=o.condition_weight,
        entropy_weight=o.entropy_weight,
        **played(o),
    )


def players(o: Options) -> list[Player]:
    """Generators and discriminators by Adam, and the encoder by its defaults."""
    return [*adam_players(o), Player("E", adam(o.encoder_lr))]


data = labelled_data


def phases(run: Any) -> list[Phase]:
    """The encoder; each level on real features; both levels together."""
    game, rounds = run.game, run.config.rounds
    own: Phase = run.adversarial_phase()
    parts = (("levels apart", False, rounds // 2), ("adversarial", True, rounds - rounds // 2))
    return [
        Phase("encoder", [Turn("E", game.encoder_move)], run.config.encoder_rounds),
        *(
            Phase(
                name,
                game.turns_of(joint=joint),
                count,
                own.evaluate,
                own.evaluate_every,
                limits=own.limits,
            )
            for name, joint, count in parts
        ),
    ]
