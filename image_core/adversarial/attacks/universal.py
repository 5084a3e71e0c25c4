"""One change for all images."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.attacks.descent import BALLS
from image_core.adversarial.attacks.victim import Victim, check_budget, margin
from image_core.adversarial.input_search import Norm, gradient, steepest


@python_call()
def universal(
    victim: Victim,
    images: Float[Tensor, " N *shape"],
    classes: Int64[Tensor, " N"],
    radius: float,
    *,
    norm: Norm = "linf",
    rate: float = 0.02,
    passes: int = 10,
    batch: int = 100,
) -> Float[Tensor, " *shape"]:
    """A change v that fools the victim on most images, of these and of others.

    v <- P(v + rate s(-grad_v sum_b max(m(clip(x_b + v)), 0)))

    Images that are fooled give no gradient, as in the published loop over images not yet fooled; a
    batch takes the place of its DeepFool steps, which are much dearer.

    Args:
        victim: Classifier.
        images: Images x to learn from, (N, ...).
        classes: Classes of the images, (N,).
        radius: Radius of the ball of v.
        norm: Norm of the ball, and of a step.
        rate: Length of a step.
        passes: Passes over the images, in a new order each.
        batch: Images of a step.

    Raises:
        UserError: The victim, an input or the budget is unfit.

    Source: Moosavi-Dezfooli, Fawzi, Fawzi & Frossard 2017; batches as in Shafahi et al. 2020.
    """
    victim.check(images, classes)
    check_budget(radius)
    for name, value in (("rate", rate), ("passes", passes), ("batch", batch)):
        check_budget(value, name)
    v = torch.zeros_like(images[:1])
    inside, rule = BALLS[norm](torch.zeros_like(v), radius), steepest(norm, rate)
    for _ in range(passes):
        for rows in torch.randperm(len(images), device=images.device).split(batch):
            x, y = images[rows], classes[rows]

            def objective(v: Tensor, x: Tensor = x, y: Tensor = y) -> Tensor:
                moved = (x + v).clamp(victim.low, victim.high)
                return -margin(victim.logits(moved), y).clamp(min=0).sum()[None]

            v = inside(v + rule(gradient(objective, v), None)[0])
    return v[0]
