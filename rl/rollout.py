"""Rollouts: what a policy does in N environments for T steps, time-major."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from rl.envs import Envs
from rl.policies import Actor


class Rollout(NamedTuple):
    """T steps of N environments, as tensors on the policy's device.

    Args:
        obs: Observations, (T, N, ...).
        act: Actions as they were drawn, before any clipping, in the environment's units; (T, N) or
            (T, N, components).
        next_obs: Observations that followed, (T, N, ...); an episode's last one where it ended.
        reward: Rewards of the environment, (T, N).
        terminated: Whether next_obs is terminal, (T, N).
        truncated: Whether the episode was cut by its time limit, (T, N).
        valid: Whether the row is a transition and not a reset, (T, N).
        returns: Returns of the episodes that ended, undiscounted, by the environment's reward.
    """

    obs: Tensor
    act: Tensor
    next_obs: Tensor
    reward: Float[Tensor, "time envs"]
    terminated: Bool[Tensor, "time envs"]
    truncated: Bool[Tensor, "time envs"]
    valid: Bool[Tensor, "time envs"]
    returns: Float[Tensor, " ended"]

    @property
    def ended(self) -> Bool[Tensor, "time envs"]:
        """The row is the last of its episode."""
        return self.terminated | self.truncated


class Collector(torch.nn.Module):
    """Steps environments by a policy, and adds up the returns of unfinished episodes.

    Among several processes each steps its part of the environments, by numbers of its own; what all
    have done is then known to all.

    Args:
        envs: Environments to step.
        steps: Steps T of each environment in a rollout.
    """

    so_far: Tensor

    def __init__(self, envs: Envs, steps: int):
        super().__init__()
        envs.share()
        self.envs, self.steps = envs, steps
        self.register_buffer("so_far", torch.zeros(envs.count))

    def collect(self, policy: Actor) -> Rollout:
        """T more steps of each environment, from where they stand.

        Raises:
            UserError: An environment paid a reward that is not finite.
        """
        envs, device = self.envs, next(policy.parameters()).device
        shape = (self.steps, len(envs.places))
        kind = np.uint8 if envs.observations.image else np.float32
        obs = np.empty((*shape, *envs.observations.shape), kind)
        next_obs, reward = np.empty_like(obs), np.empty(shape, np.float32)
        terminated, truncated, valid = (np.empty(shape, np.bool_) for _ in range(3))
        acts = []
        for t in range(self.steps):
            obs[t] = envs.current()
            act = policy.act(torch.from_numpy(obs[t]).to(device))
            acts.append(act)
            step = envs.step(envs.actions.to_env(act))
            next_obs[t], reward[t], valid[t] = step.obs, step.reward, step.valid
            terminated[t], truncated[t] = step.terminated, step.truncated
        envs.join()
        reward, terminated, truncated, valid = (
            _of_all(torch.from_numpy(a)).numpy() for a in (reward, terminated, truncated, valid)
        )
        _check_finite(reward, valid)
        returns = self._returns(reward, terminated | truncated, valid)
        seen = (_of_all(torch.as_tensor(a)) for a in (obs, torch.stack(acts), next_obs))
        arrays = (*seen, reward, terminated, truncated, valid, returns)
        return Rollout(*(torch.as_tensor(a).to(device) for a in arrays))

    def _returns(self, reward: np.ndarray, ended: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Returns of the episodes that ended, in order; the rest goes on in the next rollout."""
        so_far = self.so_far.cpu().numpy()
        found = []
        for t in range(self.steps):
            so_far = so_far + reward[t] * valid[t]
            if ended[t].any():
                found.append(so_far[ended[t]])
                so_far = np.where(ended[t], 0, so_far)
        self.so_far.copy_(torch.from_numpy(so_far))
        return np.concatenate(found).astype(np.float32) if found else np.empty(0, np.float32)


def _of_all(rows: Tensor) -> Tensor:
    """Rows of the environments of all processes, (T, n, ...) -> (T, N, ...)."""
    return torch.cat(parallel.gather(rows), 1) if parallel.world()[1] > 1 else rows


def _check_finite(reward: np.ndarray, valid: np.ndarray) -> None:
    bad = np.argwhere(valid & ~np.isfinite(reward))
    if len(bad):
        step, place = bad[0].tolist()
        raise UserError(
            f"--env: environment {place + 1} of {reward.shape[1]} paid {reward[step, place]} at "
            f"step {step + 1} of a rollout; mend its reward, then `seqgan resume` goes on from the "
            "last checkpoint"
        )
