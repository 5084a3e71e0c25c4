"""Differentiable samples, for a discriminator that reads one-hot or soft inputs.

Each function takes logits (..., V) and returns one sample per row, of the same shape. The forward
value is one-hot or close to it; the backward gradient replaces one that does not exist. All are
biased, each in its documented way. They are exported by `estimators.py`.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softmax

from image_core.adversarial.arguments import python_call
from image_core.adversarial.border import check_variables
from image_core.adversarial.errors import UserError

__all__ = ["gumbel_softmax", "reinmax", "straight_through"]


@python_call()
def gumbel_softmax(
    logits: Float[Tensor, "*batch vocab"], temperature: float = 1.0, hard: bool = False
) -> Float[Tensor, "*batch vocab"]:
    """Draw a relaxed categorical sample that can be differentiated; biased while temperature > 0.

    y = softmax((logits + g) / temperature),   g ~ Gumbel(0, 1)           (Jang et al. 2017, eq. 2)

    Args:
        logits: Unnormalised log probabilities, (..., V).
        temperature: Temperature of the softmax: towards 0 the sample becomes one-hot and its
            gradient noisy, towards infinity it becomes uniform.
        hard: Whether to return the one-hot argmax of y, which is an exact sample, with the gradient
            of y.

    Raises:
        UserError: The temperature is not positive.

    Source: Jang, Gu & Poole 2017, eq. 2.
    """
    check_variables("gumbel_softmax", logits)
    if not temperature > 0:
        raise UserError(f"temperature = {temperature}: give a positive number")
    soft = softmax(with_gumbel(logits) / temperature, dim=-1)
    return one_hot_like(soft) + (soft - soft.detach()) if hard else soft


@python_call()
def straight_through(logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch vocab"]:
    """Draw a one-hot categorical sample whose gradient is that of the probabilities.

    forward one_hot(x), x ~ softmax(logits);   backward d softmax(logits)       (Bengio et al. 2013)

    The variance is low; the bias does not vanish with more samples.

    Args:
        logits: Unnormalised log probabilities, (..., V).

    Raises:
        UserError: The logits are no floating tensor.

    Source: Bengio, Leonard & Courville 2013.
    """
    check_variables("straight_through", logits)
    soft = softmax(logits, dim=-1)
    return one_hot_like(with_gumbel(logits)).to(soft) + (soft - soft.detach())


@python_call()
def reinmax(logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch vocab"]:
    """Draw a one-hot categorical sample with a straight-through gradient of second order.

    backward 2 d softmax(log pi_1) - 1/2 d pi,  pi = softmax(logits),  pi_1 = (one_hot(x) + pi) / 2

    It uses Heun's rule instead of the Euler rule of straight-through: for one variable the gradient
    is exact for objectives up to the second degree; that of straight-through for linear ones only.

    Args:
        logits: Unnormalised log probabilities, (..., V).

    Raises:
        UserError: The logits are no floating tensor.

    Source: Liu et al. 2023, algorithm 2 at temperature 1.
    """
    check_variables("reinmax", logits)
    soft = softmax(logits, dim=-1)
    drawn = one_hot_like(with_gumbel(logits)).to(soft)
    halfway = ((drawn + soft) / 2).detach()
    floor = torch.finfo(halfway.dtype).tiny
    # A softmax at halfway whose gradient is in the logits; -inf - -inf is 0 here
    tangent = (logits - logits.detach()).nan_to_num(0.0)
    moved = softmax(tangent + halfway.clamp(min=floor).log(), dim=-1)
    slope = 2 * moved - soft / 2
    return drawn + (slope - slope.detach())


def with_gumbel(logits: Tensor) -> Tensor:
    """Add Gumbel noise, in float32 at least; the argmax is a categorical sample.

    Args:
        logits: Unnormalised log probabilities, (..., V).
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    noise = torch.empty_like(logits).exponential_().clamp(min=torch.finfo(logits.dtype).tiny)
    return logits - noise.log()


def one_hot_like(scores: Tensor) -> Tensor:
    """One-hot argmax of the last axis, without a gradient.

    Args:
        scores: Scores, (..., V).
    """
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(dim=-1, keepdim=True), 1.0)
