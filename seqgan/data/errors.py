"""Conversion of a library's error to one sentence."""


def reason(error: BaseException) -> str:
    """An error's text on one line, at most 300 characters; the name of its type if it has no text.

    Args:
        error: Error to describe.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:300] or type(error).__name__
