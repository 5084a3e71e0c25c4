"""A frozen copy of a policy, renewed every few steps: the opponent, behaviour or old policy."""

import copy

import torch
from torch import Tensor, nn

from seqgan.lm.policies import SequencePolicy


class Twin(nn.Module):
    """A frozen copy of a policy in the game's checkpoint.

    Args:
        policy: Policy to copy.
        refresh: Calls of `renew` between two copies of its weights.
    """

    played: Tensor

    def __init__(self, policy: SequencePolicy, refresh: int):
        super().__init__()
        self.policy, self.refresh = copy.deepcopy(policy).eval().requires_grad_(False), refresh
        self.register_buffer("played", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def renew(self, policy: SequencePolicy) -> SequencePolicy:
        """Return the copy, made anew before every `refresh`-th call, without asking the device.

        Args:
            policy: Policy whose weights are copied.
        """
        due = self.played % self.refresh == 0
        for old, new in zip(self.policy.parameters(), policy.parameters(), strict=True):
            old.copy_(torch.where(due, new, old))
        self.played += 1
        return self.policy.eval()
