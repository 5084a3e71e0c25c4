"""A user's own objects: `module:name` wherever an option takes a name.

The module is imported from the working directory or the installed packages. A run records the
SHA-256 of the module's file, so that `resume` can tell when it has changed.
"""

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from image_core.adversarial.errors import UserError, line_of

OPTIONS = (
    "loss",
    "penalty",
    "estimator",
    "reward",
    "policy",
    "discriminator",
    "metric",
    "features",
)
"""Options whose value may be, or hold, `module:name`."""
_OURS = ("image_core", "rl", "seqgan")
_OWN: set[str] = set()
"""Packages of the modules that options have named."""


def is_outside(text: str) -> bool:
    """Whether a value names a user's own object.

    Args:
        text: Value of an option.
    """
    return ":" in text


def plain_and_own(option: str, text: str) -> tuple[str, str]:
    """The plain name and the own one of a value such as log_ratio,mine:bonus; each may be "".

    Args:
        option: Name of the option.
        text: Its value: a plain name, `module:name`, or both with a comma between.

    Raises:
        UserError: There are several of one kind.
    """
    parts = text.replace(",", " ").split()
    own = [part for part in parts if is_outside(part)]
    plain = [part for part in parts if not is_outside(part)]
    if len(own) > 1 or len(plain) > 1:
        raise UserError(
            f"--{option} {text}: give one name, one module:function of your own, or both with a "
            "comma between"
        )
    return "".join(plain), "".join(own)


def load(option: str, text: str) -> Any:
    """The object of a name.

    Args:
        option: Name of the option.
        text: Its value, `module:name`.

    Raises:
        UserError: The module cannot be imported, or has no such name.
    """
    name, _, attribute = text.partition(":")
    if not re.fullmatch(r"\w+(\.\w+)*", name) or not attribute.isidentifier():
        raise UserError(f"--{option} {text}: write module:name, for example mypackage.mine:best")
    module = import_own(option, name)
    if attribute not in vars(module):
        file = module.__file__ or name
        raise UserError(f"--{option} {text}: {file} has no {attribute!r}; name what it defines")
    return vars(module)[attribute]


def load_function(
    option: str, text: str, signature: str, arguments: int | None = 1
) -> Callable[..., Any]:
    """The function of a name.

    Args:
        option: Name of the option.
        text: Its value, `module:name`.
        signature: What the function takes and returns, for the message.
        arguments: Number of arguments that it is called with; None if the caller sees to them.

    Raises:
        UserError: There is no such function, or it does not take that many arguments.
    """
    found = load(option, text)
    if not callable(found):
        raise UserError(
            f"--{option} {text}: it is a {type(found).__name__}; give a function {signature}"
        )
    if arguments is not None:
        check_takes(option, text, found, signature, arguments)
    return found


def check_takes(
    option: str, text: str, function: Callable[..., Any], signature: str, arguments: int
) -> None:
    """Refuse a function that cannot be called with a number of arguments, before it is called.

    Args:
        option: Name of the option.
        text: Its value, `module:name`.
        function: Function of the user's own.
        signature: What it should take and return, for the message.
        arguments: Number of arguments that it is called with.

    Raises:
        UserError: It does not take them.
    """
    try:
        takes = inspect.signature(function)
    except (TypeError, ValueError):  # of a function written in C, which tells nothing
        return
    try:
        takes.bind(*range(arguments))
    except TypeError as error:
        raise UserError(
            f"--{option} {text}: it takes {takes}, and is called with {arguments} "
            f"argument{'s' * (arguments != 1)}; give a function {signature}"
        ) from error


def import_own(option: str, name: str) -> ModuleType:
    """A module of the working directory or of the installed packages.

    Args:
        option: Name of the option, for messages.
        name: Name of the module.

    Raises:
        UserError: There is no such module, or it cannot be imported; the message names its file.
    """
    for ours in _OURS:  # found now, so that a folder of that name here does not hide them
        importlib.import_module(ours)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    _OWN.add(name.partition(".")[0])
    try:
        return importlib.import_module(name)
    except UserError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _unusable(option, name, error) from error
        raise UserError(
            f"--{option} {name}: there is no module {error.name} in {here} or among the installed "
            "packages; work in the folder where it lies, or name that folder in PYTHONPATH"
        ) from error
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        raise _unusable(option, name, error) from error


def own_fault(error: BaseException) -> str:
    """What an error is, and the line of the user's own code that it passed; "" if it passed none.

    Args:
        error: Error that has been caught.
    """
    place = line_of(error, _OWN.difference(_OURS))
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return place and f"{place}: {' '.join(reason.split())[:300]}"


def _unusable(option: str, name: str, error: BaseException) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(
        f"--{option} {name}: {_place(error, name)} cannot be imported: "
        f"{type(error).__name__}: {reason}"
    )


def _place(error: BaseException, name: str) -> str:
    """The file that caused an error, if it is known."""
    trace, file = error.__traceback__, name
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename
    return name if file.startswith("<") or file == __file__ else file


# --------------------------------------------------------------------------------------- the record


def sources(config: Any) -> dict[str, str]:
    """SHA-256 of the file of each own module that a configuration names, by module.

    Args:
        config: Options of a run, whose modules have been imported.
    """
    return {name: _hash(sys.modules[name]) for name in dict.fromkeys(_modules(config))}


def _modules(config: Any) -> Iterator[str]:
    paper = type(config).__module__  # see `Papers.config`
    if paper.partition(".")[0] not in _OURS and "paper" in vars(config):
        yield paper
    for option in OPTIONS:
        value = vars(config).get(option)
        if isinstance(value, str) and is_outside(value):
            yield from (part.partition(":")[0] for part in re.split(r"[,\s]", value) if ":" in part)


def _hash(module: ModuleType) -> str:
    if module.__file__ is None:
        return ""
    return hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()


def changes(recorded: Mapping[str, str], config: Any) -> list[str]:
    """One sentence for each own module whose file is not the one that was recorded.

    Args:
        recorded: Result of `sources` when the run began.
        config: Options of the run now.
    """
    return [
        f"{name} has changed since the run began ({sys.modules[name].__file__}); the run goes on "
        "with the file as it is now"
        for name, found in sources(config).items()
        if recorded.get(name, found) != found
    ]
