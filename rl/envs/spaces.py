"""How observations and actions of any gymnasium space become one tensor each."""

import functools
from dataclasses import dataclass
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

OPEN = 1e10
"""An action's box that reaches further is open there: many environments write 3.4e38 for that."""


class Observations(NamedTuple):
    """What an environment shows: a vector of floats, or an image of bytes.

    Vectors of any shape are flattened; Dict, Tuple and Discrete spaces are flattened by gymnasium,
    discrete parts as one-hot. A Box of bytes with three axes is an image, made channels first.

    Args:
        space: Space of one environment.
        shape: Shape of one encoded observation: (features,) or (channels, height, width).
        channels_last: Whether the space shows an image as (height, width, channels).
        window: Number of an episode's newest vectors that one observation holds, the oldest first;
            see `WindowedEnvs`.
    """

    space: spaces.Space[Any]
    shape: tuple[int, ...]
    channels_last: bool = False
    window: int = 1

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

    def as_shown(self, rows: Tensor) -> np.ndarray:
        """Encoded observations (N, *shape) in a Box's own shape; others stay flattened."""
        found = rows.cpu().numpy()
        if self.image:
            return np.moveaxis(found, 1, -1) if self.channels_last else found
        shape = self.space.shape if isinstance(self.space, spaces.Box) else self.shape
        return found.reshape(len(found), *shape)


def observations(space: spaces.Space[Any]) -> Observations:
    """How a space is encoded.

    Args:
        space: Observation space of a gymnasium environment.

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


@dataclass(frozen=True, eq=False)
class Actions:
    """What a policy may do: one of several choices, some choices at once, or a vector in a box.

    Outside of policies and discriminators a vector is in the environment's own units. Inside, each
    component is scaled so that its box is [-1, 1]: learning does not depend on the units of an
    environment. A component with one open side has its end at -1 or 1 and keeps its unit; one that
    is open on both sides stays as it is.

    Args:
        choices: Number of choices, of all components together; 0 for a box.
        start: Number of the first choice in the environment, of each component where there are
            several.
        low: Least value of each component; empty for choices.
        high: Greatest value of each component; empty for choices.
        parts: Number of choices of each component where several are made at once, else empty.
    """

    choices: int
    start: int | np.ndarray
    low: Tensor
    high: Tensor
    parts: tuple[int, ...] = ()

    @property
    def discrete(self) -> bool:
        """Whether there are choices."""
        return self.choices > 0

    @property
    def features(self) -> int:
        """Numbers that stand for an action in a discriminator."""
        return self.choices or len(self.low)

    @property
    def components(self) -> int:
        """Numbers of an action in the environment; 0 for a single choice."""
        return len(self.parts) or len(self.low)

    @property
    def closed(self) -> Tensor:
        """Whether each component's box has two ends."""
        return self.low.isfinite() & self.high.isfinite()

    @functools.cached_property
    def middle(self) -> Tensor:
        """Value of each component that is scaled to 0."""
        low, high = self.low.double(), self.high.double()
        above, below = low.isfinite(), high.isfinite()
        inside = torch.where(above, low + 1, torch.where(below, high - 1, 0.0))
        return torch.where(above & below, (low + high) / 2, inside).float()

    @functools.cached_property
    def _copies(self) -> dict[torch.device, tuple[Tensor, ...]]:
        return {}

    @functools.cached_property
    def half_width(self) -> Tensor:
        """Distance of each component from `middle` that is scaled to 1."""
        half = (self.high.double() - self.low.double()) / 2
        return torch.where(half.isfinite() & (half > 0), half, 1.0).float()

    def clip(self, act: Tensor) -> Tensor:
        """The action that the environment carries out: what is outside the box ends at its edge.

        Args:
            act: Actions, (B, components); indices where they are choices.
        """
        if self.discrete:
            return act
        low, high, *_ = self._on(act.device)
        return act.clamp(low, high)

    def to_env(self, act: Tensor) -> np.ndarray:
        """Convert actions to the environment's format.

        Args:
            act: Actions as policies give them, (B, ...).
        """
        if self.discrete:
            return act.cpu().numpy() + self.start
        return self.clip(act).cpu().numpy()

    def encode(self, act: Tensor) -> Tensor:
        """One-hot, one after another for several choices, or carried-out components, scaled.

        Args:
            act: Actions as policies give them, (B, ...).
        """
        if self.parts:
            rows = torch.zeros(len(act), self.choices, device=act.device)
            return rows.scatter_(1, act + self._on(act.device)[-1], 1.0)
        if self.discrete:
            return one_hot(act, self.choices).to(torch.get_default_dtype())
        _, _, middle, half, _ = self._on(act.device)
        return (self.clip(act) - middle) / half

    def _on(self, device: torch.device) -> tuple[Tensor, ...]:
        """Least, greatest, middle, half width and first choice of each component, copied once."""
        if device not in self._copies:
            first = torch.tensor([0, *self.parts[:-1]]).cumsum(0)
            own = (self.low, self.high, self.middle, self.half_width, first)
            self._copies[device] = tuple(each.to(device) for each in own)
        return self._copies[device]


def actions(space: spaces.Space[Any]) -> Actions:
    """How a space of actions is encoded.

    Args:
        space: Action space of a gymnasium environment.

    Raises:
        UserError: It is neither Discrete, MultiDiscrete, MultiBinary nor a Box of floats.
    """
    nothing = torch.zeros(0)
    if isinstance(space, spaces.Discrete):
        return Actions(int(space.n), int(space.start), nothing, nothing)
    if isinstance(space, spaces.MultiDiscrete):
        parts = tuple(space.nvec.ravel().tolist())
        return Actions(sum(parts), space.start.ravel(), nothing, nothing, parts)
    if isinstance(space, spaces.MultiBinary):
        parts = (2,) * int(np.prod(space.shape))
        return Actions(sum(parts), np.zeros(len(parts), np.int64), nothing, nothing, parts)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        low, high = np.ravel(space.low), np.ravel(space.high)
        return Actions(0, 0, _ends(low, np.less, np.inf), _ends(high, np.greater, -np.inf))
    raise UserError(
        f"actions of {space} are neither Discrete, MultiDiscrete, MultiBinary nor a Box of floats; "
        "wrap the environment"
    )


def _ends(ends: np.ndarray, outside: np.ufunc, inwards: float) -> Tensor:
    """Ends of a box in float32, never outside of it; the open ones are infinite."""
    rounded = ends.astype(np.float32)
    inside = np.nextafter(rounded, np.float32(inwards))
    found = np.where(outside(rounded, ends), inside, rounded)
    return torch.from_numpy(
        np.where(np.abs(ends) > OPEN, np.copysign(np.float32(np.inf), ends), found)
    )


def episode_limit(
    spec: gymnasium.envs.registration.EnvSpec | None, asked: int | None, env: str
) -> int:
    """Steps after which an episode is cut.

    Args:
        spec: Specification of the environment; None if it was not registered.
        asked: Limit that the user gave, in steps; None for none.
        env: Name of the environment, for messages.

    Raises:
        UserError: The environment has no time limit and none was asked for.
    """
    limit = asked or (spec.max_episode_steps if spec is not None else None)
    if not limit:
        raise UserError(f"--env {env} has no time limit; give one with --max_episode_steps STEPS")
    return limit
