"""Samples that can be differentiated, for a critic that reads one-hot or soft inputs.

Each function takes logits (..., V) and returns one sample a row, of the same shape. Forward it is
one-hot or close to it; backward its gradient stands in for one that does not exist. All are biased,
each in its own documented way. They are exported by `estimators.py`.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softmax

from image_core.adversarial.errors import UserError

__all__ = ["gumbel_softmax", "reinmax", "straight_through"]


def gumbel_softmax(
    logits: Float[Tensor, "*batch vocab"], temperature: float = 1.0, hard: bool = False
) -> Float[Tensor, "*batch vocab"]:
    """Draw a relaxed categorical sample that can be differentiated; biased while temperature > 0.

    y = softmax((logits + g) / temperature),   g ~ Gumbel(0, 1)           (Jang et al. 2017, eq. 2)

    Args:
        logits: unnormalised log probabilities, (..., V).
        temperature: towards 0 the sample is one-hot and its gradient noisy, towards infinity it is
            uniform.
        hard: return the one-hot argmax of y, which is an exact sample, with the gradient of y.

    Raises:
        UserError: temperature is not positive.
    """
    if not temperature > 0:
        raise UserError(f"temperature = {temperature}: give a positive number")
    soft = softmax(with_gumbel(logits) / temperature, dim=-1)
    return one_hot_like(soft) + (soft - soft.detach()) if hard else soft


def straight_through(logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch vocab"]:
    """Draw a one-hot categorical sample whose gradient is that of the probabilities.

    forward one_hot(x), x ~ softmax(logits);   backward d softmax(logits)       (Bengio et al. 2013)

    One sample has little variance, and a bias that does not vanish with more samples.

    Args:
        logits: unnormalised log probabilities, (..., V).
    """
    soft = softmax(logits, dim=-1)
    return one_hot_like(with_gumbel(logits)).to(soft) + (soft - soft.detach())


def reinmax(logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch vocab"]:
    """Draw a one-hot categorical sample with a straight-through gradient of second order.

    backward 2 d softmax(log pi_1) - 1/2 d pi,  pi = softmax(logits),  pi_1 = (one_hot(x) + pi) / 2

    Heun's rule where straight-through has Euler's: of one site the gradient is exact for
    objectives up to the second degree, where straight-through is only for linear ones.

    Args:
        logits: unnormalised log probabilities, (..., V).

    Source: Liu et al. 2023, algorithm 2 at temperature 1.
    """
    soft = softmax(logits, dim=-1)
    drawn = one_hot_like(with_gumbel(logits)).to(soft)
    halfway = ((drawn + soft) / 2).detach()
    floor = torch.finfo(halfway.dtype).tiny
    # A softmax at halfway whose slope is with respect to the logits; -inf - -inf is 0 here
    tangent = (logits - logits.detach()).nan_to_num(0.0)
    moved = softmax(tangent + halfway.clamp(min=floor).log(), dim=-1)
    slope = 2 * moved - soft / 2
    return drawn + (slope - slope.detach())


def with_gumbel(logits: Tensor) -> Tensor:
    """Perturb by Gumbel noise, in float32 at least; the argmax is a categorical sample."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    noise = torch.empty_like(logits).exponential_().clamp(min=torch.finfo(logits.dtype).tiny)
    return logits - noise.log()


def one_hot_like(scores: Tensor) -> Tensor:
    """The one-hot argmax of the last axis; no gradient."""
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(dim=-1, keepdim=True), 1.0)
