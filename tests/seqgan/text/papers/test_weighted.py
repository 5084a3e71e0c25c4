"""psi-MLE, cooperative networks and JSDGAN on 27 sequences, with exact discriminators."""

import math

import pytest
import torch

from seqgan.text.games.offline import OfflineGame
from seqgan.text.games.weighted import WeightedGame, weighted_likelihood
from seqgan.text.papers.jsdgan import exact, released
from seqgan.text.papers.psi_mle import mixture_ratio
from tests.seqgan.text.papers.exact import Optimal
from tests.seqgan.text.papers.table import (
    SEQUENCES,
    TablePolicy,
    counts,
    gradient,
    kl,
    minimised,
    multiset,
    share,
)

REAL, START = counts(0), counts(1)
P, P0 = share(REAL), share(START)


def weighted(weight, mixed):
    game = WeightedGame(
        TablePolicy(START), Optimal(P, P0), 3, weight=weight, mixed=mixed, samples=int(START.sum())
    )
    return game, lambda: next(game.policy_move(iter([multiset(REAL)])))


def test_psi_mle_learns_the_data_from_a_mixture_with_its_own_samples():
    game, move = weighted(mixture_ratio, mixed=True)
    found = gradient(move().total, game.G)
    log_g = game.G.everything()
    expected = -((P + P0) / 2 * 2 * P / (P + P0) * log_g).sum() / 3
    assert float(found.abs().max()) > 1e-3
    assert torch.allclose(found, gradient(expected, game.G), atol=1e-7)
    fixed = ((P + P0) / 2 * mixture_ratio((P / P0).log())).detach()
    assert kl(P, minimised(game.G, lambda policy: -(fixed * policy.everything()).sum())) < 1e-9


def test_its_weights_stay_below_two_and_those_of_maligan_do_not():
    assert float(mixture_ratio((P / P0).log()).max()) < 2 < 5 < float((P / P0).max())


def test_each_half_of_the_mixture_counts_alike_whatever_its_size():
    game, _ = weighted(mixture_ratio, mixed=True)
    alike = gradient(next(game.policy_move(iter([multiset(REAL)]))).total, game.G)
    twice = multiset(REAL).repeat(2, 1)
    found = gradient(next(game.policy_move(iter([twice]))).total, game.G)
    assert torch.allclose(found, alike, atol=1e-7)


def test_a_constant_weight_is_likelihood_of_the_mixture():
    """The control: its optimum is half way to the policy itself, not the data."""
    game, move = weighted(torch.ones_like, mixed=True)
    expected = gradient(-((P + P0) / 2 * game.G.everything()).sum() / 3, game.G)
    assert torch.allclose(gradient(move().total, game.G), expected, atol=1e-7)


def test_a_cooperative_step_is_likelihood_under_g_times_d():
    game, move = weighted(torch.sigmoid, mixed=False)
    q = P0 * P / (P + P0)
    q = q / q.sum()
    loss = move()
    found = gradient(loss.total, game.G)
    expected = gradient(-(q * game.G.everything()).sum() / 3, game.G)
    assert float(found.abs().max()) > 1e-3
    assert torch.allclose(found, expected, atol=1e-7)
    w = torch.sigmoid((P / P0).log())
    ess = (P0 * w).sum() ** 2 / (P0 * w**2).sum() * START.sum()
    assert loss.logs["effective_samples"].item() == pytest.approx(ess.item(), rel=1e-5)


def test_the_cooperative_map_has_the_data_as_its_fixed_point():
    """KL 1.43, .40, .002 and below 1e-5 after 0, 1, 5 and 10 rounds, from these tables."""
    torch.manual_seed(0)
    double = {"dtype": torch.float64}
    for size in (1, 3, 9):
        torch.randn(size, 3, **double)
    torch.rand(27, **double)
    p = torch.softmax(torch.randn(27, **double), 0)
    q = torch.softmax(2 * torch.randn(27, **double), 0)
    found = []
    for _ in range(11):
        found.append(kl(q, p))
        w = torch.sigmoid((q / p).log())
        p = p * w / (p * w).sum()
    assert found[0] == pytest.approx(1.43, abs=0.005)
    assert found[1] == pytest.approx(0.40, abs=0.005)
    assert found[5] == pytest.approx(0.002, abs=0.0005)
    assert found[10] < 1e-5
    w = torch.sigmoid((q / q).log())
    assert torch.allclose(q * w / (q * w).sum(), q)


DATA = torch.tensor([1, 5, 14, 22])
"""Numbers of the training sequences of JSDGAN, each once."""


def divergence(policy):
    """JSD of the training sequences and the policy, over all 27."""
    g = policy.everything().exp()
    p = torch.zeros(27, dtype=torch.float64)
    p[DATA] = 1 / len(DATA)
    mixture = (p + g) / 2
    own = (p[DATA] * (p[DATA] / mixture[DATA]).log()).sum()
    return 0.5 * own + 0.5 * (g * (g / mixture).log()).sum()


def test_jsdgan_moves_along_the_exact_gradient_without_samples():
    policy = TablePolicy(START)
    game = OfflineGame(policy, 3, weigh=exact(lambda: len(DATA)))
    found = gradient(next(game.policy_move(iter([SEQUENCES[DATA]]))).total, policy)
    truth = gradient(2 * divergence(policy), policy)
    g = P0[DATA]
    w = g * ((g + 0.25) / g).log()
    # A step divides by the sum of the weights over tokens
    assert torch.allclose(found * 3 * w.sum(), truth, atol=1e-8)
    assert float(truth.abs().max()) > 1e-3


def test_jsdgans_weights_permuted_are_not_the_gradient():
    policy = TablePolicy(START)
    right = exact(lambda: len(DATA))
    game = OfflineGame(policy, 3, weigh=lambda *given: right(*given).roll(1, 0))
    found = gradient(next(game.policy_move(iter([SEQUENCES[DATA]]))).total, policy)
    truth = gradient(divergence(policy), policy)
    assert torch.cosine_similarity(found.flatten(), truth.flatten(), dim=0) < 0.99


def test_the_released_weights_of_a_batch_of_64():
    """log(1 + 1/64) = .0155 for the likeliest and 0 for the least."""
    policy = TablePolicy(START)
    batch = torch.cat([SEQUENCES, SEQUENCES, SEQUENCES[:10]])
    weight = released(policy, policy, batch)[:, 0]
    assert weight[P0.argmax()].item() == pytest.approx(math.log(1 + 1 / 64))
    assert weight[P0.argmin()].item() == 0
    assert torch.equal(weight[:27].argmax(), P0.argmax())


def test_long_sentences_leave_finite_weights():
    """exp(-400) is 0 in float64 too; the greatest weight of a batch is 1."""

    class Unlikely(TablePolicy):
        def log_prob(self, tokens, temperature=1.0):
            return super().log_prob(tokens, temperature) - 200

    policy = Unlikely(START)
    weight = exact(lambda: 10_000)(policy, policy, SEQUENCES)
    assert torch.isfinite(weight).all()
    assert weight.max().item() == 1


def test_weights_of_tokens_are_normalised_over_tokens_that_count():
    log_prob = torch.tensor([[-1.0, -2.0, 0.0], [-3.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    weight = torch.tensor([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]])
    loss = weighted_likelihood(log_prob, weight, mask)
    assert loss.total.item() == pytest.approx((1 + 4 + 9) / 6)
    assert loss.logs["effective_samples"].item() == pytest.approx(36 / 18)
    assert weighted_likelihood(log_prob, weight, mask, normalise=False).total.item() == (
        pytest.approx(14 / 3)
    )
