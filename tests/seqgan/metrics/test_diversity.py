import math

import pytest

from image_core.adversarial.errors import UserError
from seqgan.metrics import (
    copied_share,
    distinct,
    repetition_share,
    unigram_entropy,
    unique_share,
)

SAMPLES = [[1, 2, 1, 2], [1, 2], [3], []]


@pytest.mark.parametrize(("n", "value"), [(1, 3 / 7), (2, 2 / 4), (3, 2 / 2), (4, 1), (5, 0)])
def test_distinct_counts_ngrams_inside_sentences_only(n, value):
    assert distinct(SAMPLES, n) == value


def test_unique_share():
    assert unique_share([[1, 2], [1, 2], [2, 1], [1]]) == 3 / 4
    assert unique_share([[1]] * 5) == 1 / 5


def test_copied_share_counts_duplicates_and_needs_the_whole_sentence():
    samples = [[1, 2], [1, 2], [1], [1, 2, 3]]
    assert copied_share(samples, [[1, 2], [4]]) == 2 / 4
    assert copied_share(samples, []) == 0
    assert copied_share(samples, samples) == 1


def test_unigram_entropy():
    assert unigram_entropy([[0, 1, 2, 3], [3, 2, 1, 0]]) == pytest.approx(math.log(4), abs=1e-15)
    assert unigram_entropy([[0, 0, 0], [1]]) == pytest.approx(
        math.log(4) - 3 / 4 * math.log(3), abs=1e-15
    )
    assert unigram_entropy([[7, 7], [7]]) == 0
    assert unigram_entropy([[]]) == 0


@pytest.mark.parametrize(("n", "value"), [(1, (2 / 4) / 4), (2, (1 / 3) / 4), (3, 0), (9, 0)])
def test_repetition_share_is_a_mean_over_sentences(n, value):
    assert repetition_share(SAMPLES, n) == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: distinct([], 1), "at least one sample"),
        (lambda: unique_share([]), "at least one sample"),
        (lambda: copied_share([], [[1]]), "at least one sample"),
        (lambda: unigram_entropy([]), "at least one sample"),
        (lambda: repetition_share([], 1), "at least one sample"),
        (lambda: distinct([[1]], 0), "n of 1 or more: got 0"),
        (lambda: repetition_share([[1]], -1), "n of 1 or more: got -1"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(UserError, match=said):
        call()
