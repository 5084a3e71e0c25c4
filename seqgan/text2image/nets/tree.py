"""Networks of StackGAN v2 and AttnGAN: one generator, a picture of each side on its way.

StackGAN v2 gives every refinement the sentence, AttnGAN the words that each place asks for.
"""

import itertools

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seqgan.text2image.nets.stack import Augmentation, UpConv, doublings

Maps = Float[Tensor, "B C H W"]
Counts = Bool[Tensor, "B T"] | Float[Tensor, "B T"]


class WordAttention(nn.Module):
    """What the words say to each place of a map.

    e' = U e,  a_pt = softmax_t(h_p . e'_t),  c_p = sum_t a_pt e'_t    (Xu et al. 2018, eq. 2)

    Words may count in part: a_pt = w_t exp(h_p . e'_t) / sum_u w_u exp(h_p . e'_u). A word there is
    counts 1; between two sentences those of both are there, each with its sentence's share.

    Args:
        words: Length of a word's vector.
        width: Channels of the map.
    """

    def __init__(self, words: int, width: int):
        super().__init__()
        self.project = nn.Linear(words, width, bias=False)

    def forward(
        self, x: Maps, words: Float[Tensor, "B T E"], mask: Counts
    ) -> Float[Tensor, "B C H W"]:
        """Contexts, in the place of the map.

        Args:
            x: Map h.
            words: Vectors e of the words; there is at least one.
            mask: Mask w of the words that there are, or how much each counts.
        """
        own = self.project(words)
        scores = torch.einsum("bchw,btc->bhwt", x, own).float()
        looks = torch.softmax(scores + mask.float().log()[:, None, None], -1)
        return torch.einsum("bhwt,btc->bchw", looks.to(own.dtype), own)


def _gated(layer: nn.Module, outputs: int) -> list[nn.Module]:
    """A layer of twice the outputs, batch norm, and one half the gate of the other."""
    return [layer, nn.BatchNorm2d(2 * outputs), nn.GLU(1)]


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            *_gated(nn.Conv2d(width, 2 * width, 3, padding=1, bias=False), width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Maps) -> Maps:
        return x + self.body(x)


class Refinement(nn.Module):
    """A map of one side to one of twice the side: joined with its condition, residual, doubled.

    Args:
        inputs: Channels that go in; half as many come out.
        condition: Length of the condition that is tiled.
        words: Length of a word's vector, attended to in the condition's place; 0 for none.
        blocks: Residual blocks.
    """

    def __init__(self, inputs: int, outputs: int, condition: int, *, words: int, blocks: int):
        super().__init__()
        self.attention = WordAttention(words, inputs) if words else None
        both = inputs + (inputs if words else condition)
        self.body = nn.Sequential(
            *_gated(nn.Conv2d(both, 2 * inputs, 3, padding=1, bias=False), inputs),
            *(_Residual(inputs) for _ in range(blocks)),
            *_gated(UpConv(inputs, 2 * outputs), outputs),
        )

    def forward(
        self,
        x: Maps,
        condition: Float[Tensor, "B N"],
        words: Float[Tensor, "B T E"],
        mask: Counts,
    ) -> Float[Tensor, "B O H2 W2"]:
        if self.attention is None:
            own = condition[:, :, None, None].expand(-1, -1, *x.shape[2:]).to(x.dtype)
        else:
            own = self.attention(x, words, mask).to(x.dtype)
        return self.body(torch.cat([x, own], 1))


class TreeGenerator(nn.Module):
    """Condition and noise to pictures of every side, each map refined from the one before.

    [c, z] -> linear -> 4 x 4 -> (double, conv 3 x 3, batch norm, gate) -> map of the smallest side
    -> refinements; each map -> conv 3 x 3 -> tanh

    Args:
        small: Side of the smallest picture.
        side: Side of the largest.
        text: Length of a sentence's vector.
        condition: Length of the condition.
        noise: Length of z.
        width: Channels of the last map; each earlier one has twice as many, at least 8.
        noisy: Whether the condition is augmented.
        words: Length of a word's vector, for attention; 0 for the sentence alone (StackGAN v2).
        blocks: Residual blocks of a refinement.

    Source: Zhang et al. 2018, "StackGAN++", section 4; Xu et al. 2018, "AttnGAN", section 3.1.
    """

    def __init__(
        self,
        small: int,
        side: int,
        text: int,
        *,
        condition: int = 128,
        noise: int = 100,
        width: int = 64,
        noisy: bool = True,
        words: int = 0,
        blocks: int = 2,
    ):
        super().__init__()
        first, later = doublings("side", 4, small), doublings("side", small, side)
        self.noise = noise
        self.augment = Augmentation(text, condition, noisy=noisy)
        widths = [width << (first + later - i) for i in range(first + later + 1)]
        self.seed = nn.Sequential(
            nn.Linear(condition + noise, 2 * widths[0] * 16, bias=False),
            nn.BatchNorm1d(2 * widths[0] * 16),
            nn.GLU(1),
            nn.Unflatten(1, (widths[0], 4, 4)),
        )
        ups = [
            layer
            for one, two in itertools.pairwise(widths[: first + 1])
            for layer in _gated(UpConv(one, 2 * two), two)
        ]
        self.grow = nn.Sequential(*ups)
        self.refine = nn.ModuleList(
            Refinement(one, two, condition, words=words, blocks=blocks)
            for one, two in itertools.pairwise(widths[first:])
        )
        self.to_image = nn.ModuleList(
            nn.Sequential(nn.Conv2d(own, 3, 3, padding=1), nn.Tanh()) for own in widths[first:]
        )

    def draw(self, count: int, device: torch.device) -> Float[Tensor, "B Z"]:
        """Noise for some pictures."""
        return torch.randn(count, self.noise, device=device)

    def forward(
        self,
        z: Float[Tensor, "B Z"],
        text: Float[Tensor, "B E"],
        words: Float[Tensor, "B T W"],
        mask: Counts,
    ) -> tuple[list[Tensor], Float[Tensor, ""]]:
        """Pictures of one noise and condition, small to large, and the divergence of conditions."""
        condition, kl = self.augment(text)
        x = self.grow(self.seed(torch.cat([condition, z], 1)))
        maps = [x]
        for refine in self.refine:
            x = refine(x, condition, words, mask)
            maps.append(x)
        pairs = zip(self.to_image, maps, strict=True)
        return [to_image(x).float() for to_image, x in pairs], kl


def colour_distance(
    small: Float[Tensor, "B 3 S S"], large: Float[Tensor, "B 3 L L"]
) -> Float[Tensor, ""]:
    """How the colours of two sizes of one picture differ; the small one is the measure.

    50 mean (mu_l - mu_s)^2 + 250 mean (Sigma_l - Sigma_s)^2, mu and Sigma over a picture's pixels

    Args:
        small: Smaller pictures in [-1, 1]; they are detached.
        large: Larger pictures of the same noise and sentence.

    Source: Zhang et al. 2018, "StackGAN++", section 4.3; weights and detachment are their code's.
    """
    (mean_s, spread_s), (mean_l, spread_l) = _colours(small.detach()), _colours(large)
    return 50 * (mean_l - mean_s).square().mean() + 250 * (spread_l - spread_s).square().mean()


def _colours(images: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, Tensor]:
    pixels = images.flatten(2)
    mean = pixels.mean(2, keepdim=True)
    return mean, (pixels - mean) @ (pixels - mean).transpose(1, 2) / pixels.shape[2]
