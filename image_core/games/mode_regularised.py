"""Games with an encoder that leads the generator to every mode of the data (Che et al. 2017)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss
from image_core.games.logit import LogitGame, Output, Told
from image_core.nets.layers import mixes_samples


class Pull(NamedTuple):
    """Weights of what a redrawn image adds to the generator's loss.

    Args:
        distance: Weight lambda_1 of the mean squared distance from the image.
        adversarial: Weight lambda_2 of the discriminator's loss on the redrawn image.
    """

    distance: float
    adversarial: float


@final
class ModeRegularisedGAN(LogitGame):
    """A GAN whose generator also redraws the data from an encoder's latents.

    L_G = E_z[g(D(G(z)))] + E_x[l1 mean (x - G(E(x)))^2 + l2 g(D(G(E(x))))]
                                                          (Che et al. 2017, section 3.1)

    The encoder learns the second half; as the first does not read it, both learn in one step of
    player "G". What is added is lower the more real the redrawn image looks. In the paper's
    combined formula that term has the other sign, which contradicts its text.

    Args:
        G: Generator, latents -> images.
        E: Encoder, images -> latents.
        D: Discriminator, images -> logits.
        latent: Size of z.
        pull: Weights of what a redrawn image adds.
        options: Those of `LogitGame`.

    Source: Che, Li, Jacob, Bengio & Li 2017, section 3.1.
    """

    def __init__(
        self, G: nn.Module, E: nn.Module, D: nn.Module, latent: int, pull: Pull, **options: Any
    ):
        super().__init__(G, D, latent, **options)
        self.E, self.pull = E, pull

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            "G": [*self.G.parameters(), *self.E.parameters()],
            "D": list(self.D.parameters()),
        }

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        return (self.draw(count),), ()

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Move fakes and redrawn images as the discriminator says, and these to the data."""
        self.G.train()
        real = self.images_of(next(batches))
        fake, again = self.G(self.draw(len(real))), self.G(self.E(real))
        d_real = self._output(self.D, real, ()).logits if self.loss.reward is None else None
        d_fake, d_again = (self._output(self.D, x, ()).logits for x in (fake, again))
        distance = (real - again).square().mean()
        total = self.loss.g(d_fake if d_real is None else d_real, d_fake)
        pulled = self.loss.g(d_again if d_real is None else d_real, d_again)
        total = total + self.pull.distance * distance + self.pull.adversarial * pulled
        yield Loss(
            total,
            {"d_fake": d_fake.mean(), "d_redrawn": d_again.mean(), "distance": distance},
        )


@final
class ManifoldDiffusionGAN(LogitGame):
    """First the redrawn data is brought to the data, then samples to the redrawn data (MDGAN).

    manifold:  D1 tells x from G(E(x)); G and E lower w g(D1(G(E(x)))) + mean (x - G(E(x)))^2
    diffusion: D2 tells G(E(x)) from G(z); G lowers g(D2(G(z)))     (Che et al. 2017, section 3.3)

    D2, which compares two kinds of generated images, is what scores samples.

    Args:
        G: Generator, latents -> images.
        E: Encoder, images -> latents.
        manifold: Discriminator D1, images -> logits.
        diffusion: Discriminator D2, images -> logits.
        latent: Size of z.
        adversarial: Weight w of D1's part.
        options: Those of `LogitGame`.

    Source: Che, Li, Jacob, Bengio & Li 2017, section 3.3.
    """

    def __init__(
        self,
        G: nn.Module,
        E: nn.Module,
        manifold: nn.Module,
        diffusion: nn.Module,
        latent: int,
        adversarial: float,
        **options: Any,
    ):
        super().__init__(G, diffusion, latent, **options)
        self.E, self.manifold, self.adversarial = E, manifold, adversarial
        self.apart = bool(mixes_samples(manifold))

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            "G": [*self.G.parameters(), *self.E.parameters()],
            "D": [*self.D.parameters(), *self.manifold.parameters()],
        }

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        return (self.draw(count),), ()

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """D1 on data against redrawn data, D2 on redrawn data against samples."""
        real = self.images_of(next(batches))
        self.G.train()
        with torch.no_grad():
            again, fake = self.G(self.E(real)), self.G(self.draw(len(real)))
        near = self._told_apart(self.manifold, real, again)
        far = self._told_apart(self.D, again, fake)
        manifold = self.loss.d(*(output.logits for output in near))
        diffusion = self.loss.d(*(output.logits for output in far))
        logs = {"adversarial": diffusion, "manifold": manifold}
        logs |= {"d_real": far[0].logits.mean(), "d_fake": far[1].logits.mean()}
        yield Loss(manifold + diffusion, logs)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Redrawn images to the data, samples to redrawn images, which are only followed."""
        self.G.train()
        real = self.images_of(next(batches))
        fake, again = self.G(self.draw(len(real))), self.G(self.E(real))
        near = self._told_apart(self.manifold, real, again)
        far = self._told_apart(self.D, again.detach(), fake)
        distance = (real - again).square().mean()
        manifold = self.loss.g(*(output.logits for output in near))
        diffusion = self.loss.g(*(output.logits for output in far))
        logs = {"d_fake": far[1].logits.mean(), "manifold": manifold, "distance": distance}
        yield Loss(self.adversarial * manifold + distance + diffusion, logs)

    def _told_apart(self, D: nn.Module, high: Tensor, low: Tensor) -> tuple[Output, Output]:
        return self._both(D, high, (), low, (), together=self.together and not self.apart)


def tiny() -> tuple[ModeRegularisedGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan
    from image_core.nets.joint import code_encoder

    G, D = dcgan(16, 1, 4, width=0.05)
    E = code_encoder(16, 1, 4, 0.05)
    data = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return ModeRegularisedGAN(G, E, D, 4, Pull(0.2, 0.4), batch=6), data
