"""MS-Jaccard: values by hand, and what repetition, invention and dropped modes do to it."""

import math

import pytest

from image_core.adversarial.errors import UserError
from seqgan.metrics import ms_jaccard


def test_by_hand():
    one, two = [[1, 2, 3], [1, 2]], [[1, 2, 4]]
    # Counts by sentence: 1, 1, .5 of 1, 2, 3 and 1 of 1, 2, 4; 1, .5 of 12, 23 and 1 of 12, 24
    unigrams, bigrams = 2 / (1 + 1 + 0.5 + 1), 1 / (1 + 0.5 + 1)
    assert ms_jaccard(one, two, 1) == pytest.approx(unigrams)
    assert ms_jaccard(one, two, 2) == pytest.approx(math.sqrt(unigrams * bigrams))
    assert ms_jaccard(two, one, 2) == pytest.approx(math.sqrt(unigrams * bigrams))


def test_it_is_1_for_equal_sets_and_falls_with_repetition_invention_and_dropped_modes():
    real = [[i, i + 1, i + 2, i + 3] for i in range(20)]
    assert ms_jaccard(real[::-1], real) == pytest.approx(1.0)
    halved = ms_jaccard(real[:10] * 2, real)
    quarter = ms_jaccard(real[:5] * 4, real)
    invented = ms_jaccard([*real[:10], *([9 - i, 50, i, 60] for i in range(10))], real)
    assert 1 > halved > quarter > 0
    assert 1 > invented > 0
    assert ms_jaccard([[90, 91, 92]], real) == 0
    with pytest.raises(UserError, match="at least one"):
        ms_jaccard([], real)
