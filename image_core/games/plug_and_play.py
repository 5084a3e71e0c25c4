"""A generator that inverts an encoder, and chains in codes that any classifier conditions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.input_search import ChainSteps, plug_and_play
from image_core.adversarial.losses import AdversarialLoss
from image_core.games.common import (
    Images,
    JudgedGame,
    Told,
    check_discriminator,
    evaluating,
    lifted,
    to_images,
)
from image_core.games.conditional import class_losses
from image_core.metrics.features import FEATURES, SmallClassifier


class InversionWeights(NamedTuple):
    """Weights of the terms of a generator that inverts an encoder.

    Args:
        image: Weight of the mean squared distance of images.
        feature: Weight of the mean squared distances of both layers of features.
        adversarial: Weight of the discriminator's loss.
    """

    image: float = 10.0
    feature: float = 0.02
    adversarial: float = 0.1


@final
class PlugAndPlayGAN(JudgedGame):
    """Players "E", a classifier that learns first, then "G", which inverts it, and "D".

    With h = E(x) the last features of the classifier, h1 those of a middle layer, x~ = G(h):

        d: L.d(D(x), D(x~))
        g: w_x |x~ - x|^2 / n + w_h (|h1(x~) - h1(x)|^2 / n1 + |h(x~) - h|^2 / n2) + w_a L.g

    No class is told to G: one is met by `plug_and_play`, from codes that are drawn by the mean and
    the covariance of those of the data. E has no turn but its own, after which it is fixed.

    Args:
        E: Encoder, images -> features -> class logits.
        G: Generator, features -> images.
        D: Discriminator of images.
        classes: Number of labels.
        loss: Adversarial loss.
        weights: Weights of the terms; None for those of `InversionWeights`.
        steps: Steps of a chain; None for those of `ChainSteps`.
        d_steps: Optimizer steps of the discriminator in a round.

    Raises:
        UserError: The form of a discriminator contradicts its loss or penalty.

    Source: Nguyen, Clune, Bengio, Dosovitskiy & Yosinski 2017, section 3.5 (noiseless joint
    variant); Dosovitskiy & Brox 2016 for the losses.
    """

    E: SmallClassifier
    code_mean: Tensor
    code_root: Tensor

    def __init__(
        self,
        E: SmallClassifier,
        G: nn.Module,
        D: nn.Module,
        classes: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        weights: InversionWeights | None = None,
        steps: ChainSteps | None = None,
        d_steps: int = 1,
    ):
        super().__init__(G)
        check_discriminator(D, loss, None)
        self.E, self.D, self.classes, self.loss = E, D, classes, loss
        self.weights, self.steps = weights or InversionWeights(), steps or ChainSteps()
        self.d_steps = d_steps
        self.register_buffer("code_mean", torch.zeros(FEATURES))
        self.register_buffer("code_root", torch.eye(FEATURES))

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        nets = {"E": self.E, "G": self.G, "D": self.D}
        return {name: list(net.parameters()) for name, net in nets.items()}

    def turns(self) -> Sequence[Turn]:
        return [Turn("E", self.encoder_move), *self.adversarial_turns()]

    def adversarial_turns(self) -> list[Turn]:
        """Turns of the rounds in which the encoder is fixed."""
        d_turn = Turn("D", self.discriminator_move, repeat=self.d_steps)
        return [d_turn, Turn("G", self.generator_move)]

    # -- moves -----------------------------------------------------------------------------------

    def encoder_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The encoder learns to classify."""
        yield from class_losses(self.E, batches)

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell images from those that their codes give."""
        self.G.train()
        x = to_images(next(batches))
        with torch.no_grad():
            fake = self.G(self.E.trunk(x))
        d_real, d_fake = lifted(self.D(x)), lifted(self.D(fake))
        adversarial = self.loss.d(d_real, d_fake)
        logs = {"adversarial": adversarial, "d_real": d_real.mean(), "d_fake": d_fake.mean()}
        yield Loss(adversarial, logs)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Give codes the images that they are of, and images their features."""
        self.G.train()
        x, w = to_images(next(batches)), self.weights
        with torch.no_grad():
            middle, h = self.E.features(x)
        fake = self.G(h)
        again, h_again = self.E.features(fake)
        d_fake = lifted(self.D(fake))
        d_real = d_fake if self.loss.reward is not None else lifted(self.D(x))
        image = mse_loss(lifted(fake), x)
        feature = mse_loss(lifted(again), lifted(middle)) + mse_loss(lifted(h_again), lifted(h))
        adversarial = self.loss.g(d_real, d_fake)
        total = w.image * image + w.feature * feature + w.adversarial * adversarial
        yield Loss(total, {"image": image, "feature": feature, "d_fake": d_fake.mean()})

    # -- samples ---------------------------------------------------------------------------------

    @torch.no_grad()
    def keep_codes(self, images: Tensor) -> None:
        """Keep the mean and the root of the covariance of the codes of images, for `start`.

        Args:
            images: Images to learn from, bytes or in [-1, 1].
        """
        with evaluating(self.E):
            parts = [
                self.E.trunk(to_images(part.to(self.device))).double() for part in images.split(250)
            ]
        codes = torch.cat(parts)
        values, vectors = torch.linalg.eigh(codes.T.cov(correction=0))
        self.code_mean.copy_(codes.mean(0))
        self.code_root.copy_(vectors * values.clamp(min=0).sqrt() @ vectors.T)

    def start(self, count: int) -> Float[Tensor, "N F"]:
        """Codes of normal law with the data's mean and covariance, cut at 0: starts of chains."""
        z = torch.randn(count, FEATURES, device=self.device)
        return (self.code_mean + z @ self.code_root).clamp(min=0)

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        """Starts of chains, and the classes in turn."""
        return self.start(count), torch.arange(count, device=self.device) % self.classes

    def render(self, generator: nn.Module, *given: Tensor) -> Images:
        start, classes = given
        return self.chain(generator, start, self.E, classes)

    def chain(
        self,
        generator: nn.Module,
        start: Float[Tensor, "N F"],
        condition: Callable[[Tensor], Tensor],
        classes: Int64[Tensor, " N"],
    ) -> Images:
        """Images at the end of chains that meet a condition.

        Args:
            generator: G, or an average of its weights; in evaluation mode.
            start: Codes at the start of each chain.
            condition: Classifier C, images in [-1, 1] -> logits.
            classes: Class that each chain is to meet.
        """

        def log_probability(images: Tensor) -> Tensor:
            return -cross_entropy(lifted(condition(images)), classes, reduction="none")

        with evaluating(self.E), torch.no_grad():
            codes = plug_and_play(generator, self.E.trunk, log_probability, start, self.steps)
            return generator(codes)

    # -- measures --------------------------------------------------------------------------------

    def d_scores(self, images: Tensor, told: Told) -> Tensor:
        with evaluating(self.D):
            return lifted(self.D(images))

    def fakes_for(self, real: Tensor) -> tuple[Tensor, Told]:
        """What the codes of the real images give, as in the discriminator's own turn."""
        with evaluating(self.E), evaluating(self.G):
            return self.G(self.E.trunk(real)), ()


def tiny() -> tuple[PlugAndPlayGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    G, D = dcgan(16, 1, FEATURES, width=0.05)
    images = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"images": images, "labels": torch.arange(6) % 3}
    steps = ChainSteps(length=2)
    return PlugAndPlayGAN(SmallClassifier(1, 3, 4), G, D, 3, steps=steps), batch
