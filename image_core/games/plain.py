"""The plain image GAN: one generator, one critic, nothing else known. Aliases name the papers."""

from typing import Any, final

import torch
from torch import Tensor, nn

from image_core.adversarial import fgan, losses, penalties
from image_core.games.critic import Coupling as Coupling
from image_core.games.critic import CriticGame, Told


@final
class PlainGAN(CriticGame):
    """Latents -> images -> logits; all options are those of `CriticGame`."""

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        return (self.draw(count),), ()


# ---------------------------------------------------------------------------------------- papers


def dcgan(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """Logistic critic, non-saturating generator (Radford, Metz & Chintala 2016)."""
    return PlainGAN(G, D, latent, **{"loss": losses.non_saturating, **options})


def lsgan(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """Least squares with targets 0, 1, 1 (Mao et al. 2017)."""
    return PlainGAN(G, D, latent, **{"loss": losses.least_squares, **options})


def wgan(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """Wasserstein critic with weights clipped at 0.01 (Arjovsky, Chintala & Bottou 2017)."""
    given = {"loss": losses.wasserstein, "clip": 0.01, "critic_steps": 5, **options}
    return PlainGAN(G, D, latent, **given)


def wgan_gp(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """Wasserstein critic, slope pulled to 1 on lines between data and fakes (Gulrajani 2017)."""
    given = {"penalty": penalties.interpolated(10.0), "critic_steps": 5, **options}
    return PlainGAN(G, D, latent, **{"loss": losses.wasserstein, **given})


def wgan_lp(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """As wgan_gp, slopes below 1 forgiven (Petzka, Fischer & Lukovnikov 2018)."""
    return wgan_gp(G, D, latent, **{"penalty": penalties.lipschitz(10.0), **options})


def dragan(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """Non-saturating, slope pulled to 1 around the data (Kodali et al. 2017)."""
    return dcgan(G, D, latent, **{"penalty": penalties.dragan(10.0), **options})


def sngan(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """Hinge loss; give D spectral norms (Miyato et al. 2018)."""
    return PlainGAN(G, D, latent, **{"loss": losses.hinge, **options})


def f_gan(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """Any f-divergence, KL(p, q) unless another is given (Nowozin, Cseke & Tomioka 2016)."""
    return PlainGAN(G, D, latent, **{"loss": fgan.f_kullback_leibler, **options})


def r3gan(G: nn.Module, D: nn.Module, latent: int, **options: Any) -> PlainGAN:
    """Paired relativistic loss with R1 and R2; give D no norm (Huang et al. 2024)."""
    both = penalties.total(penalties.r1(1.0), penalties.r2(1.0))
    given = {"loss": losses.relativistic, "penalty": both, **options}
    return PlainGAN(G, D, latent, **given)


def tiny() -> tuple[PlainGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.sndcgan import sndcgan

    G, D = sndcgan(16, 1, 4, width=0.05, norm="spectral")
    data = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return r3gan(G, D, 4, lazy=2, batch=6), data
