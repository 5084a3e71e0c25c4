"""From rewards to returns, baselines and advantages: pure functions of tensors.

Batch first, `(B, T)`, except `gae`, which is for environments and time-major. A mask is True where
an element counts; whatever stands elsewhere, NaN included, changes nothing. Samples of one item (M
completions of a prompt, M draws of a latent) are M contiguous rows of the batch.

Nothing is detached here and nothing is read back to the host. The gradient estimators that use
these stand in `estimators.py`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from image_core.adversarial.errors import UserError

__all__ = ["discounted", "gae", "group_normalised", "leave_one_out", "position_mean"]


def discounted(
    reward: Float[Tensor, "batch time"], mask: Bool[Tensor, "batch time"], gamma: float
) -> Float[Tensor, "batch time"]:
    """Reward to go: what is still to be earned from each position on.

    R_t = r_t + gamma R_(t+1) = sum_(s >= t) gamma^(s-t) r_s

    Args:
        reward: earned at each position, (B, T).
        mask: True = counts. Elsewhere nothing is earned and the result is 0, but time passes.
        gamma: discount a position, in [0, 1].
    """
    reward = reward.masked_fill(~mask, 0)
    to_go = torch.zeros_like(reward[:, 0])
    backwards = []
    for step in reward.unbind(dim=1)[::-1]:
        to_go = step + gamma * to_go
        backwards.append(to_go)
    return torch.stack(backwards[::-1], dim=1).masked_fill(~mask, 0)


def gae(
    reward: Float[Tensor, "time envs"],
    value: Float[Tensor, "time envs"],
    next_value: Float[Tensor, "time envs"],
    terminated: Bool[Tensor, "time envs"],
    ended: Bool[Tensor, "time envs"],
    gamma: float,
    lam: float,
) -> Float[Tensor, "time envs"]:
    """Generalised advantage estimate; time-major. The value's regression target is result + value.

    delta_t = r_t + gamma V(s_(t+1)) [not terminated_t] - V(s_t)
    A_t     = delta_t + gamma lam A_(t+1) [not ended_t]         (Schulman et al. 2016, eqs. 11-16)

    Termination and truncation differ. A terminal state earns nothing more, so nothing is
    bootstrapped. A time limit only stops the watching, so the value of the last state seen is
    bootstrapped; but the next row belongs to another episode in both cases, so the recursion stops.
    A learned reward has a sign of its own, and calling a time limit a terminal state would turn
    that sign into a taste for long or for short episodes.

    Args:
        reward: r_t, (T, N).
        value: V(s_t).
        next_value: V of the state that followed action t, which at the end of an episode is its
            last observation and not the first of the next one. Unread where terminated.
        terminated: True = s_(t+1) is terminal.
        ended: True = the episode ends after row t, terminated or truncated; true of every row that
            is terminated.
        gamma: discount a step.
        lam: 0 = one-step differences, 1 = whole returns minus the value.

    A row that is no transition (an automatic reset) follows an ended one, so it never leaks into an
    episode; its own entry means nothing and the caller masks it.
    """
    delta = reward + gamma * next_value.masked_fill(terminated, 0) - value
    advantage = torch.zeros_like(reward[0])
    backwards = []
    for step, last in zip(delta.flip(0), ended.flip(0), strict=True):
        advantage = step + gamma * lam * advantage.masked_fill(last, 0)
        backwards.append(advantage)
    return torch.stack(backwards).flip(0)


def leave_one_out(
    reward: Float[Tensor, " batch *rest"],
    samples: int,
    mask: Bool[Tensor, " batch *rest"] | None = None,
) -> Float[Tensor, " batch *rest"]:
    """Mean reward of the item's other samples: a baseline that leaves the gradient unbiased.

    b_i = sum_(j != i) r_j / (samples - 1)                                     (Kool et al. 2019)

    Args:
        reward: (B, ...), every group of `samples` contiguous rows belonging to one item.
        samples: rows an item.
        mask: True = counts; at each place the mean is over the others that count, 0 where none
            does.

    Raises:
        UserError: fewer than two samples, or rows left over.
    """
    if samples < 2:
        raise UserError(
            f"samples = {samples}: leaving one out needs at least 2 samples of each item"
        )
    if mask is None:
        mask = torch.ones_like(reward, dtype=torch.bool)
    rewards = groups(reward.masked_fill(~mask, 0), samples)
    counts = groups(mask, samples).to(reward.dtype)
    others = rewards.sum(dim=1, keepdim=True) - rewards
    how_many = counts.sum(dim=1, keepdim=True) - counts
    return (others / how_many.clamp(min=1)).flatten(0, 1)


def group_normalised(
    reward: Float[Tensor, " batch *rest"], samples: int, eps: float = 1e-4
) -> Float[Tensor, " batch *rest"]:
    """Advantage within the samples of one item, in standard deviations.

    A_i = (r_i - mean) / (std + eps)                       (GRPO, Shao et al. 2024, section 4.1.2)

    Args:
        reward: (B, ...), every group of `samples` contiguous rows belonging to one item. One reward
            a sequence is usual; no element may be padding.
        samples: rows an item.
        eps: in units of the reward; a group whose samples all earn the same gets 0.

    The standard deviation divides by samples, not samples - 1, and so exists for a single sample.

    Raises:
        UserError: rows left over.
    """
    rewards = groups(reward, samples)
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return (centred / (rewards.std(dim=1, correction=0, keepdim=True) + eps)).flatten(0, 1)


def position_mean(
    reward: Float[Tensor, "batch time"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, " time"]:
    """Mean reward of the batch at each position, over the elements that count; 0 where none does.

    As a baseline it contains the sample's own reward: with n rows the expected gradient keeps its
    direction and shrinks by 1 - 1/n.

    Args:
        reward: (B, T).
        mask: True = counts.
    """
    return reward.masked_fill(~mask, 0).sum(dim=0) / mask.sum(dim=0).clamp(min=1)


def groups(tensor: Tensor, samples: int) -> Tensor:
    """Split the batch into items: (B, ...) -> (B / samples, samples, ...).

    Args:
        tensor: rows of one item are contiguous.
        samples: rows an item.

    Raises:
        UserError: the rows do not divide into groups of that size.
    """
    if samples < 1 or len(tensor) % samples:
        raise UserError(
            f"samples = {samples} does not divide the batch of {len(tensor)} rows: "
            "every item needs the same number of contiguous rows"
        )
    return tensor.unflatten(0, (len(tensor) // samples, samples))
