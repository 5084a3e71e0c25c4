"""DeepFool: the nearest border of a linearised classifier, step by step."""

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.attacks.victim import Victim, check_budget
from image_core.adversarial.errors import UserError

SMALL = 1e-4
"""How far beyond the border a step goes, as a length."""


@python_call()
def deepfool(
    victim: Victim,
    images: Float[Tensor, " N *shape"],
    *,
    steps: int = 50,
    overshoot: float = 0.02,
    classes: int = 10,
) -> Float[Tensor, " N *shape"]:
    """Images just beyond the nearest border of their own class, near in L2.

    l = argmin_k |f_k| / ||w_k||,  f_k = Z_k - Z_y,  w_k = grad f_k
    r <- r + (|f_l| / ||w_l|| + 1e-4) w_l / ||w_l||,  x' = clip(x + (1 + overshoot) r)

    y is the victim's own answer to each image. An image rests once its class has changed.

    Args:
        victim: Classifier.
        images: Images x, (N, ...).
        steps: Greatest number of steps.
        overshoot: Share by which the whole change is lengthened.
        classes: Number of classes to go to: those of the greatest logits.

    Raises:
        UserError: The victim or an input is unfit, or there is one class only.

    Source: Moosavi-Dezfooli, Fawzi & Frossard 2016, algorithm 2; images are clipped as well.
    """
    zeros = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    victim.check(images, zeros)
    own = victim.classify(images)
    check_budget(steps, "steps")
    with torch.no_grad():
        order = victim.logits(images).argsort(1, descending=True)[:, :classes]
    if order.shape[1] < 2:
        raise UserError("DeepFool goes to another class; the classifier has one, or classes is 1")
    change, x = torch.zeros_like(images), images
    left = torch.arange(len(images), device=images.device)
    for _ in range(steps):
        z, slopes = _slopes(victim, x[left], order[left])
        moving = z.argmax(1) == own[left]
        left, z, slopes = left[moving], z[moving], slopes[moving]
        if not len(left):
            break
        change[left] += _step(z.gather(1, order[left]), slopes).view_as(change[left])
        x = (images + (1 + overshoot) * change).clamp(victim.low, victim.high)
    return x


def _slopes(victim: Victim, x: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K), and gradients of the logits of the given classes, (N, k, d)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        z = victim.logits(x)
        chosen = z.gather(1, order).sum(0)
        found = [
            torch.autograd.grad(value, x, retain_graph=i + 1 < len(chosen))[0].flatten(1)
            for i, value in enumerate(chosen)
        ]
    return z.detach(), torch.stack(found, 1)


def _step(z: Tensor, slopes: Tensor) -> Tensor:
    """The move to the nearest border; the first of the classes is the image's own."""
    f = z[:, 1:] - z[:, :1]
    w = slopes[:, 1:] - slopes[:, :1]
    length = w.norm(dim=2).clamp(min=1e-12)
    distance = f.abs() / length
    nearest = distance.argmin(1, keepdim=True)
    direction = w.gather(1, nearest[:, :, None].expand(-1, -1, w.shape[2]))[:, 0]
    direction = direction / length.gather(1, nearest)
    return (distance.gather(1, nearest) + SMALL) * direction
