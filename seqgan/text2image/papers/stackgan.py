"""StackGAN (Zhang et al. 2017): a generator draws a small picture, a second one redraws it large.

Conditions are drawn from a Gaussian of the sentence. The discriminators hear the sentence's vector
through a layer of their own, as in the first code.
"""

from dataclasses import dataclass
from typing import Any

from seqgan.text2image.config import StagedOptions, stage_players
from seqgan.text2image.encoders import TextEncoder
from seqgan.text2image.games.stack import StackGame
from seqgan.text2image.matching import PictureEncoder
from seqgan.text2image.nets.stack import FirstStage, MatchingDiscriminator, SecondStage


@dataclass(kw_only=True)
class Options(StagedOptions):
    """StackGAN."""


def game(o: Options, encoder: TextEncoder) -> StackGame:
    """The game of a run's options."""
    text, small, heads = encoder.features, o.small or o.side, o.heads()
    g: dict[str, Any] = {"condition": o.condition, "width": o.width, "noisy": o.augmentation}
    matcher = PictureEncoder(text, 16)
    G1 = FirstStage(small, text, noise=o.noise, **g)
    D1 = MatchingDiscriminator(small, text, **heads)
    two = len(o.stage_rounds()) == 2
    G2 = SecondStage(small, o.side, text, **g) if two else None
    D2 = MatchingDiscriminator(o.side, text, **heads) if two else None
    return StackGame(encoder, matcher, G1, D1, G2, D2, kl_coef=o.kl_coef, **o.adversarial())


players = stage_players
