"""DF-GAN (Tao et al. 2022): one stage, hinge loss, a penalty of the slope at real, matching pairs.

The game is the first stage of `seqgan.text2image.games.stack` without augmentation; its own are the
networks (`seqgan.text2image.nets.df`) and the matching-aware zero-centred penalty.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.arguments import python_call
from image_core.adversarial.penalties import logits_and_gradients
from seqgan.text2image.config import PairOptions, stage_players
from seqgan.text2image.encoders import TextEncoder
from seqgan.text2image.games.stack import JudgedPictures, PairPenalty, StackGame, tiny_encoder
from seqgan.text2image.games.stack import tiny as tiny_stack
from seqgan.text2image.matching import Matcher, PictureEncoder
from seqgan.text2image.nets.df import FusionGenerator, OneWayDiscriminator
from seqgan.text2image.nets.stack import MatchingDiscriminator
from seqgan.text2image.presets import FAST

__all__ = ["PRESETS", "Options", "dfgan", "game", "matching_aware", "players", "tiny"]


@dataclass(kw_only=True)
class Options(PairOptions):
    """DF-GAN."""

    loss: str = "hinge"
    g_lr: float = 1e-4
    d_lr: float = 4e-4
    beta1: float = 0.0


PRESETS = {
    "small": FAST,
    "shapes": FAST,
    "emoji": FAST,
    "pictures": {"g_lr": 4e-4, "d_lr": 4e-4},
}


def matching_aware(weight: float = 2.0, power: float = 6.0) -> PairPenalty:
    """Flatten D in picture and sentence at once, at real pictures with their sentences.

    weight E[(||grad_x D(x, t)||^2 + ||grad_t D(x, t)||^2)^(power/2)]     (Tao et al. 2022, eq. 2)

    Args:
        weight: The paper's k.
        power: The paper's p; far above 2, so that small slopes cost next to nothing.
    """

    def penalty(
        D: MatchingDiscriminator, real: Float[Tensor, "B 3 S S"], text: Float[Tensor, "B E"]
    ) -> JudgedPictures:
        pixels, maps = real[0].numel(), []

        def discriminator(pair: Float[Tensor, "B F"]) -> Float[Tensor, " B"]:
            maps.append(D.look(pair[:, :pixels].unflatten(1, real.shape[1:])))
            return D.judge(maps[0], pair[:, pixels:])

        logits, slopes = logits_and_gradients(discriminator, torch.cat([real.flatten(1), text], 1))
        flat = weight * (slopes.square().sum(1) ** (power / 2)).mean()
        return JudgedPictures(maps[0], logits, flat)

    return penalty


@python_call()
def dfgan(
    encoder: TextEncoder,
    matcher: Matcher,
    side: int,
    *,
    noise: int = 100,
    width: int = 32,
    d_width: int = 32,
    changes: str = "",
    **options: object,
) -> StackGame:
    """DF-GAN: fusion blocks against a one-way discriminator, hinge, matching-aware penalty.

    Args:
        encoder: Encoder of sentences.
        matcher: Encoder of pictures.
        side: Side of the pictures.
        noise: Length of z.
        width: Channels of the generator's last map.
        d_width: Channels of the discriminator's first map.
        changes: Random changes of every picture that the discriminator looks at.
        options: Any of `StackGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Tao et al. 2022, "DF-GAN: A Simple and Effective Baseline for Text-to-Image Synthesis".
    """
    text = encoder.features
    G = FusionGenerator(side, text, noise=noise, width=width)
    D = OneWayDiscriminator(side, text, width=d_width, changes=changes)
    defaults = {"loss": losses.hinge, "pair_penalty": matching_aware(), "kl_coef": 0.0}
    return StackGame(encoder, matcher, G, D, **{**defaults, **options})  # type: ignore[arg-type]


def game(o: Options, encoder: TextEncoder) -> StackGame:
    """The game of a run's options."""
    return dfgan(
        encoder,
        PictureEncoder(encoder.features, 16),
        o.side,
        noise=o.noise,
        width=o.width,
        d_width=o.d_width,
        changes=o.augment,
        **o.adversarial(),
    )


players = stage_players


def tiny() -> tuple[StackGame, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    _, batch = tiny_stack()
    return dfgan(tiny_encoder(), PictureEncoder(6, 4), 16, noise=4, width=4, d_width=4), batch
