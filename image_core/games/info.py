"""InfoGAN: codes beside the noise that the discriminator must read off the image."""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from image_core.adversarial.errors import UserError
from image_core.games.logit import LogitGame, Output, Reader, Told
from image_core.nets.discriminators import HeadsDiscriminator


@final
class InfoGAN(LogitGame):
    """Players "G" and "D"; Q is the discriminator's further head and learns with it.

    L_I = E log Q(c | G(z, c)) + const,    d: L.d - w L_I,    g: L.g - w L_I

    A categorical code costs w cross entropy, a uniform one w' times half its squared error, the
    likelihood of a Gaussian of variance 1.

    Args:
        G: Generator, noise, one-hot category and codes in one vector -> images.
        D: Discriminator, images -> logits, and category logits beside code means.
        latent: Size of the noise.
        categories: Number of values of the categorical code.
        codes: Number of uniform codes in (-1, 1).
        weights: Weights w and w'.
        options: Options of `LogitGame`.

    Raises:
        UserError: There is neither a category nor a code.

    Source: Chen et al. 2016, eq. 5 and 6.
    """

    def __init__(
        self,
        G: nn.Module,
        D: HeadsDiscriminator,
        latent: int,
        categories: int = 10,
        codes: int = 2,
        *,
        weights: tuple[float, float] = (1.0, 0.1),
        **options: Any,
    ):
        super().__init__(G, D, latent, **options)
        if categories < 2 and codes < 1:
            raise UserError("InfoGAN needs a category of at least 2 values, or a code")
        self.categories, self.codes, self.weights = categories, codes, weights

    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        latent, category, codes = self.draw_codes(count)
        return (latent,), (category, codes)

    def discriminate(self, D: Reader, images: Tensor, told: Told) -> Output:
        return Output(*D(images))

    def own_terms_d(
        self, real: Output, told_real: Told, fake: Output, told_fake: Told
    ) -> Mapping[str, Tensor]:
        return self.own_terms_g(fake, told_fake)

    def own_terms_g(self, fake: Output, told: Told) -> Mapping[str, Tensor]:
        assert fake.read is not None
        return {"information": self._information(fake.read, *told)}

    def measures(
        self, real: Output, told_real: Told, fake: Output, told_fake: Told
    ) -> Mapping[str, Tensor]:
        if not self.categories:
            return {}
        assert fake.read is not None
        named = fake.read[:, : self.categories].argmax(1)
        return {"code_accuracy": (named == told_fake[0]).float().mean()}

    def draw_codes(self, count: int) -> tuple[Float[Tensor, "N all"], Tensor, Tensor]:
        """What G reads, and the category and uniform codes in it."""
        noise = self.draw(count)
        category = torch.randint(0, max(1, self.categories), (count,), device=noise.device)
        codes = 2 * torch.rand(count, self.codes, device=noise.device) - 1
        return self.join(noise, category, codes), category, codes

    def join(self, noise: Tensor, category: Tensor, codes: Tensor) -> Float[Tensor, "N all"]:
        """What G reads."""
        chosen = [one_hot(category, self.categories).to(noise)] if self.categories else []
        return torch.cat([noise, *chosen, codes], 1)

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        """Categories in turn, so that a column of a grid that wide holds one."""
        noise = self.draw(count)
        category = torch.arange(count, device=noise.device) % max(1, self.categories)
        codes = 2 * torch.rand(count, self.codes, device=noise.device) - 1
        return (self.join(noise, category, codes),)

    def _information(self, read: Tensor, category: Tensor, codes: Tensor) -> Tensor:
        """-w E log Q of the categories, -w' E log Q of the codes, constants left out."""
        total = read.new_zeros(())
        if self.categories:
            total = total + self.weights[0] * cross_entropy(read[:, : self.categories], category)
        if self.codes:
            gap = (read[:, self.categories :] - codes).square().sum(1).mean()
            total = total + self.weights[1] * gap / 2
        return total


def tiny() -> tuple[InfoGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, D = dcgan(8, 1, 4 + 3 + 1, width=0.1, norm="batch")
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return InfoGAN(G, HeadsDiscriminator(D, 4, hidden=8), 4, 3, 1, batch=6), images
