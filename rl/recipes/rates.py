"""Optimizers and schedules that the recipes of rl share."""

import functools

import torch

from image_core.adversarial.engine import OptimizerFactory, ScheduleFactory


def policy_adam(lr: float) -> OptimizerFactory:
    """Adam of policies and values, whose epsilon of 1e-5 is that of PPO's own code.

    Args:
        lr: Learning rate.
    """
    return functools.partial(torch.optim.Adam, lr=lr, eps=1e-5, fused=True)


def to_zero(steps: int) -> ScheduleFactory:
    """A rate that falls to 0 along a line.

    Args:
        steps: Optimizer steps until it is there.
    """
    return functools.partial(
        torch.optim.lr_scheduler.LinearLR, start_factor=1.0, end_factor=0.0, total_iters=steps
    )
