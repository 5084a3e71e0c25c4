"""Objects turned into objects of another class: one generator, a discriminator for each class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.games.common import evaluating, lifted
from image_core.games.translation import EditingGame, distance, domain
from image_core.nets.layers import mixes_samples
from image_core.nets.patch import PatchDiscriminator

Images = Float[Tensor, "N C H W"]


class ContrastWeights(NamedTuple):
    """Weights of the terms of a contrast game.

    Args:
        adversarial: Weight of the adversarial term of the generator.
        contrast: Weight of the contrast of distances to targets and to the source.
        cycle: Weight of the distance of a round trip from where it began.
    """

    adversarial: float = 5.0
    contrast: float = 1.0
    cycle: float = 10.0


@final
class ContrastGAN(EditingGame):
    """Players "G" and "D" (the discriminators of all classes).

    The stream yields {"a", "b"}: pictures, and masks that are white where the object is; row i is
    of class i modulo the number of classes. With x a picture, m its mask in {0, 1}, c its class, t
    a target, y_t real pictures of class t, f_t the last features of D_t, |.| a mean, and G(x, t)
    the picture whose masked part is N(m x, m, t):

        g: w_a L.g(D_t(m G)) + w_q Q + w_c |G(G(x, t), c) - x|
        d: L.d(D_t(m y_t), D_t(m G)) - w_q Q, the mean over classes
        Q = softplus(|f_t(G(x, t)) - E f_t(y_t)| - |f_t(G(x, t)) - f_t(x)|)

    Q is the log of one plus the ratio of both closenesses: small where the result is nearer to
    pictures of its class than to its own source. Targets are the classes moved on by one shift,
    which is drawn anew in each round and is never 0.

    Args:
        N: Network from masked pictures, masks and class planes to pictures.
        discriminators: Discriminator of each class.
        loss: Adversarial loss.
        weights: Weights of the terms; None for those of `ContrastWeights`.
        d_steps: Optimizer steps of the discriminators in a round.

    Raises:
        UserError: There is one class only.

    Source: Liang, Zhang & Xing 2018 (contrast-GAN), section 3; mean distances in place of sums.
    """

    masked = True

    def __init__(
        self,
        N: nn.Module,
        discriminators: Sequence[PatchDiscriminator],
        *,
        loss: AdversarialLoss = losses.least_squares,
        weights: ContrastWeights | None = None,
        d_steps: int = 1,
    ):
        super().__init__()
        if len(discriminators) < 2:
            raise UserError("objects of one class have no class to be turned into; give two")
        self.N, self.D = N, nn.ModuleList(discriminators)
        self.loss, self.weights, self.d_steps = loss, weights or ContrastWeights(), d_steps
        self._made: tuple[int, Tensor, Tensor, Tensor] | None = None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.D)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.N.parameters()), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("G", self.generator_move),
            Turn("D", self.discriminator_move, repeat=self.d_steps),
        ]

    @torch.no_grad()
    def edit(self, a: Images, b: Float[Tensor, "N D G F"], targets: Int64[Tensor, " N"]) -> Images:
        parts = zip(a.split(64), b.split(64), targets.split(64))
        with evaluating(self.N):
            made = [
                self._pasted(x.to(self.device), mask_of(m.to(self.device)), t.to(self.device)).cpu()
                for x, m, t in parts
            ]
        return torch.cat(made)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Real to the target's discriminator, near to its pictures, and back again.

        Raises:
            UserError: The batch does not hold equally many of each class.
        """
        shift, x, mask, made = self._turned(batches)
        back = self._pasted(made, mask, self._classes(x))
        of_d, contrast = [], []
        for D, *kinds in self._of_classes(shift, x * mask, made * mask):
            real, fake, _ = found = _features(D, *kinds)
            of_d.append(self.loss.g(lifted(real[-1]), lifted(fake[-1])))
            contrast.append(contrast_of(*(maps[-2] for maps in found)))
        logs = {
            "adversarial": torch.stack(of_d).mean(),
            "contrast": torch.stack(contrast).mean(),
            "cycle": distance("l1", back, x),
        }
        w = self.weights
        total = w.adversarial * logs["adversarial"] + w.contrast * logs["contrast"]
        self._made = shift, x, mask, made.detach()
        yield Loss(total + w.cycle * logs["cycle"], logs)

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell objects of each class from those made so, and features of both from the source.

        Raises:
            UserError: The batch does not hold equally many of each class.
        """
        made, self._made = self._made, None
        if made is None:
            with torch.no_grad():
                made = self._turned(batches)
        shift, x, mask, fakes = made
        of_d, contrast, real_logits, fake_logits = [], [], [], []
        for D, *kinds in self._of_classes(shift, x * mask, fakes * mask):
            real, fake, _ = found = _features(D, *kinds)
            of_d.append(self.loss.d(lifted(real[-1]), lifted(fake[-1])))
            contrast.append(contrast_of(*(maps[-2] for maps in found)))
            real_logits.append(real[-1].mean())
            fake_logits.append(fake[-1].mean())
        gap = torch.stack(contrast).mean()
        logs = {
            "contrast": gap,
            "d_real": torch.stack(real_logits).mean(),
            "d_fake": torch.stack(fake_logits).mean(),
        }
        yield Loss(torch.stack(of_d).mean() - self.weights.contrast * gap, logs)

    def _turned(self, batches: Iterator[Batch]) -> tuple[int, Tensor, Tensor, Tensor]:
        """A shift of classes, pictures, their masks, and the pictures turned by the shift."""
        batch = next(batches)
        x, mask = domain(batch, "a"), mask_of(domain(batch, "b"))
        # Drawn on the CPU: how rows are grouped must be known to the host
        shift = 1 + int(torch.randint(self.classes - 1, ()))
        if len(x) % self.classes:
            raise UserError(
                f"{len(x)} pictures do not hold equally many of {self.classes} classes; give each "
                "process a multiple"
            )
        self.N.train()
        return shift, x, mask, self._pasted(x, mask, (self._classes(x) + shift) % self.classes)

    def _classes(self, x: Tensor) -> Int64[Tensor, " N"]:
        """Class of each row of a batch."""
        return torch.arange(len(x), device=x.device) % self.classes

    def _of_classes(
        self, shift: int, x: Tensor, made: Tensor
    ) -> Iterator[tuple[nn.Module, Tensor, Tensor, Tensor]]:
        """Each discriminator, real objects of its class, those made so, and their sources."""
        for k, D in enumerate(self.D):
            given = slice((k - shift) % self.classes, None, self.classes)
            yield D, x[k :: self.classes], made[given], x[given]

    def _pasted(self, x: Tensor, mask: Tensor, targets: Tensor) -> Tensor:
        """Pictures whose masked part is made of the target class."""
        told = one_hot(targets, self.classes).to(x)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return torch.where(mask > 0, self.N(torch.cat([x * mask, mask, told], 1)), x)


def mask_of(pictures: Float[Tensor, "N D H W"]) -> Float[Tensor, "N 1 H W"]:
    """1 where the first channel is nearer to white than to black, else 0.

    Args:
        pictures: Pictures of masks in [-1, 1], (N, D, H, W).
    """
    return (pictures[:, :1] > 0).to(pictures)


def contrast_of(
    real: Float[Tensor, "M F h w"], made: Float[Tensor, "N F h w"], source: Float[Tensor, "N F h w"]
) -> Float[Tensor, ""]:
    """softplus(|f(made) - E f(real)| - |f(made) - f(source)|), means over channels and places.

    Args:
        real: Features of pictures of the target class; their mean counts.
        made: Features of pictures that are made so.
        source: Features of what these are made of.
    """
    wanted = lifted(real).mean(0, keepdim=True)
    near = (lifted(made) - wanted).abs().flatten(1).mean(1)
    far = (lifted(made) - lifted(source)).abs().flatten(1).mean(1)
    return softplus(near - far).mean()


def _features(D: nn.Module, *kinds: Tensor) -> list[list[Tensor]]:
    """Features of each layer for each kind, in one pass where no batch statistic tells them."""
    assert isinstance(D, PatchDiscriminator)
    if mixes_samples(D):
        return [D.features(kind) for kind in kinds]
    counts = [len(kind) for kind in kinds]
    maps = D.features(torch.cat(kinds))
    return [list(parts) for parts in zip(*(m.split(counts) for m in maps))]


def tiny() -> tuple[ContrastGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.translator import Translator

    draw = torch.Generator().manual_seed(1)
    x = torch.rand(6, 1, 16, 16, generator=draw) * 2 - 1
    mask = -torch.ones(6, 1, 16, 16)
    mask[:, :, 2:14, 3:15] = 1
    judges = [PatchDiscriminator(1, 3, 1, "none") for _ in range(3)]
    return ContrastGAN(Translator(1 + 1 + 3, 1, 3, 1, 1), judges), {"a": x, "b": mask}
