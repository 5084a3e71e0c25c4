"""Any registered gymnasium environment, N of them one after another.

Each episode is reset with a different seed. The state of any environment, however it is hidden, is
thus given by its episode's seed and the actions since: to resume, they are played again.
"""

import os
import re
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from image_core.adversarial.errors import UserError, line_of
from rl.envs.base import Envs, Step
from rl.envs.fixed import FixedHorizon
from rl.envs.spaces import Observations, actions, episode_limit, observations

LARGEST_SEED = 2**31


class SyncEnvs(Envs):
    """N environments made by `gymnasium.make`.

    Args:
        env: Id of a gymnasium environment, as in "CartPole-v1" or "module:Env-v0".
        count: Number of environments N.
        options: Keyword arguments of the environment.
        max_episode_steps: Time limit of an episode; None keeps the environment's own.
        fixed: Whether every episode lasts until its time limit.

    Raises:
        UserError: There is no such environment, or its spaces or time limit do not serve.
    """

    seeds: Tensor
    elapsed: Tensor
    episodes: Tensor
    history: Tensor

    def __init__(
        self,
        env: str,
        count: int,
        options: dict[str, Any] | None = None,
        max_episode_steps: int | None = None,
        fixed: bool = False,
    ):
        spec, made = make(env, options or {}, max_episode_steps)
        self_observations = observations(made.observation_space)
        acts = actions(made.action_space)
        super().__init__(
            count, self_observations, acts, episode_limit(spec, max_episode_steps, env)
        )
        self.envs = [made] + [
            make(env, options or {}, max_episode_steps)[1] for _ in range(count - 1)
        ]
        if fixed:
            self.envs = [FixedHorizon(one) for one in self.envs]
        self.register_buffer("seeds", torch.zeros(count, dtype=torch.int64))
        self.name = env
        self.register_buffer("episodes", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("elapsed", torch.zeros(count, dtype=torch.int64))
        kept = (count, self.max_episode_steps, *([acts.components] if acts.components else []))
        kind = torch.int64 if acts.discrete else torch.float32
        self.register_buffer("history", torch.zeros(kept, dtype=kind))
        self.act_shape = made.action_space.shape or ()

    def _begin(self) -> np.ndarray:
        self.seeds[self.own] = torch.randint(LARGEST_SEED, (len(self.places),))
        self.elapsed[self.own] = 0
        self.episodes[self.own] = 0
        return self._encode([self._reset(i) for i in self.places])

    def _restore(self) -> np.ndarray:
        current = []
        for i in self.places:
            obs = self._reset(i)
            for t, act in enumerate(self.history[i, : self.elapsed[i]].numpy(), 1):
                self.elapsed[i] = t
                obs = self._step_one(i, act)[0]
            current.append(obs)
        return self._encode(current)

    def _step(self, act: np.ndarray) -> tuple[Step, np.ndarray]:
        count, own = len(self.places), torch.tensor(self.places)
        self.history[own, self.elapsed[own]] = torch.from_numpy(act).to(self.history)
        self.elapsed[self.own] += 1
        elapsed = self.elapsed.numpy()[self.own]
        reward, terminated = np.zeros(count, np.float32), np.zeros(count, np.bool_)
        truncated, followed = np.zeros(count, np.bool_), []
        for i, place in enumerate(self.places):
            obs, reward[i], terminated[i], cut = self._step_one(place, act[i])
            truncated[i] = (cut or elapsed[i] >= self.max_episode_steps) and not terminated[i]
            followed.append(obs)
        after = self._encode(followed)
        step = Step(after, reward, terminated, truncated, np.ones(count, np.bool_))
        ended = np.flatnonzero(terminated | truncated)
        if not len(ended):
            return step, after
        others = own[torch.from_numpy(ended)]
        self.seeds[others] = torch.randint(LARGEST_SEED, (len(ended),))
        self.elapsed[others] = 0
        self.episodes[others] += 1
        current = after.copy()
        current[ended] = self._encode([self._reset(i) for i in others.tolist()])
        return step, current

    def _step_one(self, i: int, act: Any) -> tuple[Any, float, bool, bool]:
        """What an environment shows and pays, and whether it ended or was cut."""
        try:
            obs, reward, terminated, truncated, _ = self.envs[i].step(self._action(act))
            return obs, float(reward), bool(terminated), bool(truncated)
        except Exception as error:
            raise self._raised(i, error) from error

    def _reset(self, i: int) -> Any:
        try:
            return self.envs[i].reset(seed=int(self.seeds[i]))[0]
        except Exception as error:
            raise self._raised(i, error) from error

    def _raised(self, i: int, error: Exception) -> UserError:
        """What an environment did wrong, and where: its seed and actions make it happen again."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        line = line_of(error, type(self.envs[i].unwrapped).__module__.split(".")[:1])
        step = int(self.elapsed[i])
        when = f"at step {step}" if step else "at its reset"
        return UserError(
            f"--env {self.name}: environment {i + 1} of {self.count} raised {reason} in its "
            f"episode {int(self.episodes[i]) + 1} {when} (seed {int(self.seeds[i])}"
            f"{'; ' * bool(line)}{line}); mend it, then `seqgan resume` goes on from the last "
            "checkpoint"
        )

    def _action(self, act: Any) -> Any:
        return act.reshape(self.act_shape) if self.actions.components else int(act)

    def _encode(self, batch: list[Any]) -> np.ndarray:
        return encode_checked(self.observations, batch)


def encode_checked(codec: Observations, batch: list[Any]) -> np.ndarray:
    """Encode, and refuse what the declared space does not hold.

    Args:
        codec: Encoding of the declared observation space.
        batch: Observations as the environments give them.

    Raises:
        UserError: An observation has another shape than the environment's space says.
    """
    rows = codec.encode(batch)
    if rows.shape[1:] != codec.shape:
        raise UserError(
            f"the environment shows observations of shape {rows.shape[1:]}, but its space says "
            f"{codec.shape}; mend its observation_space"
        )
    return rows


def make(
    env: str, options: dict[str, Any], max_episode_steps: int | None
) -> tuple[gymnasium.envs.registration.EnvSpec | None, gymnasium.Env[Any, Any]]:
    """One environment and its specification, without gymnasium's check of each first step.

    A module before the colon is also looked for where the command was given.

    Args:
        env: Id of the environment, perhaps with a module before a colon.
        options: Keyword arguments of the environment.
        max_episode_steps: Limit of an episode in steps; None leaves the environment's own.

    Raises:
        UserError: It cannot be made.
    """
    here = os.getcwd()
    if ":" in env and here not in sys.path:
        sys.path.append(here)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about newer versions, and about unset bounds
            made = gymnasium.make(
                env, disable_env_checker=True, max_episode_steps=max_episode_steps, **options
            )
    except Exception as error:  # whatever its module or its constructor raises
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        line = line_of(error, re.split("[.:]", env)[:1])
        at = f" ({line})" if line else ""
        raise UserError(f"--env {env} cannot be made: {reason}{at}") from error
    return made.spec, made
