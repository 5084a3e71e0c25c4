"""Environments whose whole state is a matrix, stepped together, saved and restored directly."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from rl.envs.base import Envs, Step
from rl.envs.spaces import Actions, Observations

State = np.ndarray


class StateEnvs(Envs):
    """N environments of one kind.

    Args:
        count: Number of environments N.
        observations: Encoding of observations.
        actions: Encoding of actions.
        max_episode_steps: Steps after which an episode is cut.
        size: Numbers of a state.
    """

    state: Tensor
    elapsed: Tensor

    def __init__(
        self,
        count: int,
        observations: Observations,
        actions: Actions,
        max_episode_steps: int,
        size: int,
    ):
        super().__init__(count, observations, actions, max_episode_steps)
        self.register_buffer("state", torch.zeros(count, size, dtype=torch.float64))
        self.register_buffer("elapsed", torch.zeros(count, dtype=torch.int64))

    @abstractmethod
    def advance(self, state: State, act: np.ndarray) -> tuple[State, np.ndarray, np.ndarray]:
        """(N, k) states and actions -> states, rewards (N,), and which states are terminal (N,)."""

    @abstractmethod
    def observe(self, state: State) -> np.ndarray:
        """States -> float32 observations, (N, d)."""

    @abstractmethod
    def first(self, count: int) -> Tensor:
        """First states of episodes, by numbers drawn from torch, (count, k)."""

    def _begin(self) -> np.ndarray:
        self.state[self.own] = self.first(len(self.places))
        self.elapsed[self.own] = 0
        return self._restore()

    def _restore(self) -> np.ndarray:
        return self.observe(self.state.numpy()[self.own])

    def _step(self, act: np.ndarray) -> tuple[Step, np.ndarray]:
        before, elapsed = self.state.numpy()[self.own], self.elapsed.numpy()[self.own]
        state, reward, terminated = self.advance(before, act)
        elapsed += 1
        truncated = (elapsed >= self.max_episode_steps) & ~terminated
        after = self.observe(state)
        valid = np.ones(len(state), np.bool_)
        step = Step(after, reward.astype(np.float32), terminated, truncated, valid)
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            begun = self.first(len(ended)).numpy()
            state[ended], elapsed[ended] = begun, 0
            after = after.copy()
            after[ended] = self.observe(begun)
        before[:] = state
        return step, after
