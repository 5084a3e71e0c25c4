"""Alarms of a collapsed generator of sequences: few different samples, few different tokens."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.callbacks import (
    DISCRIMINATOR_AT_CHANCE,
    DISCRIMINATOR_WINS,
    Callback,
    Limit,
    check_limits,
    crossed,
    raise_alarms,
)
from seqgan.metrics.diversity import unigram_entropy, unique_share
from seqgan.metrics.ngrams import Sentences

if TYPE_CHECKING:
    from image_core.adversarial.engine import Engine

UNIQUE, ENTROPY = 0.5, 0.7
"""Lower limits, as shares of the values of real text."""


@python_call()
def limits_of(real: Sentences) -> list[Limit]:
    """Limits of "unique", "entropy" (from real sentences), "D/accuracy" and "d_auc".

    The alarm is raised below half of real text's share of different sentences, or below 0.7 of its
    token entropy; sampling at temperature 1 stays far above both.

    Args:
        real: Real sentences, as many as samples are drawn each time.

    Raises:
        UserError: The real sequences are no lists of whole numbers.
    """
    again = "the samples repeat one another; lower the policy's rate or its steps a round"
    few = "the samples use few tokens; lower the policy's rate or its steps a round"
    return [
        Limit("unique", least=UNIQUE * unique_share(real), rounds=1, meaning=again),
        Limit("entropy", least=ENTROPY * unigram_entropy(real), rounds=1, meaning=few),
        DISCRIMINATOR_WINS,
        DISCRIMINATOR_AT_CHANCE,
    ]


@python_call()
def collapse_alarms(
    sample: Callable[[], Sentences], limits: Sequence[Limit], *, stop: bool = False
) -> Callback:
    """Draw samples after a round, and check their diversity and the logged numbers.

    Drawing samples takes time: wrap it in `every(10, ...)`.

    Args:
        sample: Function that draws sentences from the policy.
        limits: Limits of "unique", "entropy" and logged numbers, see `limits_of`.
        stop: Whether to raise an error instead of warning.

    Raises:
        UserError: There is no limit, or one cannot be checked.
        CollapseError: A limit was exceeded and `stop` is set.
    """
    check_limits(limits)

    def call(engine: "Engine", logs: Mapping[str, Tensor]) -> None:
        samples = sample()
        values = {"unique": unique_share(samples), "entropy": unigram_entropy(samples)}
        raise_alarms(crossed(engine, limits, {**logs, **values}), stop=stop)

    return call
