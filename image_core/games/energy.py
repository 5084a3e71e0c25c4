"""Games of energies: the discriminator gives real images a low energy, the generator seeks one.

There is one class for all; a separate rule sets the energy that fakes must have: up to a fixed
margin (EBGAN) or one that falls (MAGAN), by a balanced share (BEGAN), or by a distance from the
paired real image (loss-sensitive GAN).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from image_core.adversarial import energies, parallel
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.games.common import (
    LatentGame,
    Prior,
    Told,
    discriminator_outputs,
    evaluating,
    lifted,
    to_images,
)
from image_core.nets.autoencoder import AutoEncoder
from image_core.nets.layers import mixes_samples


class Rule(nn.Module, ABC):
    """What the discriminator's loss is, and what it remembers of the steps."""

    name: str
    """Name of the rule, as tables print it."""
    epoch: int = 0
    """Rounds of an epoch, for rules that count them."""

    @abstractmethod
    def d(self, e_real: Tensor, e_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss."""

    def after_discriminator(self, e_real: Tensor) -> None:
        """Called after a discriminator step, with the energies it found in the data."""

    def after_generator(self, e_fake: Tensor) -> None:
        """Called after a generator step, with the energies of its fakes."""

    def logs(self) -> Mapping[str, Tensor]:
        """What is worth recording."""
        return {}

    def end_epoch(self) -> None:
        """Called at the first round of each epoch but the first."""


@final
class Margin(Rule):
    """Fakes are raised up to a margin (EBGAN): the loss `energies.margin_d`.

    Args:
        margin: Greatest energy that a fake is raised to.
    """

    name = "margin"

    def __init__(self, margin: float):
        super().__init__()
        self.margin = margin

    def d(self, e_real: Tensor, e_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        return energies.margin_d(e_real, e_fake, self.margin)


@final
class FallingMargin(Rule):
    """A margin that falls to the data's energy, epoch by epoch (MAGAN).

    The loss is `energies.margin_d`, with the margin of `energies.AdaptiveMargin`.

    Args:
        epoch: Rounds of an epoch.
    """

    name = "falling margin"

    def __init__(self, epoch: int):
        super().__init__()
        self.epoch, self.state = epoch, energies.AdaptiveMargin()

    def d(self, e_real: Tensor, e_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        return energies.margin_d(e_real, e_fake, self.state.margin)

    def after_discriminator(self, e_real: Tensor) -> None:
        self.state.add(0, e_real.detach())

    def after_generator(self, e_fake: Tensor) -> None:
        self.state.add(1, e_fake.detach())

    def logs(self) -> Mapping[str, Tensor]:
        return {"margin": self.state.margin}

    def end_epoch(self) -> None:
        self.state.end_epoch()


@final
class Balanced(Rule):
    """Fakes count k times, and k keeps both energies in proportion (BEGAN).

    The loss is `energies.balanced_d`, with the k of `energies.Balance`.

    Args:
        gamma: Diversity ratio.
        rate: Learning rate lambda_k of k.
    """

    name = "balance"
    e_real: Tensor
    measure: Tensor

    def __init__(self, gamma: float = 0.5, rate: float = 1e-3):
        super().__init__()
        self.state = energies.Balance(gamma, rate)
        self.register_buffer("e_real", torch.zeros(()))
        self.register_buffer("measure", torch.zeros(()))

    def d(self, e_real: Tensor, e_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        return energies.balanced_d(e_real, e_fake, self.state.k)

    def after_discriminator(self, e_real: Tensor) -> None:
        self.e_real.copy_(parallel.average(e_real.detach().mean()))

    def after_generator(self, e_fake: Tensor) -> None:
        self.measure.copy_(self.state.update(self.e_real, e_fake.detach().mean()))

    def logs(self) -> Mapping[str, Tensor]:
        return {"k": self.state.k, "convergence": self.measure}


@final
class Paired(Rule):
    """Fake i costs more than real i by their distance (loss-sensitive GAN).

    The loss is `energies.loss_sensitive_d`, with `energies.absolute_distance`.

    Args:
        scale: Factor of the distance.
        weight: Weight of the data's own energy.
        slope: Slope of the hinge below zero.
    """

    name = "distance of pairs"

    def __init__(self, scale: float = 1e-2, weight: float = 0.0, slope: float = 0.0):
        super().__init__()
        self.scale, self.weight, self.slope = scale, weight, slope

    def d(self, e_real: Tensor, e_fake: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        distance = energies.absolute_distance(real, fake)
        return energies.loss_sensitive_d(
            e_real, e_fake, distance, self.scale, self.weight, self.slope
        )


class EnergyGAN(LatentGame):
    """Players "G" and "D". The data stream yields images, bytes or floats in [-1, 1].

    d: the rule's loss of e(x) and e(G(z)),    g: E e(G(z)) + pull P,    e the energy that D gives

    P is the pulling-away term, see `energies.pulling_away`.

    Args:
        G: Generator, latents -> images.
        D: Discriminator, images -> energies.
        latent: Size of z.
        rule: The discriminator's loss.
        pull: Weight of the pulling-away term, for discriminators with an encoder.
        d_steps: Optimizer steps of the discriminator in a round.
        batch: Samples of a generator step.
        prior: Distribution of z.

    Raises:
        UserError: The pulling-away term is asked for of a discriminator that is no autoencoder.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        latent: int,
        rule: Rule,
        *,
        pull: float = 0.0,
        d_steps: int = 1,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, D, latent, d_steps, batch, prior)
        if pull and not isinstance(D, AutoEncoder):
            raise UserError("the pulling-away term reads an autoencoder's codes; D has none")
        self.rule, self.pull = rule, pull
        self.together = not mixes_samples(D)

    def d_scores(self, images: Tensor, told: Told) -> Tensor:
        """Minus the energy."""
        with evaluating(self.D):
            return -lifted(self.D(images))

    def turns(self) -> Sequence[Turn]:
        epoch = [Turn("D", self.epoch_move, every=self.rule.epoch)] if self.rule.epoch else []
        return [*epoch, *super().turns()]

    def epoch_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The rule looks back on the epoch; nobody steps."""
        self.rule.end_epoch()
        yield from ()

    def pretrain_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The discriminator learns to redraw the data."""
        energy = self.D(to_images(next(batches)))
        yield Loss(energy.mean(), {"e_real": energy.mean()})

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Data cheap, fakes as the rule has it."""
        real = to_images(next(batches))
        self.G.train()
        with torch.no_grad():
            fake = self.G(self.draw(len(real)))
        e_real, e_fake = map(
            lifted, discriminator_outputs(self.D, real, fake, together=self.together)
        )
        logs = {"e_real": e_real.mean(), "e_fake": e_fake.mean(), **self.rule.logs()}
        yield Loss(self.rule.d(e_real, e_fake, real, fake), logs)
        self.rule.after_discriminator(e_real)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Fakes cheap, their codes apart."""
        self.G.train()
        fake = self.G(self.draw(self.share()))
        logs = {}
        if self.pull and isinstance(self.D, AutoEncoder):
            codes = self.D.encoder(fake)
            e_fake = self.D.energy(fake, codes)
            logs["pull"] = energies.pulling_away(codes)
            total = energies.energy_g(e_fake) + self.pull * logs["pull"]
        else:
            e_fake = lifted(self.D(fake))
            total = energies.energy_g(e_fake)
        yield Loss(total, {"e_fake": e_fake.mean(), **logs})
        self.rule.after_generator(e_fake)


def tiny() -> tuple[EnergyGAN, Tensor]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, _ = dcgan(8, 1, 4, width=0.1)
    D = AutoEncoder(8, 1, code=6, width=4)
    data = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return EnergyGAN(G, D, 4, Balanced(), batch=6, pull=0.1), data
