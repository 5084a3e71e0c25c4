"""Estimators whose weights are normalised over the samples that they weigh against each other.

They are called as those of `estimators.py` are, which exports them.
"""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import softmax

from image_core.adversarial.arguments import python_call
from image_core.adversarial.border import check_samples
from image_core.adversarial.counted import check_group, count, weighted_sum
from image_core.adversarial.returns import groups


@python_call()
def importance(samples: int | None = None, baseline: float = 1.0) -> "Importance":
    """Likelihood of the samples re-weighted towards the data (MaliGAN).

    w_i = r_i / sum_j r_j,   loss = -(1/T) sum_(i,t) (w_i - b/B) log_prob_(i,t)   (Che et al. 2017)

    at each position, over the B rows of the batch, or the mean over groups of B = `samples` rows.
    For rows of different lengths, with r' = r / (mean of the counted r of the group at that
    position):

    loss = -sum mask (r' - b) log_prob / (counted elements)

    Hence the loss has the scale of `reinforce` with a reward of mean 1, and a row that is longer
    than all others counts once, not B times.

    The reward is r = D / (1 - D) = exp(logit) > 0, which estimates p/q; if it can overflow, use
    `boundary_seeking`, which takes the logit. The weights are self-normalised, hence biased; the
    bias falls as 1/B.

    Args:
        samples: Number of rows that share one normalisation; None takes the whole batch.
        baseline: Baseline b, in units of 1/B. 1 centres the weights, as in the authors' code; the
            paper raises b from 0 to 1 during training, for which `.baseline` may be set between
            rounds.

    Raises:
        UserError: There are fewer than two samples.

    Source: Che et al. 2017 (MaliGAN).
    """
    return Importance(samples, baseline)


@final
class Importance(nn.Module):
    """The estimator built by `importance`.

    Args:
        samples: Number of rows that share one normalisation, see `importance`.
        baseline: Baseline b, see `importance`; may be set between rounds.

    Raises:
        UserError: The number of samples is below 2.
    """

    def __init__(self, samples: int | None, baseline: float) -> None:
        super().__init__()
        self.samples = check_group(samples)
        self.baseline = baseline

    def forward(
        self,
        log_prob: Float[Tensor, "batch time"],
        reward: Float[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, ""]:
        """Surrogate loss.

        Raises:
            UserError: Log probabilities, rewards and mask are not (batch, time) alike, or of
                another kind.
        """
        check_samples(log_prob, reward, mask)
        samples = self.samples or len(reward)
        ratio = groups(reward.detach().masked_fill(~mask, 0), samples)
        there = groups(mask, samples).sum(dim=1, keepdim=True).clamp(min=1)
        mean = ratio.sum(dim=1, keepdim=True) / there
        weight = (ratio / mean.clamp(min=torch.finfo(ratio.dtype).tiny)).flatten(0, 1)
        return -weighted_sum(weight - self.baseline, log_prob, mask) / count(mask)


@python_call()
def boundary_seeking(samples: int | None = None) -> "BoundarySeeking":
    """Likelihood of M samples of a latent, re-weighted towards the decision boundary (BGAN).

    w_m = softmax_m(F_m),   loss = -mean_z sum_m w_m log g(x_m | z)            (Hjelm et al. 2018)

    with log g summed over positions. The weights are computed at each position, so the reward may
    vary along the sample. If only n of the M samples count at a position, the weights there add up
    to n/M. The mean is over rows with at least one counted element, M of them per latent: this is
    `importance(samples, 0.0)` of exp(F), times the number of counted positions per row.

    The reward is the logit F, the log of the density ratio. The bias falls as 1/M: use about 20.

    Args:
        samples: Number M of contiguous rows per latent; None normalises over the whole batch.

    Raises:
        UserError: There are fewer than two samples.

    Source: Hjelm et al. 2018 (boundary-seeking GAN).
    """
    return BoundarySeeking(samples)


@final
class BoundarySeeking(nn.Module):
    """The estimator built by `boundary_seeking`.

    Args:
        samples: Number of rows per latent, see `boundary_seeking`.

    Raises:
        UserError: The number of samples is below 2.
    """

    def __init__(self, samples: int | None) -> None:
        super().__init__()
        self.samples = check_group(samples)

    def forward(
        self,
        log_prob: Float[Tensor, "batch time"],
        reward: Float[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, ""]:
        """Surrogate loss.

        Raises:
            UserError: Log probabilities, rewards and mask are not (batch, time) alike, or of
                another kind.
        """
        check_samples(log_prob, reward, mask)
        samples = self.samples or len(reward)
        logit = reward.detach().masked_fill(~mask, torch.finfo(reward.dtype).min)
        there = groups(mask, samples).sum(dim=1, keepdim=True)
        weight = (softmax(groups(logit, samples), dim=1) * there).flatten(0, 1)
        return -weighted_sum(weight, log_prob, mask) / count(mask.any(dim=1))
