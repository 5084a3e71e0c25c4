"""ScratchGAN: rewards of tokens, their returns, and the gradient on 27 sequences."""

import math

import pytest
import torch

from seqgan.lm.policies import LSTMPolicy
from seqgan.text.games.token import TokenDiscriminator, TokenGame
from tests.seqgan.text.papers.table import (
    SEQUENCES,
    TablePolicy,
    counts,
    gradient,
    kl,
    multiset,
    share,
)

REAL, START = counts(0), counts(1)
P, P0 = share(REAL), share(START)
RAGGED = torch.tensor([[4, 5, 6, 2, 0], [3, 4, 5, 6, 2], [2, 0, 0, 0, 0]])


def discriminator(vocab=8, length=5):
    torch.manual_seed(0)
    return TokenDiscriminator(vocab, length, 6, 6)


def small(**given):
    torch.manual_seed(0)
    G = LSTMPolicy(8, 4, 4, start=1, end=2, init_std=1.0)
    return TokenGame(G, discriminator(), 5, samples=3, **given)


def test_a_logit_reads_the_tokens_up_to_its_own():
    D = discriminator().eval()
    changed = RAGGED.clone()
    changed[:, 3] = 7
    one, other = D(RAGGED), D(changed)
    assert torch.equal(one[:, :3], other[:, :3])
    assert (one[:, 3:] != other[:, 3:]).all()


def test_rewards_of_tokens_end_with_the_sequence():
    game = small()
    game.D.eval()
    found = game.rewards(RAGGED, game.G.mask(RAGGED))
    expected = (2 * torch.sigmoid(game.D(RAGGED)) - 1).detach()
    for row, end in enumerate((4, 5, 1)):
        assert torch.allclose(found[row, :end], expected[row, :end])
        assert float(found[row, end:].abs().sum()) == 0


def test_the_policys_gradient_is_that_of_discounted_returns(monkeypatch):
    """All 27 sequences with rewards of a table: d sum_y G(y) sum_t gamma-returns log G."""
    policy, rows = TablePolicy(START), int(START.sum())
    game = TokenGame(policy, discriminator(3, 3), 3, gamma=0.5, samples=rows)
    value = torch.rand(13, 3, generator=torch.Generator().manual_seed(3)).double() - 0.5

    def rewards(tokens, mask):
        first, second = tokens[:, 0], 1 + tokens[:, 0]
        prefix = torch.stack([first * 0, second, 4 + 3 * tokens[:, 0] + tokens[:, 1]], 1)
        return value[prefix, tokens]

    monkeypatch.setattr(game, "rewards", rewards)
    found = gradient(next(game.policy_move(iter([]))).total, policy)
    r = rewards(SEQUENCES, None)
    returns = torch.stack([r[:, 0] + r[:, 1] / 2 + r[:, 2] / 4, r[:, 1] + r[:, 2] / 2, r[:, 2]], 1)
    expected = gradient(-(P0[:, None] * returns * policy.log_prob(SEQUENCES)).sum() / 3, policy)
    assert float(expected.abs().max()) > 1e-3
    assert torch.allclose(found, expected, atol=1e-7)


def test_the_discriminators_loss_is_the_mean_over_tokens_that_count(monkeypatch):
    game = small()
    game.D.dropout = 0.0
    fake = torch.tensor([[3, 3, 2, 0, 0], [4, 2, 0, 0, 0], [7, 7, 7, 7, 7]])
    monkeypatch.setattr(game.G, "sample", lambda *_: fake)
    loss = next(game.discriminator_move(iter([RAGGED]))).total
    halves = []
    for tokens, sign, ends in ((RAGGED, -1, (4, 5, 1)), (fake, 1, (3, 2, 5))):
        d = game.D(tokens).detach()
        values = [
            math.log1p(math.exp(sign * d[i, t])) for i, n in enumerate(ends) for t in range(n)
        ]
        halves.append(sum(values) / len(values))
    assert loss.item() == pytest.approx(sum(halves) / 2, rel=1e-5)


def test_against_an_exact_discriminator_it_comes_near_the_data_from_scratch(monkeypatch):
    """Rewards 2 D - 1 of the exact D of each prefix, gamma 1, all expectations exact."""
    policy = TablePolicy()
    before = kl(P, policy.everything().detach().exp())
    mass = P.view(3, 3, 3)
    real = (
        torch.stack(
            [
                mass.sum((1, 2))[:, None, None].expand(3, 3, 3),
                mass.sum(2)[:, :, None].expand(3, 3, 3),
                mass,
            ]
        )
        .flatten(1)
        .t()
    )
    for _ in range(400):
        log_prob = policy.log_prob(SEQUENCES)
        prefix = log_prob.detach().cumsum(1).exp()
        r = 2 * real / (real + prefix) - 1
        returns = r.flip(1).cumsum(1).flip(1)
        loss = -(prefix[:, 2:] * returns * log_prob).sum()
        with torch.no_grad():
            policy.table -= 1.0 * gradient(loss, policy)
    assert kl(P, policy.everything().detach().exp()) < 0.02 * before
    assert before > 0.3


def test_data_and_samples_alike_leave_the_discriminator_at_log_two():
    """Control without a difference, at a discriminator that says nothing."""
    policy = TablePolicy(START)
    game = TokenGame(policy, discriminator(3, 3), 3)
    torch.nn.init.zeros_(game.D.last.weight)
    torch.nn.init.zeros_(game.D.last.bias)
    loss = next(game.discriminator_move(iter([multiset(START)])))
    assert loss.total.item() == pytest.approx(math.log(2))
