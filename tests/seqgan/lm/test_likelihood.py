"""Likelihood and Jensen-Shannon divergence against sums over all sequences."""

import math

import pytest
import torch

from seqgan.lm.likelihood import jsd, nll, sequence_log_prob
from tests.seqgan.lm.enumeration import everything, tiny_policy


def exact_jsd(p, q):
    m = (p + q) / 2
    return 0.5 * float((p * (p / m).log()).sum() + (q * (q / m).log()).sum())


@pytest.fixture
def pair():
    """Two policies over the same sequences, and the probabilities under both."""
    one, other = tiny_policy(4, end=2, seed=0), tiny_policy(4, end=2, seed=1)
    sequences, p = everything(one, 3)
    q = sequence_log_prob(other, sequences).double().exp()
    assert p.sum() == pytest.approx(1, abs=1e-5)
    assert q.sum() == pytest.approx(1, abs=1e-5)
    return one, other, sequences, p, q


def test_log_probabilities_of_whole_sequences():
    """More rows than are scored at a time."""
    policy = tiny_policy(4, end=2)
    tokens = policy.sample(2345, 3)
    values = sequence_log_prob(policy, tokens)
    assert values.shape == (2345,)
    assert torch.allclose(values, policy.log_prob(tokens).sum(1), atol=1e-6)


def test_nll_is_nats_a_token_with_ends_and_without_padding():
    policy = tiny_policy(5, end=2)
    tokens = torch.tensor([[3, 4, 2, 0], [2, 0, 0, 0], [4, 4, 4, 4]])
    log_prob = policy.log_prob(tokens)
    by_hand = -(log_prob[0, :3].sum() + log_prob[1, 0] + log_prob[2].sum()) / 8
    assert nll(policy, tokens) == pytest.approx(by_hand.item(), rel=1e-6)
    assert nll(policy, tokens.repeat(700, 1)) == pytest.approx(by_hand.item(), rel=1e-6)


def test_unknown_words_are_read_but_not_scored():
    policy = tiny_policy(5, end=2)
    tokens = torch.tensor([[3, 4, 2, 0], [4, 4, 4, 4], [3, 3, 3, 3]])
    log_prob = policy.log_prob(tokens)
    by_hand = -(log_prob[0, 0] + log_prob[0, 2] + log_prob[2].sum()) / 6
    assert nll(policy, tokens, unknown=4) == pytest.approx(by_hand.item(), rel=1e-6)


def test_nll_of_own_samples_is_the_entropy():
    """Without an end: H(y) / T, by enumeration, within five standard errors; sharper is lower."""
    policy = tiny_policy(4)
    _, p = everything(policy, 3)
    surprise = -p.log() / 3
    entropy = float((p * surprise).sum())
    error = math.sqrt(float((p * (surprise - entropy) ** 2).sum()) / 20_000)
    assert nll(policy, policy.sample(20_000, 3)) == pytest.approx(entropy, abs=5 * error)
    assert nll(policy, policy.sample(2000, 3, temperature=0.5)) < entropy - 10 * error


def test_nll_at_a_temperature():
    policy, tokens = tiny_policy(4), torch.randint(0, 4, (7, 3))
    expected = -policy.log_prob(tokens, 0.6).mean().item()
    assert nll(policy, tokens, 0.6) == pytest.approx(expected, rel=1e-6)
    assert abs(nll(policy, tokens) - expected) > 0.05


# ------------------------------------------------------------------------------ Jensen and Shannon


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_jsd_is_exact_in_expectation(pair, temperature):
    """Each half is a mean over samples, so its expectation can be summed over all sequences."""
    one, other, sequences, p, q = pair
    q = sequence_log_prob(other, sequences, temperature).double().exp()
    anchor = sequences[:1]
    both = jsd(one, other, anchor, anchor, temperature)
    under_p = [jsd(one, other, row[None], anchor, temperature) for row in sequences]
    under_q = [jsd(one, other, anchor, row[None], temperature) for row in sequences]
    expected = float(p @ torch.tensor(under_p).double() + q @ torch.tensor(under_q).double())
    assert expected - both == pytest.approx(exact_jsd(p, q), abs=1e-5)
    assert exact_jsd(p, q) > 0.05


def test_jsd_of_samples(pair):
    one, other, _, p, q = pair
    estimate = jsd(one, other, one.sample(20_000, 3), other.sample(20_000, 3))
    assert estimate == pytest.approx(exact_jsd(p, q), abs=0.01)
    back = jsd(other, one, other.sample(20_000, 3), one.sample(20_000, 3))
    assert back == pytest.approx(estimate, abs=0.01)


def test_jsd_of_equal_policies_is_zero():
    policy = tiny_policy(4, end=2)
    assert jsd(policy, policy, policy.sample(50, 3), policy.sample(60, 3)) == 0


def test_jsd_of_disjoint_policies_is_log_2():
    """One writes tokens 1 and 2, the other 3 and 4."""
    one, other = tiny_policy(5, seed=0), tiny_policy(5, seed=1)
    one.output_bias[[0, 3, 4]] = -1e9
    other.output_bias[[0, 1, 2]] = -1e9
    real, fake = one.sample(50, 3), other.sample(60, 3)
    assert jsd(one, other, real, fake) == pytest.approx(math.log(2), abs=1e-12)
