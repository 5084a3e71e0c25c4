"""The exceptions for a user's mistake: the command line prints one and exits with status 2."""


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
