"""Which test sets are large enough for which figures."""

from image_core.adversarial.errors import UserError

LEAST = 40
"""Pairs of either half of the test set that a judge and MAUVE need."""


def check_measurable(pairs: int, eval_samples: int, *, judged: bool) -> None:
    """Refuse a test set of too few pairs for a report, before anything is learned.

    Args:
        pairs: Number of pairs of context and reply of the test set.
        eval_samples: Most of them that are measured.
        judged: Whether there are judges, or an encoder.

    Raises:
        UserError: The test set is too small; names the options.
    """
    check_halves(pairs)
    if judged and (few := too_few(pairs, eval_samples)):
        raise UserError(
            f"{few}; name a larger --test or --eval_samples, or pass --judge_seeds 0 and no "
            "--encoder"
        )


def check_halves(pairs: int) -> None:
    """Both halves of a test set need two pairs.

    Args:
        pairs: Number of its pairs.

    Raises:
        UserError: They have fewer.
    """
    if pairs // 2 < 2:
        raise UserError(
            f"the test set has {pairs} pairs of context and reply, and half of them are two at "
            "least; name a larger --test or --valid"
        )


def too_few(pairs: int, eval_samples: int) -> str:
    """Why a test set of so many pairs can have no judge and no vectors; empty where it can.

    Args:
        pairs: Number of its pairs.
        eval_samples: Most of them that are measured.
    """
    if min(pairs // 2, eval_samples) >= LEAST:
        return ""
    return (
        f"half of {pairs} test pairs, of which --eval_samples {eval_samples} are measured, are "
        f"too few for a judge or MAUVE, which need {LEAST}"
    )
