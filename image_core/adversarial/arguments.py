"""Calls from Python: arguments of another kind are refused, and mistakes are told in its words."""

import inspect
import math
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import chain, cycle
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np
from jaxtyping import AbstractArray
from torch import Tensor

from image_core.adversarial.border import takes
from image_core.adversarial.errors import ArgumentError, UserError

P = ParamSpec("P")
R = TypeVar("R")

_OPTION = re.compile(
    r"--(\w+)(?: (?!(?:and|has|is) )((?:(?!--)[^:;])*?)(?=: | and --\w+(?: (?:(?!--)[^:;])+)?: ))?"
)
"""An option in a message, with its value where the message gives one."""
_NOUNS: Mapping[Any, tuple[str, str]] = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("True or False", "True or False"),
    str: ("a string", "strings"),
    NoneType: ("None", "None"),
}
_NUMBERS: Mapping[Any, type] = {int: Integral, float: Real}
FIRST = 50
"""Number of elements of a list that are checked one by one."""


def python_call(**arguments: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function that users call: its arguments are checked by the hints of its signature.

    A mistake that is found inside names options, since the command line calls the same function;
    out of the function it names arguments. Hints of arrays of numpy are not checked, for lists are
    as good.

    Args:
        arguments: Argument that an option stands for, by the option's name, where they differ.

    Raises:
        ArgumentError: An argument is missing, unknown or of another kind, or a function takes
            another number of arguments; the message names it and says what to give.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        parameters = signature.parameters
        hints = {name: parameter.annotation for name, parameter in parameters.items()}
        places = [(n, hints[n]) for n, p in parameters.items() if p.kind <= p.VAR_POSITIONAL]
        rest = [(n, hints[n]) for n, p in parameters.items() if p.kind == p.VAR_POSITIONAL]
        names = {**{name: name for name in parameters}, **arguments}
        title = re.sub(r"\.__(init|new)__$", "", function.__qualname__).rpartition(".")[2]
        taken = _taken(signature)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for (name, hint), value in zip(chain(places, cycle(rest)), args, strict=False):
                _check(title, name, hint, value)
            for name, value in kwargs.items():
                _check(title, name, hints.get(name, Any), value)
            try:
                return function(*args, **kwargs)
            except TypeError:
                try:
                    signature.bind(*args, **kwargs)
                except TypeError as wrong:
                    raise ArgumentError(f"{title}: {wrong}; it takes {taken}") from None
                raise
            except UserError as error:
                if type(error) is not UserError:
                    raise
                raise ArgumentError(_renamed(str(error), names), str(error)) from error.__cause__

        return call

    return decorate


def _taken(signature: inspect.Signature) -> str:
    """The arguments of a function in words, those that have to be named last."""
    own = {n: p.kind for n, p in signature.parameters.items() if n not in ("self", "cls")}
    named = [name for name, kind in own.items() if kind == inspect.Parameter.KEYWORD_ONLY]
    placed = [name for name in own if name not in named]
    words = [", ".join(placed)] * bool(placed) + [f"by name {', '.join(named)}"] * bool(named)
    return " and ".join(words)


def check_within(least: float | int, most: float | int = math.inf, **values: float | int) -> None:
    """Reject numbers outside of a range.

    Args:
        least: Least number that is allowed.
        most: Greatest number that is allowed.
        values: Numbers by the names of their arguments.

    Raises:
        UserError: A number is outside, or is none (NaN).
    """
    for name, value in values.items():
        if not least <= value <= most:
            wanted = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
            raise UserError(f"{name}={value}: give a number {wanted}")


def _renamed(message: str, names: Mapping[str, str]) -> str:
    def of_python(found: re.Match[str]) -> str:
        option, value = found.groups()
        if option not in names:
            return found[0]
        return f"{names[option]}={value}" if value else names[option]

    return _OPTION.sub(of_python, message)


def _check(title: str, name: str, hint: Any, value: Any) -> None:
    if _fits(value, hint):
        return
    if isinstance(value, str) and _is_list(hint):
        said = f"{title}: {name} is one string, {_shown(value)}; put it in [ ]"
    else:
        said = f"{title}: {name} is {_shown(value)}; give {_noun(hint)}"
    raise ArgumentError(said)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is what a hint says, as far as it is cheap to see."""
    if hint in (Any, inspect.Parameter.empty) or isinstance(hint, str | TypeVar):
        return True
    if hint in (int, float):
        return isinstance(value, _NUMBERS[hint]) and not isinstance(value, bool)
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint is None:
        return value is None
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if _is_list(hint):
        return _is_sequence(value) and _hold(value, inner[0])
    if origin is Mapping or origin is dict:
        return isinstance(value, Mapping) and _hold(list(value.values()), inner[1])
    if origin is tuple:
        every = inner[:1] * len(value) if inner[-1] is ... and _is_sequence(value) else inner
        return _is_sequence(value) and len(value) == len(every) and all(map(_fits, value, every))
    if origin is Callable:
        return callable(value) and (not isinstance(inner[0], list) or takes(value, len(inner[0])))
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return hint.array_type is not Tensor or (
            isinstance(value, Tensor) and str(value.dtype).removeprefix("torch.") in hint.dtypes
        )
    return isinstance(value, origin or hint) if inspect.isclass(origin or hint) else True


def _is_list(hint: Any) -> bool:
    return get_origin(hint) in (Sequence, list) and bool(get_args(hint))


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray | Tensor) and not isinstance(value, str | bytes)


def _hold(values: Any, hint: Any) -> bool:
    """Whether the first elements fit, and one of each type of all, for lists may be long."""
    if isinstance(values, np.ndarray | Tensor):
        return values.ndim > 0 and _hold(values[:FIRST].tolist(), hint)
    kinds = {type(value): value for value in values}
    return all(_fits(value, hint) for value in (*values[:FIRST], *kinds.values()))


def _shown(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        kind = "a tensor" if isinstance(value, Tensor) else "an array"
        return f"{kind} of {value.dtype} of shape {tuple(value.shape)}"
    if value is None or isinstance(value, str | int | float | list | tuple | dict):
        return reprlib.repr(value)
    return f"a class, {value.__name__}" if inspect.isclass(value) else f"a {type(value).__name__}"


def _noun(hint: Any, *, several: bool = False) -> str:
    """What a hint says, in words."""
    if hint is None:
        hint = NoneType
    origin, inner = get_origin(hint), get_args(hint)
    if hint in _NOUNS:
        return _NOUNS[hint][several]
    if origin in (Union, UnionType):
        return " or ".join(_noun(each, several=several) for each in inner)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if _is_list(hint):
        return f"{'lists' if several else 'a list'} of {_noun(inner[0], several=True)}"
    if origin is tuple and ... not in inner:
        return f"{'pairs' if several else 'a pair'} ({', '.join(map(_noun, inner))})"
    if origin is Callable:
        given = f" of {len(inner[0])} arguments" if isinstance(inner[0], list) else ""
        kind = "functions" if several else "a function"
        return kind + given.replace(" 1 arguments", " one argument")
    if origin is Mapping or origin is dict:
        kind = "mappings" if several else "a mapping"
        return kind if inner[1] is Any else f"{kind} from names to {_noun(inner[1], several=True)}"
    kind = origin or hint
    if inspect.isclass(kind) and issubclass(kind, AbstractArray):
        return f"{'tensors' if several else 'a tensor'}, {kind.__name__}"
    name = kind.__name__ if inspect.isclass(kind) else str(kind)
    return f"{name}s" if several else f"a {name}"
