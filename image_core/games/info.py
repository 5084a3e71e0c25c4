"""InfoGAN: codes beside the noise that the critic's trunk must be able to read off the image."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.games.common import ImageGame, Prior, check_critic, to_images
from image_core.nets.critics import HeadsCritic
from image_core.nets.layers import mixes_samples


class InfoGAN(ImageGame):
    """Players "G" and "D"; Q is the critic's further head and learns with it.

    L_I = E log Q(c | G(z, c)) + const,    d: L.d - w L_I,    g: L.g - w L_I

    A categorical code costs w cross entropy, a uniform one w' times half its squared error, the
    likelihood of a Gaussian of variance 1.

    Args:
        G: (noise, one-hot category, codes) in one vector -> images.
        D: images -> logits, category logits and code means.
        latent: size of the noise.
        categories: of the categorical code.
        codes: how many uniform codes in (-1, 1).
        loss: any.
        penalty: on the slope of the logit.
        weights: w and w'.
        critic_steps: a round.
        batch: samples of a generator step.
        prior: of the noise.

    Source: Chen et al. 2016, eq. 5 and 6.
    """

    def __init__(
        self,
        G: nn.Module,
        D: HeadsCritic,
        latent: int,
        categories: int = 10,
        codes: int = 2,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        weights: tuple[float, float] = (1.0, 0.1),
        critic_steps: int = 1,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, latent, batch, prior)
        check_critic(D, loss, penalty)
        if categories < 2 and codes < 1:
            raise UserError("InfoGAN needs a category of at least 2 values, or a code")
        self.D, self.categories, self.codes = D, categories, codes
        self.loss, self.penalty, self.weights = loss, penalty, weights
        self.critic_steps, self.together = critic_steps, not mixes_samples(D)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        critic = Turn("D", self.critic_move, repeat=self.critic_steps)
        return [critic, Turn("G", self.generator_move)]

    def critic_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Real or fake, and which codes."""
        real = to_images(next(batches))
        latent, category, codes = self.draw_codes(len(real))
        self.G.train()
        with torch.no_grad():
            fake = self.G(latent)
        d_real, d_fake, read = self._verdicts(real, fake)
        adversarial = self.loss.d(d_real, d_fake)
        information = self._information(read, category, codes)
        total = adversarial + information
        logs = {"d_real": d_real.mean(), "d_fake": d_fake.mean(), "critic": adversarial}
        logs |= {"information": information}
        if self.categories:
            logs["code_accuracy"] = (
                (read[:, : self.categories].argmax(1) == category).float().mean()
            )
        if self.penalty is not None:
            logs["penalty"] = self.penalty(lambda x: self.D(x)[0], real, fake)
            total = total + logs["penalty"]
        yield Loss(total, logs)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Pass for real, codes legible."""
        self.G.train()
        if self.loss.reward is not None:
            latent, category, codes = self.draw_codes(self.share())
            d_fake, read = self.D(self.G(latent))
            total = self.loss.g(d_fake, d_fake)
        else:
            real = to_images(next(batches))
            latent, category, codes = self.draw_codes(len(real))
            d_real, d_fake, read = self._verdicts(real, self.G(latent))
            total = self.loss.g(d_real, d_fake)
        information = self._information(read, category, codes)
        yield Loss(total + information, {"d_fake": d_fake.mean(), "information": information})

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

    def _verdicts(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.together:
            return self.D(real)[0], *self.D(fake)
        logits, read = self.D(torch.cat([real, fake]))
        return logits[: len(real)], logits[len(real) :], read[len(real) :]


def tiny() -> tuple[InfoGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, D = dcgan(8, 1, 4 + 3 + 1, width=0.1, norm="batch")
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return InfoGAN(G, HeadsCritic(D, 4, hidden=8), 4, 3, 1, batch=6), images
