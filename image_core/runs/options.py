"""Checks of option values, and engines and devices built from them."""

import inspect
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from image_core.adversarial.engine import ScheduleFactory
from image_core.adversarial.errors import UserError
from image_core.adversarial.precision import cpu_has_bfloat16_lstm
from image_core.runs import outside

if TYPE_CHECKING:
    from accelerate import Accelerator


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Reject a value that is not among the choices.

    Args:
        option: Name of the option.
        value: Value of the option.
        choices: Allowed values.

    Raises:
        UserError: The value is not allowed; the message names the option and the choices.
    """
    if value not in choices:
        raise UserError(f"--{option} {value}: choose one of {', '.join(choices)}")


def check_estimator(
    name: str, served: Sequence[str], reasons: Mapping[tuple[str, ...], str]
) -> None:
    """Reject an estimator that a game does not support.

    Args:
        name: Value of --estimator; `module:name` is a function of the user's own.
        served: Names of the estimators that the game supports.
        reasons: Reason for rejecting other estimators, by their names.

    Raises:
        UserError: The estimator is not supported; the message gives the reason or the choices.
    """
    if outside.is_outside(name):
        outside.load_function("estimator", name, "that builds the estimator", None)
        return
    if name in served:
        return
    for names, reason in reasons.items():
        if name in names:
            raise UserError(f"--estimator {name}: {reason}")
    raise UserError(
        f"--estimator {name}: choose one of {', '.join(served)}, module:name of your own"
    )


def own_estimator(name: str, *arguments: Any, takes: int = 3) -> Any:
    """The estimator that a function of the user's own builds.

    Args:
        name: Value of --estimator, `module:name`.
        arguments: Arguments of the function.
        takes: Number of arguments that the estimator is called with.

    Raises:
        UserError: There is no such function, it does not take these arguments, or it builds nothing
            that can be called with that many.
    """
    build = outside.load_function("estimator", name, "that builds the estimator", None)
    try:
        inspect.signature(build).bind(*arguments)
    except TypeError as error:
        raise UserError(
            f"--estimator {name}: it is called with {len(arguments)} arguments to build the "
            f"estimator, a function of (log_prob, reward, mask), but {error}"
        ) from error
    made = build(*arguments)
    if not callable(made):
        raise UserError(
            f"--estimator {name}: it built a {type(made).__name__}; return a function, such as "
            "(log_prob, reward, mask) -> loss"
        )
    what = f"{name}: what it builds"
    outside.check_takes("estimator", what, made, "such as (log_prob, reward, mask) -> loss", takes)
    return made


def check_own_weight(config: Any, own: str) -> None:
    """Reject a weight of a reward of the user's own where there is no such reward.

    Args:
        config: Options with `reward_weight`.
        own: The reward of the user's own, `module:function`; empty for none.

    Raises:
        UserError: The weight was given and would weigh nothing.
    """
    if not own and config.reward_weight != type(config).reward_weight:
        raise UserError(
            f"--reward_weight {config.reward_weight}: it weighs a --reward of your own; name one, "
            "as in mypackage.mine:reward"
        )


def check_least(config: Any, bound: int, *names: str) -> None:
    """Reject options below `bound`, and those that are not finite.

    Args:
        config: Options.
        bound: Lower bound.
        names: Names of the options to check.

    Raises:
        UserError: An option is out of range; the message names it.
    """
    for name in names:
        if not bound <= getattr(config, name) < math.inf:
            raise UserError(f"--{name} {getattr(config, name)}: it must be at least {bound}")


def check_share(config: Any, *names: str) -> None:
    """Reject options that do not lie between 0 and 1, both included.

    Args:
        config: Options.
        names: Names of the options to check.

    Raises:
        UserError: An option is out of range; the message names it.
    """
    check_least(config, 0, *names)
    for name in names:
        if getattr(config, name) > 1:
            raise UserError(f"--{name} {getattr(config, name)}: it is a share, at most 1")


def check_below_one(config: Any, *names: str) -> None:
    """Reject options that do not lie in [0, 1).

    Args:
        config: Options.
        names: Names of the options to check.

    Raises:
        UserError: An option is out of range; the message names it.
    """
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise UserError(f"--{name} {getattr(config, name)}: it lies in [0, 1)")


def check_finite(config: Any, *names: str) -> None:
    """Reject options that are not finite; None is accepted.

    Args:
        config: Options.
        names: Names of the options to check.

    Raises:
        UserError: An option is not finite; the message names it.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and not math.isfinite(value):
            raise UserError(f"--{name} {value}: it must be a finite number")


def check_above_zero(config: Any, *names: str) -> None:
    """Reject options that are not finite or not above zero.

    Args:
        config: Options.
        names: Names of the options to check.

    Raises:
        UserError: An option is out of range; the message names it.
    """
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise UserError(f"--{name} {getattr(config, name)}: it must be above 0")


def check_seed(seed: int) -> None:
    """Reject seeds that random number generators do not accept.

    Args:
        seed: Value of --seed.

    Raises:
        UserError: The seed is out of range.
    """
    if not 0 <= seed < 1 << 32:
        raise UserError(f"--seed {seed}: it must be at least 0 and below {1 << 32}")


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Context with torch's random numbers of a seed; afterwards they are as before.

    Args:
        seed: Seed of the numbers; None goes on with torch's own.

    Raises:
        UserError: The seed is out of range.
    """
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            check_seed(seed)
            torch.manual_seed(seed)
        yield


def pick_device(name: str) -> torch.device:
    """The torch device for "auto", "cpu" or "cuda".

    Args:
        name: Value of --device.

    Raises:
        UserError: CUDA is requested but not available.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this torch sees no CUDA device; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def check_compiler(device: torch.device) -> None:
    """Refuse --compile where torch.compile does not work, such as without a C++ compiler.

    Args:
        device: Device that is compiled for.

    Raises:
        UserError: A function of one line cannot be compiled.
    """
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(2, device=device))
    except Exception as error:  # whatever a compiler may raise
        first = str(error).strip().partition("\n")[0]
        raise UserError(
            f"--compile: torch.compile does not work on this machine: {first}; leave it out"
        ) from error


def mixed_precision(precision: str, device: torch.device) -> "Accelerator | None":
    """The accelerator that runs a game in `precision` on a device; None for float32.

    Args:
        precision: Name of the precision: no, fp16 or bf16.
        device: Device of the game.
    """
    if precision == "no":
        return None
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if precision == "bf16" and device.type == "cpu" and not cpu_has_bfloat16_lstm():
        print(
            "--precision bf16: this processor has no bfloat16 instructions; it will be slower than "
            "--precision no, and recurrent networks run in float32",
            file=sys.stderr,
        )
    # accelerate keeps one precision per process; a second run may use another than the first.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=precision, cpu=device.type == "cpu")


def falling(steps: int) -> ScheduleFactory:
    """Learning rate that rises linearly over the first tenth of its steps and then falls to zero.

    Args:
        steps: Number of optimizer steps; afterwards the rate stays at zero.
    """
    from torch.optim.lr_scheduler import LambdaLR

    rise = max(1, steps // 10)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return max(0.0, (steps - step) / max(1, steps - rise))

    return lambda optimizer: LambdaLR(optimizer, factor)
