"""Relativistic losses: functions of the difference of real and fake logits.

Everything that `losses.py` says of its functions holds here; it names the losses that these are.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu, softplus

from image_core.adversarial.border import check_logistic, check_logits
from image_core.adversarial.errors import UserError

Logits = Float[Tensor, "..."]
Scalar = Float[Tensor, ""]


def relativistic_d(real: Logits, fake: Logits) -> Scalar:
    """Paired relativistic loss: real i must score higher than fake i.

    E[softplus(-(d_real - d_fake))]                                     (RpGAN)

    Minimised by d = log(p/q) + any constant: the level of the logits is undetermined and may drift.

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of the same shape.

    Raises:
        UserError: Real and fake logits differ in shape, so that they cannot be paired.

    Source: Jolicoeur-Martineau 2019; with R1 and R2, Huang et al. 2024 (R3GAN).
    """
    check_logistic(real, fake)
    if real.shape != fake.shape:
        raise UserError(
            f"the paired relativistic loss got real logits {tuple(real.shape)} and fake logits "
            f"{tuple(fake.shape)}: give as many reals as fakes, or use relativistic_average"
        )
    return softplus(fake - real).mean()


def relativistic_g(real: Logits, fake: Logits) -> Scalar:
    """Generator's side of `relativistic_d`: E[softplus(-(d_fake - d_real))].

    Its gradient also reaches real.

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of the same shape.

    Raises:
        UserError: Real and fake logits differ in shape, so that they cannot be paired.

    Source: Jolicoeur-Martineau 2019.
    """
    return relativistic_d(fake, real)


def relativistic_average_d(real: Logits, fake: Logits) -> Scalar:
    """Relativistic average loss: reals must score above the mean fake, fakes below the mean real.

    E_r[softplus(-(d - m_f))] + E_f[softplus(d - m_r)],   m_r = E_r[d], m_f = E_f[d]     (RaGAN)

    The gradient includes both means. Not halved, unlike the authors' code: their learning rates
    correspond to half the loss. Its optimum is not the log ratio.

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors or come out of a sigmoid, or there are none.

    Source: Jolicoeur-Martineau 2019.
    """
    check_logistic(real, fake)
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


def relativistic_average_g(real: Logits, fake: Logits) -> Scalar:
    """Generator's side of `relativistic_average_d`; its gradient also reaches real.

    E_f[softplus(-(d - m_r))] + E_r[softplus(d - m_f)]

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of any shape.

    Source: Jolicoeur-Martineau 2019.
    """
    return relativistic_average_d(fake, real)


def relativistic_hinge_d(real: Logits, fake: Logits) -> Scalar:
    """Hinge loss of the logits relative to the other side's mean.

    E_r[max(0, 1 - (d - m_f))] + E_f[max(0, 1 + (d - m_r))]                             (RaHinge)

    The gradient includes both means.

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Jolicoeur-Martineau 2019.
    """
    check_logits(real, fake)
    return relu(1 - real + fake.mean()).mean() + relu(1 + fake - real.mean()).mean()


def relativistic_hinge_g(real: Logits, fake: Logits) -> Scalar:
    """Generator's side of `relativistic_hinge_d`; its gradient also reaches real.

    E_f[max(0, 1 - (d - m_r))] + E_r[max(0, 1 + (d - m_f))]

    Args:
        real: Logits of data, of any shape.
        fake: Logits of samples, of any shape.

    Source: Jolicoeur-Martineau 2019.
    """
    return relativistic_hinge_d(fake, real)


def relativistic_least_squares_d(real: Logits, fake: Logits) -> Scalar:
    """Regress reals on the mean fake + 1 and fakes on the mean real - 1.

    E_r[(d - m_f - 1)^2] + E_f[(d - m_r + 1)^2]                                           (RaLS)

    Not halved, and without adjustable targets.

    Args:
        real: Outputs of the discriminator for data, of any shape.
        fake: Outputs of the discriminator for samples, of any shape.

    Raises:
        UserError: The logits are no floating tensors, or there are none.

    Source: Jolicoeur-Martineau 2019.
    """
    check_logits(real, fake)
    above, below = real - fake.mean() - 1, fake - real.mean() + 1
    return above.square().mean() + below.square().mean()


def relativistic_least_squares_g(real: Logits, fake: Logits) -> Scalar:
    """Generator's side of `relativistic_least_squares_d`; its gradient also reaches real.

    E_f[(d - m_r - 1)^2] + E_r[(d - m_f + 1)^2]

    Args:
        real: Outputs of the discriminator for data, of any shape.
        fake: Outputs of the discriminator for samples, of any shape.

    Source: Jolicoeur-Martineau 2019.
    """
    return relativistic_least_squares_d(fake, real)
