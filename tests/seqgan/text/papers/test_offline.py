"""IQ-Learn and scheduled sampling: what real sequences alone lead to."""

import pytest
import torch

from seqgan.lm.policies import LSTMPolicy
from seqgan.text.papers.iq_learn import InverseGame
from seqgan.text.papers.scheduled_sampling import ScheduledGame
from tests.seqgan.text.papers.table import (
    SEQUENCES,
    TablePolicy,
    counts,
    kl,
    minimised,
    multiset,
    share,
)

REAL, START = counts(0), counts(1)
P, P0 = share(REAL), share(START)
RAGGED = torch.tensor([[4, 5, 6, 2, 0], [3, 4, 5, 6, 2], [2, 0, 0, 0, 0]])


def small():
    torch.manual_seed(0)
    return LSTMPolicy(8, 4, 4, start=1, end=2, init_std=1.0)


# ----------------------------------------------------------------------------------------- IQ-Learn


def test_without_the_difference_it_is_maximum_likelihood():
    policy = small()
    game = InverseGame(policy, 5, td_weight=0.0)
    found = next(game.policy_move(iter([RAGGED]))).total
    expected = policy.nll(RAGGED)
    assert torch.allclose(found, expected, atol=1e-6)
    parameters = list(policy.parameters())
    one, other = (torch.autograd.grad(loss, parameters) for loss in (found, expected))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


def test_the_temporal_difference_by_loops():
    policy = small()
    game = InverseGame(policy, 5, td_weight=2.0)
    loss = next(game.policy_move(iter([RAGGED])))
    q = policy.every_logit(RAGGED).detach()
    total, tokens = 0.0, 0
    for row, end in enumerate((4, 5, 1)):
        for t in range(end):
            after = q[row, t + 1].logsumexp(0) if t + 1 < end else torch.tensor(0.0)
            total += float(q[row, t, RAGGED[row, t]] - after) ** 2
            tokens += 1
    assert loss.logs["td"].item() == pytest.approx(total / tokens, rel=1e-5)
    assert loss.total.item() == pytest.approx(
        policy.nll(RAGGED).item() + 2 * total / tokens, rel=1e-5
    )


def test_the_difference_fixes_the_level_of_the_logits_that_likelihood_leaves_free():
    """At the data, with logits that are log-probabilities, V is 0 and the reward log G."""
    policy = TablePolicy(REAL)
    game = InverseGame(policy, 3, td_weight=1.0)
    with torch.no_grad():
        policy.table.copy_(policy.table.log_softmax(1))
    loss = next(game.policy_move(iter([multiset(REAL)])))
    expected = (P[:, None] * policy.log_prob(SEQUENCES).detach().square()).sum() / 3
    assert loss.logs["td"].item() == pytest.approx(expected.item(), rel=1e-9)
    level = torch.autograd.grad(loss.total, policy.table)[0].sum(1)
    assert float(level.abs().max()) > 0.01


# ------------------------------------------------------------------------------- scheduled sampling


def marginals():
    mass = P.view(3, 3, 3)
    first, second, third = (mass.sum(axes) for axes in ((1, 2), (0, 2), (0, 1)))
    return (first[:, None, None] * second[:, None] * third).flatten()


def test_with_its_own_tokens_alone_the_optimum_is_the_product_of_marginals(monkeypatch):
    """Each real sequence is read behind each of the 27 others, as draws are independent of it."""
    policy = TablePolicy(START)
    game = ScheduledGame(policy, 3, moves=1, truth=0.0)
    real = multiset(REAL).repeat(27, 1)
    read = SEQUENCES.repeat_interleave(len(real) // 27, 0)
    monkeypatch.setattr(game, "inputs", lambda *_: read)
    found = minimised(policy, lambda _: next(game.policy_move(iter([real]))).total)
    assert kl(marginals(), found) < 1e-9
    entropy = -kl(marginals(), torch.ones(27, dtype=torch.float64))
    nll_test = -(P * found.log()).sum().item()
    assert nll_test == pytest.approx(entropy, abs=1e-6)  # that of the marginals, not of the data
    assert kl(P, found) > 0.05


def test_the_inputs_are_real_at_one_and_the_policys_own_at_zero():
    torch.manual_seed(0)
    game = ScheduledGame(TablePolicy(START), 3, moves=1, truth=0.0)
    real = SEQUENCES[[5]].expand(20_000, 3)
    assert torch.equal(game.inputs(real, torch.tensor(1.0)), real)
    drawn = game.inputs(real, torch.tensor(0.0)) @ torch.tensor([9, 3, 1])
    assert torch.allclose(share(drawn.bincount(minlength=27)), P0, atol=0.015)
    half = game.inputs(real, torch.tensor(0.5))
    own = TablePolicy(START).table.softmax(1)[0, SEQUENCES[5, 0]].item()
    kept = (half[:, 0] == SEQUENCES[5, 0]).double().mean().item()
    assert kept == pytest.approx(0.5 + 0.5 * own, abs=0.015)


def test_with_real_tokens_alone_it_is_maximum_likelihood_and_the_rate_falls():
    policy = small()
    game = ScheduledGame(policy, 5, moves=4, truth=1.0)
    assert torch.allclose(
        next(game.policy_move(iter([RAGGED]))).total, policy.nll(RAGGED), atol=1e-6
    )
    falling = ScheduledGame(policy, 5, moves=4, truth=0.2)
    rates = [next(falling.policy_move(iter([RAGGED]))).logs["truth"].item() for _ in range(6)]
    assert rates == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.2, 0.2])
    assert falling.state_dict()["played"].item() == 6
