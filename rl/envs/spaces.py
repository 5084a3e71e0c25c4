"""How observations and actions of any gymnasium space become one tensor each."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn.functional import one_hot

from image_core.adversarial.errors import UserError

CHANNELS = (1, 3, 4)
"""Sizes of an image's last axis that are taken for its channels."""


class Observations(NamedTuple):
    """What an environment shows: a vector of floats, or an image of bytes.

    Vectors of any shape are flattened; Dict, Tuple and Discrete spaces are flattened by gymnasium,
    discrete parts as one-hot. A Box of bytes with three axes is an image, made channels first.

    Args:
        space: Space of one environment.
        shape: Shape of one encoded observation: (features,) or (channels, height, width).
        channels_last: Whether the space shows an image as (height, width, channels).
    """

    space: spaces.Space[Any]
    shape: tuple[int, ...]
    channels_last: bool = False

    @property
    def image(self) -> bool:
        """Whether it is an image."""
        return len(self.shape) == 3

    def encode(self, batch: Any) -> np.ndarray:
        """Observations one after another -> (N, *shape), float32, or bytes for images."""
        if isinstance(self.space, spaces.Box):
            rows = np.stack(batch) if isinstance(batch, list) else np.asarray(batch)
            if self.image:
                return np.moveaxis(rows, -1, 1) if self.channels_last else rows
            return rows.reshape(len(rows), -1).astype(np.float32, copy=False)
        rows = np.stack([spaces.flatten(self.space, one) for one in batch])
        return rows.astype(np.float32, copy=False)


def observations(space: spaces.Space[Any]) -> Observations:
    """How a space is encoded.

    Raises:
        UserError: Its observations have no fixed size.
    """
    if isinstance(space, spaces.Box):
        if len(space.shape) == 3 and space.dtype == np.uint8:
            last = space.shape[-1] in CHANNELS
            height, width, channels = space.shape
            return Observations(space, (channels, height, width) if last else space.shape, last)
        return Observations(space, (int(np.prod(space.shape)),))
    if not space.is_np_flattenable:
        raise UserError(f"observations of {space} have no fixed size; wrap the environment")
    return Observations(space, (spaces.flatdim(space),))


class Actions(NamedTuple):
    """What a policy may do: one of several choices, or a vector inside a box.

    Args:
        choices: Number of choices; 0 for a box.
        start: Number of the first choice in the environment.
        low: Least value of each component; empty for choices.
        high: Greatest value of each component; empty for choices.
    """

    choices: int
    start: int
    low: Tensor
    high: Tensor

    @property
    def discrete(self) -> bool:
        """Whether there are choices."""
        return self.choices > 0

    @property
    def features(self) -> int:
        """Numbers that stand for an action in a discriminator."""
        return self.choices or len(self.low)

    def clip(self, act: Tensor) -> Tensor:
        """The action that the environment carries out: what is outside the box ends at its edge."""
        if self.discrete:
            return act
        return act.clamp(self.low.to(act.device), self.high.to(act.device))

    def to_env(self, act: Tensor) -> np.ndarray:
        """Convert actions to the environment's format."""
        if self.discrete:
            return act.cpu().numpy() + self.start
        return self.clip(act).cpu().numpy()

    def encode(self, act: Tensor) -> Tensor:
        """One-hot, or carried-out components scaled to [-1, 1] where the box has two ends."""
        if self.discrete:
            return one_hot(act, self.choices).to(torch.get_default_dtype())
        low, high = self.low.to(act.device), self.high.to(act.device)
        bounded = torch.isfinite(low) & torch.isfinite(high)
        middle, half = (low + high) / 2, (high - low) / 2
        clipped = act.clamp(low, high)
        return torch.where(bounded, (clipped - middle) / half, clipped)


def actions(space: spaces.Space[Any]) -> Actions:
    """How a space of actions is encoded.

    Raises:
        UserError: It is neither Discrete nor a Box of floats.
    """
    nothing = torch.zeros(0)
    if isinstance(space, spaces.Discrete):
        return Actions(int(space.n), int(space.start), nothing, nothing)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        low, high = (
            torch.from_numpy(np.ravel(b).astype(np.float32)) for b in (space.low, space.high)
        )
        return Actions(0, 0, low, high)
    raise UserError(f"actions of {space} are neither Discrete nor a Box of floats; wrap them")


def episode_limit(
    spec: gymnasium.envs.registration.EnvSpec | None, asked: int | None, env: str
) -> int:
    """Steps after which an episode is cut.

    Raises:
        UserError: The environment has no time limit and none was asked for.
    """
    limit = asked or (spec.max_episode_steps if spec is not None else None)
    if not limit:
        raise UserError(f"--env {env} has no time limit; give one with --max_episode_steps STEPS")
    return limit
