"""How D's output moves a generator of independent variables: every estimator by one name.

An estimator is called as `estimator(variables, logits, reward, z)` and returns a loss of the
logits; `fakes` is what the discriminator of the same game reads. Those of a score function draw
`samples` of each latent and call the discriminator without gradients; the others differentiate
through it. `__all__` is what `seqgan train discrete --estimator` reads.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

from image_core.adversarial import estimators
from image_core.adversarial.discrete_variables import Bernoulli, DiscreteVariables
from image_core.adversarial.errors import UserError

__all__ = [
    "bgan",
    "bgan_batch",
    "bgan_reinforce",
    "disarm",
    "gumbel_hard",
    "gumbel_softmax",
    "learned_baseline",
    "leave_one_out",
    "maligan",
    "moving_average",
    "rebar",
    "reinforce",
    "reinmax",
    "relax",
    "straight_through",
    "taylor",
]

REASONS: dict[tuple[str, ...], str] = {
    ("clipped",): "it is for several steps on the same samples; here each takes one",
    ("importance",): "over a batch it is called maligan here",
    ("boundary_seeking",): "it is called bgan here, over the batch bgan_batch",
}
"""Why other estimators are refused."""

RewardOf = Callable[[Tensor], Tensor]


class GradientEstimator(nn.Module, ABC):
    """From logits (B, *S) of the variables and the reward of samples to a loss.

    Args:
        samples: Number M of samples that are drawn of each latent.
    """

    def __init__(self, samples: int):
        super().__init__()
        self.samples = samples

    @abstractmethod
    def forward(
        self, variables: DiscreteVariables, logits: Tensor, reward: RewardOf, z: Tensor
    ) -> Tensor:
        """Loss whose gradient in the logits is minus the estimate, a mean over the batch."""

    def fakes(self, variables: DiscreteVariables, logits: Tensor) -> Tensor:
        """(B M, *S): what the discriminator tells from real samples; exact samples here."""
        return variables.sample(logits, self.samples).flatten(0, 1)


@final
class ScoreFunction(GradientEstimator):
    """An estimator of (log_prob, reward, mask), a sample being one element.

    Args:
        estimator: Module that weighs the log-likelihood of the samples.
        samples: Number M of samples of each latent.
        sees_latent: Whether z is the fourth argument, for a learned baseline.
    """

    def __init__(self, estimator: nn.Module, samples: int, *, sees_latent: bool = False):
        super().__init__(samples)
        self.estimator, self.sees_latent = estimator, sees_latent

    def forward(
        self, variables: DiscreteVariables, logits: Tensor, reward: RewardOf, z: Tensor
    ) -> Tensor:
        x = variables.sample(logits, self.samples)
        with torch.no_grad():
            earned = reward(x.flatten(0, 1))[:, None]
        log_prob = variables.log_prob(logits, x).flatten()[:, None]
        mask = torch.ones_like(earned, dtype=torch.bool)
        if self.sees_latent:
            context = z.repeat_interleave(self.samples, 0)
            return self.estimator(log_prob, earned, mask, context)
        return self.estimator(log_prob, earned, mask)


@final
class Pathwise(GradientEstimator):
    """The slope of the reward at a relaxed sample.

    Args:
        relaxation: From logits of classes to a sample with a gradient.
        samples: Number M of samples of each latent.
        soft: Whether the sample is no one-hot one, and the discriminator learns from such too.
    """

    def __init__(self, relaxation: Callable[[Tensor], Tensor], samples: int, *, soft: bool = False):
        super().__init__(samples)
        self.relaxation, self.soft = relaxation, soft

    def forward(
        self, variables: DiscreteVariables, logits: Tensor, reward: RewardOf, z: Tensor
    ) -> Tensor:
        return -reward(self._relaxed(variables, logits)).mean()

    def fakes(self, variables: DiscreteVariables, logits: Tensor) -> Tensor:
        if not self.soft:
            return super().fakes(variables, logits)
        with torch.no_grad():
            return self._relaxed(variables, logits)

    def _relaxed(self, variables: DiscreteVariables, logits: Tensor) -> Tensor:
        classes = variables.classes(logits.repeat_interleave(self.samples, 0))
        return variables.merge(self.relaxation(classes))


@final
class ControlVariate(GradientEstimator):
    """An estimator of (logits of classes, reward).

    Args:
        estimator: Estimator such as `estimators.rebar`.
        samples: Number M of samples of each latent.
    """

    def __init__(self, estimator: Callable[[Tensor, RewardOf], Tensor], samples: int):
        super().__init__(samples)
        self.estimator = estimator

    def forward(
        self, variables: DiscreteVariables, logits: Tensor, reward: RewardOf, z: Tensor
    ) -> Tensor:
        classes = variables.classes(logits.repeat_interleave(self.samples, 0))
        return self.estimator(classes, lambda x: reward(variables.merge(x)))


@final
class Antithetic(GradientEstimator):
    """DisARM: M / 2 pairs of Bernoulli samples of each latent.

    Args:
        samples: Number M of samples of each latent, which is even.

    Raises:
        UserError: The number of samples is odd.
    """

    def __init__(self, samples: int):
        super().__init__(samples)
        if samples % 2:
            raise UserError(f"disarm draws pairs, so --samples must be even, not {samples}")

    def forward(
        self, variables: DiscreteVariables, logits: Tensor, reward: RewardOf, z: Tensor
    ) -> Tensor:
        if not isinstance(variables, Bernoulli):
            raise UserError("disarm is for variables of 0 or 1; use rebar or leave_one_out here")
        return estimators.disarm(logits.repeat_interleave(self.samples // 2, 0), reward)


@final
class Tangents(GradientEstimator):
    """Leave-one-out with the tangents at the other samples as control variate.

    Args:
        samples: Number M of samples of each latent.
    """

    def __init__(self, samples: int):
        super().__init__(samples)
        self.estimator = estimators.taylor(samples)

    def forward(
        self, variables: DiscreteVariables, logits: Tensor, reward: RewardOf, z: Tensor
    ) -> Tensor:
        return self.estimator(variables, logits, reward)


# ---------------------------------------------------------------------------------------- by name


def bgan(samples: int, latent: int) -> GradientEstimator:
    """Boundary-seeking GAN: importance weights normalised over the samples of each latent.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ScoreFunction(estimators.boundary_seeking(samples), samples)


def bgan_batch(samples: int, latent: int) -> GradientEstimator:
    """Boundary-seeking GAN with weights normalised over the whole batch.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ScoreFunction(estimators.boundary_seeking(), samples)


def bgan_reinforce(samples: int, latent: int) -> GradientEstimator:
    """Boundary-seeking GAN's REINFORCE form: the reward log w less a moving log Z.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ScoreFunction(estimators.reinforce("log_z"), samples)


def maligan(samples: int, latent: int) -> GradientEstimator:
    """Centred importance weights over the batch.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ScoreFunction(_Ratio(estimators.importance()), samples)


def reinforce(samples: int, latent: int) -> GradientEstimator:
    """Score function without a baseline; unbiased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ScoreFunction(estimators.reinforce(), samples)


def moving_average(samples: int, latent: int) -> GradientEstimator:
    """Score function less a moving average of the reward; unbiased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ScoreFunction(estimators.reinforce("moving_average"), samples)


def leave_one_out(samples: int, latent: int) -> GradientEstimator:
    """Score function less the mean reward of the latent's other samples; unbiased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ScoreFunction(estimators.reinforce("leave_one_out", samples=samples), samples)


def learned_baseline(samples: int, latent: int) -> GradientEstimator:
    """Score function less what a small network expects of the latent; unbiased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    value = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, 1))
    estimator = estimators.reinforce("learned", value=value)
    return ScoreFunction(estimator, samples, sees_latent=True)


def straight_through(samples: int, latent: int) -> GradientEstimator:
    """One-hot forward, probabilities backward; biased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return Pathwise(estimators.straight_through, samples)


def reinmax(samples: int, latent: int) -> GradientEstimator:
    """Straight-through of second order; biased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return Pathwise(estimators.reinmax, samples)


def gumbel_softmax(samples: int, latent: int) -> GradientEstimator:
    """Concrete samples at temperature 1/2, which the discriminator is trained on too; biased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return Pathwise(partial(estimators.gumbel_softmax, temperature=0.5), samples, soft=True)


def gumbel_hard(samples: int, latent: int) -> GradientEstimator:
    """One-hot forward, concrete at temperature 1/2 backward; biased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return Pathwise(partial(estimators.gumbel_softmax, temperature=0.5, hard=True), samples)


def rebar(samples: int, latent: int) -> GradientEstimator:
    """Score function with the relaxed discriminator as control variate; unbiased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ControlVariate(estimators.rebar, samples)


def relax(samples: int, latent: int) -> GradientEstimator:
    """REBAR that learns its temperature and its scale; unbiased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return ControlVariate(estimators.relax(), samples)


def disarm(samples: int, latent: int) -> GradientEstimator:
    """Antithetic pairs, for variables of 0 or 1; unbiased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return Antithetic(samples)


def taylor(samples: int, latent: int) -> GradientEstimator:
    """Leave-one-out and straight-through in one: tangents as control variate; unbiased.

    Args:
        samples: Number of samples of a latent.
        latent: Size of a latent.
    """
    return Tangents(samples)


@final
class _Ratio(nn.Module):
    """Gives an estimator the ratio whose log the reward is, up to a factor that normalising undoes.

    Args:
        estimator: Estimator that normalises over the whole batch.
    """

    def __init__(self, estimator: nn.Module):
        super().__init__()
        self.estimator = estimator

    def forward(self, log_prob: Tensor, reward: Tensor, mask: Tensor) -> Tensor:
        return self.estimator(log_prob, (reward - reward.max()).exp(), mask)
