"""Mode-regularised GAN (Che, Li, Jacob, Bengio & Li 2017): the generator also redraws the data."""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet
from image_core.games.mode_regularised import ModeRegularisedGAN, Pull
from image_core.nets.joint import code_encoder
from image_core.recipes.image.build import adversarial, logit_players, networks, with_trunk
from image_core.recipes.image.config import AdamPlainOptions, check_left_out
from image_core.runs import options

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamPlainOptions):
    """Mode-regularised GAN.

    Args:
        distance_weight: Weight of the mean squared distance of a redrawn image from its image.
        redrawn_weight: Weight of the discriminator's loss on redrawn images.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    distance_weight: float = 0.2
    redrawn_weight: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "distance_weight", "redrawn_weight")
        check_left_out(self, "feature_matching", "historical_averaging", "compile")
        if self.terms().coupling:
            raise UserError(
                f"--penalty {self.penalty}: --paper {self.paper} has a generator's step of its "
                "own; leave out look_ahead and consensus"
            )


def game(o: Options, images: ImageSet) -> ModeRegularisedGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    G, D = with_trunk(o, networks(o, images, generator_norm=o.generator_norm))
    E = code_encoder(size, channels, o.latent, o.width)
    pull = Pull(o.distance_weight, o.redrawn_weight)
    return ModeRegularisedGAN(G, E, D, o.latent, pull, **adversarial(o))


players = logit_players
