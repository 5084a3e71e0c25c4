"""Gradients through samples that cannot be differentiated: tokens, actions, documents.

An estimator is called as `estimator(log_prob, reward, mask)`, all `(B, T)`, and returns a scalar to
minimise whose gradient is the estimate. `log_prob` carries the gradient. Reward, baseline and
weights are constants; the estimator detaches them. The mask is True where an element counts;
whatever stands elsewhere, -inf and NaN included, changes nothing. Actions and documents are
sequences of T = 1.

The first argument may be shifted by any constant, for instance `log_prob -
behaviour_log_prob.detach()`, the log ratio to the policy that drew the samples. The gradient of
`reinforce`, `importance` and `boundary_seeking` does not change by that, and `clipped` reads it as
the log ratio it needs.

Rewards are positions' own: an estimator does no discounting (`returns.py` does). Where a reward
belongs to a whole sample, repeat it at each position. Samples of one item are contiguous rows.

Estimators are modules because a moving baseline is state: a buffer, saved with the game that holds
the estimator. Nothing is read back to the host. The last two functions are no estimators: they
return a sample that can be differentiated, for a critic that accepts soft or one-hot inputs.
"""

import math
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import softmax

from image_core.adversarial.errors import UserError
from image_core.adversarial.returns import groups, leave_one_out, position_mean

__all__ = [
    "boundary_seeking",
    "clipped",
    "gumbel_softmax",
    "importance",
    "reinforce",
    "straight_through",
]

Estimator = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(log_prob (B, T), reward (B, T), mask (B, T)) -> surrogate loss, a scalar."""

BASELINES = ("none", "position_mean", "leave_one_out", "moving_average")
REDUCTIONS = ("mean", "sum")

# ---------------------------------------------------------------------------------- score functions


def reinforce(
    baseline: str = "none",
    reduction: str = "mean",
    samples: int | None = None,
    momentum: float = 0.95,
) -> "Reinforce":
    """Score-function gradient of the expected reward.

    loss = -sum_(b,t) mask (reward - baseline) log_prob            (Williams 1992)

    divided, for the mean, by the number of elements that count.

    Args:
        baseline: what is subtracted from the reward to lower the variance.
            none: nothing; unbiased.
            position_mean: mean of the batch at each position; keeps the direction of the expected
                gradient and shrinks it to (1 - 1/B) of its length.
            leave_one_out: mean of the other samples of the item at each position; unbiased.
            moving_average: mean of all earlier calls, weighted by momentum^age; unbiased, since it
                never contains the samples at hand. It is 0 in the first call.
        reduction: mean, over counted elements; or sum, over batch and time, as SeqGAN's code.
        samples: rows an item, for leave_one_out only; None = the whole batch is one item.
        momentum: of moving_average only, in [0, 1).

    Raises:
        UserError: unknown baseline or reduction, fewer than two samples, momentum not in [0, 1).

    Source: Williams 1992; leave-one-out, Kool et al. 2019.
    """
    return Reinforce(baseline, reduction, samples, momentum)


@final
class Reinforce(nn.Module):
    """What `reinforce` builds; remembers past rewards if its baseline is a moving average.

    Args:
        baseline: as in `reinforce`, like all others.
        reduction: see there.
        samples: see there.
        momentum: see there.
    """

    total: Tensor
    weight: Tensor

    def __init__(self, baseline: str, reduction: str, samples: int | None, momentum: float) -> None:
        super().__init__()
        self.baseline = _choice("baseline", baseline, BASELINES)
        self.reduction = _choice("reduction", reduction, REDUCTIONS)
        self.samples = _samples(samples)
        if not 0 <= momentum < 1:
            raise UserError(f"momentum = {momentum}: give a number in [0, 1)")
        self.momentum = momentum
        if baseline == "moving_average":
            self.register_buffer("total", torch.zeros(()))
            self.register_buffer("weight", torch.zeros(()))

    def forward(
        self,
        log_prob: Float[Tensor, "batch time"],
        reward: Float[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, ""]:
        """Surrogate loss; a moving average takes the rewards in only afterwards."""
        reward = reward.detach()
        loss = -_weighted(reward - self._baseline(reward, mask), log_prob, mask)
        if self.baseline == "moving_average":
            self._remember(reward, mask)
        return loss / _count(mask) if self.reduction == "mean" else loss

    def _baseline(self, reward: Tensor, mask: Tensor) -> Tensor:
        match self.baseline:
            case "position_mean":
                return position_mean(reward, mask)
            case "leave_one_out":
                return leave_one_out(reward, self.samples or len(reward), mask)
            case "moving_average":
                return self.total / self.weight.clamp(min=torch.finfo(self.weight.dtype).tiny)
            case _:
                return torch.zeros_like(reward)

    @torch.no_grad()
    def _remember(self, reward: Tensor, mask: Tensor) -> None:
        """Let total and weight decay alike, so that their quotient is a mean from the start."""
        mean = reward.masked_fill(~mask, 0).sum() / _count(mask)
        step = (1 - self.momentum) * mask.any().to(self.weight)
        self.total.lerp_(mean.to(self.total), step)
        self.weight.lerp_(torch.ones_like(self.weight), step)


def importance(samples: int | None = None, baseline: float = 1.0) -> "Importance":
    """Likelihood of the samples re-weighted towards the data (MaliGAN).

    w_i = r_i / sum_j r_j,   loss = -(1/T) sum_(i,t) (w_i - b/B) log_prob_(i,t)   (Che et al. 2017)

    at each position, over the B rows of the batch, or the mean over groups of B = `samples` rows.
    Written for ragged rows, with r' = r / (mean of the counted r of the group at that position):
    loss = -sum mask (r' - b) log_prob / (counted elements). So it is as large as `reinforce` with a
    reward of mean 1, and a row that outlives all others counts once, not B times.

    Args:
        samples: rows that share one normalisation; None = the whole batch.
        baseline: b, in units of 1/B. 1 centres the weights, as the authors' code; the paper raises
            b from 0 to 1 during training, which is setting `.baseline` between rounds.

    The reward is r = D / (1 - D) = exp(logit) > 0, which estimates p/q; if it can overflow, give
    the logit to `boundary_seeking`. Self-normalised, hence biased; the bias falls as 1/B.

    Raises:
        UserError: fewer than two samples.
    """
    return Importance(samples, baseline)


@final
class Importance(nn.Module):
    """What `importance` builds.

    Args:
        samples: as in `importance`.
        baseline: see there; may be set between rounds.
    """

    def __init__(self, samples: int | None, baseline: float) -> None:
        super().__init__()
        self.samples = _samples(samples)
        self.baseline = baseline

    def forward(
        self,
        log_prob: Float[Tensor, "batch time"],
        reward: Float[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, ""]:
        """Surrogate loss."""
        samples = self.samples or len(reward)
        ratio = groups(reward.detach().masked_fill(~mask, 0), samples)
        count = groups(mask, samples).sum(dim=1, keepdim=True).clamp(min=1)
        mean = ratio.sum(dim=1, keepdim=True) / count
        weight = (ratio / mean.clamp(min=torch.finfo(ratio.dtype).tiny)).flatten(0, 1)
        return -_weighted(weight - self.baseline, log_prob, mask) / _count(mask)


def boundary_seeking(samples: int | None = None) -> "BoundarySeeking":
    """Likelihood of M samples of a latent, re-weighted towards the decision boundary (BGAN).

    w_m = softmax_m(F_m),   loss = -mean_z sum_m w_m log g(x_m | z)            (Hjelm et al. 2018)

    with log g summed over positions. The weights are taken at each position, so a reward that
    varies along the sample is used as it stands. Where only n of the M samples count, the weights
    there add up to n/M. The mean is over rows that count anything, M of them a latent: this is
    `importance(samples, 0.0)` of exp(F), times the counted positions a row.

    Args:
        samples: M, contiguous rows of one latent; None = one normalisation over the whole batch.

    The reward is the logit F, the log of the density ratio. The bias falls as 1/M: use about 20.

    Raises:
        UserError: fewer than two samples.
    """
    return BoundarySeeking(samples)


@final
class BoundarySeeking(nn.Module):
    """What `boundary_seeking` builds.

    Args:
        samples: as in `boundary_seeking`.
    """

    def __init__(self, samples: int | None) -> None:
        super().__init__()
        self.samples = _samples(samples)

    def forward(
        self,
        log_prob: Float[Tensor, "batch time"],
        reward: Float[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, ""]:
        """Surrogate loss."""
        samples = self.samples or len(reward)
        logit = reward.detach().masked_fill(~mask, torch.finfo(reward.dtype).min)
        count = groups(mask, samples).sum(dim=1, keepdim=True)
        weight = (softmax(groups(logit, samples), dim=1) * count).flatten(0, 1)
        return -_weighted(weight, log_prob, mask) / _count(mask.any(dim=1))


def clipped(clip: float = 0.2, reduction: str = "mean") -> "Clipped":
    """Policy gradient that stops where the policy has left the one that sampled (PPO).

    loss = -mean min(rho A, clip(rho, 1 - clip, 1 + clip) A)          (Schulman et al. 2017, eq. 7)

    with rho = exp(first argument), the ratio to the sampling policy, and A the reward. At rho = 1
    the gradient is that of `reinforce`.

    Args:
        clip: epsilon of the paper, in (0, 1).
        reduction: mean, over counted elements; or sum, over batch and time.

    Raises:
        UserError: clip outside (0, 1), or an unknown reduction.
    """
    return Clipped(clip, reduction)


@final
class Clipped(nn.Module):
    """What `clipped` builds.

    Args:
        clip: as in `clipped`.
        reduction: see there.
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
        """Surrogate loss. A bounds rho on one side only, and before exp, which could overflow."""
        log_ratio, advantage = log_prob.masked_fill(~mask, 0), reward.detach()
        bounded = torch.where(
            advantage >= 0,
            log_ratio.clamp(max=math.log1p(self.clip)),
            log_ratio.clamp(min=math.log1p(-self.clip)),
        )
        loss = -_weighted(advantage, bounded.exp(), mask)
        return loss / _count(mask) if self.reduction == "mean" else loss


# ------------------------------------------------------------- relaxations: samples with a gradient


def gumbel_softmax(
    logits: Float[Tensor, "*batch vocab"], temperature: float, hard: bool = False
) -> Float[Tensor, "*batch vocab"]:
    """Draw a relaxed categorical sample that can be differentiated; biased while temperature > 0.

    y = softmax((logits + g) / temperature),   g ~ Gumbel(0, 1)           (Jang et al. 2017, eq. 2)

    Args:
        logits: unnormalised log probabilities, (..., V).
        temperature: towards 0 the sample is one-hot and its gradient noisy, towards infinity it is
            uniform.
        hard: return the one-hot argmax of y, which is an exact sample, with the gradient of y.

    Raises:
        UserError: temperature is not positive.
    """
    if not temperature > 0:
        raise UserError(f"temperature = {temperature}: give a positive number")
    soft = softmax(_with_gumbel(logits) / temperature, dim=-1)
    return _one_hot_like(soft) + (soft - soft.detach()) if hard else soft


def straight_through(logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch vocab"]:
    """Draw a one-hot categorical sample whose gradient is that of the probabilities.

    forward one_hot(x), x ~ softmax(logits);   backward d softmax(logits)       (Bengio et al. 2013)

    One sample has little variance, and a bias that does not vanish with more samples.

    Args:
        logits: unnormalised log probabilities, (..., V).
    """
    soft = softmax(logits, dim=-1)
    return _one_hot_like(_with_gumbel(logits)).to(soft) + (soft - soft.detach())


def _with_gumbel(logits: Tensor) -> Tensor:
    """Perturb by Gumbel noise, in float32 at least; the argmax is a categorical sample."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    noise = torch.empty_like(logits).exponential_().clamp(min=torch.finfo(logits.dtype).tiny)
    return logits - noise.log()


def _one_hot_like(scores: Tensor) -> Tensor:
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(dim=-1, keepdim=True), 1.0)


# ------------------------------------------------------------------------------------ shared by all


def _weighted(weight: Tensor, term: Tensor, mask: Tensor) -> Tensor:
    """Sum of weight * term over what counts; elsewhere 0 * inf never arises."""
    return (weight.masked_fill(~mask, 0) * term.masked_fill(~mask, 0)).sum()


def _count(mask: Tensor) -> Tensor:
    """Count what counts, but at least 1: nothing is divided by 0."""
    return mask.sum().clamp(min=1)


def _choice(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UserError(f"{option} = {value!r}: choose one of {', '.join(choices)}")
    return value


def _samples(samples: int | None) -> int | None:
    if samples is not None and samples < 2:
        raise UserError(
            f"samples = {samples}: weighing samples against each other needs at least 2"
        )
    return samples
