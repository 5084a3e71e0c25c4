"""Stacked GAN: a classifier is turned round, from labels to features and from these to images."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.games.common import (
    LatentGame,
    Prior,
    Told,
    check_discriminator,
    evaluating,
    lifted,
    to_images,
)
from image_core.games.conditional import class_losses, labels_of
from image_core.metrics.features import SmallClassifier
from image_core.nets.stacked import StackedDiscriminator, StackedGenerator


class _Level(NamedTuple):
    """What is made at a level, and the real thing.

    Args:
        real: Real features or images.
        fake: Generated ones.
        noise: Noise of the generated ones.
        missed: How far the encoder reads something else off them than they were made from.
    """

    real: Tensor
    fake: Tensor
    noise: Tensor
    missed: Tensor


@final
class StackedGAN(LatentGame):
    """Players "E", an encoder that learns first, "G" and "D", each of two levels of one form.

    With h the encoder's features of an image and y its label, at the upper and the lower level:

        d: L.d / 2 + w_e |Q - z|^2 / n,    g: L.g + w_e |Q - z|^2 / n + w_c c

        c = CE(E(G1(y, z1)), y) above,    c = |E(G0(h, z0)) - h|^2 / m below

    Q is a second head of the level's discriminator, and its term keeps the generator from ignoring
    the noise. First each level learns from real labels and features; then both together, the lower
    one from features that the upper one makes, without a gradient to it.

    Args:
        E: Encoder, images -> features -> class logits; fixed once the phase of its turn is over.
        G: Generators of both levels.
        D: Discriminators of both levels.
        latent: Size of the noise of both levels together.
        classes: Number of labels.
        loss: Adversarial loss.
        condition_weight: Weight w_c; 1 in the authors' code.
        entropy_weight: Weight w_e; 2.5 for noise in (-1, 1) is the authors' 10 for half as wide.
        d_steps: Optimizer steps of the discriminators in a round.
        batch: Samples of a generator step.
        prior: Distribution of the noise.

    Raises:
        UserError: The form of a discriminator contradicts its loss or penalty.

    Source: Huang, Li, Poursaeed, Hopcroft & Belongie 2017, section 3.
    """

    G: StackedGenerator
    D: StackedDiscriminator

    def __init__(
        self,
        E: SmallClassifier,
        G: StackedGenerator,
        D: StackedDiscriminator,
        latent: int,
        classes: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        condition_weight: float = 1.0,
        entropy_weight: float = 2.5,
        d_steps: int = 1,
        batch: int = 64,
        prior: Prior = "uniform",
    ):
        super().__init__(G, D, latent, d_steps, batch, prior)
        check_discriminator(D.lower, loss, None)
        self.E, self.classes, self.loss = E, classes, loss
        self.condition_weight, self.entropy_weight = condition_weight, entropy_weight

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {**super().players(), "E": list(self.E.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("E", self.encoder_move), *self.turns_of(joint=True)]

    def turns_of(self, *, joint: bool) -> list[Turn]:
        """Turns of both levels.

        Args:
            joint: Whether the lower level learns from features that the upper one makes.
        """
        d = functools.partial(self._discriminator_move, joint)
        g = functools.partial(self._generator_move, joint)
        return [Turn("D", d, repeat=self.d_steps), Turn("G", g)]

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        return self.draw(count), torch.arange(count, device=self.device) % self.classes

    def d_scores(self, images: Tensor, told: Told) -> Tensor:
        with evaluating(self.D):
            return lifted(self.D(images))

    # -- moves -----------------------------------------------------------------------------------

    def encoder_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The encoder learns to classify."""
        yield from class_losses(self.E, batches)

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Both discriminators, with features that the upper generator makes."""
        return self._discriminator_move(True, batches)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Both generators, with features that the upper one makes."""
        return self._generator_move(True, batches)

    def _discriminator_move(self, joint: bool, batches: Iterator[Batch]) -> Iterator[Loss]:
        with torch.no_grad():
            levels = self._levels(next(batches), joint)
        total = self._nothing()
        logs: dict[str, Tensor] = {}
        for name, level in levels.items():
            D = self.D.get_submodule(name)
            d_real, (d_fake, read) = lifted(D(level.real)[0]), map(lifted, D(level.fake))
            adversarial = self.loss.d(d_real, d_fake) / 2
            entropy = self.entropy_weight * mse_loss(read, level.noise)
            total = total + adversarial + entropy
            logs |= {f"{name}_adversarial": adversarial, f"{name}_entropy": entropy}
        yield Loss(total, {**logs, "d_real": d_real.mean(), "d_fake": d_fake.mean()})

    def _generator_move(self, joint: bool, batches: Iterator[Batch]) -> Iterator[Loss]:
        total = self._nothing()
        logs: dict[str, Tensor] = {}
        for name, level in self._levels(next(batches), joint).items():
            D = self.D.get_submodule(name)
            d_fake, read = map(lifted, D(level.fake))
            d_real = d_fake if self.loss.reward is not None else lifted(D(level.real)[0])
            condition = self.condition_weight * level.missed
            entropy = self.entropy_weight * mse_loss(read, level.noise)
            total = total + self.loss.g(d_real, d_fake) + condition + entropy
            logs |= {f"{name}_condition": condition, f"{name}_entropy": entropy}
        yield Loss(total, {**logs, "d_fake": d_fake.mean()})

    # -- levels ----------------------------------------------------------------------------------

    def _levels(self, batch: Batch, joint: bool) -> dict[str, _Level]:
        """Both levels of a batch; the lower one comes last."""
        images, labels = to_images(batch), labels_of(batch)
        self.G.train()
        noise, n = self.draw(len(images)), self.G.upper_noise
        with evaluating(self.E):
            with torch.no_grad():
                real = self.E.trunk(images)
            made = self.G.upper(noise[:, :n], labels)
            given = made.detach() if joint else real
            painted = self.G.paint(given, noise[:, n:])
            named, seen = lifted(self.E.head(made)), lifted(self.E.trunk(painted))
        return {
            "upper": _Level(real, made, noise[:, :n], cross_entropy(named, labels)),
            "lower": _Level(images, painted, noise[:, n:], mse_loss(seen, lifted(given))),
        }

    def _nothing(self) -> Tensor:
        return torch.zeros((), device=self.device)


def tiny() -> tuple[StackedGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan
    from image_core.nets.discriminators import HeadsDiscriminator
    from image_core.nets.stacked import FeatureGenerator, LayerDiscriminator

    features, noise = 64, 3
    lower, D = dcgan(16, 1, features + noise, width=0.05)
    G = StackedGenerator(FeatureGenerator(3, noise, features, 8), lower, noise)
    both = StackedDiscriminator(
        LayerDiscriminator(features, noise, 8), HeadsDiscriminator(D, noise)
    )
    images = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"images": images, "labels": torch.arange(6) % 3}
    return StackedGAN(SmallClassifier(1, 3, 4), G, both, 2 * noise, 3, batch=6), batch
