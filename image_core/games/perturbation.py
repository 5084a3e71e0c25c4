"""Games around a classifier: one that learns to withstand changes, and a generator of changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.attacks.descent import Walk
from image_core.adversarial.attacks.victim import Victim, margin
from image_core.adversarial.classifier import ClassifierGame, class_loss
from image_core.adversarial.game import Batch, Game, Loss, Outsider, Turn
from image_core.adversarial.input_search import Norm
from image_core.adversarial.losses import logistic_d, non_saturating_g


@final
class AdversarialTraining(ClassifierGame):
    """A classifier that learns from the worst images near real ones.

    min_C E max_(||d|| <= radius) -log softmax(C(x + d))_y

    The inner maximum is `pgd` of a few steps, with the classifier in evaluation mode.

    Args:
        C: Classifier.
        radius: Radius of the ball around an image.
        norm: Norm of the ball.
        steps: Steps of the attack.
        low: Least value of an image.
        high: Greatest value of an image.

    Source: Madry, Makelov, Schmidt, Tsipras & Vladu 2018.
    """

    def __init__(
        self,
        C: nn.Module,
        radius: float,
        *,
        norm: Norm = "linf",
        steps: int = 7,
        low: float = -1.0,
        high: float = 1.0,
    ):
        super().__init__(C)
        self.radius, self.norm, self.steps = radius, norm, steps
        self.victim = Victim(C, low, high)

    def worst(
        self, images: Float[Tensor, " N *shape"], classes: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N *shape"]:
        """Images within the ball that the classifier takes for another class, if it can.

        Args:
            images: Images, (N, ...).
            classes: Classes, (N,).
        """
        self.C.eval()
        rate = 2.5 * self.radius / self.steps
        return Walk(self.victim, classes, self.radius, self.norm, self.steps, rate).end(images)

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One optimizer step on the worst images near a batch."""
        batch = next(batches)
        images = self.worst(batch["x"], batch["y"])
        self.C.train()
        yield Loss(class_loss(self.C(images), batch["y"]))


@final
class AdvGAN(Game):
    """A generator of changes that a fixed classifier falls for and a discriminator does not see.

    x' = clip(x + radius G(x))
    L_G = L_gan + attack E max(m(x'), -confidence) + hinge E max(||x' - x||_2 - reach, 0)

    m is the margin of the true class. The data stream yields {x, y}, images in the victim's range.

    Args:
        G: Generator, images to changes in [-1, 1].
        D: Discriminator of images.
        victim: Classifier, as an outsider that neither learns nor is saved.
        radius: Greatest change of a value.
        low: Least value of an image.
        high: Greatest value of an image.
        attack: Weight of the margin.
        confidence: Margin beyond which a fooled image counts no more.
        hinge: Weight of the length of changes beyond `reach`.
        reach: Length in L2 that costs nothing.

    Source: Xiao, Li, Zhu, He, Liu & Song 2018; weights as in a widely used port, which takes the
    margin of probabilities where this takes that of logits.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        victim: nn.Module,
        radius: float,
        *,
        low: float = -1.0,
        high: float = 1.0,
        attack: float = 10.0,
        confidence: float = 0.0,
        hinge: float = 1.0,
        reach: float = 3.0,
    ):
        super().__init__()
        self.G, self.D, self.victim = G, D, Outsider(victim)
        self.radius, self.low, self.high = radius, low, high
        self.attack, self.confidence = attack, confidence
        self.hinge, self.reach = hinge, reach

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"D": list(self.D.parameters()), "G": list(self.G.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("D", self.d_move), Turn("G", self.g_move)]

    def changed(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """Images with the generator's changes, within the budget and the range.

        Args:
            images: Images, (N, C, H, W).
        """
        return (images + self.radius * self.G(images)).clamp(self.low, self.high)

    def d_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """D learns to tell real images from changed ones."""
        real = next(batches)["x"]
        with torch.no_grad():
            fake = self.changed(real)
        yield Loss(logistic_d(self.D(real), self.D(fake)))

    def g_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """G learns to look real to D, to fool the victim, and to change little."""
        batch = next(batches)
        real, classes = batch["x"], batch["y"]
        fake = self.changed(real)
        m = margin(self.victim(fake), classes)
        length = (fake - real).flatten(1).norm(dim=1)
        d_fake = self.D(fake)
        gan = non_saturating_g(d_fake, d_fake)  # reads the fakes alone
        total = gan + self.attack * m.clamp(min=-self.confidence).mean()
        total = total + self.hinge * (length - self.reach).clamp(min=0).mean()
        yield Loss(total, {"gan": gan, "fooled": (m < 0).float().mean(), "l2": length.mean()})


def tiny() -> tuple[AdvGAN, Callable[[int], dict[str, Tensor]]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.perturbation import PerturbationNet
    from image_core.nets.sndcgan import sndcgan

    torch.manual_seed(5)
    victim = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
    _, D = sndcgan(16, 1, 4, width=0.05)
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(6, 1, 16, 16, generator=draw) * 2 - 1
    y = torch.randint(3, (6,), generator=draw)
    return AdvGAN(PerturbationNet(1), D, victim, 0.3), lambda index: {"x": x, "y": y}
