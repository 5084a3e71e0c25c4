"""What every image game shares: reading batches, drawing latents, sampling, refusing nonsense."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.nets.layers import mixes_samples

Prior = Literal["normal", "uniform"]
Images = Float[Tensor, "N C H W"]
Told = tuple[Tensor, ...]
"""What is known of each image beside its pixels: its label, the codes it was made from, nothing."""


def to_images(batch: Batch) -> Tensor:
    """Images in [-1, 1] from a batch, a tensor or a mapping with "images"; bytes are scaled.

    Args:
        batch: Images (N, C, H, W), bytes or floats in [-1, 1], or a mapping that holds them.
    """
    images = batch["images"] if isinstance(batch, Mapping) else batch
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images


def lifted(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Values in float32 at least: losses lose too much in half precision.

    Args:
        values: Values of any shape.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def draw(count: int, size: int, prior: Prior, device: torch.device) -> Float[Tensor, "N latent"]:
    """Latents N(0, 1), or uniform in (-1, 1).

    Args:
        count: Number N of latents.
        size: Size of a latent.
        prior: Distribution of the latents, normal or uniform.
        device: Device of the latents.
    """
    if prior == "normal":
        return torch.randn(count, size, device=device)
    return 2 * torch.rand(count, size, device=device) - 1


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """A network in evaluation mode; afterwards it is as before.

    Args:
        net: Network to evaluate.
    """
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)


class ImageGame(Game):
    """A game with a generator of images, what it reads, and its samples.

    Args:
        G: Generator of images in [-1, 1].
    """

    def __init__(self, G: nn.Module):
        super().__init__()
        self.G = G

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return next(self.G.parameters()).device

    @abstractmethod
    def inputs(self, count: int) -> tuple[Tensor, ...]:
        """What G is called with for so many images; a grid of samples shows them in this order."""

    def own_scores(self, images: Tensor) -> dict[str, float]:
        """What the game itself measures on held-out images, by name.

        Args:
            images: Held-out images, bytes or in [-1, 1].
        """
        return {}

    def render(self, generator: nn.Module, *given: Tensor) -> Images:
        """Images of what `inputs` gives.

        Args:
            generator: G, or an average of its weights; in evaluation mode.
            given: Inputs.
        """
        return generator(*given)

    @torch.no_grad()
    def sample(self, count: int, *, generator: nn.Module | None = None) -> Images:
        """Images in evaluation mode, of G if no generator is named; on the device."""
        generator = self.G if generator is None else generator
        sizes = [min(250, count - i) for i in range(0, count, 250)]
        with evaluating(generator):
            return torch.cat([self.render(generator, *self.inputs(size)) for size in sizes])


class JudgedGame(ImageGame):
    """A game with one discriminator "D", which scores whole images."""

    D: nn.Module

    @abstractmethod
    def d_scores(self, images: Tensor, told: Told) -> Tensor:
        """What the discriminator says of whole images in evaluation mode; high = real.

        Args:
            images: Images in [-1, 1].
            told: What is known of each.
        """

    def told(self, batch: Batch) -> Told:
        """What is known of the real images of a batch."""
        return ()

    def fakes_for(self, real: Tensor) -> tuple[Tensor, Told]:
        """As many generated images as real ones, in evaluation mode, and what is known of each."""
        given = self.inputs(len(real))
        with evaluating(self.G):
            return self.G(*given), given[1:]

    @torch.no_grad()
    def d_scores_of(
        self, batch: Batch, *, chunk: int = 250
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
        """Scores of whole real images and of as many generated ones, on the CPU; high = real.

        Args:
            batch: Real images, and their labels where the game has them.
            chunk: Images in memory at once.
        """
        real, told, count = to_images(batch), self.told(batch), len(to_images(batch))
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for start in range(0, count, chunk):
            rows = slice(start, start + chunk)
            some = real[rows].to(self.device)
            found[0].append(self.d_scores(some, tuple(t[rows].to(self.device) for t in told)))
            found[1].append(self.d_scores(*self.fakes_for(some)))
        return torch.cat(found[0]).cpu(), torch.cat(found[1]).cpu()


class PriorGame(ImageGame):
    """A game whose generator reads latents of a prior.

    Args:
        G: Generator, latents (and labels, in a conditional game) -> images in [-1, 1].
        latent: Size of z.
        prior: Distribution of z.
    """

    def __init__(self, G: nn.Module, latent: int, prior: Prior):
        super().__init__(G)
        self.latent, self.prior = latent, prior

    def draw(self, count: int) -> Float[Tensor, "N latent"]:
        """Latents of this process's share of a batch."""
        return draw(count, self.latent, self.prior, self.device)

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        """Fresh latents, and labels where the game has them: what G is called with."""
        return (self.draw(count),)


class LatentGame(PriorGame, JudgedGame):
    """Players "G" and "D": a generator that reads latents, and one discriminator.

    Args:
        G: Generator, latents (and labels, in a conditional game) -> images in [-1, 1].
        D: Discriminator.
        latent: Size of z.
        d_steps: Optimizer steps of the discriminator in a round.
        batch: Samples of a generator step.
        prior: Distribution of z.
    """

    def __init__(
        self, G: nn.Module, D: nn.Module, latent: int, d_steps: int, batch: int, prior: Prior
    ):
        super().__init__(G, latent, prior)
        self.D, self.d_steps, self.batch = D, d_steps, batch

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        d_turn = Turn("D", self.discriminator_move, repeat=self.d_steps)
        return [d_turn, Turn("G", self.generator_move)]

    @abstractmethod
    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The discriminator learns to tell the generator's images from real ones."""

    @abstractmethod
    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """What the discriminator says moves the generator."""

    def images_of(self, batch: Batch) -> Tensor:
        """The real images of a batch as the discriminator meets them, in [-1, 1]."""
        return to_images(batch)

    def share(self) -> int:
        """Samples of a generator step in this process."""
        return self.batch // parallel.world()[1]


def check_discriminator(
    D: nn.Module, loss: AdversarialLoss | None, penalty: Penalty | None
) -> None:
    """Refuse discriminators whose form contradicts their loss or penalty.

    Args:
        D: Discriminator.
        loss: Adversarial loss; None if D's output is no logit.
        penalty: Gradient penalty; None for none.

    Raises:
        UserError: Says which layer or loss, why, and what to use.
    """
    met = mixes_samples(D)
    if penalty is not None and met:
        use = "leave out --minibatch"
        if "Norm" in met:
            use = "use --norm layer, spectral or none"
        raise UserError(
            f"the discriminator holds {met}, where the samples of a batch meet, and a gradient "
            f"penalty reads the slope of each sample alone; {use}"
        )
    layers = [m for m in D.modules() if not list(m.children())]
    if loss is not None and layers and isinstance(layers[-1], (nn.Sigmoid, nn.Softmax)):
        raise UserError(
            f"the discriminator ends in {type(layers[-1]).__name__}, but losses take raw logits of "
            "any size, and a Wasserstein or hinge loss has no meaning on probabilities; leave it "
            "out"
        )


def discriminator_outputs(
    D: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, together: bool
) -> tuple[Tensor, Tensor]:
    """Logits of both, in one forward where no batch statistic would give the label away.

    Args:
        D: Discriminator, samples -> logits.
        real: Data, (N, ...).
        fake: Generated samples, (M, ...).
        together: Whether both are read in one forward.
    """
    if not together:
        return D(real), D(fake)
    d_real, d_fake = D(torch.cat([real, fake])).split([len(real), len(fake)])
    return d_real, d_fake
