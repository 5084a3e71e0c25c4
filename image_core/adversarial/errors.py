"""The exceptions for a user's mistake: the command line prints one and exits with status 2."""

from collections.abc import Collection
from traceback import walk_tb


class UserError(ValueError):
    """A mistake the user can correct: names the file, option or value, and what to do."""


class ArgumentError(UserError):
    """A mistake in a call from Python, whose message names arguments.

    Args:
        message: Message in the words of Python.
        options: The same in the words of the command line, where they differ.
    """

    def __init__(self, message: str, options: str = ""):
        super().__init__(message)
        self.options = options or message


def line_of(error: BaseException, packages: Collection[str]) -> str:
    """The last line of some packages that an error passed on its way; "" if it passed none.

    Args:
        error: Error that has been caught.
        packages: Names of packages and modules, without what follows a dot.
    """
    place = ""
    for frame, line in walk_tb(error.__traceback__):
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        # What dataclasses write is in no file
        if module.partition(".")[0] in packages and not code.co_filename.startswith("<"):
            place = f"{code.co_filename}, line {line}, in {code.co_name}"
    return place
