"""The rules of a move, checked while it is played; each broken rule is one sentence."""

import dis
import functools
import inspect
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from types import CodeType, GeneratorType
from typing import Any

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.logs import Logs


class RuleError(UserError, RuntimeError):
    """A move breaks one of the rules of `Move`."""


class Pulled(Iterator[Batch]):
    """Batches of a move, which are pulled with `next`: a `for` over an endless stream never ends.

    Args:
        batches: Batches that the move may pull.
        player: Name of the player, for messages.
    """

    def __init__(self, batches: Iterator[Batch], player: str):
        self._batches, self._player = batches, player

    def __iter__(self) -> "Pulled":
        raise RuleError(
            f"the move of {self._player!r} loops over `batches`, which has no end; pull what one "
            "move needs with next(batches), as in `for _ in range(2): x = next(batches)`"
        )

    def __len__(self) -> int:
        raise self._one("has no length")

    def __getitem__(self, place: Any) -> Batch:
        raise self._one("has no places")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise self._one(f"has no {name!r}")

    def _one(self, lacks: str) -> "RuleError":
        return RuleError(
            f"the move of {self._player!r} takes `batches` for one batch, but it {lacks}: it gives "
            "one batch after another; pull one with x = next(batches)"
        )

    def __next__(self) -> Batch:
        try:
            return next(self._batches)
        except StopIteration:
            raise RuleError(
                f"there is no batch left for the move of {self._player!r}; give more batches"
            ) from None


def check_turns(turns: Sequence[Turn]) -> None:
    """Reject turns that cannot be played.

    Args:
        turns: Turns of a round.

    Raises:
        UserError: There is none, an element is no turn, or a number of it is out of range.
    """
    if isinstance(turns, Turn) or not isinstance(turns, Sequence):
        raise UserError(
            f"turns are a {_kind(turns)}; give a list, such as [Turn('D', self.move_d)]"
        )
    if not turns:
        raise UserError("there are no turns, so that nobody learns; give at least one Turn")
    for turn in turns:
        if not isinstance(turn, Turn):
            raise UserError(f"turns hold a {_kind(turn)}; give Turn(player, move)")
        if not isinstance(turn.player, str):
            raise UserError(f"a turn's player is a {_kind(turn.player)}; give the name of one")
        if not callable(turn.move):
            raise UserError(
                f"the move of {turn.player!r} is a {_kind(turn.move)}; give the generator function "
                "itself, without calling it"
            )
        numbers = (turn.every, turn.repeat)
        if not all(isinstance(n, Integral) for n in numbers) or turn.every < 1 or turn.repeat < 0:
            raise UserError(
                f"the turn of {turn.player!r} has every={turn.every!r} and repeat={turn.repeat!r}; "
                "give whole numbers of at least every=1 and repeat=0"
            )
    if not any(turn.repeat for turn in turns):
        raise UserError("every turn has repeat=0, so that nobody learns; give one of at least 1")


def check_alone(player: str, other: str) -> None:
    """Reject a turn that is played inside another one.

    Args:
        player: Player of the turn.
        other: Player whose turn is being played; "" if there is none.

    Raises:
        RuleError: There is one.
    """
    if other:
        raise RuleError(
            f"{player!r} would learn inside a move of {other!r}; a move yields losses, and another "
            "turn plays before or after it, in the same thread"
        )


def check_between_rounds(what: str, player: str) -> None:
    """Reject what is done inside a move, where a round is not whole.

    Args:
        what: What is done, for messages.
        player: Player whose turn is being played; "" if there is none.

    Raises:
        RuleError: A turn is being played.
    """
    if player:
        raise RuleError(
            f"engine.{what} is called inside a move of {player!r}, where the round is not whole; "
            "call it between rounds, for example in a callback"
        )


def check_own_iterators(error: RuntimeError, player: str) -> None:
    """Reject `next` of an iterator of a move's own that has ended, which Python hides.

    Args:
        error: Error that the move has raised.
        player: Name of the player, for messages.

    Raises:
        RuleError: That is what it tells.
    """
    if isinstance(error.__cause__, StopIteration):
        raise RuleError(
            f"the move of {player!r} calls next() of an iterator that has ended; pull from the "
            "batches it is given, which have no end, or make the iterator anew in the move"
        ) from error


def check_untouched(parameters: Sequence[Tensor], player: str) -> None:
    """Reject gradients that a move has computed itself: they would be added to those of its loss.

    Args:
        parameters: Parameters of the player, before the engine computes their gradients.
        player: Name of the player, for messages.

    Raises:
        RuleError: One has a gradient.
    """
    if any(parameter.grad is not None for parameter in parameters):
        raise RuleError(
            f"the move of {player!r} has left gradients on its own parameters, as backward() does; "
            "yield the loss, and leave backward and step to the engine"
        )


@contextmanager
def used_once(player: str) -> Iterator[None]:
    """Context of `backward`, in which a graph that was used or overwritten before is told of.

    Args:
        player: Name of the player, for messages.

    Raises:
        RuleError: The graph is not there any more, or a tensor of it has other values.
    """
    try:
        yield
    except RuntimeError as error:
        if "backward through the graph a second time" in str(error):
            raise RuleError(
                f"the move of {player!r} yielded a loss whose graph was used before; compute the "
                "loss anew for each yield, and leave backward to the engine"
            ) from error
        if "modified by an inplace operation" in str(error):
            raise RuleError(
                f"the move of {player!r} yielded a loss of weights or tensors that were changed in "
                "place since, by a step or by the move; compute the loss just before its yield"
            ) from error
        raise


def started(turn: Turn, batches: Iterator[Batch]) -> Iterator[Any]:
    """The move of a turn, ready to yield.

    Args:
        turn: Player and its move.
        batches: Batches that the move may pull.

    Raises:
        RuleError: The move is not a generator function, or returns the same generator again.
        UserError: The batches are no iterator.
    """
    if not isinstance(batches, Iterator):
        raise UserError(
            f"batches are a {_kind(batches)}; give an iterator, such as engine.stream(data)"
        )
    try:
        move = turn.move(Pulled(batches, turn.player))
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # of the code of a move that is no generator
        raise RuleError(
            f"the move of {turn.player!r} does not take the batches alone ({error}); define it as "
            "move(self, batches)"
        ) from None
    if isinstance(move, Loss | Tensor) or not isinstance(move, Iterator):
        raise RuleError(
            f"the move of {turn.player!r} returned a {_kind(move)}; a move is a generator "
            "function: write `yield Loss(total)` in place of `return`"
        )
    if isinstance(move, GeneratorType) and inspect.getgeneratorstate(move) != inspect.GEN_CREATED:
        raise RuleError(
            f"the move of {turn.player!r} returned a generator that has been begun before; define "
            "the move as a generator function, which makes a new one for each turn"
        )
    return move


def as_loss(yielded: Any, player: str) -> tuple[Tensor, Logs]:
    """Total and logs of what a move has yielded; a scalar tensor is a total without logs.

    Args:
        yielded: Value that the move has yielded.
        player: Name of the player, for messages.

    Raises:
        RuleError: It is neither a loss nor a scalar tensor that carries a gradient.
    """
    if isinstance(yielded, Tensor):
        yielded = Loss(yielded)
    who = f"the move of {player!r}"
    if not isinstance(yielded, Loss):
        raise RuleError(f"{who} yielded a {_kind(yielded)}; write `yield Loss(total, logs)`")
    total, logs = yielded
    if not isinstance(total, Tensor) or not total.is_floating_point():
        kind = f"tensor of {total.dtype}" if isinstance(total, Tensor) else _kind(total)
        raise RuleError(f"{who} yielded a loss whose total is a {kind}, not a floating tensor")
    if total.dim():
        raise RuleError(
            f"{who} yielded a loss of shape {tuple(total.shape)}; reduce it to a scalar, for "
            "example with .mean()"
        )
    if not total.requires_grad:
        raise RuleError(
            f"{who} yielded a loss that carries no gradient; compute it from the player's "
            "parameters, outside torch.no_grad and without .detach() or .item()"
        )
    if not isinstance(logs, Mapping):
        raise RuleError(f"{who} yielded logs that are a {_kind(logs)}, not a mapping of scalars")
    return total, {name: _scalar(value, name, who, total) for name, value in logs.items()}


def _scalar(value: Any, name: str, who: str, total: Tensor) -> Tensor:
    if not isinstance(value, Tensor):
        try:
            return torch.full((), float(value), device=total.device)
        except (TypeError, ValueError):
            raise RuleError(f"{who} logs {name!r} as a {_kind(value)}, not a number") from None
    if value.dim() == 0:
        return value
    if math.prod(value.shape) == 1:
        return value.reshape(())
    raise RuleError(
        f"{who} logs {name!r} of shape {tuple(value.shape)}; log a scalar, such as its mean"
    )


def check_outside_with(move: Iterator[Any], player: str) -> None:
    """Reject a yield inside a `with`: the step and all other turns would run inside the block.

    Args:
        move: Move that has just yielded.
        player: Name of the player, for messages.

    Raises:
        RuleError: The move, or a generator to which it delegates, waits inside a `with`.
    """
    inner: Any = move
    while isinstance(inner, GeneratorType):
        frame = inner.gi_frame
        if frame is not None and frame.f_lasti in _inside_with(frame.f_code):
            raise RuleError(
                f"the move of {player!r} yielded inside a `with` "
                f"({frame.f_code.co_filename}, line {frame.f_lineno}); leave the block first"
            )
        inner = inner.gi_yieldfrom


@functools.cache
def _inside_with(code: CodeType) -> frozenset[int]:
    """Positions of the instructions of a generator function that lie inside a `with`.

    A generator waits at its yield, and from Python 3.13 at the instruction behind it. An
    instruction's innermost exception handler is in the code's table; a `with` is a handler that
    calls __exit__, or a handler that lies itself inside such a block.
    """
    bytecode = dis.Bytecode(code)
    entries = bytecode.exception_entries  # type: ignore[attr-defined]  # since Python 3.11
    instructions = list(bytecode)
    closes_with = {
        first.offset
        for first, second in itertools.pairwise(instructions)
        if (first.opname, second.opname) == ("PUSH_EXC_INFO", "WITH_EXCEPT_START")
    }

    def within(offset: int) -> bool:
        handlers = [entry.target for entry in entries if entry.start <= offset < entry.end]
        return any(target in closes_with or within(target) for target in handlers)

    return frozenset(each.offset for each in instructions if within(each.offset))


def _kind(value: Any) -> str:
    return type(value).__name__
