"""GOLD on 27 sequences: where weights of one's own making lead."""

import itertools

import pytest
import torch

from seqgan.lm.policies import LSTMPolicy
from seqgan.text.games.offline import OfflineGame
from seqgan.text.papers.gold import GoldWeights
from tests.seqgan.text.papers.table import (
    TablePolicy,
    counts,
    kl,
    minimised,
    multiset,
    share,
)

REAL, START = counts(0), counts(1)
P, P0 = share(REAL), share(START)


def optimum(start, **given):
    """Where likelihood of the data under the weights of one copy of the policy ends."""
    policy = TablePolicy().become(start)
    game = OfflineGame(policy, 3, weigh=GoldWeights(policy, refresh=10_000, **given))
    return minimised(policy, lambda _: next(game.policy_move(iter([multiset(REAL)]))).total)


def conditionals(p):
    return TablePolicy().become(p).table.detach().exp()


@pytest.mark.parametrize("least", [0.0, 0.3])
def test_the_optimum_of_a_round_is_the_data_times_the_older_policy(least):
    table = conditionals(P) / conditionals(P).sum(1, keepdim=True)
    before = conditionals(P0) / conditionals(P0).sum(1, keepdim=True)
    wanted = table * before.clamp(min=least)
    expected = TablePolicy()
    with torch.no_grad():
        expected.table.copy_(wanted.log())
    expected = expected.everything().detach().exp()
    assert kl(expected, optimum(P0, reward="delta", least_weight=least)) < 1e-8
    assert kl(P, expected) > 0.01


def test_a_least_weight_of_one_leaves_maximum_likelihood():
    assert kl(P, optimum(P0, reward="delta", least_weight=1.0)) < 1e-8


def test_iterated_it_sharpens():
    now, entropies = P, []
    for _ in range(4):
        entropies.append(-kl(now, torch.ones(27, dtype=torch.float64)))
        now = optimum(now, reward="delta")
    assert all(a > b for a, b in itertools.pairwise(entropies))
    assert entropies[-1] < 0.75 * entropies[0]


@pytest.mark.parametrize(("reward", "least"), [("s", 0.05), ("p", 8.0)])
def test_the_returns_by_loops_stop_at_the_end(reward, least):
    torch.manual_seed(0)
    policy = LSTMPolicy(8, 4, 4, start=1, end=2, init_std=1.0)
    real = torch.tensor([[4, 5, 6, 2, 0], [3, 4, 5, 6, 2], [2, 0, 0, 0, 0]])
    given = {"reward": reward, "least_reward": least, "summed_rewards": 3, "least_weight": 0.2}
    found = GoldWeights(policy, **given)(policy, policy, real)
    with torch.no_grad():
        log_prob = policy.log_prob(real)
    for row, end in enumerate((4, 5, 1)):
        for t in range(end):
            value = 0.0
            for k in range(t, min(t + 3, end)):
                own = log_prob[row, k].item()
                value += max(torch.tensor(own).exp().item() if reward == "s" else own + 10, least)
            weight = max(log_prob[row, t].exp().item(), 0.2) * value
            assert found[row, t].item() == pytest.approx(weight, rel=1e-5)
