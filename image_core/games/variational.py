"""Codes with a prior, decoded under a class: the variational GAN of pictures with labels."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from image_core.adversarial import parallel
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.games.common import evaluating, lifted
from image_core.games.conditional import LabelledGenerator, labels_of
from image_core.games.translation import Direction, DrawingGame, TranslationGame, domain
from image_core.nets.discriminators import ClassDiscriminator, ImageDiscriminator
from image_core.nets.joint import GaussianEncoder, check_side


class MatchingWeights(NamedTuple):
    """Weights of the terms of a variational GAN.

    Args:
        kl: Weight of the codes' divergence from N(0, 1).
        reconstruction: Weight of squared differences of pictures and of features.
        means: Weight of squared differences of mean features.
    """

    kl: float = 3.0
    reconstruction: float = 1.0
    means: float = 1e-3


@final
class RedrawAsNamed(nn.Module):
    """Pictures of one size, drawn again from their codes under the class that C names.

    Args:
        E: Encoder.
        G: Generator.
        C: Classifier.
        side: Side of the pictures in pixels.
    """

    def __init__(self, E: GaussianEncoder, G: LabelledGenerator, C: ClassDiscriminator, side: int):
        super().__init__()
        self.E, self.G, self.C, self.side = E, G, C, side
        self.multiple = self.scale = 1

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        check_side(images, self.side)
        labels = self.C(images)[0].argmax(1)
        return self.G(self.E(images, labels)[0], labels)


class VariationalGAN(TranslationGame, DrawingGame):
    """Players "EG", "D" and "C". The stream yields {"b", "labels"}.

    x' = G(z', c), z' ~ N(mu(x, c), sigma(x, c)^2);   x~ = G(z, c), z ~ N(0, 1);   sums of squares

        eg: w_k KL + w_r/2 R + w_m/2 M
        d:  E[softplus(-D(x))] + E[softplus(D(x'))] + E[softplus(D(x~))]
        c:  CE(C(x), c)
        R = |x - x'|^2 + |f_D(x) - f_D(x')|^2 + |f_C(x) - f_C(x')|^2
        M = |E f_D(x) - E f_D(x~)|^2 + sum_c |E f_C(x|c) - E f_C(x~|c)|^2

    Encoder and generator are one player, for no term of one alone reaches the other: the KL term
    has no G in it, and x~ no E. Means of a class are moving averages, kept in the checkpoint.

    Args:
        E: CodeEncoder, pictures and labels -> moments of codes.
        G: Generator, codes and labels -> pictures.
        D: Discriminator, whose trunk gives f_D.
        C: Classifier, whose trunk gives f_C.
        latent: Size of a code.
        side: Side of the pictures in pixels.
        weights: Weights of the terms; None for those of `MatchingWeights`.
        decay: Decay of the moving averages of class means.

    Source: Bao et al. 2017, algorithm 1.
    """

    of_data: Tensor
    of_draws: Tensor

    def __init__(
        self,
        E: GaussianEncoder,
        G: LabelledGenerator,
        D: ImageDiscriminator,
        C: ClassDiscriminator,
        latent: int,
        side: int,
        *,
        weights: MatchingWeights | None = None,
        decay: float = 0.9,
    ):
        super().__init__()
        self.redraw, self.D = RedrawAsNamed(E, G, C, side), D
        self.latent, self.weights, self.decay = latent, weights or MatchingWeights(), decay
        features = C.head.get_parameter("weight").shape[1]
        for name in ("of_data", "of_draws"):
            self.register_buffer(name, torch.zeros(G.classes, features))
        self._made: tuple[Tensor, ...] | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        both = [*self.redraw.E.parameters(), *self.redraw.G.parameters()]
        return {"EG": both, "D": list(self.D.parameters()), "C": list(self.redraw.C.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("EG", self.generator_move),
            Turn("D", self.discriminator_move),
            Turn("C", self.classifier_move),
        ]

    def translators(self) -> Mapping[Direction, nn.Module]:
        return {"ab": self.redraw}

    def d_scores(self, direction: Direction, source: Tensor, images: Tensor) -> Tensor:
        with evaluating(self.D):
            return lifted(self.D(images))

    @torch.no_grad()
    def draw(self, labels: Int64[Tensor, " N"]) -> Float[Tensor, "N C H W"]:
        z = torch.randn(len(labels), self.latent, device=self.device)
        with evaluating(self.redraw):
            return self.redraw.G(z, labels.to(self.device))

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Draw pictures again, with codes near to N(0, 1) and features like those of pictures."""
        batch = next(batches)
        x, labels = domain(batch, "b"), labels_of(batch)
        self.redraw.train()
        mu, log_variance = self.redraw.E(x, labels)
        code = mu + (log_variance / 2).exp() * torch.randn_like(mu)
        again = self.redraw.G(code, labels)
        drawn = self.redraw.G(torch.randn_like(mu), labels)
        with torch.no_grad():
            real = self._features(x)
        of_again, of_drawn = self._features(again), self._features(drawn)
        kl = (mu.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        gaps = [_squares(x - again), *(_squares(r - f) for r, f in zip(real, of_again))]
        means = self._mean_gaps(real, of_drawn, labels)
        w = self.weights
        total = w.kl * lifted(kl) + w.reconstruction / 2 * sum(gaps[1:], start=gaps[0])
        logs = {"kl": kl, "reconstruction": gaps[0], "means": means}
        self._made = x, labels, again.detach(), drawn.detach()
        yield Loss(total + w.means / 2 * means, logs)

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell pictures from those drawn again, and from fresh ones."""
        assert self._made is not None
        x, _, again, drawn = self._made
        real, fake, fresh = (lifted(self.D(images)) for images in (x, again, drawn))
        total = softplus(-real).mean() + softplus(fake).mean() + softplus(fresh).mean()
        yield Loss(total, {"d_real": real.mean(), "d_fake": fresh.mean()})

    def classifier_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Name the class of pictures."""
        assert self._made is not None
        (x, labels, *_), self._made = self._made, None
        logits = lifted(self.redraw.C(x)[0])
        right = (logits.argmax(1) == labels).float().mean()
        yield Loss(cross_entropy(logits, labels), {"class_accuracy": right})

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """f_D and f_C."""
        return lifted(self.D.trunk(images)), lifted(self.redraw.C.trunk(images))

    def _mean_gaps(
        self, real: tuple[Tensor, Tensor], drawn: tuple[Tensor, Tensor], labels: Tensor
    ) -> Tensor:
        """Squared gaps of the mean of f_D, and of the moving mean of f_C of each class."""
        whole = (real[0].mean(0) - drawn[0].mean(0)).square().sum()
        data = _moved(self.of_data, real[1], labels, self.decay)
        draws = _moved(self.of_draws, drawn[1], labels, self.decay)
        self.of_data.copy_(parallel.average(data.detach()))
        self.of_draws.copy_(parallel.average(draws.detach()))
        return whole + (data.detach() - draws).square().sum()


def _squares(gap: Tensor) -> Tensor:
    """Sum over elements, mean over samples."""
    return lifted(gap).square().flatten(1).sum(1).mean()


def _moved(means: Tensor, features: Tensor, labels: Tensor, decay: float) -> Tensor:
    """Moving means of each class, of which those in the batch move."""
    sums = torch.zeros_like(means).index_add(0, labels, features.to(means))
    ones = torch.ones_like(labels, dtype=means.dtype)
    counts = torch.zeros_like(means[:, :1]).index_add(0, labels, ones[:, None])
    return torch.where(counts > 0, decay * means + (1 - decay) * sums / counts.clamp(min=1), means)


def tiny() -> tuple[VariationalGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    (G, D), (_, towards), (_, named) = (dcgan(8, 1, 4 + 3, width=0.1, norm="none") for _ in "GEC")
    E = GaussianEncoder(towards.trunk, towards.features, 3, 4)
    game = VariationalGAN(E, LabelledGenerator(G, 3), D, ClassDiscriminator(named, 3), 4, 8)
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return game, {"b": images, "labels": torch.arange(6) % 3}
