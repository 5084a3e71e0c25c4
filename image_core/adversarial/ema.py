"""Exponential moving averages of network weights."""

import copy

import torch
from torch import Tensor, nn

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError


class EMA(nn.Module):
    """A network whose weights are the moving average of another network's weights.

    w_ema <- decay * w_ema + (1 - decay) * w        after each step of w

    Args:
        module: Network to average; it is copied and never changed.
        decay: Decay per step, in [0, 1); the half-life in steps is log(1/2) / log(decay).

    Raises:
        UserError: The decay is not in [0, 1).

    Source: Polyak & Juditsky 1992; for GANs Yazici et al. 2019.
    """

    @python_call()
    def __init__(self, module: nn.Module, decay: float):
        super().__init__()
        if not 0.0 <= decay < 1.0:
            raise UserError(f"an EMA decay of {decay} is not in [0, 1)")
        self.decay = decay
        self.module = copy.deepcopy(module).eval().requires_grad_(False)

    def forward(self, *args: object, **kwargs: object) -> object:
        """Output of the averaged network."""
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average one step towards `module`; buffers are copied, not averaged.

        Args:
            module: Network to average, after its optimizer step.

        Raises:
            UserError: It is no module, or has other parameters or buffers.
        """
        if not isinstance(module, nn.Module):
            raise UserError(f"EMA.update: module is a {type(module).__name__}; give a module")
        mine: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(module.parameters())
        kept, given = list(self.module.buffers()), list(module.buffers())
        if [x.shape for x in mine + kept] != [x.shape for x in theirs + given]:
            raise UserError(
                "the module is not the one that is averaged: its parameters or buffers have other "
                "shapes"
            )
        torch._foreach_lerp_(mine, theirs, 1.0 - self.decay)
        for own, other in zip(kept, given):
            own.copy_(other)
