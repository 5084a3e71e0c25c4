"""Checks of what enters the core: kinds, types and shapes, which cost no look at a value.

Broadcasting would turn most of these mistakes into a wrong number without a word.
"""

import inspect
from collections.abc import Iterable, Mapping
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


VIEWS = (
    "ReshapeAliasBackward0",
    "SplitBackward0",
    "SqueezeBackward0",
    "SqueezeBackward1",
    "UnsqueezeBackward0",
    "ViewBackward0",
)
"""Operations after a sigmoid that leave its values."""


def check_logistic(real: Any, fake: Any) -> None:
    """Reject logits of a logistic loss that are outputs of a sigmoid, which it applies itself.

    Args:
        real: Logits of data.
        fake: Logits of samples.

    Raises:
        UserError: One of them is of another kind, or a probability.
    """
    check_logits(real, fake)
    for side, logits in (("real", real), ("fake", fake)):
        if not torch.compiler.is_compiling() and _is_probability(logits):
            raise UserError(
                f"a logistic loss got {side} logits that come out of a sigmoid; give the numbers "
                "before it, since the loss applies the sigmoid itself"
            )


def _is_probability(logits: Tensor) -> bool:
    node = logits.grad_fn
    while node is not None and node.name() in VIEWS:
        node = node.next_functions[0][0]
    return node is not None and node.name() == "SigmoidBackward0"


def takes(function: Any, count: int) -> bool:
    """Whether a function can be called with a number of arguments, as far as it is known.

    Args:
        function: Function, class or module.
        count: Number of positional arguments.
    """
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # of a function that is not written in Python nothing is known
        return True
    return True


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
    if not len(log_prob):
        raise UserError("an estimator got no samples; give at least one")
    for name, value in (("log_prob", log_prob), ("reward", reward)):
        check_floating(f"an estimator got {name}", value)
    check_mask("an estimator", mask)


def check_masked(who: str, *, dim: int | None = 2, **tensors: Any) -> None:
    """Reject a reward and masks of different shapes, kinds, or another number of axes.

    Args:
        who: Receiver of the tensors, for messages.
        dim: Number of axes; None takes any but none.
        tensors: Tensors by name: floating ones, and masks that are named mask, terminated, ended.

    Raises:
        UserError: One of them has another shape or type, or they hold nothing.
    """
    check_alike(who, **tensors)
    for name, value in tensors.items():
        if name in ("mask", "terminated", "ended"):
            check_mask(who, value, name)
        else:
            check_floating(f"{who} got {name}", value)
    value = next(iter(tensors.values()))
    if (value.dim() != dim if dim else not value.dim()) or not value.numel():
        wanted = f"{dim} axes" if dim else "at least one axis"
        raise UserError(
            f"{who} got tensors of shape {tuple(value.shape)}; give {wanted}, and at least one "
            "element"
        )


def check_mask(who: str, mask: Any, name: str = "mask") -> None:
    """Reject a mask that is not of bool.

    Args:
        who: Receiver of the mask, for messages.
        mask: Mask, a tensor.
        name: Name of the mask.

    Raises:
        UserError: It has another type.
    """
    if mask.dtype != torch.bool:
        raise UserError(f"{who} got a {name} of {mask.dtype}; give bool, True = counts")


def check_variables(who: str, logits: Any, least: int = 1) -> None:
    """Reject logits of variables that are no floating tensor, or have too few axes.

    Args:
        who: Receiver of the logits, for messages.
        logits: Logits of the variables.
        least: Least number of axes.

    Raises:
        UserError: They are of another kind.
    """
    check_floating(f"{who} got logits", logits)
    if logits.dim() < least or not logits.numel():
        raise UserError(
            f"{who} got logits of shape {tuple(logits.shape)}; give at least {least} "
            f"{'axis' if least == 1 else 'axes'} and one element"
        )


def check_function(what: str, function: Any, count: int) -> None:
    """Reject what cannot be called with a number of arguments.

    Args:
        what: What was given, for messages.
        function: Value to check.
        count: Number of positional arguments.

    Raises:
        UserError: It is no function, or takes another number of arguments.
    """
    if not callable(function) or not takes(function, count):
        given = "one argument" if count == 1 else f"{count} arguments"
        raise UserError(f"{what} is a {type(function).__name__}; give a function of {given}")


def check_fields(who: str, batch: Any, names: Iterable[str]) -> None:
    """Reject a batch that lacks a tensor.

    Args:
        who: Receiver of the batch, for messages.
        batch: Batch, a mapping.
        names: Names of the tensors that are read.

    Raises:
        UserError: It is no mapping, or one is missing.
    """
    if not isinstance(batch, Mapping):
        raise UserError(
            f"{who} got a batch that is a {type(batch).__name__}; give a mapping with "
            f"{', '.join(names)}"
        )
    missing = [name for name in names if name not in batch]
    if missing:
        raise UserError(
            f"{who} got a batch of {', '.join(map(str, batch))}, without {', '.join(missing)}; "
            "give it as well"
        )


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


def check_rows(rows: Any) -> None:
    """Reject what are no numbers of rows.

    Args:
        rows: Numbers of rows, (B,).

    Raises:
        UserError: They are of another kind or shape.
    """
    if not isinstance(rows, Tensor) or rows.dtype != torch.int64 or rows.dim() != 1:
        got = (
            f"{rows.dtype} {tuple(rows.shape)}" if isinstance(rows, Tensor) else type(rows).__name__
        )
        raise UserError(f"the data give {got} as numbers of rows; give int64 of shape (batch,)")


def check_rewards(rewards: Any, samples: Tensor) -> Tensor:
    """The rewards, if there is one for each sample.

    Args:
        rewards: Result of a reward function.
        samples: Samples that it was given, (N, ...).

    Raises:
        UserError: The rewards have another shape.
    """
    if not isinstance(rewards, Tensor) or rewards.shape != samples.shape[:1]:
        got = tuple(rewards.shape) if isinstance(rewards, Tensor) else type(rewards).__name__
        raise UserError(
            f"the reward of {len(samples)} samples is {got}; return one number a sample, of shape "
            f"({len(samples)},)"
        )
    return rewards


def check_slope(who: str, rewards: Tensor, samples: Tensor) -> None:
    """Reject rewards without a slope in the samples, for an estimator that needs it.

    Args:
        who: The estimator, for messages.
        rewards: Rewards of samples.
        samples: The samples.

    Raises:
        UserError: They carry no gradient.
    """
    if torch.is_grad_enabled() and samples.requires_grad and not rewards.requires_grad:
        raise UserError(
            f"{who} differentiates the reward, which carries no gradient; leave .detach() and "
            "no_grad out of it, or use an estimator of black boxes, such as disarm or reinforce"
        )


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


def check_differentiable(slope: Tensor) -> None:
    """Reject a slope that cannot be differentiated again.

    Torch would say so when the loss is differentiated, without the discriminator's name.

    Args:
        slope: Gradient of a discriminator's logits in its input.

    Raises:
        UserError: The discriminator is compiled.
    """
    if type(slope.grad_fn).__name__.startswith("CompiledFunctionBackward"):
        raise UserError(
            "a penalty takes the slope of a discriminator that torch.compile has made a graph of, "
            "which cannot be differentiated twice; give the module itself, and compile whole steps "
            "by compile_steps() or --compile where the game has them"
        )


def check_penalised(discriminator: Any, real: Any, fake: Any) -> None:
    """Reject what no penalty can be computed of.

    Args:
        discriminator: Function from samples to logits.
        real: Data, (N, ...).
        fake: Samples, (N, ...).

    Raises:
        UserError: One of them is of another kind, or there are no samples.
    """
    if not callable(discriminator):
        raise UserError(
            f"a penalty got a {type(discriminator).__name__} as discriminator; give a function "
            "from samples to logits, then real and fake"
        )
    for side, points in (("real", real), ("fake", fake)):
        check_floating(f"a penalty got {side}", points)
        if not points.numel() or not points.dim():
            raise UserError(
                f"a penalty got {side} of shape {tuple(points.shape)}; give at least one sample, "
                "(N, ...)"
            )


def check_logits_of(points: Tensor, logits: Any) -> None:
    """Reject logits that are not those of each sample.

    Args:
        points: Samples, (N, ...).
        logits: What a discriminator made of them.

    Raises:
        UserError: They are no floating tensor, or not (N, ...).
    """
    check_floating("a penalty's discriminator returned logits", logits)
    if logits.shape[:1] != points.shape[:1]:
        raise UserError(
            f"a penalty's discriminator made logits of shape {tuple(logits.shape)} of "
            f"{len(points)} samples; return (N,) or (N, ...), those of each sample"
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
