"""The judge of samples: near 0 without a difference, a bound that is one, and pairs by hand."""

import math

import pytest
import torch
from torch import nn

from seqgan.discrete.judge import judged, known_words, pair_divergence


def judge_of(variables):
    """Large enough to learn a few hundred samples by heart."""
    return nn.Sequential(nn.Linear(variables, 256), nn.ReLU(), nn.Linear(256, 2))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_real_against_real_is_near_0_however_much_the_judge_could_learn_by_heart(seed):
    """300 samples of noise in 200 dimensions: at its last step this judge stands below -1."""
    torch.manual_seed(seed)
    found = judged(torch.randn(300, 200), torch.randn(300, 200), judge_of(200), steps=200)
    assert abs(found["jsd_bound"]) < 0.02
    assert abs(found["judge_accuracy"] - 0.5) < 0.12


def test_the_bound_of_two_coins_is_just_below_their_divergence():
    """One variable, 1 with probability .9 and .3: a judge can reach the known divergence."""
    torch.manual_seed(0)
    p, q = 0.9, 0.3
    real, fake = ((torch.rand(6_000, 1) < share).float() for share in (p, q))
    mid = (p + q) / 2

    def entropy(share):
        return -share * math.log(share) - (1 - share) * math.log(1 - share)

    truth = entropy(mid) - (entropy(p) + entropy(q)) / 2
    found = judged(real, fake, judge_of(1))
    assert found["jsd_bound"] == pytest.approx(truth, abs=4 * found["jsd_error"])
    assert found["jsd_error"] == pytest.approx(0.006, rel=0.2)
    assert found["judge_accuracy"] == pytest.approx((p + 1 - q) / 2, abs=0.03)


def test_what_is_easily_told_apart_reaches_log_2():
    torch.manual_seed(0)
    found = judged(torch.randn(400, 10) + 8, torch.randn(400, 10) - 8, judge_of(10))
    assert found["jsd_bound"] == pytest.approx(math.log(2), abs=1e-2)
    assert found["judge_accuracy"] == 1


def test_more_samples_teach_the_judge_and_are_not_judged():
    """40 samples tell less than 4,000; if those say the reverse, the judge says nothing."""
    torch.manual_seed(0)
    sizes = ((100, 0.3), (100, 0.0), (4_000, 0.3), (4_000, 0.0))
    real, fake, *more = (torch.randn(n, 50) + shift for n, shift in sizes)
    few, many, wrong = (
        judged(real, fake, judge_of(50), more=given, seed=1)
        for given in (None, tuple(more), (more[1], more[0]))
    )
    assert few["judge_accuracy"] < many["judge_accuracy"] > 0.75
    assert wrong["judge_accuracy"] == 0.5
    assert abs(wrong["jsd_bound"]) < 1e-6


def test_known_words_by_hand():
    learned = ["a man sat on th", "the bus is red "]
    assert known_words(["a man is redxxx"], learned) == 1
    assert known_words(["the  cat on red", "th bus is the xx"], learned) == pytest.approx(5 / 7)


def test_pairs_by_hand():
    """Real rows alternate, generated ones repeat: no pair is shared along the row."""
    real, fake = torch.tensor([[0, 1, 0, 1]]), torch.tensor([[1, 1, 1, 1]])
    assert pair_divergence(real, fake, 2) == pytest.approx(math.log(2))
    assert pair_divergence(real, real.flip(0), 2) == 0
    # 01 twice and 10 once against 01 once and 10 twice
    expected = 0.5 * (2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)) * 2
    assert pair_divergence(real, 1 - real, 2) == pytest.approx(expected)


def test_pairs_of_pictures_are_the_mean_over_both_axes():
    stripes, flat = torch.tensor([[[0, 0], [1, 1]]]), torch.tensor([[[0, 0], [0, 0]]])
    along = (math.log(4 / 3) + 0.5 * math.log(2 / 3) + 0.5 * math.log(2)) / 2
    assert pair_divergence(stripes, flat, 2) == pytest.approx((math.log(2) + along) / 2)
