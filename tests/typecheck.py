"""Types and shapes of arguments and results, checked at every call while tests run.

jaxtyping's import hook puts `jaxtyping.jaxtyped` before every function and dataclass of ours. Its
own decorator compiles two functions for each at once, about 1 ms, called or not and again for every
closure (losses, penalties and moves are closures), and checks the arguments twice where there is a
result. `checked` stands in its place and checks the same by the same beartype: a closure made and
called takes 30 us in place of 1,000. Hints are compiled when a function is first called, once for
all closures of one source. As with jaxtyping's, a default is not checked, and of a generator only
that it is one. What is to be a tensor with plain axes is compared here, in 2 us; jaxtyping, which
takes 15, has the last word on each that does not fit.
"""

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import is_dataclass
from types import CodeType, FunctionType, UnionType
from typing import (
    Any,
    NamedTuple,
    NoReturn,
    TypeGuard,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import beartype
import jaxtyping
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import AbstractArray, TypeCheckError, config
from jaxtyping._storage import get_shape_memo, pop_shape_memo, push_shape_memo
from torch import Tensor

Check = tuple[type, ...] | Callable[[Any], None] | None
"""Classes of which a value is an instance of one; or what raises; None without a hint."""

PLAIN = jaxtyping.jaxtyped
AXIS = re.compile(r"\*?[A-Za-z]\w*|\.\.\.|\d+")


class Checks(NamedTuple):
    """What is checked of a function's calls.

    Args:
        positional: Checks of the arguments by place.
        named: Checks of the arguments by name.
        rest: Check of each of `*args`.
        others: Check of each of `**kwargs`.
        result: Check of the result.
        shaped: Whether a hint names the axes of an array.
    """

    positional: tuple[Check, ...]
    named: dict[str, Check]
    rest: Check
    others: Check
    result: Check
    shaped: bool


KNOWN: dict[int, tuple[CodeType, Checks]] = {}
"""By the identity of the source, which the closures of one share; it is kept, so that none gets it.

Sources that are equal may differ in their hints: two dataclasses with fields of the same names.
"""


def checked(fn: Any) -> Any:
    """A function, or a dataclass, whose calls are checked."""
    if inspect.isclass(fn):
        if is_dataclass(fn) and "__init__" in vars(fn):
            fn.__init__ = checked(fn.__init__)
        return fn
    if not fn.__annotations__:
        return fn
    if any("{" in str(hint) for hint in fn.__annotations__.values()):
        return PLAIN(fn, typechecker=beartype.beartype)  # it evaluates the arguments' names

    checks: Checks | None = None

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal checks
        if config.jaxtyping_disable:
            return fn(*args, **kwargs)
        if checks is None:
            known = KNOWN.get(id(fn.__code__))
            checks = known[1] if known else checks_of(fn)
        if not checks.shaped:
            return run(fn, checks, args, kwargs)
        push_shape_memo({})  # until it is popped, the name of an axis stands for one length
        try:
            return run(fn, checks, args, kwargs)
        finally:
            pop_shape_memo()

    return call


def run(fn: FunctionType, checks: Checks, args: Any, kwargs: Any) -> Any:
    """The result of a call whose arguments and result are what their hints say.

    Classes are compared here and not in `examine`: that call would take as long again.
    """
    positional, named, rest, others, last, _ = checks
    for check, value in zip(positional, args):
        if check.__class__ is tuple:
            if not isinstance(value, check):
                refuse(fn, check, value)
        elif check is not None:
            examine(fn, check, value)
    if rest is not None:
        for value in args[len(positional) :]:
            examine(fn, rest, value)
    if kwargs:
        for name, value in kwargs.items():
            check = named.get(name, others)
            if check.__class__ is tuple:
                if not isinstance(value, check):
                    refuse(fn, check, value)
            elif check is not None:
                examine(fn, check, value)
    result = fn(*args, **kwargs)
    if last.__class__ is tuple:
        if not isinstance(result, last):
            refuse(fn, last, result)
    elif last is not None:
        examine(fn, last, result)
    return result


def refuse(fn: FunctionType, kinds: tuple[type, ...], value: Any) -> NoReturn:
    names = ", ".join(map(str, kinds))
    raise TypeCheckError(f"{fn.__module__}.{fn.__qualname__}: {value!r} is no {names}")


def examine(fn: FunctionType, check: Any, value: Any) -> None:
    if type(check) is tuple:
        if not isinstance(value, check):
            refuse(fn, check, value)
        return
    try:
        check(value)
    except (BeartypeCallHintViolation, TypeCheckError) as error:
        raise TypeCheckError(f"{fn.__module__}.{fn.__qualname__}: {error}") from None


def checks_of(fn: FunctionType) -> Checks:
    """The checks of a function, compiled when one of its source is first called."""
    code, hints = fn.__code__, {k: resolved(fn, h) for k, h in fn.__annotations__.items()}
    names, count = list(code.co_varnames), code.co_argcount
    made = {name: compiled(hint) for name, hint in hints.items()}
    named = names[code.co_posonlyargcount : count + code.co_kwonlyargcount]
    extra = names[count + code.co_kwonlyargcount :]
    rest = extra.pop(0) if code.co_flags & inspect.CO_VARARGS else None
    others = extra.pop(0) if code.co_flags & inspect.CO_VARKEYWORDS else None
    checks = Checks(
        tuple(made.get(name) for name in names[:count]),
        {name: made.get(name) for name in named},
        made.get(rest),
        made.get(others),
        made.get("return"),
        any(map(is_shaped, hints.values())),
    )
    KNOWN[id(code)] = (code, checks)
    return checks


def resolved(fn: FunctionType, hint: Any) -> Any:
    """A hint whose names in quotes are looked up; Any where one is for type checkers alone."""

    def holder() -> None: ...

    holder.__annotations__ = {"value": hint}
    try:
        return get_type_hints(holder, fn.__globals__, include_extras=True)["value"]
    except NameError:
        return Any


def compiled(hint: Any) -> Check:
    """What checks that a value is what a hint says."""
    if hint in (Any, object, NoReturn):
        return None
    if get_origin(hint) is TypeGuard:
        return (bool,)
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if all(inspect.isclass(kind) and not get_args(kind) for kind in kinds):
        return quick(kinds) or kinds

    def check(value: Any) -> None: ...

    check.__annotations__ = {"value": hint}
    return beartype.beartype(check)


def quick(kinds: tuple[type, ...]) -> Check:
    """The same of a tensor with plain axes, or of what is one or else of plain classes."""
    arrays = [kind for kind in kinds if issubclass(kind, AbstractArray)]
    fits = axes_of(arrays[0]) if len(arrays) == 1 else None
    if fits is None:
        return None
    rest = tuple(kind for kind in kinds if kind not in arrays)

    def check(value: Any) -> None:
        if isinstance(value, Tensor):
            if fits(value):
                return
        elif isinstance(value, rest):
            return
        if not isinstance(value, kinds):
            raise TypeCheckError(f"{value!r} is no {', '.join(map(str, kinds))}")

    return check


def axes_of(hint: type[AbstractArray]) -> Callable[[Tensor], bool] | None:
    """What binds the axes of a tensor that fits a hint; None for what is left to jaxtyping.

    Where it finds that a tensor does not fit, no axis is bound.
    """
    axes = hint.dim_str.split()
    open_ended = [place for place, axis in enumerate(axes) if axis[0] in "*."]
    if hint.array_type is not Tensor or len(open_ended) > 1:
        return None
    if not all(map(AXIS.fullmatch, axes)):
        return None
    most = bool(open_ended)
    i = open_ended[0] if most else len(axes)
    several, after = axes[i][1:] if most and axes[i][0] == "*" else "", len(axes) - i - 1
    single = [
        (place if place < i else place - len(axes), axis)
        for place, axis in enumerate(axes)
        if place != i
    ]
    sizes = [(place, int(axis)) for place, axis in single if axis.isdigit()]
    named = [(place, axis) for place, axis in single if not axis.isdigit()]
    least = len(single)

    def fits(value: Tensor) -> bool:
        shape = value.shape
        if len(shape) < least if most else len(shape) != least:
            return False
        if not allows(hint.dtype, value.dtype):
            return False
        for place, size in sizes:
            if shape[place] != size:
                return False
        memo = get_shape_memo()
        known = memo[0].copy()
        for place, name in named:
            if known.setdefault(name, shape[place]) != shape[place]:
                return False
        if several:
            between = shape[i : len(shape) - after]
            if memo[1].setdefault(several, (False, between)) != (False, between):
                return False
        memo[0].update(known)
        return True

    return fits


@functools.cache
def allows(kind: Any, dtype: torch.dtype) -> bool:
    """Whether one of jaxtyping's hints allows elements of a kind."""
    return isinstance(torch.empty(0, device="meta", dtype=dtype), kind[Tensor, "..."])


def is_shaped(hint: Any) -> bool:
    """Whether a hint has one of jaxtyping's in it."""
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(map(is_shaped, get_args(hint)))
