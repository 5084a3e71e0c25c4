"""The scale of a learned reward: divided by what its returns vary, and never shifted."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class ReturnScale(nn.Module):
    """Divides rewards by the running root mean square of their discounted returns.

    R_t = gamma R_(t-1) + r_t in each environment; r_t / sqrt(E[R^2]), cut at +-10.

    A shift would pay for long or for short episodes; a scale does not. A learned reward changes, so
    the past is forgotten, by default a tenth with each rollout.

    Args:
        envs: Number of environments N.
        gamma: Discount per step.
        decay: Weight of the past against one more rollout.
    """

    running: Tensor
    moments: Tensor

    def __init__(self, envs: int, gamma: float, decay: float = 0.9):
        super().__init__()
        self.gamma, self.decay = gamma, decay
        self.register_buffer("running", torch.zeros(envs))
        self.register_buffer("moments", torch.zeros(2))  # weight, squares

    @torch.no_grad()
    def forward(
        self,
        reward: Float[Tensor, "time envs"],
        ended: Bool[Tensor, "time envs"],
        valid: Bool[Tensor, "time envs"],
    ) -> Float[Tensor, "time envs"]:
        """Take a rollout's rewards in, and scale them."""
        # A loop over small arrays, which numpy walks four times as fast
        earned, ends, counts = (x.cpu().numpy() for x in (reward, ended, valid))
        running, seen = self.running.cpu().numpy(), np.empty_like(earned)
        for t in range(len(earned)):
            seen[t] = np.where(counts[t], self.gamma * running + earned[t], running)
            running = np.where(ends[t], np.float32(0), seen[t])
        self.running.copy_(torch.from_numpy(running))
        returns = torch.from_numpy(seen[counts]).to(reward.device)
        self.moments.mul_(self.decay)
        self.moments += torch.stack([returns.new_tensor(1.0), returns.square().mean()])
        weight, squares = self.moments
        return (reward / ((squares / weight).sqrt() + 1e-8)).clamp(-10, 10)
