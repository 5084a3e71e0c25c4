"""Losses for discriminators that output an energy, low = real, usually a reconstruction error.

Energies are one number per sample, `(N,)`, and are hinged individually before the mean is taken.
For a discriminator that returns scores, pass `-score`. State (BEGAN's k, MAGAN's margin) is a small
module of buffers, updated by tensor operations only, without host synchronisation.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, normalize

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError

Energies = Float[Tensor, " _"]
Scalar = Float[Tensor, ""]


def margin_d(e_real: Energies, e_fake: Energies, margin: float | Tensor) -> Scalar:
    """Lower the energy of the data and raise that of fakes up to the margin.

    E_r[e] + E_f[max(0, m - e)]                              (Zhao, Mathieu & LeCun 2017, eq. 1)

    At the optimal discriminator the loss is m (1 - TV(p, q)).

    Args:
        e_real: Energies of data, (N,).
        e_fake: Energies of generated samples, (N,), detached from the generator.
        margin: Margin m, in units of the energies.
    """
    return e_real.mean() + (margin - e_fake).relu().mean()


def energy_g(e_fake: Energies) -> Scalar:
    """E_f[e]: the generator's loss of every energy-based GAN here.

    Args:
        e_fake: Energies of generated samples, (N,).

    Source: Zhao, Mathieu & LeCun 2017, eq. 2.
    """
    return e_fake.mean()


def pulling_away(codes: Float[Tensor, "N S"]) -> Scalar:
    """Mean squared cosine between the codes of different samples, in [0, 1].

    1 / (N (N - 1)) sum_{i != j} cos(S_i, S_j)^2                         (Zhao et al. 2017, eq. 4)

    Add it to the generator's loss only.

    Args:
        codes: Outputs of the discriminator's encoder for a batch of fakes, (N, S).

    Raises:
        UserError: There are fewer than two samples.
    """
    count = len(codes)
    if count < 2:
        raise UserError("the pulling-away term compares samples; give a batch of at least 2")
    unit = normalize(codes, dim=1)
    # ||U U^T||_F^2 = ||U^T U||_F^2, and the diagonal holds N ones
    return ((unit @ unit.T).square().sum() - unit.square().sum(1).square().sum()) / (
        count * (count - 1)
    )


def loss_sensitive_d(
    e_real: Energies,
    e_fake: Energies,
    distance: Energies,
    scale: float = 1.0,
    weight: float = 1.0,
    slope: float = 0.0,
) -> Scalar:
    """Require fake i to have more energy than real i, by a margin that grows with their distance.

    w E_r[e] + E[max(0, scale Delta(x, x~) + e(x) - e(x~))]                  (Qi 2017, eq. 6)

    Args:
        e_real: Energies of data, (N,).
        e_fake: Energies of generated samples, (N,), paired with the data by index.
        distance: Distances Delta, (N,), held constant.
        scale: Scale of the margin; lambda of the code.
        weight: Weight w of the first term; gamma of the code.
        slope: Slope of the hinge below zero: 0 is LS-GAN, 1 a Wasserstein discriminator, -1 an
            absolute value (GLS-GAN).

    Source: Qi 2017 (LS-GAN, GLS-GAN).
    """
    gap = scale * distance.detach() + e_real - e_fake
    return weight * e_real.mean() + leaky_relu(gap, slope).mean()


def absolute_distance(
    real: Float[Tensor, " N *shape"], fake: Float[Tensor, " N *shape"]
) -> Float[Tensor, " N"]:
    """L1 distance between paired samples over all other axes: Delta of Qi 2017.

    Delta_i = sum_k |x_ik - x~_ik|

    Args:
        real: Data, (N, ...).
        fake: Generated samples, (N, ...), paired with the data by index.
    """
    return (real - fake).abs().flatten(1).sum(1).detach()


def balanced_d(e_real: Energies, e_fake: Energies, k: float | Tensor) -> Scalar:
    """Loss of BEGAN's discriminator.

    E_r[e] - k E_f[e]                                       (Berthelot et al. 2017, section 3.3)

    Args:
        e_real: Energies of data, (N,).
        e_fake: Energies of generated samples, (N,).
        k: Weight of the fakes, in [0, 1]; see `Balance`.
    """
    return e_real.mean() - k * e_fake.mean()


class Balance(nn.Module):
    """BEGAN's control of k, which keeps E_f[e] at gamma E_r[e].

    k <- clip(k + rate (gamma E_r[e] - E_f[e]), 0, 1),    M = E_r[e] + |gamma E_r[e] - E_f[e]|

    Args:
        gamma: Diversity ratio, in [0, 1].
        rate: Learning rate lambda_k of k.

    Raises:
        UserError: The diversity ratio is not in [0, 1].

    Source: Berthelot, Schumm & Metz 2017, sections 3.3 and 3.4.
    """

    k: Tensor

    def __init__(self, gamma: float = 0.5, rate: float = 1e-3):
        super().__init__()
        if not 0 <= gamma <= 1:
            raise UserError(f"gamma = {gamma}: the diversity ratio of BEGAN lies in [0, 1]")
        self.gamma, self.rate = gamma, rate
        self.register_buffer("k", torch.zeros(()))

    @torch.no_grad()
    def update(self, e_real: Scalar, e_fake: Scalar) -> Scalar:
        """Update k and return the convergence measure M, low = good.

        Args:
            e_real: Mean energy of the data in the discriminator's step.
            e_fake: Mean energy of the fakes in the generator's step.
        """
        e_real, e_fake = parallel.average(torch.stack([e_real, e_fake]))
        surplus = self.gamma * e_real - e_fake
        self.k.add_(self.rate * surplus).clamp_(0, 1)
        return e_real + surplus.abs()


class AdaptiveMargin(nn.Module):
    """MAGAN's margin, which is lowered to the mean energy of the data when an epoch allows it.

    At the end of an epoch, with R and F the mean energies of data and fakes over it,

        m <- R   if R < m and R < F and F > F_before                     (Wang et al. 2017, alg. 1)

    The margin never grows, and the first epoch never changes it.

    Args:
        margin: Initial margin: the mean energy of the data after the discriminator's pretraining.

    Source: Wang et al. 2017 (MAGAN), algorithm 1.
    """

    margin: Tensor
    before: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, margin: float = 1.0):
        super().__init__()
        self.register_buffer("margin", torch.tensor(float(margin)))
        self.register_buffer("before", torch.tensor(torch.inf))
        self.register_buffer("sums", torch.zeros(2))
        self.register_buffer("counts", torch.zeros(2))

    @torch.no_grad()
    def add(self, kind: int, energies: Energies) -> None:
        """Add energies to the statistics of the epoch.

        Args:
            kind: Source of the energies: 0 = data, 1 = fakes.
            energies: Energies of a batch, (N,).
        """
        self.sums[kind] += parallel.average(energies.sum().to(self.sums))
        self.counts[kind] += len(energies)

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Update the margin if the epoch allows it, and reset; an empty epoch is ignored."""
        real, fake = self.sums / self.counts.clamp(min=1)
        counted = (self.counts > 0).all()
        falls = counted & (real < self.margin) & (real < fake) & (fake > self.before)
        self.margin.copy_(torch.where(falls, real, self.margin))
        self.before.copy_(torch.where(counted, fake, self.before))
        self.sums.zero_()
        self.counts.zero_()

    @torch.no_grad()
    def set_to_mean(self) -> None:
        """Set the margin to the mean energy of the data counted so far, and reset the counts."""
        self.margin.copy_(self.sums[0] / self.counts[0])
        self.sums.zero_()
        self.counts.zero_()
