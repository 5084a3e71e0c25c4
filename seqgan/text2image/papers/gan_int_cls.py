"""GAN-INT-CLS (Reed et al. 2016): wrong pairs for the discriminator, means of two sentences for G.

It is a first stage without augmented conditions. Wrong sentences are those of the batch.
"""

from dataclasses import dataclass

from seqgan.text2image.config import HeadOptions, stage_players
from seqgan.text2image.encoders import TextEncoder
from seqgan.text2image.games.stack import StackGame
from seqgan.text2image.matching import PictureEncoder
from seqgan.text2image.nets.stack import FirstStage, MatchingDiscriminator


@dataclass(kw_only=True)
class Options(HeadOptions):
    """GAN-INT-CLS.

    Args:
        interpolation: Whether the generator also learns from means of two sentences.
    """

    interpolation: bool = True


def game(o: Options, encoder: TextEncoder) -> StackGame:
    """The game of a run's options."""
    text, sizes = encoder.features, {"condition": o.condition, "width": o.width}
    return StackGame(
        encoder,
        PictureEncoder(text, 16),
        FirstStage(o.side, text, noise=o.noise, noisy=False, **sizes),
        MatchingDiscriminator(o.side, text, **o.heads()),
        interpolation=o.interpolation,
        kl_coef=0.0,
        **o.adversarial(),
    )


players = stage_players
