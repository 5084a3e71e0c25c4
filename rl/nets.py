"""Networks, and the one normaliser that all of them, demonstrations and evaluation share."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rl.dense import Dense, Tanh
from rl.envs.spaces import Observations

CLIP = 10.0
"""Normalised observations are cut off at so many standard deviations."""


class Normaliser(nn.Module):
    """Observations in standard deviations from their mean, by everything seen so far.

    It changes only in `see`, which a game calls between rounds and evaluation never does. An image
    is scaled to [0, 1] and nothing is learned of it.

    Args:
        observations: Observations to normalise.
    """

    mean: Tensor
    var: Tensor
    count: Tensor

    def __init__(self, observations: Observations):
        super().__init__()
        self.image = observations.image
        features = 1 if self.image else observations.shape[0]
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("var", torch.ones(features))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, obs: Tensor) -> Tensor:
        """(B, ...) -> float32 of the same shape."""
        if self.image:
            return obs.float() / 255
        return ((obs - self.mean) * (self.var + 1e-8).rsqrt()).clamp_(-CLIP, CLIP)

    @torch.no_grad()
    def see(self, obs: Tensor) -> None:
        """Take more observations into mean and variance (Chan, Golub & LeVeque 1979).

        Args:
            obs: (B, features).
        """
        if self.image:
            return
        rows = obs.double()
        old, new = self.count, float(len(rows))
        share = new / (old + new)
        mean, delta = self.mean.double(), rows.mean(0) - self.mean
        var = (1 - share) * self.var.double() + share * rows.var(0, correction=0)
        # Nothing was seen yet: the variance of 1 is no observation.
        self.var.copy_(var + share * (1 - share) * delta.square())
        self.mean.copy_(mean + share * delta)
        self.count += new


def linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """Orthogonal weights, zero biases.

    Args:
        inputs: Number of inputs.
        outputs: Number of outputs.
        gain: Factor of the orthogonal weights.
    """
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(sizes: Sequence[int], head_gain: float, activation: type[nn.Module] = Tanh) -> nn.Module:
    """Dense layers of the sizes given, the last without activation.

    Args:
        sizes: Numbers of units from the input to the output.
        head_gain: Factor of the last layer's weights.
        activation: Class of the activation.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [linear(inputs, outputs, math.sqrt(2)), activation()]
    kind = Dense if activation is Tanh else nn.Sequential
    return kind(*layers, linear(sizes[-2], sizes[-1], head_gain))


def image_net(shape: Sequence[int], features: int) -> nn.Module:
    """Two strided convolutions and a pooling to 4 x 4, for images of any size.

    Args:
        shape: Channels, height and width of an image.
        features: Number of outputs.
    """
    return nn.Sequential(
        nn.Conv2d(shape[0], 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * 16, features),
        Tanh(),
    )


class WindowNet(nn.Module):
    """The newest observations of an episode, one after another, to the last state of a GRU.

    Args:
        features: Numbers of one observation.
        hidden: Numbers of the state.
    """

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.gru = nn.GRU(features, hidden, batch_first=True)

    def forward(self, rows: Float[Tensor, "batch _"]) -> Float[Tensor, "batch hidden"]:
        """Windows, oldest first, (B, length * features)."""
        return self.gru(rows.unflatten(1, (-1, self.gru.input_size)))[1][0]


class ObsNet(nn.Module):
    """Normalised observations to `outputs` numbers: dense layers, behind convolutions for images
    and behind a GRU for windows.

    Args:
        observations: Observations that come in.
        normaliser: Normaliser, which is shared and no part of this module's parameters.
        hidden: Widths of the dense layers.
        outputs: Number of outputs.
        head_gain: Gain of the last layer's orthogonal weights.
        extra: Number of inputs that join before the dense layers, such as those of an action.
        activation: Activation of the dense layers.
    """

    def __init__(
        self,
        observations: Observations,
        normaliser: Normaliser,
        hidden: Sequence[int],
        outputs: int,
        head_gain: float,
        extra: int = 0,
        activation: type[nn.Module] = Tanh,
    ):
        super().__init__()
        self.normaliser = normaliser
        self.eye: nn.Module | None = None
        inputs = observations.shape[0]
        if observations.image:
            self.eye, inputs = image_net(observations.shape, hidden[0]), hidden[0]
        elif observations.window > 1:
            self.eye, inputs = WindowNet(inputs // observations.window, hidden[0]), hidden[0]
        self.dense = mlp([inputs + extra, *hidden, outputs], head_gain, activation)

    def forward(self, obs: Tensor, extra: Tensor | None = None) -> Float[Tensor, "batch outputs"]:
        """(B, ...) observations, and what joins them, (B, extra)."""
        x = self.normaliser(obs)
        x = x if self.eye is None else self.eye(x)
        return self.dense(x if extra is None else torch.cat([x, extra], 1))
