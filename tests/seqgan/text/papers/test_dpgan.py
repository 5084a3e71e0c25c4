"""DPGAN on the table of 27 sequences: rewards and gradients exact, a loss that is held."""

from functools import partial

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from seqgan.lm.policies import LSTMPolicy
from seqgan.text import oracle_recipe as oracle
from seqgan.text.papers.dpgan import NoveltyGame
from tests.recipes.made import built
from tests.seqgan.text.papers.table import SEQUENCES, TablePolicy, counts, gradient, multiset, share

ROWS = 270


def table(**options):
    """A policy, another model in the discriminator's place, and their probabilities."""
    often = counts(3)
    game = NoveltyGame(TablePolicy(often), 3, samples=ROWS, **options)
    d = share(counts(5))
    game.D.become(d)
    return game, share(often), d


def novelty(d):
    """-log D of each token of the 27 sequences, from the joint table alone."""
    mass = d.view(3, 3, 3)
    first, second = mass.sum((1, 2)), mass.sum(2)
    a, b, _ = SEQUENCES.T
    p = torch.stack([first[a], second[a, b] / first[a], d / second[a, b]], 1)
    return -p.log()


def test_rewards_are_products_of_sentence_and_tokens_to_come():
    game, _, d = table(reward_bound=1.5)
    r = novelty(d).clamp(max=1.5)
    assert (novelty(d) > 1.5).any()
    expected = torch.stack([r.mean(1) * r[:, t:].sum(1) for t in range(3)], 1)
    mask = torch.ones_like(SEQUENCES, dtype=torch.bool)
    torch.testing.assert_close(game.returns(SEQUENCES, mask), expected)


def test_the_policys_gradient_is_exact():
    """That of E_G sum_t R_t log G with R held, over all sequences; real ones with their share."""
    game, g, d = table(baseline="none", real_weight=0.5)
    p = share(counts(9))
    real = multiset(counts(9))
    (loss,) = game.policy_move(iter([real]))
    found = gradient(loss.total, game.G)
    r = novelty(d).clamp(max=12)
    returns = torch.stack([r.mean(1) * r[:, t:].sum(1) for t in range(3)], 1)
    log_prob = game.G.log_prob(SEQUENCES)
    each = (returns * log_prob).sum(1) / 3
    torch.testing.assert_close(found, gradient(-((g + 0.5 * p) * each).sum(), game.G))


def test_novel_tokens_become_likelier():
    """A small step on samples alone raises the expected novelty of a sentence."""
    game, g, d = table(real_weight=0.0)
    sentence = novelty(d).mean(1)
    (loss,) = game.policy_move(iter([]))
    slope = gradient(loss.total, game.G)
    before = (g * sentence).sum()
    with torch.no_grad():
        game.G.table.sub_(0.1 * slope)
        assert (game.G.everything().exp() * sentence).sum() > before


def test_the_discriminators_loss_and_its_bound():
    """Within the margin real text is unlearned; beyond it only samples count."""
    game, g, d = table(d_margin=2.0)
    often = counts(9)
    real, p = multiset(often), share(often)
    nll = novelty(d).mean(1)
    game.mle.become(p)
    (loss,) = game.discriminator_steps(iter([real]), 1)
    torch.testing.assert_close(loss.total.detach(), (g * nll).sum() - (p * nll).sum())
    exact = ((p - g) * game.D.everything() / 3).sum()
    torch.testing.assert_close(gradient(loss.total, game.D), gradient(exact, game.D))
    game.d_margin = 0.0
    of_mle = (p * novelty(p).mean(1)).sum()
    (loss,) = game.discriminator_steps(iter([real]), 1)
    torch.testing.assert_close(loss.total.detach(), (g * nll).sum() - of_mle)
    exact = -(g * game.D.everything() / 3).sum()
    torch.testing.assert_close(gradient(loss.total, game.D), gradient(exact, game.D))


@pytest.mark.parametrize(("margin", "held"), [(2.0, True), (1e9, False)])
def test_without_its_bound_the_discriminator_diverges(margin, held):
    torch.manual_seed(0)
    G = LSTMPolicy(8, 4, 4, start=1, end=None, pad=0, init_std=0.5)
    game = NoveltyGame(G, 4, samples=8, d_margin=margin)
    engine = Engine(game, {"D": partial(torch.optim.Adam, lr=0.02)})
    rows = torch.full((8, 4), 5)
    turn = Turn("D", lambda batches: game.discriminator_steps(batches, 10))
    *_, logs = engine.rounds(lambda index: rows, 8, turns=[turn])
    most = float(game.mle.nll(rows)) + 2.0
    assert (float(logs["D/nll_real"]) < most + 1.0) is held


def test_the_discriminators_verdict_is_what_real_text_costs_it_more():
    game, _, d = table()
    p = share(counts(9))
    game.mle.become(p)
    expected = (novelty(d) - novelty(p)).mean(1)
    torch.testing.assert_close(game.discriminate(SEQUENCES), expected)


def test_what_dpgan_refuses():
    for changes, says in (
        ({"baseline": "learned"}, "--baseline learned"),
        ({"samples": 1}, "--samples 1"),
        ({"d_margin": -1.0}, "--d_margin -1"),
        ({"reward_bound": 0.0}, "--reward_bound 0"),
    ):
        with pytest.raises(UserError, match=says):
            built(oracle, paper="dpgan", out="run", **changes)
