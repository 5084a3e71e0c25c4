"""The plain image GAN: one generator, one critic, any loss, penalty, normalisation and trick.

Symbols: G generator, D critic, d its logit, z latent. Aliases at the end name the papers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from image_core.adversarial import fgan, losses, penalties, regularizers
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import (
    Flattening,
    Penalty,
    clip_weights,
    twice_differentiable,
)
from image_core.adversarial.regularizers import Regularizer
from image_core.adversarial.tricks import Schedule, add_noise
from image_core.games.common import (
    ImageGame,
    Images,
    Prior,
    check_critic,
    critic_verdicts,
    to_images,
)
from image_core.nets.layers import mixes_samples


class Coupling(NamedTuple):
    """A term on the gradients of the game itself.

    Args:
        kind: look_ahead is added to the generator's loss, consensus to both.
        weight: eta, or gamma.
    """

    kind: Literal["look_ahead", "consensus"]
    weight: float


class PlainGAN(ImageGame):
    """Players "G" and "D". The data stream yields images, bytes or floats in [-1, 1].

    Args:
        G: latents -> images.
        D: images -> logits.
        latent: size of z.
        loss: any; those without a reward are given real images in the generator's step too.
        penalty: on the critic's slope.
        regularizer: on the critic's weights.
        agreement: on what the critic makes of altered images, see `regularizers.consistency`.
        coupling: on the gradients of the game.
        critic_steps: a round.
        lazy: give the penalty a step of its own every so many rounds, so many times as strong, and
            see `tricks.lazy_rates`; 0 = in every critic step.
        clip: bound of the critic's weights after each of its steps.
        noise: standard deviation of instance noise, by critic step.
        anneal: factor of the penalty, by critic step.
        transform: random change of all images that D sees, differentiable; a penalty reads the
            slope before it.
        batch: samples of a generator step.
        prior: of z.
    """

    step: Tensor

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        latent: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        regularizer: Regularizer | None = None,
        agreement: Penalty | None = None,
        coupling: Coupling | None = None,
        critic_steps: int = 1,
        lazy: int = 0,
        clip: float | None = None,
        noise: Schedule | None = None,
        anneal: Schedule | None = None,
        transform: Callable[[Images], Images] | None = None,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, latent, batch, prior)
        check_critic(D, loss, penalty)
        if lazy and penalty is None:
            raise UserError("a lazy penalty needs a penalty; name one, as in --penalty r1=10")
        self.D, self.loss, self.penalty, self.regularizer = D, loss, penalty, regularizer
        self.agreement = agreement
        self.coupling, self.critic_steps, self.lazy, self.clip = coupling, critic_steps, lazy, clip
        self.noise, self.anneal, self.transform = noise, anneal, transform
        self.together = not mixes_samples(D)
        self.register_buffer("step", torch.zeros(()))
        if clip is not None:
            clip_weights(D.parameters(), clip)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        turns = [Turn("D", self.critic_move, repeat=self.critic_steps)]
        if self.lazy:
            turns.append(Turn("D", self.penalty_move, every=self.lazy))
        return [*turns, Turn("G", self.generator_move)]

    def critic_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Reals above fakes; the fakes cost no graph of the generator."""
        real, fake = self._pair(batches)
        d_real, d_fake, penalty = self._verdicts(real, fake)
        total = self.loss.d(d_real, d_fake)
        logs = {"d_real": d_real.mean(), "d_fake": d_fake.mean(), "critic": total}
        if penalty is not None:
            logs["penalty"] = penalty
            total = total + penalty
        if self.regularizer is not None:
            logs["regularizer"] = self.regularizer(self.D)
            total = total + logs["regularizer"]
        if self.agreement is not None:
            logs["agreement"] = self.agreement(self._verdict, real, fake)
            total = total + logs["agreement"]
        if self.coupling is not None and self.coupling.kind == "consensus":
            logs["consensus"] = self._consensus(real, learns_d=True)
            total = total + logs["consensus"]
        yield Loss(total, logs)
        self._stepped()

    def penalty_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The penalty alone, for all the steps that went without."""
        if isinstance(self.penalty, Flattening) and not self.penalty.at_fake:
            real = fake = to_images(next(batches))  # R1 looks at no fakes
        else:
            real, fake = self._pair(batches)
        penalty = self._penalty(real, fake)
        yield Loss(self.lazy * self.critic_steps * penalty, {"penalty": penalty})
        if self.clip is not None:
            clip_weights(self.D.parameters(), self.clip)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Move fakes as the loss says, through the critic as it is."""
        self.G.train()
        paired = self.loss.reward is None or self.coupling is not None
        real = to_images(next(batches)) if paired else None
        fake = self.G(self.draw(self.share() if real is None else len(real)))
        if real is None:
            d_fake = self._verdict(fake)
            total = self.loss.g(d_fake, d_fake)
        else:
            d_real, d_fake = critic_verdicts(self._verdict, real, fake, together=self.together)
            total = self.loss.g(d_real, d_fake)
        logs = {"d_fake": d_fake.mean()}
        if real is not None and self.coupling is not None:
            if self.coupling.kind == "look_ahead":
                leaves, loss_d = self._with_other_critic(real, fake)
                term = regularizers.look_ahead(loss_d, leaves, self.coupling.weight)
            else:
                term = self._consensus(real, learns_d=False)
            logs[self.coupling.kind] = term
            total = total + term
        yield Loss(total, logs)

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        return (self.draw(count),)

    def _pair(self, batches: Iterator[Batch]) -> tuple[Tensor, Tensor]:
        real = to_images(next(batches))
        self.G.train()
        with torch.no_grad():
            return real, self.G(self.draw(len(real)))

    def _verdict(self, images: Tensor) -> Tensor:
        return self.D(self._seen(images))

    def _seen(self, images: Tensor) -> Tensor:
        if self.transform is not None:
            images = self.transform(images)
        return images if self.noise is None else add_noise(images, self.noise(self.step))

    def _verdicts(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logits of both, and the penalty if it is due in every step.

        R1 and R2 read their slopes off the same forward pass, unless it is in half precision.
        """
        half = torch.is_autocast_enabled(real.device.type)
        if isinstance(self.penalty, Flattening) and not self.lazy and not half:
            real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
            together = self.penalty.at_real > 0 and self.penalty.at_fake > 0
            with twice_differentiable():
                pair = critic_verdicts(self._verdict, real, fake, together=together)
            penalty = self.penalty.shared(pair[0], real, pair[1], fake)
            return *pair, self._annealed(penalty)
        pair = critic_verdicts(self._verdict, real, fake, together=self.together)
        if self.penalty is None or self.lazy:
            return *pair, None
        return *pair, self._penalty(real, fake)

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        assert self.penalty is not None
        return self._annealed(self.penalty(self._verdict, real, fake))

    def _annealed(self, penalty: Tensor) -> Tensor:
        return penalty if self.anneal is None else self.anneal(self.step) * penalty

    @torch.no_grad()
    def _stepped(self) -> None:
        self.step += 1
        if self.clip is not None:
            clip_weights(self.D.parameters(), self.clip)

    # The engine freezes whoever does not learn; a copy of its weights takes its gradient instead.

    def _with_other_critic(self, real: Tensor, fake: Tensor) -> tuple[list[Tensor], Tensor]:
        """Leaves with D's weights, and the critic's loss as a function of them and of fakes."""
        leaves = {n: p.detach().requires_grad_() for n, p in self.D.named_parameters()}

        def critic(images: Tensor) -> Tensor:
            return functional_call(self.D, leaves, (self._seen(images),))

        d_real, d_fake = critic_verdicts(critic, real, fake, together=self.together)
        return list(leaves.values()), self.loss.d(d_real, d_fake)

    def _consensus(self, real: Tensor, *, learns_d: bool) -> Tensor:
        """gamma/2 (||grad_G L_G||^2 + ||grad_D L_D||^2), a function of one player's weights."""
        assert self.coupling is not None
        others = self.G if learns_d else self.D
        leaves = {n: p.detach().requires_grad_() for n, p in others.named_parameters()}
        z = self.draw(len(real))
        fake = functional_call(self.G, leaves, (z,)) if learns_d else self.G(z)

        def critic(images: Tensor) -> Tensor:
            seen = self._seen(images)
            return self.D(seen) if learns_d else functional_call(self.D, leaves, (seen,))

        d_real, d_fake = critic_verdicts(critic, real, fake, together=self.together)
        pair = (self.loss.g(d_real, d_fake), self.loss.d(d_real, d_fake))
        learning = list((self.D if learns_d else self.G).parameters())
        other = list(leaves.values())
        both = (other, learning) if learns_d else (learning, other)
        return regularizers.consensus(pair, both, self.coupling.weight)


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
