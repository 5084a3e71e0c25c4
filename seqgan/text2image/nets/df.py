"""Networks of DF-GAN: one stage, the sentence in every block of the generator (Tao et al. 2022).

Written from the paper's description; sizes in the docstrings. Images are in [-1, 1].
"""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seqgan.text2image.nets.stack import MatchingDiscriminator, UpConv, doublings

Maps = Float[Tensor, "B C H W"]


class Affine(nn.Module):
    """Scale and shift of each channel by the condition: gamma(c) x + beta(c).

    Two small perceptrons; they begin at gamma = 1 and beta = 0.

    Args:
        condition: Length of c.
        channels: Channels of x.
    """

    def __init__(self, condition: int, channels: int):
        super().__init__()
        self.gamma, self.beta = (
            nn.Sequential(nn.Linear(condition, channels), nn.ReLU(), nn.Linear(channels, channels))
            for _ in range(2)
        )
        for perceptron, start in ((self.gamma, 1.0), (self.beta, 0.0)):
            last = perceptron[-1]
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)
            nn.init.constant_(last.bias, start)

    def forward(self, x: Maps, condition: Float[Tensor, "B N"]) -> Maps:
        gamma, beta = self.gamma(condition), self.beta(condition)
        return gamma[:, :, None, None] * x + beta[:, :, None, None]


class FusionBlock(nn.Module):
    """Double, then two convolutions, each after two (affine, lrelu); a shortcut beside.

    What is done pixel by pixel is done before the doubling, where there are a quarter of them.

    Args:
        inputs: Channels that go in.
        outputs: Channels that come out.
        condition: Length of what modulates.
    """

    def __init__(self, inputs: int, outputs: int, condition: int):
        super().__init__()
        self.affine = nn.ModuleList(
            Affine(condition, width) for width in (inputs, inputs, outputs, outputs)
        )
        self.one = UpConv(inputs, outputs, bias=True)
        self.two = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.short = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Maps, condition: Float[Tensor, "B N"]) -> Float[Tensor, "B O H2 W2"]:
        y = x
        for conv, pair in ((self.one, self.affine[:2]), (self.two, self.affine[2:])):
            for affine in pair:
                y = F.leaky_relu(affine(y, condition), 0.2)
            y = conv(y)
        return F.interpolate(self.short(x), scale_factor=2, mode="nearest") + y


class FusionGenerator(nn.Module):
    """Noise to 4 x 4, fusion blocks to the side, lrelu, conv 3 x 3, tanh; no batch norm.

    Each block is modulated by [z, t]. It takes the place of a first stage: its conditions are not
    augmented and diverge from nothing.

    Args:
        side: Side of a picture.
        text: Length of a sentence's vector.
        noise: Length of z.
        width: Channels of the last map; earlier ones twice as many each, at most 8 times.

    Source: Tao et al. 2022, "DF-GAN", section 3.2 and 3.4.
    """

    def __init__(self, side: int, text: int, *, noise: int = 100, width: int = 32):
        super().__init__()
        times = doublings("side", 4, side)
        self.noise = noise
        widths = [min(width << (times - i), 8 * width) for i in range(times + 1)]
        self.seed = nn.Linear(noise, widths[0] * 16)
        self.blocks = nn.ModuleList(
            FusionBlock(one, two, noise + text) for one, two in itertools.pairwise(widths)
        )
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def draw(self, count: int, device: torch.device) -> Float[Tensor, "B Z"]:
        """Noise for some pictures."""
        return torch.randn(count, self.noise, device=device)

    def forward(
        self, z: Float[Tensor, "B Z"], text: Float[Tensor, "B E"]
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, ""]]:
        """Pictures, and no divergence."""
        condition = torch.cat([z, text], 1)
        x = self.seed(z).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            x = block(x, condition)
        return torch.tanh(self.last(F.leaky_relu(x, 0.2))).float(), z.new_zeros(())


class Down(nn.Module):
    """conv 4 x 4 / 2, lrelu, conv 3 x 3, lrelu, times a gain that begins at 0; a shortcut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.LeakyReLU(0.2)),
        )
        self.short = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Maps) -> Float[Tensor, "B O H2 W2"]:
        return self.short(F.avg_pool2d(x, 2)) + self.gain * self.body(x)


class OneWayDiscriminator(MatchingDiscriminator):
    """Residual blocks down to 4 x 4, then one output that hears the sentence as it is.

    The sentence is tiled beside the last map; conv 3 x 3, lrelu, conv 4 x 4. No normalisation.

    Args:
        side: Side of a picture.
        text: Length of a sentence's vector.
        width: Channels of the first map; later ones twice as many each, at most 8 times.
        changes: Random changes of every picture it looks at.

    Source: Tao et al. 2022, section 3.3.
    """

    def __init__(self, side: int, text: int, *, width: int = 32, changes: str = ""):
        super().__init__(side, text, condition=text, width=width, norm="none", changes=changes)
        times = doublings("side", 4, side)
        widths = [min(width << i, 8 * width) for i in range(times + 1)]
        blocks = [Down(one, two) for one, two in itertools.pairwise(widths)]
        self.trunk = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), *blocks)
        self.compress = nn.Identity()
        last = widths[-1]
        self.joint = nn.Sequential(
            nn.Conv2d(last + text, 2 * width, 3, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4, bias=False),
        )
