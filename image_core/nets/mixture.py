"""Several networks and learned shares: a generator that draws one of them, D's that vote."""

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Members(nn.Module):
    """Networks of one form, and the logarithms of their shares.

    w = softmax(alpha)                                        (Arora et al. 2017, section 5)

    Args:
        members: Networks.
    """

    def __init__(self, members: Sequence[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.alpha = nn.Parameter(torch.zeros(len(members)))

    def shares(self) -> Float[Tensor, " T"]:
        """Shares of the members, which sum to 1."""
        return self.alpha.softmax(0)

    def evenness_penalty(self) -> Float[Tensor, ""]:
        """-1/T sum_i log w_i, least (log T) where all shares are equal.

        Source: Arora et al. 2017, section 5.
        """
        return -self.alpha.log_softmax(0).mean()


@final
class MixtureGenerator(Members):
    """Draws a member for each row by the shares, and what it makes of the row."""

    def forward(self, *given: Tensor) -> Tensor:
        count = len(given[0])
        which = torch.multinomial(self.shares().detach(), count, replacement=True)
        made: list[Any] = [net(*given) for net in self.members]
        return torch.stack(made)[which, torch.arange(count, device=which.device)]


@final
class MixtureDiscriminator(Members):
    """Mean of the members' logits by their shares."""

    def forward(self, *given: Tensor) -> Tensor:
        logits = torch.stack([net(*given) for net in self.members])
        return torch.tensordot(self.shares(), logits, 1)
