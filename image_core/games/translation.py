"""What games of two picture domains share: translating, and one discriminator's part of a loss."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import pad

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.adversarial.structures import nested
from image_core.games.common import check_discriminator, evaluating, lifted, to_images
from image_core.nets.layers import mixes_samples
from image_core.nets.patch import mean_logit
from image_core.nets.spectral import SpectralNorm

Direction = Literal["ab", "ba"]
"""From domain A to domain B, or back."""
Images = Float[Tensor, "N C H W"]
Logits = Any
"""A tensor of logits, or nested lists of such tensors."""
FORMS = 64
"""Compiled forms of all networks: each in training, in evaluation, and for batches of two sizes."""


class DomainGame(Game):
    """A game on the pictures of one or two domains."""

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return next(self.parameters()).device

    def compile_nets(self, **how: Any) -> None:
        """Let torch.compile make a graph of each network's forward pass.

        Args:
            how: Options of torch.compile.

        Raises:
            UserError: A network has spectral norm, whose power iterations are no part of a graph.
        """
        if any(isinstance(part, SpectralNorm) for part in self.modules()):
            raise UserError(
                "--compile: the power iterations of spectral norm are no part of a graph; use "
                "another norm, or leave --compile out"
            )
        # All networks share the code of a call, of which torch would compile eight forms alone
        torch._dynamo.config.recompile_limit = max(FORMS, torch._dynamo.config.recompile_limit)
        for child in self.children():
            for net in child if isinstance(child, nn.ModuleList) else [child]:
                net.compile(**how)


class TranslationGame(DomainGame):
    """A game whose generators turn pictures of one domain into pictures of the other.

    Its data stream yields {"a", "b"}, pictures of either domain.
    """

    noisy = False
    """Whether dropout is a generator's noise, and stays on when it translates."""

    @abstractmethod
    def translators(self) -> Mapping[Direction, nn.Module]:
        """The generator of each direction that is learned, pictures -> pictures."""

    @abstractmethod
    def d_scores(self, direction: Direction, source: Tensor, images: Tensor) -> Tensor:
        """Mean logit of each picture of the target domain, in evaluation mode; high = real.

        Args:
            direction: Direction whose target domain the pictures are of.
            source: Pictures that they are, or stand for, translations of.
            images: Real or translated pictures.
        """

    @torch.no_grad()
    def translate(
        self, images: Images, direction: Direction = "ab", chunk: int = 64
    ) -> Float[Tensor, "N D G F"]:
        """Translations in evaluation mode, on the CPU.

        Pictures may have any size; they are reflected at the border to what the network divides,
        and cut back.

        Args:
            images: Pictures of the source domain in [-1, 1].
            direction: Direction of the translation.
            chunk: Number of pictures in memory at once.
        """
        net = self.translators()[direction]
        with translating(net, self.noisy):
            parts = [padded(net, part.to(self.device)).cpu() for part in images.split(chunk)]
        return torch.cat(parts)


class EncodingGame(TranslationGame):
    """A game that learns a code of each picture beside its translations."""

    @abstractmethod
    def encode(self, images: Images) -> Float[Tensor, "N F"]:
        """Codes of pictures, in evaluation mode.

        Args:
            images: Pictures in [-1, 1].
        """

    @torch.no_grad()
    def codes(self, images: Images, chunk: int = 250) -> Float[Tensor, "N F"]:
        """Codes of many pictures, on the CPU.

        Args:
            images: Pictures in [-1, 1].
            chunk: Number of pictures in memory at once.
        """
        parts = [self.encode(part.to(self.device)).float().cpu() for part in images.split(chunk)]
        return torch.cat(parts)


class DrawingGame(DomainGame):
    """A game that also draws pictures of a class from a prior."""

    @abstractmethod
    @torch.no_grad()
    def draw(self, labels: Int64[Tensor, " N"]) -> Images:
        """Pictures of the named classes, in evaluation mode.

        Args:
            labels: Number of the class of each picture.
        """


class PairDrawingGame(DomainGame):
    """A game that draws pairs of pictures of A and of B from a prior."""

    @abstractmethod
    def draw_pairs(self, count: int) -> tuple[Tensor, Tensor]:
        """Pictures of A and of B of the same latents, in evaluation mode.

        Args:
            count: Number of pairs.
        """


class ClassifyingGame(DomainGame):
    """A game that also names the classes of pictures."""

    @abstractmethod
    def classify(self, a: Images, b: Float[Tensor, "N D G F"]) -> Mapping[str, Int64[Tensor, " N"]]:
        """Numbers of the classes, in evaluation mode: of the system "", and of controls by name.

        Args:
            a: Pictures of A in [-1, 1].
            b: Pictures of B that they are pairs with.
        """


class EditingGame(DomainGame):
    """A game that turns pictures of A into pictures of A of another class."""

    masked = False
    """Whether pictures of B are masks, white where a picture of A may change."""

    @abstractmethod
    def edit(self, a: Images, b: Float[Tensor, "N D G F"], targets: Int64[Tensor, " N"]) -> Images:
        """The same pictures as of other classes, in evaluation mode.

        Args:
            a: Pictures of A in [-1, 1].
            b: Pictures of B that they are pairs with.
            targets: Number of the class that each should have.
        """


def padded(net: nn.Module, images: Images) -> Float[Tensor, "N D G F"]:
    """Translations of pictures of any size, by a network with `multiple` and `scale`.

    Args:
        net: Network of pictures whose sides are multiples of `multiple`; it enlarges them by
            `scale`.
        images: Pictures of any size, (N, C, H, W).
    """
    multiple, scale = int(net.multiple), int(net.scale)  # type: ignore[arg-type]
    height, width = images.shape[2:]
    down, right = (-height) % multiple, (-width) % multiple
    mode = "reflect" if down < height and right < width else "replicate"
    made = net(pad(images, (0, right, 0, down), mode=mode))
    return made[:, :, : height * scale, : width * scale]


@contextmanager
def translating(net: nn.Module, noisy: bool) -> Iterator[None]:
    """A network in evaluation mode, but for its dropout if that is its noise.

    Args:
        net: Network that translates.
        noisy: Whether its dropout stays on, as the noise of its results.
    """
    with evaluating(net):
        for layer in net.modules():
            if noisy and isinstance(layer, nn.Dropout):
                layer.train()
        yield


def domain(batch: Batch, name: str) -> Images:
    """Pictures of one domain of a batch, in [-1, 1].

    Args:
        batch: Mapping of the domains' names to pictures, in [-1, 1] or as bytes.
        name: Name of the domain.

    Raises:
        UserError: The batch has no such pictures.
    """
    if not isinstance(batch, Mapping) or name not in batch:
        raise UserError(f"this game reads the pictures {name!r} of a batch; give a mapping of them")
    return to_images(batch[name])


class DiscriminatorLoss(NamedTuple):
    """A discriminator's loss.

    Args:
        total: Loss, its penalty included.
        logs: Parts of the loss, by name.
    """

    total: Tensor
    logs: Mapping[str, Tensor]


class Adversary:
    """Adversarial loss and penalty of a discriminator of maps, or of lists of maps, of logits.

    A penalty reads the slope of a picture's mean logit.

    Args:
        loss: Adversarial loss; the mean over the maps of a list.
        penalty: Gradient penalty; None for none.
    """

    def __init__(self, loss: AdversarialLoss, penalty: Penalty | None = None):
        self.loss, self.penalty, self.over_maps = loss, penalty, nested(loss)
        self.pairs = loss.reward is None

    def check(self, *discriminators: nn.Module) -> None:
        """Refuse discriminators whose form contradicts loss or penalty.

        Args:
            discriminators: Networks, pictures -> logits.

        Raises:
            UserError: Says which layer, why, and what to use.
        """
        for D in discriminators:
            check_discriminator(D, self.loss, self.penalty)

    def d(
        self, D: nn.Module, real: Images, fake: Images, told: Tensor | None = None
    ) -> DiscriminatorLoss:
        """The discriminator's loss; fakes carry no gradient.

        Args:
            D: Discriminator.
            real: Real pictures.
            fake: Translated pictures.
            told: Pictures that both are pairs of, which D reads first; None where it reads none.
        """
        of_real, of_fake = self.both(D, real, fake.detach(), told)
        total = self.over_maps.d(of_real, of_fake)
        logs = {
            "adversarial": total.detach(),
            "d_real": mean_logit(of_real).mean().detach(),
            "d_fake": mean_logit(of_fake).mean().detach(),
        }
        if self.penalty is not None:
            penalty = self.penalty(
                lambda x: mean_logit(D(beside(told, x))), real.detach(), fake.detach()
            )
            total, logs = total + penalty, {**logs, "penalty": penalty.detach()}
        return DiscriminatorLoss(total, logs)

    def g(self, D: nn.Module, real: Images, fake: Images, told: Tensor | None = None) -> Tensor:
        """The generator's loss; the real pictures are read only by losses that compare.

        Args:
            D: Discriminator, as it is.
            real: Real pictures.
            fake: Translated pictures, with their graph.
            told: Pictures that both are pairs of; None where D reads none.
        """
        if self.pairs:
            return self.over_maps.g(*self.both(D, real, fake, told))
        of_fake = raised(D(beside(told, fake)))
        return self.over_maps.g(of_fake, of_fake)

    def both(
        self, D: nn.Module, real: Images, fake: Images, told: Tensor | None
    ) -> tuple[Logits, Logits]:
        """Logits of both, in one pass where no batch statistic would give the label away.

        Args:
            D: Discriminator.
            real: Pictures of the domain, (N, C, H, W).
            fake: Translations, (M, C, H, W).
            told: What D is told besides; None for nothing.
        """
        one, other = beside(told, real), beside(told, fake)
        if mixes_samples(D):
            return raised(D(one)), raised(D(other))
        found, n = raised(D(torch.cat([one, other]))), len(one)
        return cut(found, slice(None, n)), cut(found, slice(n, None))


def beside(told: Float[Tensor, "N P H W"] | None, images: Images) -> Float[Tensor, "N Q H W"]:
    """Channels of what is told, then those of the pictures.

    Args:
        told: What a discriminator is told, (N, P, H, W); None for nothing.
        images: Pictures, (N, C, H, W).
    """
    return images if told is None else torch.cat([told, images], 1)


def raised(logits: Logits) -> Logits:
    """Logits in float32 at least.

    Args:
        logits: Logits: a tensor, or nested lists of tensors.
    """
    if isinstance(logits, Tensor):
        return lifted(logits)
    return [raised(part) for part in logits]


def cut(logits: Logits, rows: slice) -> Logits:
    """Some rows of all tensors of a structure.

    Args:
        logits: Logits: a tensor, or nested lists of tensors.
        rows: Rows to keep.
    """
    return logits[rows] if isinstance(logits, Tensor) else [cut(part, rows) for part in logits]


def distance(kind: str, one: Images, other: Images) -> Tensor:
    """Mean absolute or squared difference of pictures.

    Args:
        kind: l1 or l2.
        one: Pictures.
        other: Pictures of the same shape.
    """
    gap = lifted(one) - lifted(other)
    return gap.abs().mean() if kind == "l1" else gap.square().mean()


def layer_gap(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean over scales and layers of |phi(real) - phi(fake)|, the logits left out.

    1/S sum_s 1/L sum_l mean |phi_sl(x) - phi_sl(G)|

    Args:
        real: Features of each layer of each scale, held constant; the logits last.
        fake: The same of translated pictures.

    Source: Wang et al. 2018 (pix2pixHD), eq. 4; their weight 10 is with 4/L, so 40 of this one.
    """
    gaps = [
        torch.stack([(r.detach() - f).abs().mean() for r, f in zip(one[:-1], other[:-1])]).mean()
        for one, other in zip(real, fake)
    ]
    return torch.stack(gaps).mean()
