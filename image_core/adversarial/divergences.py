"""Losses from f-divergences: the discriminator bounds one, and its logit F gives the weight p/q.

    D_f(p, q) >= E_p[T] - E_q[f*(T)],  T = nu(F)          (Nowozin et al. 2016, eq. 4)
    w(x) = f*'(T(x)) = p(x) / q(x)  at the optimum          (Hjelm et al. 2018, theorem 1)

Each is an `AdversarialLoss`. `d` is minus the bound, so that at the optimum `-d` is the divergence;
`reward` is log w, which boundary-seeking estimators use as weight and REINFORCE as reward; `g` is
-E_q[log w]. The activations nu make F = log(p/q) at the optimum, except for Pearson's, where
w = F/2 + 1.

`boundary` and `boundary_normalised` are the form for samples that can be differentiated.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.border import check_logits
from image_core.adversarial.losses import AdversarialLoss, Logits, Scalar, logistic_d, logit_reward

__all__ = [
    "boundary",
    "boundary_normalised",
    "jensen_shannon",
    "kullback_leibler",
    "pearson",
    "reverse_kullback_leibler",
    "squared_hellinger",
]


def jensen_shannon_d(real: Logits, fake: Logits) -> Scalar:
    """Logistic loss minus its value at chance: -d = 2 JS(p, q) at the optimum, in nats.

    E_r[softplus(-F)] + E_f[softplus(F)] - 2 log 2

    Args:
        real: Logits of data.
        fake: Logits of samples.
    """
    return logistic_d(real, fake) - 2 * math.log(2)


def kullback_leibler_d(real: Logits, fake: Logits) -> Scalar:
    """Minus the bound of KL(p, q).

    -E_r[F + 1] + E_f[exp F],    T = F + 1,  f*(t) = exp(t - 1)

    Args:
        real: Logits of data.
        fake: Logits of samples.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """
    check_logits(real, fake)
    return fake.exp().mean() - real.mean() - 1


def reverse_kullback_leibler_d(real: Logits, fake: Logits) -> Scalar:
    """Minus the bound of KL(q, p).

    E_r[exp(-F)] + E_f[F] - 1,    T = -exp(-F),  f*(t) = -1 - log(-t)

    Args:
        real: Logits of data.
        fake: Logits of samples.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """
    check_logits(real, fake)
    return (-real).exp().mean() + fake.mean() - 1


def squared_hellinger_d(real: Logits, fake: Logits) -> Scalar:
    """Minus the bound of the squared Hellinger distance, sum (sqrt p - sqrt q)^2.

    E_r[exp(-F/2)] + E_f[exp(F/2)] - 2,    T = 1 - exp(-F/2),  f*(t) = t / (1 - t)

    Args:
        real: Logits of data.
        fake: Logits of samples.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """
    check_logits(real, fake)
    return (-real / 2).exp().mean() + (fake / 2).exp().mean() - 2


def pearson_d(real: Logits, fake: Logits) -> Scalar:
    """Minus the bound of Pearson's chi-squared divergence, sum (p - q)^2 / q.

    -E_r[F] + E_f[F^2/4 + F],    T = F,  f*(t) = t^2/4 + t

    Args:
        real: Logits of data.
        fake: Logits of samples.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """
    check_logits(real, fake)
    return (fake.square() / 4 + fake).mean() - real.mean()


def pearson_reward(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The log importance weight log(F/2 + 1); below F = -2, where the weight is 0, log 1e-6.

    Args:
        logit: Logits F of samples, of any shape.
    """
    return (logit / 2 + 1).clamp(min=1e-6).log()


def weight_g(real: Logits, fake: Logits) -> Scalar:
    """Minus the mean log weight of the fakes, -E_f[F] = -E_f[log w]: descent on KL(q, p).

    Args:
        real: Logits of data; ignored.
        fake: Logits of samples.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """
    check_logits(real, fake)
    return -fake.mean()


def pearson_g(real: Logits, fake: Logits) -> Scalar:
    """Minus the mean log weight of the fakes under Pearson's loss, -E_f[log(F/2 + 1)].

    Args:
        real: Logits of data; ignored.
        fake: Logits of samples.

    Raises:
        UserError: The logits are no floating tensors, or there are none.
    """
    check_logits(real, fake)
    return -pearson_reward(fake).mean()


def boundary_g(real: Logits, fake: Logits) -> Scalar:
    """Loss that moves samples to the decision boundary.

    1/2 E_f[F^2] = 1/2 E_f[(log D - log(1 - D))^2]

    Args:
        real: Logits of data; ignored.
        fake: Logits of samples.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Hjelm et al. 2018, section 2.4.
    """
    check_logits(real, fake)
    return fake.square().mean() / 2


def boundary_reward(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The reward -1/2 F^2: greatest on the decision boundary.

    Args:
        logit: Logits F of samples, of any shape.
    """
    return -logit.square() / 2


def boundary_normalised_g(real: Logits, fake: Logits) -> Scalar:
    """Loss 1/2 E_f[(F - log Z)^2], with log Z = log mean exp F over the batch, a constant.

    This is the default of the released code for continuous data, with a moving log Z there.

    Args:
        real: Logits of data; ignored.
        fake: Logits of samples.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Hjelm et al. 2018, released code.
    """
    check_logits(real, fake)
    log_z = torch.logsumexp(fake.detach().flatten(), 0) - math.log(fake.numel())
    return (fake - log_z).square().mean() / 2


jensen_shannon = AdversarialLoss(jensen_shannon_d, weight_g, logit_reward)
kullback_leibler = AdversarialLoss(kullback_leibler_d, weight_g, logit_reward)
reverse_kullback_leibler = AdversarialLoss(reverse_kullback_leibler_d, weight_g, logit_reward)
squared_hellinger = AdversarialLoss(squared_hellinger_d, weight_g, logit_reward)
pearson = AdversarialLoss(pearson_d, pearson_g, pearson_reward)
boundary = AdversarialLoss(logistic_d, boundary_g, boundary_reward)
boundary_normalised = AdversarialLoss(logistic_d, boundary_normalised_g, None)
