"""DF-GAN: one stage, hinge loss, and a penalty of the critic's slope at real, matching pairs.

The game is the first stage of `stack.py` without augmentation; its own are the networks
(`seqgan.text2image.nets.df`) and the matching-aware zero-centred penalty. Source: Tao et al. 2022.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.penalties import logits_and_gradients
from seqgan.text2image.encoders import TextEncoder
from seqgan.text2image.games.stack import JudgedPictures, PairPenalty, StackGame
from seqgan.text2image.games.stack import tiny as tiny_stack
from seqgan.text2image.matching import Matcher
from seqgan.text2image.nets.df import FusionGenerator, OneWayCritic
from seqgan.text2image.nets.stack import MatchingCritic


def matching_aware(weight: float = 2.0, power: float = 6.0) -> PairPenalty:
    """Flatten the critic in picture and sentence at once, at real pictures with their sentences.

    weight E[(||grad_x D(x, t)||^2 + ||grad_t D(x, t)||^2)^(power/2)]     (Tao et al. 2022, eq. 2)

    Args:
        weight: k of the paper.
        power: p of the paper; far above 2, so that small slopes cost next to nothing.
    """

    def penalty(
        D: MatchingCritic, real: Float[Tensor, "B 3 S S"], text: Float[Tensor, "B E"]
    ) -> JudgedPictures:
        pixels, maps = real[0].numel(), []

        def critic(pair: Float[Tensor, "B F"]) -> Float[Tensor, " B"]:
            maps.append(D.look(pair[:, :pixels].unflatten(1, real.shape[1:])))
            return D.judge(maps[0], pair[:, pixels:])

        logits, slopes = logits_and_gradients(critic, torch.cat([real.flatten(1), text], 1))
        flat = weight * (slopes.square().sum(1) ** (power / 2)).mean()
        return JudgedPictures(maps[0], logits, flat)

    return penalty


def dfgan(
    encoder: TextEncoder,
    matcher: Matcher,
    side: int,
    *,
    noise: int = 100,
    width: int = 32,
    critic_width: int = 32,
    changes: str = "",
    **options: object,
) -> StackGame:
    """DF-GAN: fusion blocks against a one-way critic, hinge, matching-aware penalty.

    Args:
        encoder: of sentences.
        matcher: of pictures.
        side: of the pictures.
        noise: length of z.
        width: channels of the generator's last map.
        critic_width: channels of the critic's first map.
        changes: random changes of every picture the critic looks at.
        options: of `StackGame`.

    Source: Tao et al. 2022, "DF-GAN: A Simple and Effective Baseline for Text-to-Image Synthesis".
    """
    text = encoder.features
    G = FusionGenerator(side, text, noise=noise, width=width)
    D = OneWayCritic(side, text, width=critic_width, changes=changes)
    defaults = {"loss": losses.hinge, "pair_penalty": matching_aware(), "kl": 0.0}
    return StackGame(encoder, matcher, G, D, **{**defaults, **options})  # type: ignore[arg-type]


def tiny() -> tuple[StackGame, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    stack, batch = tiny_stack()
    return dfgan(stack.encoder, stack.matcher, 16, noise=4, width=4, critic_width=4), batch
