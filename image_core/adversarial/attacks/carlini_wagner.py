"""Carlini & Wagner's attack: the least L2 change that another class wins by."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.attacks.victim import Victim, check_budget, margin
from image_core.adversarial.errors import UserError
from image_core.adversarial.input_search import adam

INSIDE = 0.999999
"""Images are shrunk by this factor towards the middle, so that arctanh is finite."""
MOST = 1e10
"""Greatest weight of the margin."""


class Best(NamedTuple):
    """The nearest images so far that fool the victim.

    Args:
        images: Images, (N, ...); the given ones where none was found.
        distance: Squared L2 distances, (N,); infinite where none was found.
    """

    images: Tensor
    distance: Tensor


@python_call()
def carlini_wagner(
    victim: Victim,
    images: Float[Tensor, " N *shape"],
    classes: Int64[Tensor, " N"],
    *,
    targeted: bool = False,
    confidence: float = 0.0,
    steps: int = 1000,
    rounds: int = 9,
    rate: float = 1e-2,
    weight: float = 1e-3,
) -> Float[Tensor, " N *shape"]:
    """Images as near as the search finds that fool the victim; the given ones where it finds none.

    min_w ||x' - x||^2 + c max(m(x') + confidence, 0),   x' = low + (high - low) (tanh w + 1) / 2

    c is searched for each image: times 10 until it fools, then by bisection. Adam starts anew in
    every round; a round ends early when the total has not fallen over a tenth of its steps.

    Args:
        victim: Classifier.
        images: Images x, (N, ...).
        classes: True classes, or targets, (N,).
        targeted: Whether classes are targets; m is then the margin of all others over the target.
        confidence: Margin by which another class has to win.
        steps: Steps of Adam in a round.
        rounds: Rounds of the search for c.
        rate: Learning rate.
        weight: First c.

    Raises:
        UserError: The victim, an input or a number is unfit.

    Source: Carlini & Wagner 2017, section VI.A.
    """
    victim.check(images, classes)
    for name, value in (("steps", steps), ("rounds", rounds), ("rate", rate), ("weight", weight)):
        check_budget(value, name)
    if confidence < 0:
        raise UserError(f"confidence {confidence:g}: it is not below 0")
    middle, half = (victim.high + victim.low) / 2, (victim.high - victim.low) / 2
    origin = torch.atanh(INSIDE * (images - middle) / half)
    c = images.new_full((len(images),), weight)
    low, high = torch.zeros_like(c), torch.full_like(c, torch.inf)
    best = Best(images.clone(), torch.full_like(c, torch.inf))
    for _ in range(rounds):
        found, best = _round(victim, origin, classes, c, best, steps, rate, targeted, confidence)
        high, low = torch.where(found, c, high), torch.where(found, low, c)
        c = torch.where(high.isinf(), c * 10, (low + high) / 2).clamp(max=MOST)
    return best.images


def _round(
    victim: Victim,
    origin: Tensor,
    classes: Tensor,
    c: Tensor,
    best: Best,
    steps: int,
    rate: float,
    targeted: bool,
    confidence: float,
) -> tuple[Tensor, Best]:
    """One search with fixed weights; which images fooled the victim, and the nearest so far."""
    middle, half = (victim.high + victim.low) / 2, (victim.high - victim.low) / 2
    w, rule, memory = origin.clone(), adam(rate), None
    start = middle + half * torch.tanh(origin)
    found = torch.zeros_like(c, dtype=torch.bool)
    every, before = max(1, -(-steps // 10)), float("inf")
    for step in range(steps):
        with torch.enable_grad():
            w.requires_grad_()
            x = middle + half * torch.tanh(w)
            m = margin(victim.logits(x), classes) * (-1 if targeted else 1)
            distance = (x - start).flatten(1).square().sum(1)
            total = (distance + c * (m + confidence).clamp(min=0)).sum()
            (gradient,) = torch.autograd.grad(total, w)
        if step % every == 0:
            now = float(total.detach())
            if not now <= 0.9999 * before:
                break
            before = now
        x, m, distance = x.detach(), m.detach(), distance.detach()
        won = (m <= -confidence) if confidence else (m < 0)
        nearer = won & (distance < best.distance)
        shown = nearer.view(-1, *[1] * (x.ndim - 1))
        best = Best(
            torch.where(shown, x, best.images), torch.where(nearer, distance, best.distance)
        )
        found |= won
        move, memory = rule(gradient, memory)
        w = w.detach() - move
    return found, best
