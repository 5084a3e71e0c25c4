"""The change of a few pixels, found without gradients."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.attacks.victim import Victim, check_budget, margin


@python_call()
def one_pixel(
    victim: Victim,
    images: Float[Tensor, "N C H W"],
    classes: Int64[Tensor, " N"],
    *,
    pixels: int = 1,
    population: int = 100,
    generations: int = 30,
    scale: float = 0.5,
) -> Float[Tensor, "N C H W"]:
    """Images with a few pixels changed, each to any value of the range.

    child = a + scale (b - c)

    Differential evolution: a, b and c are candidates, each the places and the values of the pixels,
    and a child takes its parent's place if the true class's margin is smaller. The search of an
    image ends when it fools the victim. The candidate with the smallest margin is returned.

    Args:
        victim: Classifier; it is only asked, never differentiated.
        images: Images, (N, C, H, W).
        classes: True classes, (N,).
        pixels: Pixels that change.
        population: Candidates of an image, at least 4.
        generations: Generations.
        scale: Weight of the difference of two candidates.

    Raises:
        UserError: The victim, an input or a number is unfit.

    Source: Su, Vargas & Sakurai 2019; the margin in place of the probability orders alike.
    """
    victim.check(images, classes)
    for name, value in (("pixels", pixels), ("generations", generations), ("scale", scale)):
        check_budget(value, name)
    check_within(4, population=population)
    return torch.cat(
        [
            _of_one(victim, x[None], y[None], pixels, population, generations, scale)
            for x, y in zip(images, classes)
        ]
    )


@torch.no_grad()
def _of_one(
    victim: Victim,
    x: Tensor,
    y: Tensor,
    pixels: int,
    population: int,
    generations: int,
    scale: float,
) -> Tensor:
    """One image; candidates are (row, column, values) of each pixel, all in [0, 1]."""
    size = 2 + x.shape[1]
    found = torch.rand(population, pixels, size, device=x.device)
    painted = _painted(victim, x, found)
    scores = margin(victim.logits(painted), y.expand(population))
    for _ in range(generations):
        if float(scores.min()) < 0:
            break
        a, b, c = (torch.randint(population, (population,), device=x.device) for _ in range(3))
        children = (found[a] + scale * (found[b] - found[c])).clamp(0, 1)
        painted = _painted(victim, x, children)
        now = margin(victim.logits(painted), y.expand(population))
        better = now < scores
        found = torch.where(better[:, None, None], children, found)
        scores = torch.where(better, now, scores)
    return _painted(victim, x, found[scores.argmin()][None])


def _painted(victim: Victim, x: Tensor, candidates: Tensor) -> Tensor:
    """The image with each candidate's pixels, (P, C, H, W)."""
    count, pixels, _ = candidates.shape
    height, width = x.shape[2:]
    rows = (candidates[:, :, 0] * height).long().clamp(max=height - 1)
    columns = (candidates[:, :, 1] * width).long().clamp(max=width - 1)
    values = victim.low + (victim.high - victim.low) * candidates[:, :, 2:]
    painted = x.repeat(count, 1, 1, 1)
    for i in range(pixels):
        painted[torch.arange(count), :, rows[:, i], columns[:, i]] = values[:, i].to(x.dtype)
    return painted
