"""How a library's complaint fits into one sentence of ours."""


def reason(error: BaseException) -> str:
    """Quote an error on one line, at most 300 characters; name its kind where it says nothing."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:300] or type(error).__name__
