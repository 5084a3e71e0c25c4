"""Networks of text to image: generators and discriminators conditioned on a sentence's vector.

Images are in [-1, 1]. A discriminator works in two halves, `look(image)` and `judge(map, text)`, so
that one look at a real picture serves its right and its wrong sentence.
"""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.adversarial.errors import UserError
from image_core.nets.augment import augment
from image_core.nets.spectral import spectral_norm

NORMS = ("none", "batch", "spectral")

Images = Float[Tensor, "B 3 S S"]
Vectors = Float[Tensor, "B E"]


class UpConv(nn.Conv2d):
    """Nearest-neighbour doubling and a 3 x 3 convolution, in one transposed convolution.

    Doubling repeats each pixel four times, so the nine taps meet only four distinct pixels: the sum
    of the weights that meet the same pixel is a 4 x 4 kernel of stride 2, with 4/9 of the products
    and no enlarged copy.

    Args:
        inputs: Channels that go in.
        outputs: Channels that come out.
        bias: Whether a bias is added.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False):
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H2 W2"]:
        taps = F.pad(self.weight.flip(2, 3).transpose(0, 1), (1, 1, 1, 1))
        rows = taps[:, :, 1:] + taps[:, :, :-1]
        kernel = rows[:, :, :, 1:] + rows[:, :, :, :-1]
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


class Augmentation(nn.Module):
    """Conditioning augmentation: a sentence becomes a Gaussian, and each picture a draw from it.

    mu, log sigma^2 = lrelu(W text),  c = mu + sigma eps            (Zhang et al. 2017, section 3.2)

    Args:
        text: Length of a sentence's vector.
        condition: Length of c.
        noisy: Whether c has noise; else it is mu, without divergence.
    """

    def __init__(self, text: int, condition: int, *, noisy: bool = True):
        super().__init__()
        self.noisy = noisy
        self.linear = nn.Linear(text, (1 + noisy) * condition)

    def forward(self, text: Vectors) -> tuple[Float[Tensor, "B C"], Float[Tensor, ""]]:
        """The condition, and its divergence from N(0, I): nats a dimension, mean over the batch.

        KL = -1/2 mean(1 + log sigma^2 - mu^2 - sigma^2)
        """
        found = F.leaky_relu(self.linear(text), 0.2)
        if not self.noisy:
            return found, found.new_zeros(())
        mu, log_variance = found.float().chunk(2, 1)
        kl = -0.5 * (1 + log_variance - mu.square() - log_variance.exp()).mean()
        return mu + (0.5 * log_variance).exp() * torch.randn_like(mu), kl


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    return [UpConv(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU()]


def _to_image(inputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, 3, 3, padding=1), nn.Tanh()]


def doublings(option: str, small: int, large: int) -> int:
    """How often `small` doubles to `large`.

    Args:
        option: Name of the option, for messages.
        small: Smaller side in pixels.
        large: Larger side in pixels.

    Raises:
        UserError: It never does.
    """
    times = round(math.log2(large / small)) if large >= small else 0
    if times < 1 or small << times != large:
        raise UserError(f"{option} {large}: it must be {small} times a power of two")
    return times


class FirstStage(nn.Module):
    """Stage I: condition and noise to a small picture.

    [c, z] -> linear -> 4 x 4 -> (double, conv 3 x 3, batch norm, ReLU) until the side is reached ->
    conv 3 x 3 -> tanh                                           (Zhang et al. 2017, section 3.3)

    Args:
        side: Side of a picture.
        text: Length of a sentence's vector.
        condition: Length of the condition.
        noise: Length of z.
        width: Channels of the last map; each earlier one has twice as many.
        noisy: Whether the condition is augmented.

    Raises:
        UserError: The side is not 4 times a power of two.
    """

    def __init__(
        self,
        side: int,
        text: int,
        *,
        condition: int = 128,
        noise: int = 100,
        width: int = 64,
        noisy: bool = True,
    ):
        super().__init__()
        times = doublings("side", 4, side)
        self.noise = noise
        self.augment = Augmentation(text, condition, noisy=noisy)
        widths = [width << (times - i) for i in range(times + 1)]
        self.seed = nn.Sequential(
            nn.Linear(condition + noise, widths[0] * 16, bias=False),
            nn.BatchNorm1d(widths[0] * 16),
            nn.ReLU(),
            nn.Unflatten(1, (widths[0], 4, 4)),
        )
        ups = [layer for pair in itertools.pairwise(widths) for layer in _up(*pair)]
        self.grow = nn.Sequential(*ups, *_to_image(width))

    def draw(self, count: int, device: torch.device) -> Float[Tensor, "B Z"]:
        """Noise for some pictures."""
        return torch.randn(count, self.noise, device=device)

    def forward(self, z: Float[Tensor, "B Z"], text: Vectors) -> tuple[Images, Float[Tensor, ""]]:
        """Pictures, and the divergence of their conditions."""
        condition, kl = self.augment(text)
        return self.grow(self.seed(torch.cat([condition, z], 1))).float(), kl


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return F.relu(x + self.body(x))


class SecondStage(nn.Module):
    """Stage II: a small picture and the sentence once more to a large picture, without noise.

    conv 3 x 3, two (conv 4 x 4 of stride 2, batch norm, ReLU), the condition tiled, conv 3 x 3,
    residual blocks, doublings, conv 3 x 3, tanh                 (Zhang et al. 2017, section 3.4)

    Args:
        small: Side of the picture that is refined.
        large: Side of the refined picture.
        text: Length of a sentence's vector.
        condition: Length of the condition.
        width: Channels of the first map.
        blocks: Residual blocks; the authors take 4 for birds, 2 for COCO.
        noisy: Whether the condition is augmented.

    Raises:
        UserError: The large side is not a quarter of the small one times a power of two.
    """

    def __init__(
        self,
        small: int,
        large: int,
        text: int,
        *,
        condition: int = 128,
        width: int = 64,
        blocks: int = 2,
        noisy: bool = True,
    ):
        super().__init__()
        times = doublings("side", small // 4, large)
        self.augment = Augmentation(text, condition, noisy=noisy)
        self.read = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            *(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width)),
            nn.ReLU(),
            *(nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(4 * width)),
            nn.ReLU(),
        )
        widths = [max(4 * width >> i, 8) for i in range(times + 1)]
        self.join = nn.Sequential(
            nn.Conv2d(4 * width + condition, 4 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            *(_Residual(4 * width) for _ in range(blocks)),
            *(layer for pair in itertools.pairwise(widths) for layer in _up(*pair)),
            *_to_image(widths[-1]),
        )

    def forward(
        self, small: Images, text: Vectors
    ) -> tuple[Float[Tensor, "B 3 L L"], Float[Tensor, ""]]:
        """Refined pictures, and the divergence of their conditions."""
        condition, kl = self.augment(text)
        seen = self.read(small)
        tiled = condition[:, :, None, None].expand(-1, -1, *seen.shape[2:])
        return self.join(torch.cat([seen, tiled], 1)).float(), kl


class MatchingDiscriminator(nn.Module):
    """Tells whether a picture is real and whether it shows what a sentence says.

    (conv 4 x 4 of stride 2, norm, lrelu) down to 4 x 4; the sentence through a linear layer, tiled;
    conv 3 x 3, norm, lrelu, conv 4 x 4 -> logit                 (Zhang et al. 2017, section 3.3)

    The last map sees all of the picture: a joint head on a wider one learns colours alone.

    Args:
        side: Side of a picture.
        text: Length of a sentence's vector.
        condition: Length to which the discriminator compresses it.
        width: Channels of the first map.
        norm: Norm of the layers between: none, batch or spectral (then of all layers).
        whole: Whether the picture is also judged without its sentence (StackGAN v2).
        project: Whether <V text, mean of the last map> is added to the logit of a pair: what a
            sentence says of the whole picture then counts at once and adds up over its words
            (Miyato & Koyama 2018).
        changes: Random changes of every picture it looks at, as in "translation,cutout".

    Raises:
        UserError: The side is not 4 times a power of two, or the norm is unknown.
    """

    def __init__(
        self,
        side: int,
        text: int,
        *,
        condition: int = 128,
        width: int = 64,
        norm: str = "batch",
        whole: bool = False,
        project: bool = False,
        changes: str = "",
    ):
        super().__init__()
        if norm not in NORMS:
            raise UserError(f"norm {norm}: choose one of {', '.join(NORMS)}")
        times = doublings("side", 4, side)
        self.norm, self.changes = norm, changes
        widths = [min(width << i, 8 * width) for i in range(times)]
        layers: list[nn.Module] = [self._layer(nn.Conv2d(3, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
        for one, two in itertools.pairwise(widths):
            layers += self._block(nn.Conv2d(one, two, 4, 2, 1, bias=norm != "batch"))
        self.trunk = nn.Sequential(*layers)
        last = widths[-1]
        self.compress: nn.Module = nn.Sequential(
            self._layer(nn.Linear(text, condition)), nn.LeakyReLU(0.2)
        )
        joint = nn.Conv2d(last + condition, last, 3, padding=1, bias=norm != "batch")
        self.joint = nn.Sequential(*self._block(joint), self._layer(nn.Conv2d(last, 1, 4)))
        self.alone = self._layer(nn.Conv2d(last, 1, 4)) if whole else None
        self.project = self._layer(nn.Linear(text, last, bias=False)) if project else None

    def _layer(self, layer: nn.Module) -> nn.Module:
        return spectral_norm(layer) if self.norm == "spectral" else layer

    def _block(self, conv: nn.Conv2d) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(conv.out_channels)] if self.norm == "batch" else []
        return [self._layer(conv), *norm, nn.LeakyReLU(0.2)]

    def look(self, image: Images) -> Float[Tensor, "B C H W"]:
        """Maps of pictures, changed at random if it was asked for."""
        return self.trunk(augment(image, self.changes))

    def judge(self, seen: Float[Tensor, "B C 4 4"], text: Vectors) -> Float[Tensor, " B"]:
        """Logits of (picture, sentence) pairs, from maps of the trunk."""
        tiled = self.compress(text)[:, :, None, None].expand(-1, -1, *seen.shape[2:])
        logit = self.joint(torch.cat([seen, tiled.to(seen.dtype)], 1)).flatten().float()
        if self.project is None:
            return logit
        return logit + (self.project(text) * seen.mean((2, 3))).sum(1).float()

    def judge_alone(self, seen: Float[Tensor, "B C 4 4"]) -> Float[Tensor, " B"]:
        """Logits of pictures whatever their sentence, from maps of the trunk."""
        assert self.alone is not None, "built without `whole`"
        return self.alone(seen).flatten().float()

    def forward(self, image: Images, text: Vectors) -> Float[Tensor, " B"]:
        """Logits of (picture, sentence) pairs."""
        return self.judge(self.look(image), text)
