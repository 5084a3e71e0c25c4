"""Autoencoders that draw: the variational one, and one that a discriminator helps to compare."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.games.common import PriorGame, evaluating, lifted, to_images
from image_core.games.logit import LogitGame, Told
from image_core.nets.joint import CodeEncoder

LEVELS = 127.5
"""Levels of a byte in a unit of [-1, 1]."""
Images = Float[Tensor, "N C H W"]


def gaussian_kl(
    mu: Float[Tensor, "N latent"], log_sigma: Float[Tensor, "N latent"]
) -> Float[Tensor, " N"]:
    """KL divergence of N(mu, sigma^2) from N(0, 1) in nats.

    1/2 sum (mu^2 + sigma^2 - 1 - log sigma^2)                     (Kingma & Welling 2014, app. B)

    Args:
        mu: Means, (N, latent).
        log_sigma: Logarithms of the standard deviations, (N, latent).

    Source: Kingma & Welling 2014.
    """
    return (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(1) / 2


@final
class VariationalAutoencoder(PriorGame):
    """One player, "G": encoder and decoder raise a bound of the likelihood of the data.

    log p(x) >= E_q[log N(x; G(z), s^2)] - KL(q(z|x), N(0, 1))       (Kingma & Welling 2014, eq. 3)

    Pixels are bytes to which noise of a level's width is added, so that the bound of their density
    is one of the bytes' probability. One s for all pixels is learned. The KL term is weighed by
    beta in training (beta-VAE), never in the bound that is told.

    Args:
        G: Decoder, latents -> images.
        E: Encoder, images -> moments of their latents.
        latent: Size of z.
        beta: Weight of the KL term; 0 leaves a plain autoencoder, whose latents nothing orders.

    Source: Kingma & Welling 2014; Higgins et al. 2017.
    """

    def __init__(self, G: nn.Module, E: CodeEncoder, latent: int, *, beta: float = 1.0):
        super().__init__(G, latent, "normal")
        self.E, self.beta = E, beta
        self.log_scale = nn.Parameter(torch.tensor(-1.0))

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": [*self.G.parameters(), *self.E.parameters(), self.log_scale]}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.move)]

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Raise the bound."""
        self.train()
        x = to_images(next(batches))
        likelihood, kl, distance = self.bound(x + (torch.rand_like(x) - 0.5) / LEVELS)
        pixels = x[0].numel()
        total = (self.beta * kl - likelihood) / pixels
        bits = bits_a_pixel(likelihood - kl, pixels)
        yield Loss(total, {"kl": kl, "distance": distance, "bits": bits})

    def bound(self, x: Images) -> tuple[Tensor, Tensor, Tensor]:
        """Log-likelihood and KL in nats an image, and mean squared distance, each a mean.

        Args:
            x: Images in [-1, 1].
        """
        mu, log_sigma = self.E.moments(x)
        z = mu + log_sigma.exp() * torch.randn_like(mu)
        squares = lifted(x - self.G(z)).square()
        nats = (
            squares / (2 * (2 * self.log_scale).exp()) + self.log_scale + math.log(2 * math.pi) / 2
        )
        return -nats.flatten(1).sum(1).mean(), gaussian_kl(mu, log_sigma).mean(), squares.mean()

    @torch.no_grad()
    def own_scores(self, images: Tensor) -> dict[str, float]:
        total, count = 0.0, 0
        with evaluating(self.E), evaluating(self.G), torch.random.fork_rng():
            torch.manual_seed(0)
            for part in images.split(250):
                x = to_images(part.to(self.device))
                likelihood, kl, _ = self.bound(x + (torch.rand_like(x) - 0.5) / LEVELS)
                total += float(likelihood - kl) * len(part)
                count += len(part)
        mean = torch.tensor(total / count)
        return {"bits_a_pixel": float(bits_a_pixel(mean, images[0].numel()))}


def bits_a_pixel(nats: Float[Tensor, ""], pixels: int) -> Float[Tensor, ""]:
    """Bits that a byte costs: minus the mean log-density of an image, a colour counted as a pixel.

    Args:
        nats: Log-density of images in [-1, 1], in nats an image.
        pixels: Pixels of an image, times its colours.
    """
    return -nats / pixels / math.log(2) + math.log2(LEVELS)


class Likeness(NamedTuple):
    """Weights of VAE-GAN.

    Args:
        kl: Weight of the KL term of the encoder.
        features: Weight gamma of the distance of features in the decoder's loss.
    """

    kl: float
    features: float


@final
class VAEGAN(LogitGame):
    """Players "E", "G" and "D": images are compared by the discriminator's features.

    l(x) = mean (f(x) - f(G(z)))^2 / 2,  z ~ q(z|x), f the trunk of D  (Larsen et al. 2016, eq. 6)

    L_E = w KL(q, N(0, 1)) + l,  L_G = gamma l + g(D(G(z_p))) + g(D(G(z)))
    L_D = d(x, G(z_p)) + d(x, G(z)), both adversarial terms halved

    Args:
        G: Decoder, latents -> images.
        E: Encoder, images -> moments of their latents.
        D: Discriminator, images -> logits, with a trunk.
        latent: Size of z.
        weights: Weights of the terms.
        options: Those of `LogitGame`.

    Source: Larsen, Sonderby, Larochelle & Winther 2016, algorithm 1.
    """

    def __init__(
        self,
        G: nn.Module,
        E: CodeEncoder,
        D: nn.Module,
        latent: int,
        weights: Likeness,
        **options: Any,
    ):
        # What is matched are two images' features, which the base class leaves to the game
        super().__init__(G, D, latent, feature_matching=1.0, **options)
        self.E, self.weights = E, weights

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"E": list(self.E.parameters()), **super().players()}

    def turns(self) -> Sequence[Turn]:
        return [*super().turns(), Turn("E", self.encoder_move)]

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        return (self.draw(count),), ()

    def encoder_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Codes from which images of like features come, and which are like z."""
        real = self._next(batches)
        mu, log_sigma = self.E.moments(real)
        again = self.G(mu + log_sigma.exp() * torch.randn_like(mu))
        kl = gaussian_kl(mu, log_sigma).mean()
        _, likeness = self._likeness(real, again)
        yield Loss(self.weights.kl * kl + likeness, {"kl": kl, "likeness": likeness})

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Images of codes like those that were encoded, and all images as real as can be."""
        real = self._next(batches)
        with torch.no_grad():
            z = self.E(real)
        again, fake = self.G(z), self.G(self.draw(len(real)))
        d_again, likeness = self._likeness(real, again)
        d_fake = self._output(self.D, fake, ()).logits
        d_real = self._output(self.D, real, ()).logits if self.loss.reward is None else d_fake
        adversarial = (self.loss.g(d_real, d_fake) + self.loss.g(d_real, d_again)) / 2
        total = self.weights.features * likeness + adversarial
        yield Loss(total, {"d_fake": d_fake.mean(), "likeness": likeness})

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Data against samples, and data against redrawn data."""
        real = self._next(batches)
        with torch.no_grad():
            again, fake = self.G(self.E(real)), self.G(self.draw(len(real)))
        of_real, of_fake = self._both(self.D, real, (), fake, ())
        of_again = self._output(self.D, again, ())
        sides = [self.loss.d(of_real.logits, x.logits) for x in (of_fake, of_again)]
        total = (sides[0] + sides[1]) / 2
        logs = {"d_real": of_real.logits.mean(), "d_fake": of_fake.logits.mean()}
        yield Loss(total, {"adversarial": total, **logs})

    def _next(self, batches: Iterator[Batch]) -> Tensor:
        self.train()
        return self.images_of(next(batches))

    def _likeness(self, real: Tensor, again: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of redrawn images, and l."""
        output, features = self._with_features(again, ())
        with torch.no_grad():
            wanted = self._with_features(real, ())[1]
        assert features is not None
        assert wanted is not None
        return output.logits, (features - wanted).square().mean() / 2


def tiny() -> tuple[VAEGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan
    from image_core.nets.joint import code_encoder

    G, D = dcgan(16, 1, 4, width=0.05)
    E = code_encoder(16, 1, 4, 0.05, sampled=True)
    data = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return VAEGAN(G, E, D, 4, Likeness(0.01, 1.0), batch=6), data
