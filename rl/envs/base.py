"""The contract of environments: many at once, whose state is buffers and so is saved with a game.

Three things that a vector environment mixes up are kept apart here. A terminal state ends an
episode for good; a time limit only ends the watching; a reset is no transition at all. `Step.obs`
is always what followed the action, also where the episode ended with it, and `Step.valid` is False
where a row was a reset.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from image_core.adversarial import parallel
from rl.envs.spaces import Actions, Observations


class Step(NamedTuple):
    """What N environments did.

    Args:
        obs: Observation after the action, (N, ...); the last one of an episode that ended.
        reward: Reward of the environment, (N,).
        terminated: Whether obs is a terminal state, (N,).
        truncated: Whether the episode was cut at its time limit and not ended by the task, (N,).
        valid: Whether the row is a transition; False where the environment only reset itself, (N,).
    """

    obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    valid: np.ndarray


class Envs(nn.Module, ABC):
    """N environments. They live on the CPU, wherever the game is.

    Several processes may share them out: each steps its own n of the N, and `join` then tells all
    of them where all environments stand, so that a checkpoint of the first process is complete.

    Args:
        count: Number of environments N.
        observations: Encoding of observations.
        actions: Encoding of actions.
        max_episode_steps: Steps after which an episode is cut.
    """

    started: torch.Tensor

    def __init__(
        self, count: int, observations: Observations, actions: Actions, max_episode_steps: int
    ):
        super().__init__()
        self.count, self.observations, self.actions = count, observations, actions
        self.own = slice(0, count)
        self.max_episode_steps = max_episode_steps
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        self._current: np.ndarray | None = None

    @abstractmethod
    def _begin(self) -> np.ndarray:
        """Reset the own environments by numbers drawn from torch; their first observations."""

    @abstractmethod
    def _restore(self) -> np.ndarray:
        """Put the own environments where the buffers say; their observations."""

    @abstractmethod
    def _step(self, act: np.ndarray) -> tuple[Step, np.ndarray]:
        """Step, and the observations to act on next."""

    @property
    def places(self) -> range:
        """Numbers of the environments that this process steps."""
        return range(self.count)[self.own]

    def share(self) -> None:
        """Let each process step a part of the environments; alone, one steps all.

        Raises:
            UserError: They cannot be split evenly.
        """
        rank, _ = parallel.world()
        mine = parallel.portion(self.count, "environments (--envs)")
        self.own = slice(rank * mine, (rank + 1) * mine)

    def join(self) -> None:
        """Tell every process where the environments of all stand."""
        if parallel.world()[1] > 1:
            for buffer in self.buffers():
                if buffer.dim():
                    buffer.copy_(torch.cat(parallel.gather(buffer[self.own].contiguous())))

    def current(self) -> np.ndarray:
        """The observations to act on, (n, ...); fresh environments are reset."""
        if self._current is None:
            self._current = self._restore() if self.started else self._begin()
            self.started.fill_(True)
        return self._current

    def step(self, act: np.ndarray) -> Step:
        """Carry out one action in each environment; those whose episode ended begin another.

        Args:
            act: Actions in the environments' own form, (n,) or (n, components).
        """
        self.current()
        step, self._current = self._step(act)
        return step

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "Envs":
        return self  # whatever device the game moves to

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        super()._load_from_state_dict(*args, **options)
        self._current = None
