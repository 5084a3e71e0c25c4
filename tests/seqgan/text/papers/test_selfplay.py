"""DGSAN, DDO, SPACE and SPIN on 27 sequences: what one exact round ends at."""

import math
from functools import partial

import pytest
import torch

from image_core.adversarial.engine import Engine
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.games.selfplay import SelfPlayGame, gap, nce
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


def ratios(policy):
    """log G - log G' of the multiset of the data, and of that of the twin."""
    r = policy.everything() - P0.log()
    return r.repeat_interleave(REAL), r.repeat_interleave(START)


def solved(loss):
    """Where a round ends that is played exactly: the twin stays, every expectation is known."""
    return minimised(TablePolicy(START), lambda policy: loss(*ratios(policy)))


def of_all_pairs(loss):
    """The expectation over independent pairs, of a loss that compares a real with a sample."""
    return lambda real, twin: loss(*torch.broadcast_tensors(real[:, None], twin))


def test_the_start_is_far_from_the_data():
    assert kl(P, P0) > 0.5


@pytest.mark.parametrize("mu", [0.5, 1.0, 4.0])
def test_one_exact_round_of_noise_contrast_gives_the_data(mu):
    """DGSAN, DDO with beta = 1 and SPACE, for every mu (the 1 is DGSAN's)."""
    assert kl(P, solved(nce(mu=mu))) < 1e-5


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_one_exact_round_of_spin_gives_a_power_of_the_ratio(beta):
    expected = P0 * (P / P0) ** (1 / beta)
    expected = expected / expected.sum()
    assert kl(expected, solved(of_all_pairs(gap(beta)))) < 1e-5
    assert (kl(P, expected) < 1e-9) == (beta == 1)


def test_a_beta_other_than_one_misses_the_data_in_ddo():
    """The optimum solves p s(-b r) = G' s(b r) + const G up to the normalisation of G."""
    found = solved(nce(beta=0.5))
    r = 0.5 * (found.log() - P0.log())
    # Stationary on the simplex: 0.5 (p s(-r) - G' s(r)) is a multiple of G
    slope = 0.5 * (P * torch.sigmoid(-r) - P0 * torch.sigmoid(r))
    assert torch.allclose(slope / found, (slope.sum() / found.sum()).expand(27), atol=1e-4)
    assert kl(P, found) > 0.02


def played(loss, ratio="sequence"):
    """The gradient of one move of the game at the start, and the game."""
    game = SelfPlayGame(TablePolicy(START), 3, loss=loss, ratio=ratio)
    with torch.no_grad():
        game.G.table.add_(torch.linspace(-1, 1, 39, dtype=torch.float64).view(13, 3))
    game.twin.played += 1
    game.twin.refresh = 100
    move = next(game.policy_move(iter([multiset(REAL)])))
    return gradient(move.total, game.G), game


@pytest.mark.parametrize("loss", [nce(mu=2.0, beta=0.5, alpha=3.0), gap(0.5)])
def test_a_move_takes_that_loss_of_real_sequences_and_samples_of_the_twin(loss):
    found, game = played(loss)
    expected = gradient(loss(*ratios(game.G)), game.G)
    assert float(expected.abs().max()) > 1e-3
    assert torch.allclose(found, expected, atol=1e-12)


def test_a_ratio_of_tokens_is_a_contrast_at_each_prefix():
    """Its gradient by hand; at the data, where that of sequences vanishes, it does not."""
    found, game = played(nce(), "token")
    ratio = game.G.log_prob(SEQUENCES) - game.twin.policy.log_prob(SEQUENCES)
    by_hand = -(P[:, None] * torch.nn.functional.logsigmoid(ratio)).sum() / 3
    by_hand = by_hand - (P0[:, None] * torch.nn.functional.logsigmoid(-ratio)).sum() / 3
    assert torch.allclose(found, gradient(by_hand, game.G), atol=1e-12)
    slopes = []
    for ratio in ("sequence", "token"):
        game = SelfPlayGame(TablePolicy(START), 3, loss=nce(), ratio=ratio, refresh=100)
        game.G.become(P)
        game.twin.played += 1
        move = next(game.policy_move(iter([multiset(REAL)])))
        slopes.append(float(gradient(move.total, game.G).abs().max()))
    assert slopes[0] < 1e-12
    assert slopes[1] > 1e-3


def test_the_twin_is_the_policy_of_the_last_refresh_and_in_the_checkpoint():
    torch.manual_seed(0)
    game = SelfPlayGame(LSTMPolicy(3, 4, 4), 3, loss=nce(), refresh=2)
    engine = Engine(game, {"G": partial(torch.optim.Adam, lr=0.05)})
    first = game.G.embedding.detach().clone()
    kept = []
    for _ in engine.rounds(lambda index: multiset(REAL)[::20], 3):
        kept.append((game.G.embedding.detach().clone(), game.twin.policy.embedding.clone()))
    assert torch.equal(kept[0][1], first)
    assert torch.equal(kept[1][1], first)
    assert torch.equal(kept[2][1], kept[1][0])
    assert torch.equal(game.state_dict()["twin.policy.embedding"], kept[2][1])


def test_equal_policies_cost_two_log_two_and_know_nothing():
    """Control without a difference: real sequences are the twin's own."""
    game = SelfPlayGame(TablePolicy(START), 3, loss=nce(), refresh=1)
    loss = next(game.policy_move(iter([multiset(START)])))
    assert loss.total.item() == pytest.approx(2 * math.log(2))
    gradient = torch.autograd.grad(loss.total, game.G.table)[0]
    assert float(gradient.abs().max()) < 1e-12
