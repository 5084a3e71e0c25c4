"""Which estimators serve retrieval, and why others do not."""

from image_core.adversarial import estimators
from image_core.adversarial.estimators import CONTROL_VARIATES, RELAXATIONS, Estimator
from image_core.runs.options import check_estimator, own_estimator
from image_core.runs.outside import is_outside

SERVED = ("exact", "reinforce", "leave_one_out", "importance")
_LISTED = (
    "the candidates of a query can be listed, so their expectation is exact: pass --estimator exact"
)
REASONS: dict[tuple[str, ...], str] = {
    ("clipped",): "it is for several steps on the same samples; here each takes one",
    ("boundary_seeking",): "documents of all queries are one batch; pass importance",
    RELAXATIONS: _LISTED,
    CONTROL_VARIATES: _LISTED,
}


def of_documents(name: str) -> Estimator:
    """The score function of a retrieval game, whose rewards are shares of a mean.

    Exact has none to sample; leave_one_out is reinforce, whose rewards the game itself centres.
    Importance is not centred: documents come from a proposal that holds positives, which centred
    weights would push away.

    Args:
        name: Name of the estimator.

    Raises:
        UserError: The estimator does not weigh single documents.
    """
    check_estimator(name, SERVED, REASONS)
    if is_outside(name):
        return own_estimator(name)
    if name == "importance":
        return estimators.importance(baseline=0.0)
    return estimators.reinforce(reduction="sum")
