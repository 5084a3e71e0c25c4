"""MS-Jaccard: how alike two sets of sentences are in their n-grams."""

import math
from collections import Counter

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from seqgan.metrics.ngrams import Sentences


@python_call()
def ms_jaccard(samples: Sentences, references: Sentences, order: int = 3) -> float:
    """Geometric mean of the Jaccard similarities of the n-gram multisets, n = 1..order.

    J_n = sum_g min(C(g), R(g)) / sum_g max(C(g), R(g)), C(g) and R(g) the counts of g by sentence

    Quality and diversity in one: n-grams that are repeated and n-grams that are invented lower it.
    It rises with the number of sentences: compare equal numbers only.

    Args:
        samples: Token ids without the end token.
        references: Token ids of real sentences, numbered alike.
        order: Greatest order of the n-grams.

    Raises:
        UserError: There are no samples or no references.

    Source: Alihosseini, Montahaei & Baghshah 2019, "Jointly Measuring Diversity and Quality in Text
        Generation Models".
    """
    if not samples or not references:
        raise UserError("MS-Jaccard needs at least one sample and one reference")
    total = 0.0
    for n in range(1, order + 1):
        one, two = _shares(samples, n), _shares(references, n)
        both = sum(min(share, two[gram]) for gram, share in one.items() if gram in two)
        either = sum(one.values()) + sum(two.values()) - both
        if not both:
            return 0.0
        total += math.log(both / either)
    return math.exp(total / order)


def _shares(sentences: Sentences, n: int) -> dict[tuple[int, ...], float]:
    """Count of each n-gram by sentence."""
    counts = Counter(
        tuple(row[place : place + n]) for row in sentences for place in range(len(row) - n + 1)
    )
    return {gram: count / len(sentences) for gram, count in counts.items()}
