"""Corpus BLEU against its own formula, and bootstrap bands against the known error of a mean."""

import math

import numpy as np
import pytest

from image_core.adversarial.errors import UserError
from seqgan.metrics import bootstrap_band, corpus_bleu


def test_corpus_bleu_pools_counts_over_sentences_and_says_how_it_was_made():
    """p_1 = 7/8, p_2 = 4/6 over both sentences; lengths 8 and 9, so exp(1 - 9/8)."""
    samples = ["the cat sat down", "a dog ran off"]
    references = ["the cat sat there", "a dog ran off quickly"]
    result = corpus_bleu(samples, [references], order=2)
    expected = 100 * math.exp(1 - 9 / 8) * math.sqrt(7 / 8 * 5 / 6)
    assert result.score == pytest.approx(expected, abs=1e-9)
    assert result.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    both = corpus_bleu(samples, [references, samples])
    assert both.score == pytest.approx(100, abs=1e-9)
    assert both.signature.startswith("nrefs:2|")


def test_corpus_bleu_lower_cases_on_demand():
    assert corpus_bleu(["A Dog ran off"], [["a dog ran off"]]).score < 50
    lowered = corpus_bleu(["A Dog ran off"], [["a dog ran off"]], lowercase=True)
    assert lowered.score == pytest.approx(100, abs=1e-9)
    assert "case:lc" in lowered.signature


def test_corpus_bleu_refuses_lines_that_do_not_match():
    with pytest.raises(UserError, match="reference set 2 has 1 sentences for 2 samples"):
        corpus_bleu(["a", "b"], [["a", "b"], ["a"]])
    with pytest.raises(UserError, match="at least one sample"):
        corpus_bleu([], [[]])


# ----------------------------------------------------------------------------------------- bands


def test_a_band_of_a_mean_has_the_width_that_statistics_know():
    values = np.random.default_rng(0).normal(3, 2, 2000)
    low, high = bootstrap_band(values, resamples=4000)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.01)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(2000), rel=0.1)


def test_a_band_of_a_ratio_of_sums():
    """Nats over tokens: of sentences that all have one rate there is nothing to be unsure of."""
    tokens = np.random.default_rng(0).integers(1, 20, 300).astype(float)
    assert bootstrap_band(2.5 * tokens, tokens) == pytest.approx((2.5, 2.5), abs=1e-12)
    low, high = bootstrap_band(2.5 * tokens)
    assert low < 2.5 * tokens.mean() < high


def test_bands_repeat_and_cover_one_value():
    values = np.arange(40.0)
    assert bootstrap_band(values, seed=3) == bootstrap_band(values, seed=3)
    assert bootstrap_band(values, seed=3) != bootstrap_band(values, seed=4)
    assert bootstrap_band(np.array([7.0])) == (7, 7)
    with pytest.raises(UserError, match="at least one value"):
        bootstrap_band(np.array([]))


def test_bands_of_many_values_go_on_where_those_of_fewer_end(monkeypatch):
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 20, 4000).astype(float)
    nats = tokens * rng.gamma(4, 1, 4000)
    drawn = bootstrap_band(nats, tokens, resamples=4000)
    monkeypatch.setattr("seqgan.metrics.bootstrap.MANY", 4000)
    normal = bootstrap_band(nats, tokens)
    width = drawn.high - drawn.low
    assert normal.low == pytest.approx(drawn.low, abs=0.06 * width)
    assert normal.high == pytest.approx(drawn.high, abs=0.06 * width)
