"""Gradients through samples that cannot be differentiated: tokens, actions, documents.

An estimator is called as `estimator(log_prob, reward, mask)`, all `(B, T)`, and returns a scalar
loss whose gradient is the estimate. `log_prob` carries the gradient. Reward, baseline and weights
are constants; the estimator detaches them. The mask is True where an element counts; the values
elsewhere, including -inf and NaN, have no effect. Actions and documents are sequences of T = 1.

The first argument may be shifted by any constant, for instance by `-behaviour_log_prob.detach()` to
the log ratio to the policy that drew the samples. This does not change the gradient of `reinforce`,
`importance` and `boundary_seeking`; `clipped` requires it and reads the log ratio.

Rewards are per position: an estimator does no discounting (`returns.py` does). If a reward belongs
to a whole sample, repeat it at each position. Samples of one item are contiguous rows.

Estimators are modules because a moving baseline is state: a buffer, saved with the game that holds
the estimator. Nothing is read back to the host.

Two more families are exported here, for variables that are conditionally independent given the
generator's input and a discriminator that accepts one-hot or soft inputs. `relaxations.py`:
(logits) -> a differentiable sample. `control_variates.py`: (logits, reward function) -> surrogate
loss.
"""

import math
from collections.abc import Callable
from typing import Any, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.arguments import python_call
from image_core.adversarial.border import check_alike, check_samples
from image_core.adversarial.control_variates import disarm, rebar, relax, taylor
from image_core.adversarial.counted import check_group, count, weighted_sum
from image_core.adversarial.errors import UserError
from image_core.adversarial.relaxations import gumbel_softmax, reinmax, straight_through
from image_core.adversarial.returns import leave_one_out, position_mean
from image_core.adversarial.self_normalised import boundary_seeking, importance

__all__ = [
    "boundary_seeking",
    "clipped",
    "disarm",
    "gumbel_softmax",
    "importance",
    "rebar",
    "reinforce",
    "reinmax",
    "relax",
    "straight_through",
    "taylor",
]

SCORE_FUNCTIONS = ("reinforce", "importance", "boundary_seeking", "clipped")
"""Estimators that weigh the likelihood of the samples: called with (log_prob, reward, mask)."""
RELAXATIONS = ("gumbel_softmax", "gumbel_hard", "straight_through", "reinmax")
"""Estimators that differentiate through the sample; the discriminator must read soft samples."""
CONTROL_VARIATES = ("rebar", "relax", "taylor", "disarm")
"""Estimators that also require variables that are independent given the generator's input."""

Estimator = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(log_prob (B, T), reward (B, T), mask (B, T)) -> surrogate loss, a scalar."""

BASELINES = ("none", "position_mean", "leave_one_out", "moving_average", "log_z", "learned")
REDUCTIONS = ("mean", "sum")

# ---------------------------------------------------------------------------------- score functions


@python_call()
def reinforce(
    baseline: str = "none",
    reduction: str = "mean",
    samples: int | None = None,
    momentum: float = 0.95,
    value: nn.Module | None = None,
) -> "Reinforce":
    """Score-function gradient of the expected reward.

    loss = -sum_(b,t) mask (reward - baseline) log_prob            (Williams 1992)

    divided, for the mean, by the number of elements that count.

    Args:
        baseline: Baseline subtracted from the reward to lower the variance.
            none: No baseline; unbiased.
            position_mean: Mean of the batch at each position; keeps the direction of the expected
                gradient and shrinks it to (1 - 1/B) of its length.
            leave_one_out: Mean of the other samples of the item at each position; unbiased.
            moving_average: Mean of all earlier calls, weighted by momentum^age; unbiased, since it
                never contains the current samples. It is 0 in the first call.
            log_z: Moving average of log mean exp(reward), which is log Z if the reward is the log
                ratio log w; unbiased. With it this is boundary-seeking GAN's REINFORCE form.
            learned: Output of `value` for the context; its squared error is added to the loss, so
                that its parameters learn with the policy's. Unbiased if no context depends on its
                sample.
        reduction: Reduction: mean over the counted elements, or sum over batch and time as in
            SeqGAN's code.
        samples: Number of rows per item, for leave_one_out only; None treats the whole batch as one
            item.
        momentum: Momentum of moving_average and log_z, in [0, 1).
        value: Network from context to (B, T), for learned only. The context is the fourth argument
            of a call; by default it is the position 0..T-1 of each element, (B, T).

    Raises:
        UserError: The baseline or reduction is unknown, there are fewer than two samples, the
            momentum is not in [0, 1), or only one of `value` and baseline learned is given.

    Source: Williams 1992; leave-one-out, Kool et al. 2019; log_z, Hjelm et al. 2018, section 2.3;
        learned, Mnih & Gregor 2014.
    """
    return Reinforce(baseline, reduction, samples, momentum, value)


@final
class Reinforce(nn.Module):
    """The estimator built by `reinforce`; stores past rewards if its baseline is a moving average.

    Args:
        baseline: Name of the baseline, see `reinforce`.
        reduction: Name of the reduction, see `reinforce`.
        samples: Number of rows per item, see `reinforce`.
        momentum: Momentum of a moving baseline, see `reinforce`.
        value: Network of a learned baseline, see `reinforce`.

    Raises:
        UserError: An option is unknown or out of range, see `reinforce`.
    """

    total: Tensor
    weight: Tensor

    def __init__(
        self,
        baseline: str,
        reduction: str,
        samples: int | None,
        momentum: float,
        value: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if (value is None) == (baseline == "learned"):
            raise UserError("baseline = 'learned' and a value network go together: give both")
        self.baseline = _choice("baseline", baseline, BASELINES)
        self.reduction = _choice("reduction", reduction, REDUCTIONS)
        self.samples = check_group(samples)
        if not 0 <= momentum < 1:
            raise UserError(f"momentum = {momentum}: give a number in [0, 1)")
        self.momentum = momentum
        self.value = value
        self.moving = baseline in ("moving_average", "log_z")
        if self.moving:
            self.register_buffer("total", torch.zeros(()))
            self.register_buffer("weight", torch.zeros(()))

    def forward(
        self,
        log_prob: Float[Tensor, "batch time"],
        reward: Float[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"],
        context: Tensor | None = None,
    ) -> Float[Tensor, ""]:
        """Surrogate loss; a moving baseline is updated with the rewards only afterwards.

        Raises:
            UserError: Log probabilities, rewards and mask are not (batch, time) alike, or of
                another kind.
        """
        check_samples(log_prob, reward, mask)
        reward = reward.detach()
        if self.value is not None:
            return self._learned(self.value, log_prob, reward, mask, context)
        loss = -weighted_sum(reward - self._baseline(reward, mask), log_prob, mask)
        if self.moving:
            self._remember(reward, mask)
        return _reduced(loss, mask, self.reduction)

    def _learned(
        self, value: nn.Module, log_prob: Tensor, reward: Tensor, mask: Tensor, context: Any
    ) -> Tensor:
        """Surrogate loss plus the mean squared error of the baseline over the counted elements."""
        if context is None:
            context = torch.arange(reward.shape[1], device=reward.device).expand(reward.shape)
        expected = value(context)
        check_alike("a learned baseline", value=expected, reward=reward)
        loss = -weighted_sum(reward - expected.detach(), log_prob, mask)
        error = (reward - expected).masked_fill(~mask, 0).square().sum() / count(mask)
        return _reduced(loss, mask, self.reduction) + error

    def _baseline(self, reward: Tensor, mask: Tensor) -> Tensor:
        match self.baseline:
            case "position_mean":
                return position_mean(reward, mask)
            case "leave_one_out":
                return leave_one_out(reward, self.samples or len(reward), mask)
            case "moving_average" | "log_z":
                return self.total / self.weight.clamp(min=torch.finfo(self.weight.dtype).tiny)
            case _:
                return torch.zeros_like(reward)

    @torch.no_grad()
    def _remember(self, reward: Tensor, mask: Tensor) -> None:
        """Update total and weight alike, so that their quotient is a mean from the start."""
        counted = parallel.join(mask.sum()[None]).sum()
        if self.baseline == "log_z":
            own = reward.masked_fill(~mask, -math.inf).flatten().logsumexp(0)
            total = parallel.join(own[None]).logsumexp(0)
            mean = torch.where(counted > 0, total - counted.clamp(min=1).log(), 0.0)
        else:
            total = parallel.join(reward.masked_fill(~mask, 0).sum()[None]).sum()
            mean = total / counted.clamp(min=1)
        step = (1 - self.momentum) * (counted > 0).to(self.weight)
        self.total.lerp_(mean.to(self.total), step)
        self.weight.lerp_(torch.ones_like(self.weight), step)


@python_call()
def clipped(clip: float = 0.2, reduction: str = "mean") -> "Clipped":
    """Policy gradient that stops where the policy is too far from the sampling policy (PPO).

    loss = -mean min(rho A, clip(rho, 1 - clip, 1 + clip) A)          (Schulman et al. 2017, eq. 7)

    with rho = exp(first argument), the ratio to the sampling policy, and A the reward. At rho = 1
    the gradient is that of `reinforce`.

    Args:
        clip: Clipping range epsilon of the paper, in (0, 1).
        reduction: Reduction: mean over the counted elements, or sum over batch and time.

    Raises:
        UserError: The clipping range is outside (0, 1), or the reduction is unknown.

    Source: Schulman et al. 2017, eq. 7.
    """
    return Clipped(clip, reduction)


@final
class Clipped(nn.Module):
    """The estimator built by `clipped`.

    Args:
        clip: Clipping range, see `clipped`.
        reduction: Name of the reduction, see `clipped`.

    Raises:
        UserError: An option is unknown or out of range, see `clipped`.
    """

    def __init__(self, clip: float, reduction: str) -> None:
        super().__init__()
        if not 0 < clip < 1:
            raise UserError(f"clip = {clip}: give a number between 0 and 1")
        self.clip = clip
        self.reduction = _choice("reduction", reduction, REDUCTIONS)

    def forward(
        self,
        log_prob: Float[Tensor, "batch time"],
        reward: Float[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, ""]:
        """Surrogate loss. A bounds rho on one side, before exp, which could overflow.

        Raises:
            UserError: Log probabilities, rewards and mask are not (batch, time) alike, or of
                another kind.
        """
        check_samples(log_prob, reward, mask)
        log_ratio, advantage = log_prob.masked_fill(~mask, 0), reward.detach()
        bounded = torch.where(
            advantage >= 0,
            log_ratio.clamp(max=math.log1p(self.clip)),
            log_ratio.clamp(min=math.log1p(-self.clip)),
        )
        loss = -weighted_sum(advantage, bounded.exp(), mask)
        return _reduced(loss, mask, self.reduction)


# ------------------------------------------------------------------------------------ shared by all


def _reduced(total: Tensor, mask: Tensor, reduction: str) -> Tensor:
    """The mean over the counted elements, or the sum over the samples of all processes."""
    if reduction == "mean":
        return total / count(mask)
    return total * parallel.world()[1]  # the engine averages gradients over processes


def _choice(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UserError(f"{option} = {value!r}: choose one of {', '.join(choices)}")
    return value
