"""Attacks within a ball by steps along the gradient: FGSM, BIM and PGD."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

from image_core.adversarial.arguments import python_call
from image_core.adversarial.attacks.victim import Victim, check_budget, margin
from image_core.adversarial.errors import UserError
from image_core.adversarial.input_search import (
    Norm,
    Objective,
    StepRule,
    box,
    compose,
    l1_ball,
    l2_ball,
    linf_ball,
    search,
    steepest,
)

BALLS = {"linf": linf_ball, "l2": l2_ball, "l1": l1_ball}
Kind = Literal["cross_entropy", "margin"]


@python_call()
def fgsm(
    victim: Victim,
    images: Float[Tensor, " N *shape"],
    classes: Int64[Tensor, " N"],
    radius: float,
    *,
    targeted: bool = False,
) -> Float[Tensor, " N *shape"]:
    """One step along the sign of the gradient.

    x' = clip(x + radius sign(grad_x -log p(y | x)))              minus for a target

    Args:
        victim: Classifier.
        images: Images x, (N, ...).
        classes: True classes, or targets, (N,).
        radius: Greatest change of a value.
        targeted: Whether classes are targets.

    Raises:
        UserError: The victim, an input or the budget is unfit.

    Source: Goodfellow, Shlens & Szegedy 2015.
    """
    return pgd(
        victim,
        images,
        classes,
        radius,
        steps=1,
        rate=radius,
        random_start=False,
        targeted=targeted,
    )


@python_call()
def pgd(
    victim: Victim,
    images: Float[Tensor, " N *shape"],
    classes: Int64[Tensor, " N"],
    radius: float,
    *,
    norm: Norm = "linf",
    steps: int = 40,
    rate: float | None = None,
    random_start: bool = True,
    restarts: int = 1,
    targeted: bool = False,
    loss: Kind = "cross_entropy",
) -> Float[Tensor, " N *shape"]:
    """Projected gradient steps within a ball; without a random start this is BIM.

    x <- P(x + rate s(grad f(x))),   f = -log p(y | x) or -m(x)        minus for a target

    P projects onto the ball, then onto the victim's range, so the result is in both. s is the
    sign (linf) or the gradient divided by its norm (l2, l1). Of several restarts the first that
    fools the victim is kept, or else the last.

    Args:
        victim: Classifier.
        images: Images, (N, ...).
        classes: True classes, or targets, (N,).
        radius: Radius of the ball around each image.
        norm: Norm of the ball.
        steps: Number of steps.
        rate: Length of a step; 2.5 radius / steps if left out.
        random_start: Whether to start at a uniform draw from the ball, not at the image.
        restarts: Number of random starts.
        targeted: Whether classes are targets.
        loss: Objective f: cross_entropy, or margin of Carlini & Wagner.

    Raises:
        UserError: The victim, an input or the budget is unfit.

    Source: Madry, Makelov, Schmidt, Tsipras & Vladu 2018; Kurakin, Goodfellow & Bengio 2017 (BIM).
    """
    victim.check(images, classes)
    check_budget(radius)
    check_budget(steps, "steps")
    if restarts < 1 or (restarts > 1 and not random_start):
        raise UserError(f"{restarts} restarts: several need a random start, and one is the least")
    rate = 2.5 * radius / steps if rate is None else rate
    check_budget(rate, "rate")
    walk = Walk(victim, classes, radius, norm, steps, rate, random_start, targeted, loss)
    found = walk.end(images)
    for _ in range(restarts - 1):
        done = walk.fools(found)
        if bool(done.all()):
            break
        found = torch.where(done.view(-1, *[1] * (images.ndim - 1)), found, walk.end(images))
    return found


@dataclass(frozen=True)
class Walk:
    """The steps of `pgd`, unchecked, for a step of training: nothing is read on the host.

    Args:
        victim: Classifier.
        classes: True classes, or targets, (N,).
        radius: Radius of the ball around each image.
        norm: Norm of the ball.
        steps: Number of steps.
        rate: Length of a step.
        random_start: Whether to start at a uniform draw from the ball.
        targeted: Whether classes are targets.
        loss: Objective, cross_entropy or margin.
    """

    victim: Victim
    classes: Tensor
    radius: float
    norm: Norm
    steps: int
    rate: float
    random_start: bool = True
    targeted: bool = False
    loss: Kind = "cross_entropy"

    def end(self, images: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        """Images after all steps.

        Args:
            images: Centres of the balls, (N, ...).
        """
        inside = compose(
            BALLS[self.norm](images, self.radius), box(self.victim.low, self.victim.high)
        )
        start = images
        if self.random_start:
            start = images + draw_in_ball(images, self.radius, self.norm)
        f = objective(self.victim, self.classes, self.targeted, self.loss)
        return search(f, start, _rule(self.norm, self.rate), self.steps, inside)

    @torch.no_grad()
    def fools(self, images: Float[Tensor, " N *shape"]) -> Bool[Tensor, " N"]:
        """Whether the victim is wrong about each image, or right about its target.

        Args:
            images: Changed images, (N, ...).
        """
        found = self.victim.logits(images).argmax(1) == self.classes
        return found if self.targeted else ~found


def objective(
    victim: Victim, classes: Int64[Tensor, " N"], targeted: bool, loss: Kind = "cross_entropy"
) -> Objective:
    """What an attack increases, one number an image.

    Args:
        victim: Classifier.
        classes: True classes, or targets, (N,).
        targeted: Whether classes are targets.
        loss: cross_entropy or margin.
    """

    def f(x: Tensor) -> Tensor:
        z = victim.logits(x)
        if loss == "margin":
            value = -margin(z, classes)
        else:
            value = cross_entropy(z, classes, reduction="none")
        return -value if targeted else value

    return f


def _rule(norm: Norm, rate: float) -> StepRule:
    if norm != "l1":
        return steepest(norm, rate)

    def step(gradient: Tensor, memory: Any) -> tuple[Tensor, Any]:
        # The steepest move in l1 changes one value alone, which is at its bound after a step or two
        flat = gradient.flatten(1)
        most = flat.abs().amax(1, keepdim=True)
        flat = torch.where(most > 0, flat / most, 0.0)
        length = flat.abs().sum(1, keepdim=True).clamp(min=1)
        return rate * (flat / length).view_as(gradient), memory

    return step


def draw_in_ball(
    like: Float[Tensor, " N *shape"], radius: float, norm: Norm
) -> Float[Tensor, " N *shape"]:
    """Uniform draws from balls around 0.

    Args:
        like: Tensor with the shape, device and dtype of the draws, (N, ...).
        radius: Radius.
        norm: Norm of the ball.

    Source: Barthe, Guedon, Mendelson & Naor 2005, theorem 1.
    """
    if norm == "linf":
        return torch.empty_like(like).uniform_(-radius, radius)
    flat = torch.randn_like(like).flatten(1)
    if norm == "l1":
        flat = flat.sign() * torch.empty_like(flat).exponential_()
    length = flat.norm(p=1 if norm == "l1" else 2, dim=1, keepdim=True)
    share = torch.rand_like(length) ** (1 / flat.shape[1])
    return (radius * share * flat / length).view_as(like)
