"""The exception of a user's mistake: the command line prints it and exits with 2."""


class UserError(ValueError):
    """A mistake the user can mend: names the file, option or value, and what to do."""
