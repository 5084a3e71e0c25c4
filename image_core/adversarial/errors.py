"""The exception for a user's mistake: the command line prints it and exits with status 2."""


class UserError(ValueError):
    """A mistake the user can correct: names the file, option or value, and what to do."""
