import functools
import gzip
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nltk.tokenize import NLTKWordTokenizer
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from image_core.adversarial.errors import UserError
from seqgan.metrics import bleu, bleu_per_sentence, self_bleu, self_bleu_per_sentence
from tests.data_folder import data_folder

ORDERS = (1, 2, 3, 4, 5)


def nltk_bleu(sample, references, order):
    smooth = SmoothingFunction().method1
    return float(sentence_bleu(references, sample, (1 / order,) * order, smooth))


def nltk_scores(samples, references, orders=ORDERS):
    return {n: [nltk_bleu(s, references, n) for s in samples] for n in orders}


def nltk_self_scores(samples, orders=ORDERS):
    others = [[*samples[:i], *samples[i + 1 :]] for i in range(len(samples))]
    return {n: [nltk_bleu(s, o, n) for s, o in zip(samples, others)] for n in orders}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for order, scores in theirs.items():
        np.testing.assert_allclose(ours[order], scores, rtol=0, atol=1e-12, err_msg=f"BLEU-{order}")


# Few token types and few sentences make repeats inside a sentence, duplicates and ties frequent.
sentences = st.lists(st.lists(st.integers(0, 3), max_size=9), min_size=2, max_size=7)
some_sentences = st.lists(st.lists(st.integers(0, 3), max_size=9), min_size=1, max_size=7)


@settings(max_examples=120, deadline=None)
@given(some_sentences, some_sentences)
@example([[]], [[]])
@example([[0]], [[], [0, 1]])  # lengths 0 and 2 are equally close to 1: the shorter counts
@example([[0, 1]], [[2, 3, 0, 1]])
@example([[0], [0]], [[1]])
@example([[0, 0, 0]], [[0, 0], [0]])
def test_bleu_is_nltk(samples, references):
    assert_same(bleu_per_sentence(samples, references, ORDERS), nltk_scores(samples, references))


@settings(max_examples=120, deadline=None)
@given(sentences)
@example([[], []])
@example([[0, 1, 2], [0, 1, 2]])
@example([[0], [], [0, 1]])
@example([[0, 0, 0, 0], [0, 0], [0, 0, 0]])  # the holder of the top count is clipped by the second
@example([[0, 1, 0, 1], [1], [0, 1, 1, 0, 1]])
def test_self_bleu_is_nltk(samples):
    assert_same(self_bleu_per_sentence(samples, ORDERS), nltk_self_scores(samples))


SPREAD = 1 << 57  # leaves no room to pack an id and its place into one integer


@pytest.mark.parametrize(
    "ids",
    [range(60), range(-30, 30), range(0, 60 * SPREAD, SPREAD), range(-60 * SPREAD, 0, SPREAD)],
)
def test_larger_corpora_with_any_token_ids_are_nltk(ids):
    rng = np.random.default_rng(0)
    frequency = 1 / np.arange(1, 61)
    words = lambda: rng.choice(60, rng.integers(0, 25), p=frequency / frequency.sum())  # noqa: E731
    samples, references = ([[ids[w] for w in words()] for _ in range(30)] for _ in range(2))
    samples += references[:3] + samples[:3]
    assert_same(bleu_per_sentence(samples, references, ORDERS), nltk_scores(samples, references))
    assert_same(self_bleu_per_sentence(samples, ORDERS), nltk_self_scores(samples))


def test_value_by_hand():
    # p_1 = 3/4 (the second 1 is clipped), p_2 = 2/3, and the closest length is 5.
    score = bleu([[1, 2, 3, 1]], [[1, 2, 3, 4, 5]], orders=(2,))
    assert score == {2: pytest.approx(math.exp(-1 / 4) * math.sqrt(3 / 4 * 2 / 3), abs=1e-15)}


def test_mean_is_over_all_samples_and_order_of_orders_does_not_matter():
    samples, references = [[1, 2, 3], [9], [1, 2]], [[1, 2, 3, 4]]
    scores = bleu_per_sentence(samples, references, (3, 1))
    assert list(scores) == [3, 1]
    assert bleu(samples, references, (1, 3)) == {n: scores[n].sum() / 3 for n in (1, 3)}
    assert scores[1][1] == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bleu([], [[1]]), "0 samples and 1 references"),
        (lambda: bleu([[1]], []), "1 samples and 0 references"),
        (lambda: self_bleu([[1]]), "at least 2 samples: got 1"),
        (lambda: bleu([[1]], [[1]], orders=(0, 2)), "orders of 1 or more"),
        (lambda: self_bleu([[1], [1]], orders=()), "orders of 1 or more"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(UserError, match=said):
        call()


@functools.cache
def texygen(name):
    """Cased word ids of a file of the COCO captions; one vocabulary for all files."""
    with gzip.open(data_folder("text") / f"{name}.txt.gz", "rt", encoding="utf-8") as lines:
        return [[word_id(w) for w in NLTKWordTokenizer().tokenize(line)] for line in lines]


word_ids: dict[str, int] = {}


def word_id(word):
    return word_ids.setdefault(word, len(word_ids))


def test_real_captions_are_nltk():
    samples, references = texygen("texygen_coco_samples_mle"), texygen("image_coco_test")
    chosen = 2201
    others = [*samples[:chosen], *samples[chosen + 1 :]]
    ours = bleu_per_sentence(samples, references)[5][chosen]
    ours_self = self_bleu_per_sentence(samples)[5][chosen]
    assert ours == pytest.approx(nltk_bleu(samples[chosen], references, 5), abs=1e-12)
    assert ours_self == pytest.approx(nltk_bleu(samples[chosen], others, 5), abs=1e-12)
