"""Which estimators serve dialogue, and why others do not."""

from image_core.adversarial import estimators
from image_core.adversarial.estimators import (
    CONTROL_VARIATES,
    RELAXATIONS,
    SCORE_FUNCTIONS,
    Estimator,
)
from image_core.runs.options import check_estimator, own_estimator
from image_core.runs.outside import is_outside

SERVED = SCORE_FUNCTIONS
WEIGHED = {"importance": "ratio", "boundary_seeking": "logit"}
"""Estimators whose weights are made of one output of D a reply, and of which reward."""
REASONS: dict[tuple[str, ...], str] = {
    RELAXATIONS: "the discriminator reads words, which cannot be differentiated",
    CONTROL_VARIATES: (
        "it wants variables that are independent of one another, and a token depends on those "
        "before it"
    ),
}


def of_replies(name: str, samples: int) -> Estimator:
    """The score function of a dialogue game; weights are normalised among a context's replies.

    Args:
        name: Name of the estimator.
        samples: Number of replies to a context.

    Raises:
        UserError: The estimator does not weigh whole replies.
    """
    check_estimator(name, SERVED, REASONS)
    if is_outside(name):
        return own_estimator(name)
    match name:
        case "importance":
            return estimators.importance(samples)
        case "boundary_seeking":
            return estimators.boundary_seeking(samples)
        case _:
            return getattr(estimators, name)()
