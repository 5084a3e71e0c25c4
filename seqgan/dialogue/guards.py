"""When a side of the dialogue game is to rest."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial import parallel


class Guards(NamedTuple):
    """When a side is to rest; 0 = never.

    Args:
        accuracy: The discriminator rests while the moving mean of its accuracy is above this.
        kl: KL divergence in nats a reply between the policy and the one it started from; above it
            the policy takes steps of maximum likelihood alone.
        length: The same while the replies' mean length is more than this many times people's, or
            less than the same part of it.
    """

    accuracy: float = 0.0
    kl: float = 0.0
    length: float = 0.0

    def hold(self, kl: Float[Tensor, ""], ratio: Float[Tensor, ""]) -> Tensor:
        """Whether the policy is to be held: KL a reply, and length over people's, of all processes.

        All processes must come to one answer, for each takes as many steps as the others.
        """
        reading = parallel.average_logs({"kl": kl, "ratio": ratio})
        held = torch.zeros((), dtype=torch.bool, device=kl.device)
        if self.kl:
            held = held | (reading["kl"] > self.kl)
        if self.length:
            held = held | (reading["ratio"] > self.length)
            held = held | (reading["ratio"] * self.length < 1)
        return held


UNGUARDED = Guards()
