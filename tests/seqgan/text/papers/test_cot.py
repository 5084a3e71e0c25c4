"""CoT on 27 sequences: the policy's gradient, the mediator's optimum, and where both lead."""

from itertools import pairwise

import torch

from seqgan.text.games.cooperative import CooperativeGame
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


def game(mixture):
    """The game at the start, with a mediator of that distribution."""
    samples = int(START.sum())
    return CooperativeGame(TablePolicy(START), TablePolicy().become(mixture), 3, samples=samples)


def divergences(policy, mediator):
    """KL(G(. | s) || M(. | s)) of each prefix s, (13,)."""
    own = policy.table.log_softmax(1)
    return (own.exp() * (own - mediator.table.detach().log_softmax(1))).sum(1)


def reach(distribution):
    """How often each of the 13 prefixes stands before a token of a sequence."""
    mass = distribution.view(3, 3, 3)
    return torch.cat([torch.ones(1, dtype=torch.float64), mass.sum((1, 2)), mass.sum(2).flatten()])


def test_the_policys_gradient_is_that_of_the_divergences_at_its_own_prefixes():
    made = game((P + P0) / 2)
    loss = next(made.policy_move(iter([])))
    expected = (reach(P0) * divergences(made.G, made.M)).sum() / 3
    assert torch.allclose(loss.total, expected, atol=1e-12)
    found = gradient(loss.total, made.G)
    assert float(found.abs().max()) > 1e-3
    assert torch.allclose(found, gradient(expected, made.G), atol=1e-12)


def test_its_value_is_the_policys_half_of_the_divergence():
    """sum_t of the losses is KL(G || M), by the chain rule; with the other half it is 2 JSD."""
    made = game((P + P0) / 2)
    loss = next(made.policy_move(iter([])))
    assert abs(3 * loss.total.item() - kl(P0, (P + P0) / 2)) < 1e-12


def test_the_mediators_optimum_is_the_mixture():
    made = game(P)  # anywhere else

    def objective(mediator):
        made.M = mediator
        return next(made.mediator_move(iter([multiset(REAL)]))).total

    assert kl((P + P0) / 2, minimised(made.M, objective)) < 1e-9


def test_with_an_exact_mediator_the_policy_comes_to_the_data():
    policy = TablePolicy(START)
    divergence = []
    for _ in range(300):
        now = policy.everything().detach().exp()
        mixture = (P + now) / 2
        divergence.append(0.5 * (kl(P, mixture) + kl(now, mixture)))
        loss = (reach(now) * divergences(policy, TablePolicy().become(mixture))).sum()
        with torch.no_grad():
            policy.table -= 2.0 * gradient(loss, policy)
    assert divergence[0] > 0.1
    assert divergence[-1] < 1e-3 < divergence[50]
    assert all(b <= a + 1e-9 for a, b in pairwise(divergence))


def test_a_mediator_that_knows_the_samples_alone_moves_nothing():
    made = game(P0)
    assert float(gradient(next(made.policy_move(iter([]))).total, made.G).abs().max()) < 1e-12


def test_the_mediator_discriminates_like_the_optimal_discriminator():
    made = game((P + P0) / 2)
    logit = made.discriminate(SEQUENCES)
    assert torch.allclose(logit, (0.5 + 0.5 * P / P0).log(), atol=1e-12)


def test_the_baseline_is_kept_and_the_policy_starts_anew():
    made = game(P)
    first = made.G.table.detach().clone()
    with torch.no_grad():
        made.G.table.add_(1.0)
    made.keep_mle()
    made.restart()
    assert torch.equal(made.G.table, first)
    assert torch.equal(made.mle.table, first + 1)
