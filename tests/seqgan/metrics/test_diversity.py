import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_core.adversarial.errors import UserError
from seqgan.metrics import (
    adjusted_distinct,
    copied_ngrams,
    copied_share,
    distinct,
    lengths,
    ngram_entropy,
    repetition_share,
    unigram_entropy,
    unique_share,
)
from seqgan.metrics.bootstrap import seeds_figure, seeds_reach
from seqgan.metrics.ngrams import longest_shared, ngrams

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


def test_entropy_of_ngrams():
    # 1 2, 2 1, 1 2 of the first sample and 1 2 of the second
    expected = 3 / 4 * math.log(4 / 3) + 1 / 4 * math.log(4)
    assert ngram_entropy(SAMPLES, 2) == pytest.approx(expected, abs=1e-15)
    assert ngram_entropy(SAMPLES, 9) == 0


@pytest.mark.parametrize("count", [100, 2_000, 40_000])
@pytest.mark.parametrize("n", [1, 2])
def test_adjusted_distinct_of_uniform_tokens_is_one_at_any_size(count, n):
    rng = np.random.default_rng(count)
    samples = rng.integers(0, 30, (count // 10, 10)).tolist()
    assert adjusted_distinct(samples, n, 30) == pytest.approx(1, abs=0.06)
    assert distinct(samples[:10], n) > 1.5 * distinct(samples, n) or count == 100


def test_adjusted_distinct_by_hand_and_where_no_ngram_repeats():
    # 2 different of C = 3 among V = 4: 4 (1 - (3/4)^3) = 37/16
    assert adjusted_distinct([[0, 1], [0]], 1, 4) == pytest.approx(2 / (37 / 16), abs=1e-12)
    # K is so large that 1 - 1/K is 1 in double precision: as many are expected as there are
    assert adjusted_distinct([[0, 1, 2, 3, 4, 5]], 5, 10**6) == pytest.approx(1, abs=1e-9)
    assert adjusted_distinct([[0, 0]], 1, 1) == 1
    assert adjusted_distinct([[]], 1, 1) == 0


def test_copied_ngrams():
    training = [[1, 2, 3, 4], [5, 6]]
    samples = [[2, 3, 9, 1], [5, 6], [9], [], [1, 2, 3, 5, 6]]
    assert longest_shared(samples, training).tolist() == [2, 2, 0, 0, 3]
    assert copied_ngrams(samples, training) == pytest.approx((2 / 4 + 1 + 0 + 0 + 3 / 5) / 5)
    assert copied_ngrams(samples, []) == 0


def test_lengths():
    assert lengths([[1, 2, 3], [], [1], [4, 4]]) == (1.5, math.sqrt(1.25), 0, 1.5, 3)


some = st.lists(st.lists(st.integers(0, 3), max_size=9), min_size=1, max_size=6)


def tuples(sentence, n):
    return [tuple(sentence[i : i + n]) for i in range(len(sentence) - n + 1)]


@settings(max_examples=150, deadline=None)
@given(some, some, st.integers(1, 4))
def test_against_tuples_in_counters(samples, training, n):
    grams = [gram for sample in samples for gram in tuples(sample, n)]
    number, sentence = ngrams(samples, n)
    # A renaming of the n-grams, place by place
    assert len(set(zip(grams, number.tolist()))) == len(set(grams)) == len(set(number.tolist()))
    assert sentence.tolist() == [i for i, s in enumerate(samples) for _ in tuples(s, n)]
    counts = Counter(grams)
    assert distinct(samples, n) == len(counts) / max(1, len(grams))
    entropy = sum(c / len(grams) * math.log(len(grams) / c) for c in counts.values())
    assert ngram_entropy(samples, n) == pytest.approx(entropy, abs=1e-12)
    repeated = [1 - len(set(g)) / len(g) if (g := tuples(s, n)) else 0 for s in samples]
    assert repetition_share(samples, n) == pytest.approx(sum(repeated) / len(samples), abs=1e-12)
    known = {g for s in training for m in range(1, 10) for g in tuples(s, m)}
    longest = [
        max((m for m in range(1, 10) if known & set(tuples(s, m))), default=0) for s in samples
    ]
    assert longest_shared(samples, training).tolist() == longest


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: distinct([], 1), "at least one sample"),
        (lambda: unique_share([]), "at least one sample"),
        (lambda: copied_share([], [[1]]), "at least one sample"),
        (lambda: unigram_entropy([]), "at least one sample"),
        (lambda: repetition_share([], 1), "at least one sample"),
        (lambda: lengths([]), "at least one sample"),
        (lambda: copied_ngrams([], [[1]]), "at least one sample"),
        (lambda: adjusted_distinct([[1], [2]], 1, 1), "vocab 1 is smaller"),
        (lambda: distinct([[1]], 0), "n of 1 or more: got 0"),
        (lambda: repetition_share([[1]], -1), "n of 1 or more: got -1"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(UserError, match=said):
        call()


def test_the_interval_over_seeds_is_students():
    """Of 1, 2, 3: mean 2, deviation 1, t 4.3027 of two degrees of freedom."""
    found = seeds_figure([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.band == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5))
    assert seeds_figure([4.0]) == (4.0, None)
    # Student's quantile of 20 degrees of freedom is 2.086, of 11 it is 2.201
    assert seeds_reach(21**0.5, 21) == pytest.approx(2.086, abs=1e-3)
    assert seeds_reach(12**0.5, 12) == pytest.approx(2.201, abs=1e-3)
