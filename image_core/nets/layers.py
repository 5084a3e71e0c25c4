"""Layers that image GANs add to torch's: norms, minibatch layers, equalised rates."""

import math
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from image_core.adversarial.errors import UserError
from image_core.nets.spectral import spectral_norm

FLOWING = ("batch", "layer", "instance", "virtual", "pixel")
"""Norms of what flows through a network."""
NORMS = ("none", *FLOWING, "spectral", "weight", "equalised")
"""Of a network: on what flows, or on the weights."""


class Conditional(nn.Module):
    """A layer that reads labels beside its input; `Stack` hands them over."""


@final
class Stack(nn.Module):
    """Layers one after the other, labels to those that want them.

    Args:
        layers: Layers in order.
    """

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, labels: Int64[Tensor, " N"] | None = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, labels) if isinstance(layer, Conditional) else layer(x)
        return x


@final
class Leaky(nn.Module):
    """Leaky ReLU whose slope is a constant to autograd: x times 1 or `slope`, by the sign of x.

    Values and gradients are torch's own. Torch's second derivative is a tensor of zeros, which a
    gradient penalty would send back through every convolution of the forward pass; here there is
    none. That is a third of the price of R1 and of WGAN-GP.

    Args:
        slope: Slope below zero; 0 is ReLU.
    """

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        one = x.new_ones(())
        return x * torch.where(x.detach() > 0, one, self.slope * one)


def channel_norm(norm: str, channels: int) -> nn.Module:
    """What stands before or after an activation.

    Layer norm is over channels and places of one sample, with a scale a channel.

    Args:
        norm: One of `NORMS`; those of weights and none leave this place empty.
        channels: Channels of the input.
    """
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "layer":
            return nn.GroupNorm(1, channels)
        case "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        case "virtual":
            return VirtualBatchNorm(channels)
        case "pixel":
            return PixelNorm()
        case _:
            return nn.Identity()


def weighted(norm: str, layer: nn.Module, std: float = 0.02) -> nn.Module:
    """Initialise a layer, weights N(0, std) and biases 0, and attach a norm of its weight.

    Args:
        norm: One of `NORMS`; those of what flows leave the weight alone.
        layer: A linear or convolutional layer.
        std: Standard deviation of the weights, 0.02 in DCGAN and all that follow it.
    """
    with torch.no_grad():
        layer.get_parameter("weight").normal_(0.0, std)
        for name, bias in layer.named_parameters(recurse=False):
            if name == "bias":
                bias.zero_()
    match norm:
        case "spectral":
            return spectral_norm(layer)
        case "weight":
            transposed = isinstance(layer, nn.ConvTranspose2d)
            return weight_norm(layer, dim=1 if transposed else 0)
        case "equalised":
            return equalised(layer)
        case _:
            return layer


@final
class ConditionalBatchNorm(Conditional):
    """Batch norm whose scale and shift belong to the label; 1 and 0 at the start.

    Args:
        channels: Channels of the input.
        classes: Number of labels.
        eps: Constant added to the variance.

    Source: Dumoulin et al. 2017; for GANs Miyato & Koyama 2018.
    """

    def __init__(self, channels: int, classes: int, eps: float = 1e-5):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps, affine=False)
        self.scale = nn.Embedding.from_pretrained(torch.ones(classes, channels), freeze=False)
        self.shift = nn.Embedding.from_pretrained(torch.zeros(classes, channels), freeze=False)

    def forward(
        self, x: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"] | None
    ) -> Float[Tensor, "N C H W"]:
        if labels is None:
            raise UserError("conditional batch norm needs the label of each sample")
        scale, shift = self.scale(labels), self.shift(labels)
        return self.norm(x) * scale[:, :, None, None] + shift[:, :, None, None]


@final
class VirtualBatchNorm(nn.Module):
    """Normalise each sample by moments of itself and of a fixed reference batch.

    m = (m_x + n m_ref) / (n + 1), the same for the mean of squares; then scale and shift.

    A sample's output does not depend on the others of its batch. Run the reference batch through
    the whole network with `set_reference` on first, and again whenever the weights have changed.

    Args:
        channels: Channels of the input.
        eps: What is added to the variance.

    Source: Salimans et al. 2016, section 3.5.
    """

    mean: Tensor
    square: Tensor
    count: Tensor

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight, self.bias = (
            nn.Parameter(torch.ones(channels)),
            nn.Parameter(torch.zeros(channels)),
        )
        self.set_reference = False
        for name, value in (("mean", 0.0), ("square", 1.0)):
            self.register_buffer(name, torch.full((1, channels, 1, 1), value))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        if self.set_reference:
            with torch.no_grad():
                self.mean.copy_(x.mean((0, 2, 3), keepdim=True))
                self.square.copy_(x.square().mean((0, 2, 3), keepdim=True))
                self.count.fill_(len(x))
            mean, square = self.mean, self.square
        else:
            own, others = 1 / (self.count + 1), self.count / (self.count + 1)
            mean = own * x.mean((2, 3), keepdim=True) + others * self.mean
            square = own * x.square().mean((2, 3), keepdim=True) + others * self.square
        normed = (x - mean) / (self.eps + square - mean.square()).sqrt()
        return normed * self.weight[:, None, None] + self.bias[:, None, None]


@final
class Referenced(nn.Module):
    """A network of virtual batch norms and the batch that sets them, read before each use.

    So the moments are always those of the weights at hand, of an average of weights too, for the
    price of a second forward pass. They are constants to the gradient.

    Args:
        net: Network that holds the norms.
        reference: What the network is called with.
    """

    reference: Tensor

    def __init__(self, net: nn.Module, reference: Float[Tensor, " R *shape"]):
        super().__init__()
        self.net = net
        self.register_buffer("reference", reference)

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *rest"]:
        norms = [m for m in self.net.modules() if isinstance(m, VirtualBatchNorm)]
        for norm in norms:
            norm.set_reference = True
        with torch.no_grad():
            self.net(self.reference)
        for norm in norms:
            norm.set_reference = False
        return self.net(x)


@final
class PixelNorm(nn.Module):
    """x / sqrt(mean over channels of x^2 + 1e-8), at each place (Karras et al. 2018, 4.2)."""

    def forward(self, x: Float[Tensor, "N C *rest"]) -> Float[Tensor, "N C *rest"]:
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


@final
class MinibatchStd(nn.Module):
    """One more channel: how much samples of a group differ, the mean over all places.

    Members of a group are those with equal n mod (N / group).

    Args:
        group: Most samples of a group; the greatest divisor of the batch up to it is taken.

    Source: Karras et al. 2018, section 3.
    """

    def __init__(self, group: int = 4):
        super().__init__()
        self.group = group

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C1 H W"]:
        size = next(g for g in range(min(self.group, len(x)), 0, -1) if len(x) % g == 0)
        groups = x.view(size, -1, *x.shape[1:])
        std = (groups.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
        plane = std.repeat(size)[:, None, None, None].expand(-1, 1, *x.shape[2:])
        return torch.cat([x, plane], 1)


@final
class MinibatchDiscrimination(nn.Module):
    """Append to each sample how near the others of its batch are, by B learned kernels.

    o_ib = sum_j exp(-||M_ib - M_jb||_1),  M = f T                  (Salimans et al. 2016, eq. 3)

    Args:
        features: Number A of features of a sample.
        kernels: Number B of kernels.
        size: Size C of a kernel.
        include_self: Whether j = i counts, which adds the constant 1; the released code leaves it
            out.
    """

    def __init__(
        self, features: int, kernels: int = 100, size: int = 5, *, include_self: bool = False
    ):
        super().__init__()
        self.T = nn.Parameter(torch.randn(features, kernels, size) * 0.05)
        self.include_self = include_self

    def forward(self, x: Float[Tensor, "N A"]) -> Float[Tensor, "N AB"]:
        m = (x @ self.T.flatten(1)).view(len(x), *self.T.shape[1:])
        near = (-(m[:, None] - m[None]).abs().sum(-1)).exp().sum(1)
        return torch.cat([x, near if self.include_self else near - 1], 1)


class _Scaled(nn.Module):
    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.factor


def equalised(layer: nn.Module, gain: float = math.sqrt(2)) -> nn.Module:
    """Store weights N(0, 1) and scale them by gain / sqrt(fan in) as they are used.

    Adam's steps are then equally large for all layers, measured by their use. An output of a
    transposed convolution adds up in k^2 / stride^2 terms, in k^2 of a plain one.

    Args:
        layer: A linear or convolutional layer.
        gain: Gain of the weights, sqrt(2) before leaky ReLU, 1 before images.

    Source: Karras et al. 2018, section 4.1.
    """
    weight = layer.get_parameter("weight")
    with torch.no_grad():
        weight.normal_()
    fan_in = weight[0].numel()
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        fan_in = weight[:, 0].numel() // math.prod(layer.stride)
    parametrize.register_parametrization(layer, "weight", _Scaled(gain / math.sqrt(fan_in)))
    return layer


MIXING = (nn.modules.batchnorm._BatchNorm, MinibatchStd, MinibatchDiscrimination)
"""Layers in which the samples of a batch meet, in training."""


def mixes_samples(module: nn.Module) -> str:
    """Name of the first layer in which samples of a batch meet, or an empty text.

    Args:
        module: Network to look through.
    """
    for layer in module.modules():
        if isinstance(layer, MIXING):
            return type(layer).__name__
    return ""
