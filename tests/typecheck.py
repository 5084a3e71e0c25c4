"""Types and shapes of arguments and results, checked at every call while tests run.

jaxtyping's import hook puts `jaxtyping.jaxtyped` before every function and dataclass of ours. Its
own decorator compiles two functions for each at once, about 1 ms, called or not and again for every
closure (losses, penalties and moves are closures), and checks the arguments twice where there is a
result. `checked` stands in its place and checks the same by the same beartype: a closure made and
called takes 30 us in place of 1,000, a call with shapes 12 us in place of 24. Hints are compiled
when a function is first called, once for all closures of one source. As with jaxtyping's, a
default is not checked, and of a generator only that it is one.
"""

import functools
import inspect
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
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import AbstractArray, TypeCheckError, config

Check = tuple[type, ...] | Callable[[Any], None] | None
"""Classes of which a value is an instance of one; or what raises; None without a hint."""

PLAIN = jaxtyping.jaxtyped
CONTEXT = PLAIN("context")
"""Within it, the name of an axis stands for one length."""


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

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        if config.jaxtyping_disable:
            return fn(*args, **kwargs)
        known = KNOWN.get(id(fn.__code__))
        checks = known[1] if known else checks_of(fn)
        if not checks.shaped:
            return run(fn, checks, args, kwargs)
        with CONTEXT:
            return run(fn, checks, args, kwargs)

    return call


def run(fn: FunctionType, checks: Checks, args: Any, kwargs: Any) -> Any:
    """The result of a call whose arguments and result are what their hints say."""
    for check, value in zip(checks.positional, args):
        if check is not None:
            examine(fn, check, value)
    if checks.rest is not None:
        for value in args[len(checks.positional) :]:
            examine(fn, checks.rest, value)
    for name, value in kwargs.items():
        check = checks.named.get(name, checks.others)
        if check is not None:
            examine(fn, check, value)
    result = fn(*args, **kwargs)
    if checks.result is not None:
        examine(fn, checks.result, result)
    return result


def examine(fn: FunctionType, check: Any, value: Any) -> None:
    if type(check) is tuple:
        if not isinstance(value, check):
            kinds = ", ".join(map(str, check))
            raise TypeCheckError(f"{fn.__module__}.{fn.__qualname__}: {value!r} is no {kinds}")
        return
    try:
        check(value)
    except BeartypeCallHintViolation as error:
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
        return kinds

    def check(value: Any) -> None: ...

    check.__annotations__ = {"value": hint}
    return beartype.beartype(check)


def is_shaped(hint: Any) -> bool:
    """Whether a hint has one of jaxtyping's in it."""
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(map(is_shaped, get_args(hint)))
