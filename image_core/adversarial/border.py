"""Checks of what enters the core: kinds, types and shapes, which cost no look at a value.

Broadcasting would turn most of these mistakes into a wrong number without a word.
"""

from typing import Any

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError


def check_logits(real: Any, fake: Any) -> None:
    """Reject logits that are no floating tensors, or empty.

    Args:
        real: Logits of data.
        fake: Logits of samples.

    Raises:
        UserError: One of them is of another kind.
    """
    for side, logits in (("real", real), ("fake", fake)):
        check_floating(f"a loss got {side} logits", logits)
        if not logits.numel():
            raise UserError(f"a loss got no {side} logits; give at least one sample of each side")


def check_samples(log_prob: Any, reward: Any, mask: Any) -> None:
    """Reject arguments of an estimator that are not (batch, time) alike.

    Args:
        log_prob: Log probabilities.
        reward: Rewards.
        mask: True where an element counts.

    Raises:
        UserError: One of them has another shape or type.
    """
    check_alike("an estimator", log_prob=log_prob, reward=reward, mask=mask)
    if log_prob.dim() != 2:
        raise UserError(
            f"an estimator got log_prob of shape {tuple(log_prob.shape)}; give (batch, time), with "
            "a time of 1 for single decisions"
        )
    for name, value in (("log_prob", log_prob), ("reward", reward)):
        check_floating(f"an estimator got {name}", value)
    if mask.dtype != torch.bool:
        raise UserError(f"an estimator got a mask of {mask.dtype}; give bool, True = counts")


def check_alike(who: str, **tensors: Any) -> None:
    """Reject tensors of different shapes, which would be broadcast.

    Args:
        who: Receiver of the tensors, for messages.
        tensors: Tensors by name.

    Raises:
        UserError: Something is no tensor, or the shapes differ.
    """
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise UserError(f"{who} got {name} as a {type(value).__name__}; give a tensor")
    first, *others = tensors.values()
    if any(other.shape != first.shape for other in others):
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in tensors.items())
        raise UserError(
            f"{who} got {shapes}; give equal shapes: what belongs to a whole sample is repeated at "
            "each position"
        )


def check_tokens(who: str, tokens: Any) -> None:
    """Reject what are no token ids of sequences.

    Args:
        who: Receiver of the tokens, for messages.
        tokens: Token ids, (B, T).

    Raises:
        UserError: They are of another kind or shape.
    """
    if not isinstance(tokens, Tensor):
        raise UserError(f"{who} got tokens as a {type(tokens).__name__}; give a tensor")
    if tokens.dtype != torch.int64 or tokens.dim() != 2:
        raise UserError(
            f"{who} got tokens of {tokens.dtype} and shape {tuple(tokens.shape)}; give int64 ids "
            "of shape (batch, time)"
        )


def check_rewards(rewards: Any, samples: Tensor) -> Tensor:
    """The rewards, if there is one for each sample.

    Args:
        rewards: Result of a reward function.
        samples: Samples that it was given, (N, ...).

    Raises:
        UserError: The rewards have another shape.
    """
    if not isinstance(rewards, Tensor) or rewards.shape != (len(samples),):
        got = tuple(rewards.shape) if isinstance(rewards, Tensor) else type(rewards).__name__
        raise UserError(
            f"the reward of {len(samples)} samples is {got}; return one number a sample, of shape "
            f"({len(samples)},)"
        )
    return rewards


def check_slopes(points: Any) -> None:
    """Reject points at which no slope can be taken.

    Args:
        points: Input of the discriminator.

    Raises:
        UserError: The points are not floating, or gradients are switched off.
    """
    check_floating("a penalty got an input", points)
    if not torch.is_grad_enabled():
        raise UserError(
            "a penalty takes slopes, but gradients are switched off; call it outside torch.no_grad"
        )


def check_pairs(real: Tensor, fake: Tensor) -> None:
    """Reject reals and fakes that cannot be mixed one by one.

    Args:
        real: Data, (N, ...).
        fake: Samples, (N, ...).

    Raises:
        UserError: The shapes differ.
    """
    if real.shape != fake.shape:
        raise UserError(
            f"a penalty between real and fake got {tuple(real.shape)} and {tuple(fake.shape)}; "
            "give equal shapes, or use r1, r2 or dragan, which do not pair them"
        )


def check_floating(what: str, value: Any) -> None:
    """Reject what is no floating tensor.

    Args:
        what: What was given, for messages.
        value: Value to check.

    Raises:
        UserError: It is of another kind.
    """
    if not isinstance(value, Tensor):
        raise UserError(f"{what} as a {type(value).__name__}; give a tensor")
    if not value.is_floating_point():
        raise UserError(f"{what} of {value.dtype}; give floating numbers")
