"""Adversarial losses: functions of the discriminator's logits, and the rewards they imply.

Pure functions of logits; no network, optimizer or device. High = real, and always `(real, fake)`.
Every value is the arithmetic mean over all elements, so logits may have any shape: one per sample,
one per token or a map of patches. Notation: p is the data, q the generator, E_r and E_f are the
means over real and fake logits, softplus(t) = log(1 + exp t). No function computes log(sigmoid(d)),
which in float32 is -inf below d = -104, or log(1 - sigmoid(d)), which is -inf from d = 17 on.

Relativistic losses compare the two sides' logits; their functions are in `relativistic.py`.

Penalties on the gradient of the discriminator are in `penalties.py`. A loss's per-sample generator
term, negated, is a reward for a generator that cannot be differentiated through; see
`estimators.py`.

`density_ratio`, which is not a loss, turns a logit into the ratio that importance estimators need.
`__all__` names the losses only: it is the table that a command line and parametrised tests read.
"""

import math
from collections.abc import Callable
from functools import partial
from inspect import getdoc
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu, softplus

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_floating, check_logistic, check_logits
from image_core.adversarial.relativistic import (
    relativistic_average_d,
    relativistic_average_g,
    relativistic_d,
    relativistic_g,
    relativistic_hinge_d,
    relativistic_hinge_g,
    relativistic_least_squares_d,
    relativistic_least_squares_g,
)

__all__ = [
    "hinge",
    "least_squares",
    "least_squares_pearson",
    "minimax",
    "non_saturating",
    "relativistic",
    "relativistic_average",
    "relativistic_hinge",
    "relativistic_least_squares",
    "wasserstein",
]

Logits = Float[Tensor, "..."]
Scalar = Float[Tensor, ""]


class _Parts(NamedTuple):
    """The functions of an `AdversarialLoss`, which checks them.

    Args:
        d: Loss of the discriminator.
        g: Loss of the generator.
        reward: Reward of each sample.
    """

    d: Callable[[Logits, Logits], Scalar]
    g: Callable[[Logits, Logits], Scalar]
    reward: Callable[[Float[Tensor, "*shape"]], Float[Tensor, "*shape"]] | None


class AdversarialLoss(_Parts):
    """One adversarial loss: an objective for each player and the reward implied by the second.

    Args:
        d: Function (real, fake) logits -> scalar, the discriminator's loss. The caller detaches
            fake from the generator.
        g: Function (real, fake) logits -> scalar, the generator's loss. Only relativistic losses
            depend on real.
        reward: Function from logits to the reward of each sample, of the same shape: minus its own
            term of `g`. Not detached; the estimators do that. None if a loss is not a sum over
            single samples.

    Raises:
        UserError: One of them is no function of that many arguments.
    """

    __slots__ = ()

    @python_call()
    def __new__(
        cls,
        d: Callable[[Logits, Logits], Scalar],
        g: Callable[[Logits, Logits], Scalar],
        reward: Callable[[Float[Tensor, "*shape"]], Float[Tensor, "*shape"]] | None,
    ) -> "AdversarialLoss":
        return super().__new__(cls, d, g, reward)


class _Documentation:
    """Of the class its own, and of one loss the maths of its parts: what `help(hinge)` shows."""

    def __init__(self, own: str | None):
        self.own = own

    def __get__(self, loss: AdversarialLoss | None, owner: type) -> str | None:
        if loss is None:
            return self.own
        parts = {"Discriminator": loss.d, "Generator": loss.g, "Reward": loss.reward}
        told = (f"{name}{_maths(part)}" for name, part in parts.items())
        return "\n\n".join(["Objectives of both players, and the reward of the second.", *told])


def _maths(part: Any) -> str:
    """Equation, notes and source of a function, without its arguments."""
    if part is None:
        return ": none, for the loss is not a sum over single samples."
    function = part.func if isinstance(part, partial) else part
    given = part.keywords if isinstance(part, partial) else {}
    settings = "".join(f", {name} = {value}" for name, value in given.items())
    whole = getdoc(function) or "without documentation of its own."
    told, source = whole.partition("\n\nArgs:")[0], whole.partition("\n\nSource:")[2]
    return f"{settings}: {told}" + (f"\n\nFrom{source}" if source else "")


AdversarialLoss.__doc__ = _Documentation(AdversarialLoss.__doc__)  # type: ignore[assignment]


RATIO_BOUND = 10.0
"""Greatest logit of a density ratio: e^10 = 22,026."""


@python_call()
def density_ratio(
    logit: Float[Tensor, "*shape"], bound: float = RATIO_BOUND
) -> Float[Tensor, "*shape"]:
    """Ratio of the density of the data to that of the samples, from a logistic discriminator.

    p/q = D / (1 - D) = exp(min(logit, bound))

    Args:
        logit: Output of the discriminator, of any shape.
        bound: Upper bound of the logit; above it the ratio is constant.

    Raises:
        UserError: The logit is no floating tensor, or the bound no number.
    """
    check_floating("density_ratio got a logit", logit)
    check_within(-math.inf, bound=bound)
    return logit.clamp(max=bound).exp()


# ----------------------------------------------------------------------- minimax and non-saturating


def logistic_d(real: Logits, fake: Logits) -> Scalar:
    """Binary cross entropy with target 1 on real and 0 on fake, not halved.

    E_r[softplus(-d)] + E_f[softplus(d)]                          (Goodfellow et al. 2014, eq. 1)

    Minimised by d = log(p/q), where it is 2 log 2 - 2 JS(p, q).

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors or come out of a sigmoid, or there are none.

    Source: Goodfellow et al. 2014, eq. 1.
    """
    check_logistic(real, fake)
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_g(real: Logits, fake: Logits) -> Scalar:
    """Saturating loss, the fake half of eq. 1: -E_f[softplus(d)] = E_f[log(1 - D)].

    Its gradient vanishes as sigmoid(d) where the discriminator is certain of a fake.

    Args:
        real: Logits of data; ignored.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors or come out of a sigmoid, or there are none.

    Source: Goodfellow et al. 2014.
    """
    check_logistic(real, fake)
    return -softplus(fake).mean()


def minimax_reward(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The reward -log(1 - D) = softplus(logit), always positive: that of GAIL and of IRGAN.

    Args:
        logit: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensor.

    Source: Ho & Ermon 2016 (GAIL); Wang et al. 2017 (IRGAN).
    """
    check_floating("a reward got a logit", logit)
    return softplus(logit)


def non_saturating_g(real: Logits, fake: Logits) -> Scalar:
    """Cross entropy of the fakes with target 1: E_f[softplus(-d)] = -E_f[log D].

    At d = log(p/q) its gradient is that of KL(q, p) - 2 JS(p, q).

    Args:
        real: Logits of data; ignored.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors or come out of a sigmoid, or there are none.

    Source: Goodfellow et al. 2014, section 3; Arjovsky & Bottou 2017.
    """
    check_logistic(real, fake)
    return softplus(-fake).mean()


def non_saturating_reward(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The reward log D = -softplus(-logit), always negative.

    Args:
        logit: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensor.
    """
    check_floating("a reward got a logit", logit)
    return -softplus(-logit)


# ---------------------------------------------------------------------------- hinge and Wasserstein


def hinge_d(real: Logits, fake: Logits) -> Scalar:
    """Hinge loss: samples beyond the margin of 1 cost nothing and give no gradient.

    E_r[max(0, 1 - d)] + E_f[max(0, 1 + d)]                   (Lim & Ye 2017; Miyato et al. 2018)

    Minimised by d = sign(p - q), where it is 2 - 2 TV(p, q).

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """
    check_logits(real, fake)
    return relu(1 - real).mean() + relu(1 + fake).mean()


def wasserstein_d(real: Logits, fake: Logits) -> Scalar:
    """E_f[d] - E_r[d]; minus its minimum over 1-Lipschitz critics is W1(p, q).

    This holds only if a penalty or weight clipping bounds the discriminator's gradient.

    Args:
        real: Outputs of the discriminator for data, of any shape.
        fake: Outputs of the discriminator for samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Arjovsky, Chintala & Bottou 2017, eq. 2.
    """
    check_logits(real, fake)
    return fake.mean() - real.mean()


def raise_g(real: Logits, fake: Logits) -> Scalar:
    """Increase the logits of the fakes, without a margin: -E_f[d].

    Args:
        real: Logits of data; ignored.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Arjovsky, Chintala & Bottou 2017; for the hinge loss Miyato et al. 2018.
    """
    check_logits(real, fake)
    return -fake.mean()


def logit_reward(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The logit as reward, which is log(p/q) for a logistic discriminator (AIRL).

    Args:
        logit: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensor.
    """
    check_floating("a reward got a logit", logit)
    return logit


# ------------------------------------------------------------------------------------ least squares


def least_squares_d(real: Logits, fake: Logits, *, a: float, b: float) -> Scalar:
    """Regress fakes on `a` and reals on `b`, on raw outputs.

    1/2 E_r[(d - b)^2] + 1/2 E_f[(d - a)^2]                           (Mao et al. 2017, eq. 2)

    Args:
        real: Outputs of the discriminator for data, of any shape.
        fake: Outputs of the discriminator for samples, of any shape.
        a: Target of fakes.
        b: Target of reals.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """
    check_logits(real, fake)
    return ((real - b).square().mean() + (fake - a).square().mean()) / 2


def least_squares_g(real: Logits, fake: Logits, *, c: float) -> Scalar:
    """Move the outputs of fakes towards `c`: 1/2 E_f[(d - c)^2].

    Args:
        real: Outputs of the discriminator for data; ignored.
        fake: Outputs of the discriminator for samples, of any shape.
        c: Target of fakes in the generator's loss.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Mao et al. 2017, eq. 2.
    """
    check_logits(real, fake)
    return (fake - c).square().mean() / 2


def least_squares_reward(logit: Float[Tensor, "*shape"], *, c: float) -> Float[Tensor, "*shape"]:
    """The reward -1/2 (logit - c)^2: never positive, and decreasing beyond c.

    Args:
        logit: Outputs of the discriminator for samples, of any shape.
        c: Target of fakes in the generator's loss.

    Raises:
        UserError: The logits are no floating tensor.
    """
    check_floating("a reward got a logit", logit)
    return -(logit - c).square() / 2


@python_call()
def least_squares_coding(a: float, b: float, c: float) -> AdversarialLoss:
    """Least squares with custom targets: a for fakes, b for reals, c in the generator's loss.

    The discriminator's optimum is (b p + a q) / (p + q). With b - c = 1 and b - a = 2, for instance
    (-1, 1, 0), the generator minimises the Pearson chi-squared divergence between p + q and 2 q.

    Args:
        a: The discriminator's target on fakes.
        b: The discriminator's target on reals.
        c: Target of fakes in the generator's loss.

    Source: Mao et al. 2017, eq. 2 and section 3.2.
    """
    return AdversarialLoss(
        d=partial(least_squares_d, a=a, b=b),
        g=partial(least_squares_g, c=c),
        reward=partial(least_squares_reward, c=c),
    )


# --------------------------------------------------------------------------------- the named losses

non_saturating = AdversarialLoss(logistic_d, non_saturating_g, non_saturating_reward)
minimax = AdversarialLoss(logistic_d, minimax_g, minimax_reward)
hinge = AdversarialLoss(hinge_d, raise_g, logit_reward)
wasserstein = AdversarialLoss(wasserstein_d, raise_g, logit_reward)
least_squares = least_squares_coding(a=0.0, b=1.0, c=1.0)
least_squares_pearson = least_squares_coding(a=-1.0, b=1.0, c=0.0)
relativistic = AdversarialLoss(relativistic_d, relativistic_g, None)
relativistic_average = AdversarialLoss(relativistic_average_d, relativistic_average_g, None)
relativistic_hinge = AdversarialLoss(relativistic_hinge_d, relativistic_hinge_g, None)
relativistic_least_squares = AdversarialLoss(
    relativistic_least_squares_d, relativistic_least_squares_g, None
)
