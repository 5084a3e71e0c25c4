"""The classifier under attack."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError

SUM_TOLERANCE = 1e-4
"""How far sums of probabilities in float32 are from 1."""


@dataclass(frozen=True)
class Victim:
    """A classifier and the range of its inputs.

    Args:
        logits: Module or function from images (N, ...) to logits (N, K).
        low: Least value of an input.
        high: Greatest value of an input.

    Raises:
        UserError: The classifier is no function, or the range is none.
    """

    logits: Callable[[Tensor], Tensor]
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not callable(self.logits):
            kind = type(self.logits).__name__
            raise UserError(f"logits is a {kind}; give a classifier, a module or a function")
        if not isinstance(self.low, Real) or not isinstance(self.high, Real):
            raise UserError(f"inputs from {self.low!r} to {self.high!r}: give numbers")
        if not self.low < self.high:
            raise UserError(f"inputs from {self.low} to {self.high}: low must be below high")

    def check(self, images: Float[Tensor, " N *shape"], classes: Int64[Tensor, " N"]) -> None:
        """Refuse what no attack can be measured on.

        Args:
            images: Images in the victim's range, (N, ...).
            classes: Classes of the images, (N,).

        Raises:
            UserError: The victim is in training mode, gives probabilities or no gradient, an image
                or class is out of range, or there are none or not as many of both.
        """
        if isinstance(self.logits, nn.Module) and any(m.training for m in self.logits.modules()):
            raise UserError("the classifier is in training mode; call its eval() first")
        if not len(images) or classes.shape != images.shape[:1]:
            raise UserError(
                f"{len(images)} images and classes of shape {tuple(classes.shape)}; give at least "
                "one image, and the number of its class for each, (N,)"
            )
        if not (images.amin() >= self.low and images.amax() <= self.high):  # nor NaN
            raise UserError(
                f"images hold values from {float(images.amin()):g} to {float(images.amax()):g}, "
                f"but the classifier's range is {self.low:g} to {self.high:g}; scale the images or "
                "give their range"
            )
        with torch.enable_grad():
            x = images[:8].detach().requires_grad_()
            z = self.logits(x)
        if z.shape[:-1] != x.shape[:1]:
            raise UserError(
                f"the classifier gives the shape {tuple(z.shape)} for {len(x)} images; "
                "logits of shape (N, K) are needed"
            )
        _check_logits(z, x)
        if classes.amin() < 0 or classes.amax() >= z.shape[1]:
            raise UserError(
                f"classes from {int(classes.amin())} to {int(classes.amax())}, but the classifier "
                f"has {z.shape[1]}, numbered from 0"
            )

    @torch.no_grad()
    def classify(self, images: Float[Tensor, " N *shape"], batch: int = 256) -> Int64[Tensor, " N"]:
        """The class of the greatest logit.

        Args:
            images: Images, (N, ...).
            batch: Images at a time.
        """
        return torch.cat([self.logits(part).argmax(1) for part in images.split(batch)])


def _check_logits(z: Tensor, x: Tensor) -> None:
    rows = z.detach()
    sums = rows.sum(1)
    if bool((rows >= 0).all()) and bool(((sums - 1).abs() < SUM_TOLERANCE).all()):
        raise UserError(
            "the classifier gives probabilities, whose gradients vanish where it is sure; give "
            "its logits, the numbers before the softmax"
        )
    with torch.enable_grad():
        total = z.sum()
    known = z.requires_grad and torch.autograd.grad(total, x, allow_unused=True)[0] is not None
    if not known:
        raise UserError(
            "the classifier's logits have no gradient with respect to the images, along which "
            "these are moved (is the network called under no_grad, or its input detached?)"
        )


def check_budget(radius: float | int, what: str = "radius") -> None:
    """Refuse a budget that allows nothing.

    Args:
        radius: Budget.
        what: Name of the budget.

    Raises:
        UserError: It is not above 0.
    """
    if not 0 < radius < float("inf"):
        raise UserError(f"{what} {radius:g}: a budget is a finite number above 0")


def margin(z: Float[Tensor, "N K"], classes: Int64[Tensor, " N"]) -> Float[Tensor, " N"]:
    """How much the logit of a class exceeds that of every other; below 0 another class wins.

    m = Z_y - max_(k != y) Z_k

    Args:
        z: Logits, (N, K).
        classes: Classes y, (N,).

    Source: Carlini & Wagner 2017, eq. 6.
    """
    own = z.gather(1, classes[:, None])[:, 0]
    others = z.scatter(1, classes[:, None], -torch.inf)
    return own - others.amax(1)
