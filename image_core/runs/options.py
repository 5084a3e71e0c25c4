"""From option values to devices and engines; refusals in one sentence."""

import functools
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from image_core.adversarial.engine import Engine, ScheduleFactory
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game
from image_core.adversarial.precision import cpu_has_bfloat16_lstm

if TYPE_CHECKING:
    from accelerate import Accelerator


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a name that is not there.

    Raises:
        UserError: Names the option and the choices.
    """
    if value not in choices:
        raise UserError(f"--{option} {value}: choose one of {', '.join(choices)}")


def check_estimator(
    name: str, served: Sequence[str], reasons: Mapping[tuple[str, ...], str]
) -> None:
    """Refuse an estimator that makes no sense in a game.

    Args:
        name: Value of --estimator.
        served: Names that the game takes.
        reasons: Why others are refused, by their names.

    Raises:
        UserError: Says why, or names the choices.
    """
    if name in served:
        return
    for names, reason in reasons.items():
        if name in names:
            raise UserError(f"--estimator {name}: {reason}")
    raise UserError(f"--estimator {name}: choose one of {', '.join(served)}")


def check_least(config: Any, bound: int, *names: str) -> None:
    """Refuse options below `bound`, and those that are not finite.

    Raises:
        UserError: Names the option.
    """
    for name in names:
        if not bound <= getattr(config, name) < math.inf:
            raise UserError(f"--{name} {getattr(config, name)}: it must be at least {bound}")


def check_above_zero(config: Any, *names: str) -> None:
    """Refuse options that are not finite and above zero.

    Raises:
        UserError: Names the option.
    """
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise UserError(f"--{name} {getattr(config, name)}: it must be above 0")


def check_seed(seed: int) -> None:
    """Refuse what random number generators do not take.

    Raises:
        UserError: Names the option.
    """
    if not 0 <= seed < 1 << 32:
        raise UserError(f"--seed {seed}: it must be at least 0 and below {1 << 32}")


def pick_device(name: str) -> torch.device:
    """The torch device of "auto", "cpu" or "cuda".

    Raises:
        UserError: CUDA is asked for and not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this torch sees no CUDA device; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def mixed_precision(precision: str, device: torch.device) -> "Accelerator | None":
    """What runs a game in `precision` ("no", "fp16", "bf16") on a device; None for float32."""
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
    # accelerate keeps one precision a process; a second run may want another than the first had.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=precision, cpu=device.type == "cpu")


def falling(steps: int) -> ScheduleFactory:
    """A rate that rises over a tenth of its steps and then falls to nothing along a line.

    Args:
        steps: Of the optimizer; after them the rate stays at nothing.
    """
    from torch.optim.lr_scheduler import LambdaLR

    rise = max(1, steps // 10)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return max(0.0, (steps - step) / max(1, steps - rise))

    return lambda optimizer: LambdaLR(optimizer, factor)


def make_engine(
    game: Game,
    learning_rates: Mapping[str, float],
    clip: Mapping[str, float],
    precision: str,
    *,
    betas: Mapping[str, tuple[float, float]] = {},
    ema: Mapping[str, float] = {},
    schedule: Mapping[str, ScheduleFactory] = {},
) -> Engine:
    """An engine with Adam for each player (betas 0.9, 0.999, as SeqGAN, where none are given)."""
    accelerator = mixed_precision(precision, next(game.parameters()).device)
    optim = {
        player: functools.partial(
            torch.optim.Adam, lr=lr, betas=betas.get(player, (0.9, 0.999)), fused=True
        )
        for player, lr in learning_rates.items()
    }
    return Engine(game, optim, accelerator=accelerator, clip=clip, ema=ema, schedule=schedule)
