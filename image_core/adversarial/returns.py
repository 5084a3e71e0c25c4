"""From rewards to returns, baselines and advantages: pure functions of tensors.

Batch first, `(B, T)`, except `gae`, which is for environments and time-major. A mask is True where
an element counts; the values elsewhere, including NaN, have no effect. Samples of one item (M
completions of a prompt, M draws of a latent) are M contiguous rows of the batch.

Nothing is detached here and nothing is read back to the host. The gradient estimators that use
these functions are in `estimators.py`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_masked
from image_core.adversarial.errors import UserError

__all__ = ["discounted", "gae", "group_normalised", "leave_one_out", "position_mean"]


@python_call()
def discounted(
    reward: Float[Tensor, "batch time"], mask: Bool[Tensor, "batch time"], gamma: float
) -> Float[Tensor, "batch time"]:
    """Reward to go: the discounted sum of the rewards from each position on.

    R_t = r_t + gamma R_(t+1) = sum_(s >= t) gamma^(s-t) r_s

    Args:
        reward: Reward at each position, (B, T).
        mask: True = counts, (B, T). Elsewhere the reward and the result are 0, but time passes.
        gamma: Discount per position, in [0, 1].

    Raises:
        UserError: The tensors do not fit one another, or the discount is out of range.
    """
    check_masked("discounted", reward=reward, mask=mask)
    check_within(0, 1, gamma=gamma)
    reward = reward.masked_fill(~mask, 0)
    to_go = torch.zeros_like(reward[:, 0])
    backwards = []
    for step in reward.unbind(dim=1)[::-1]:
        to_go = step + gamma * to_go
        backwards.append(to_go)
    return torch.stack(backwards[::-1], dim=1).masked_fill(~mask, 0)


@python_call()
def gae(
    reward: Float[Tensor, "time envs"],
    value: Float[Tensor, "time envs"],
    next_value: Float[Tensor, "time envs"],
    terminated: Bool[Tensor, "time envs"],
    ended: Bool[Tensor, "time envs"],
    gamma: float,
    gae_lambda: float,
) -> Float[Tensor, "time envs"]:
    """Generalised advantage estimate; time-major. The value's regression target is result + value.

    delta_t = r_t + gamma V(s_(t+1)) [not terminated_t] - V(s_t)
    A_t     = delta_t + gamma lambda A_(t+1) [not ended_t]       (Schulman et al. 2016, eqs. 11-16)

    Termination and truncation differ. After a terminal state there is no more reward, so nothing is
    bootstrapped. A time limit only ends the observation, so the value of the last observed state is
    bootstrapped. In both cases the next row belongs to another episode, so the recursion stops. A
    learned reward may be positive or negative throughout; treating a time limit as a terminal state
    would turn that sign into a bias towards long or short episodes.

    A row that is no transition (an automatic reset) follows an ended one, so it never leaks into an
    episode; its own result is meaningless and the caller masks it.

    Args:
        reward: Reward r_t, (T, N).
        value: Value V(s_t), (T, N).
        next_value: Value of the state that followed action t, (T, N); at the end of an episode that
            is its last observation and not the first of the next one. Unused where terminated.
        terminated: True = s_(t+1) is terminal, (T, N).
        ended: True = the episode ends after row t, terminated or truncated, (T, N); true for every
            terminated row.
        gamma: Discount per step, in [0, 1].
        gae_lambda: Trace decay lambda: 0 = one-step differences, 1 = whole returns minus the value.

    Raises:
        UserError: The tensors do not fit one another, or a number is out of range.

    Source: Schulman et al. 2016, eqs. 11-16.
    """
    check_within(0, 1, gamma=gamma, gae_lambda=gae_lambda)
    check_masked(
        "gae",
        reward=reward,
        value=value,
        next_value=next_value,
        terminated=terminated,
        ended=ended,
    )
    delta = reward + gamma * next_value.masked_fill(terminated, 0) - value
    advantage = torch.zeros_like(reward[0])
    backwards = []
    for step, last in zip(delta.flip(0), ended.flip(0), strict=True):
        advantage = step + gamma * gae_lambda * advantage.masked_fill(last, 0)
        backwards.append(advantage)
    return torch.stack(backwards).flip(0)


@python_call()
def leave_one_out(
    reward: Float[Tensor, " batch *rest"],
    samples: int,
    mask: Bool[Tensor, " batch *rest"] | None = None,
) -> Float[Tensor, " batch *rest"]:
    """Mean reward of the item's other samples: a baseline that leaves the gradient unbiased.

    b_i = sum_(j != i) r_j / (samples - 1)                                     (Kool et al. 2019)

    Args:
        reward: Rewards, (B, ...); each group of `samples` contiguous rows belongs to one item.
        samples: Number of rows per item.
        mask: True = counts, (B, ...); at each position the mean is over the other samples that
            count, and 0 if there are none.

    Raises:
        UserError: There are fewer than two samples, or the rows do not divide into groups of that
            size.

    Source: Kool, van Hoof & Welling 2019.
    """
    masks = {} if mask is None else {"mask": mask}
    check_masked("leave_one_out", dim=None, reward=reward, **masks)
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


@python_call()
def group_normalised(
    reward: Float[Tensor, " batch *rest"], samples: int, eps: float = 1e-4
) -> Float[Tensor, " batch *rest"]:
    """Advantage within the samples of one item, in standard deviations.

    A_i = (r_i - mean) / (std + eps)                       (GRPO, Shao et al. 2024, section 4.1.2)

    The standard deviation divides by samples, not samples - 1, so it exists for a single sample.

    Args:
        reward: Rewards, (B, ...); each group of `samples` contiguous rows belongs to one item. One
            reward per sequence is usual; no element may be padding.
        samples: Number of rows per item.
        eps: Constant added to the standard deviation, in units of the reward; a group of equal
            rewards gets 0.

    Raises:
        UserError: The rows do not divide into groups of that size.

    Source: Shao et al. 2024 (GRPO), section 4.1.2.
    """
    check_masked("group_normalised", dim=None, reward=reward)
    rewards = groups(reward, samples)
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return (centred / (rewards.std(dim=1, correction=0, keepdim=True) + eps)).flatten(0, 1)


@python_call()
def position_mean(
    reward: Float[Tensor, "batch time"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, " time"]:
    """Mean reward of the batch at each position, over the counted elements; 0 if there are none.

    b_t = sum_b mask_(b,t) r_(b,t) / sum_b mask_(b,t)

    As a baseline it contains the sample's own reward: with n rows the expected gradient keeps its
    direction and shrinks by 1 - 1/n.

    Args:
        reward: Rewards, (B, T).
        mask: True = counts, (B, T).

    Raises:
        UserError: The tensors do not fit one another.
    """
    check_masked("position_mean", reward=reward, mask=mask)
    return reward.masked_fill(~mask, 0).sum(dim=0) / mask.sum(dim=0).clamp(min=1)


def groups(tensor: Tensor, samples: int) -> Tensor:
    """Split the batch into items: (B, ...) -> (B / samples, samples, ...).

    Args:
        tensor: Tensor of shape (B, ...), with the rows of one item contiguous.
        samples: Number of rows per item.

    Raises:
        UserError: The rows do not divide into groups of that size.
    """
    if samples < 1 or len(tensor) % samples:
        raise UserError(
            f"samples = {samples} does not divide the batch of {len(tensor)} rows: "
            "every item needs the same number of contiguous rows"
        )
    return tensor.unflatten(0, (len(tensor) // samples, samples))
