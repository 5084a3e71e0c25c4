"""Which test sets are large enough for which figures."""

from image_core.adversarial.errors import UserError
from seqgan.dialogue.config import DialogueRunOptions

LEAST = 40
"""Pairs of either half of the test set that a judge and MAUVE need."""


def check_measurable(c: DialogueRunOptions, pairs: int) -> None:
    """Refuse a test set of too few pairs for the report, before anything is learned.

    Without a report nothing is measured, and any test set will do.

    Args:
        c: Options of the run.
        pairs: Number of pairs of context and reply of the test set.

    Raises:
        UserError: The test set is too small; names the options.
    """
    if c.report == "none":
        return
    check_halves(pairs)
    if few := too_few(c, pairs):
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


def too_few(c: DialogueRunOptions, pairs: int) -> str:
    """Why a test set of so many pairs has no judge and no vectors; empty where it may have them.

    Args:
        c: Options of the run.
        pairs: Number of its pairs.
    """
    if min(pairs // 2, c.eval_samples) >= LEAST or not (c.judge_seeds or c.encoder):
        return ""
    return (
        f"half of {pairs} test pairs, of which --eval_samples {c.eval_samples} are measured, are "
        f"too few for a judge or MAUVE, which need {LEAST}"
    )
