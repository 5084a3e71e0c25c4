"""REBAR, RELAX and DisARM against the exact gradient of a reward summed over all states."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial import control_variates, estimators
from image_core.adversarial.discrete_variables import Bernoulli, Categorical
from image_core.adversarial.errors import UserError
from tests.image_core.adversarial.enumerated import (
    binary_states,
    estimates,
    exact_gradient,
    one_hot_states,
    standard_errors,
    tanh_reward,
)

COUNT = 100_000


def categorical_problem(seed=0):
    torch.manual_seed(seed)
    logits = torch.randn(2, 3, dtype=torch.float64)
    reward = tanh_reward(6, seed)
    truth = exact_gradient(Categorical(), logits, one_hot_states(2, 3), reward)
    assert truth.abs().max() > 0.05
    return logits, reward, truth


def control_network(seed=0):
    torch.manual_seed(seed)
    layers = (nn.Flatten(1), nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("temperature", "eta"), [(1.0, 1.0), (0.5, 0.7), (2.0, -0.5), (1.0, 0.0)])
def test_rebar_is_unbiased_at_any_temperature_and_scale(temperature, eta, seed):
    logits, reward, truth = categorical_problem(seed)
    found = estimates(lambda x: estimators.rebar(x, reward, temperature, eta), logits, COUNT)
    assert standard_errors(found, truth) < 4


def test_rebar_has_less_variance_than_reinforce():
    logits, reward, _ = categorical_problem()
    with_control, without = (
        estimates(lambda x, e=eta: estimators.rebar(x, reward, 1.0, e), logits, 20_000).var(0).sum()
        for eta in (1.0, 0.0)
    )
    assert with_control < 0.5 * without


@pytest.mark.parametrize("make", ["tuned", "black box", "both"])
def test_relax_is_unbiased(make):
    logits, reward, truth = categorical_problem()
    estimator = {
        "tuned": lambda: estimators.relax(temperature=0.7, eta=0.6),
        "black box": lambda: estimators.relax(control_network(), eta=None),
        "both": lambda: estimators.relax(control_network()),
    }[make]().double()
    found = estimates(lambda x: estimator(x, reward), logits, COUNT)
    assert standard_errors(found, truth) < 4


def test_relax_without_network_is_rebar():
    logits, reward, _ = categorical_problem()
    found = []
    for surrogate in (
        estimators.relax(temperature=0.8, eta=0.4).double(),
        lambda x, f: estimators.rebar(x, f, 0.8, 0.4),
    ):
        torch.manual_seed(5)
        found.append(estimates(lambda x, s=surrogate: s(x, reward), logits, 50))
    assert torch.allclose(*found, atol=1e-6)


def test_the_gradient_of_relax_in_its_control_is_that_of_the_variance():
    """Against central differences of the squared estimate with the same noise."""
    logits, reward, _ = categorical_problem()
    rows = logits.expand(40, 2, 3).clone()
    estimator = estimators.relax(control_network(), temperature=0.7, eta=0.6).double()

    def square(flat, change):
        flat[0] += change
        torch.manual_seed(3)
        return float(estimates_of(estimator, rows, reward).flatten(1).square().sum(1).mean())

    torch.manual_seed(3)
    loss = estimator(rows, reward)
    for parameter in (estimator.eta, estimator.log_temperature, estimator.control[1].bias):
        (slope,) = torch.autograd.grad(loss, parameter, retain_graph=True)
        step, flat = 1e-5, parameter.data.view(-1)
        above, below = square(flat, step), square(flat, -2 * step)
        flat[0] += step
        assert float(slope.view(-1)[0]) == pytest.approx((above - below) / (2 * step), rel=1e-4)
        assert abs(float(slope.view(-1)[0])) > 1e-4


def estimates_of(estimator, rows, reward):
    rows = rows.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(estimator(rows, reward), rows)
    return -len(rows) * gradient


def test_relax_learns_to_lower_the_variance():
    logits, reward, truth = categorical_problem()
    estimator = estimators.relax(control_network(), eta=None).double()
    before = estimates(lambda x: estimator(x, reward), logits, 20_000).var(0).sum()
    adam = torch.optim.Adam(estimator.parameters(), lr=0.02)
    rows = logits.expand(256, 2, 3)
    for _ in range(150):
        gradients = torch.autograd.grad(estimator(rows, reward), list(estimator.parameters()))
        for parameter, gradient in zip(estimator.parameters(), gradients, strict=True):
            parameter.grad = gradient
        adam.step()
    found = estimates(lambda x: estimator(x, reward), logits, COUNT)
    assert found.var(0).sum() < 0.7 * before
    assert standard_errors(found, truth) < 4


def test_a_black_box_is_read_at_one_hot_samples_only():
    logits, reward, _ = categorical_problem()

    def only_one_hot(x):
        assert torch.equal(x.amax(-1), torch.ones_like(x[..., 0]))
        assert torch.equal(x.sum(-1), torch.ones_like(x[..., 0]))
        return reward(x).detach()

    estimator = estimators.relax(control_network(), eta=None).double()
    assert estimates(lambda x: estimator(x, only_one_hot), logits, 8).abs().max() > 0


def test_disarm_is_unbiased_and_beats_independent_pairs():
    torch.manual_seed(0)
    logits, reward = torch.randn(5, dtype=torch.float64), tanh_reward(5)
    truth = exact_gradient(Bernoulli(), logits, binary_states(5), reward)
    found = estimates(lambda x: estimators.disarm(x, reward), logits, COUNT)
    assert standard_errors(found, truth) < 4
    score = estimators.reinforce("leave_one_out", "sum", samples=2)

    def independent(rows):
        x = Bernoulli().sample(rows, 2)
        log_prob = Bernoulli().log_prob(rows, x).flatten()[:, None]
        earned = reward(x.flatten(0, 1))[:, None]
        return score(log_prob, earned, torch.ones_like(earned, dtype=torch.bool)) / (2 * len(rows))

    pairs = estimates(independent, logits, COUNT)
    assert standard_errors(pairs, truth) < 4
    assert found.var(0).sum() < pairs.var(0).sum()


def test_disarm_of_one_site_by_hand(monkeypatch):
    """p = .8: the pair differs for u in (0, .2) and (.8, 1), else both are 1 and the estimate 0."""
    reward = tanh_reward(1)
    one, zero = (float(reward(torch.full((1, 1), v, dtype=torch.float64))) for v in (1.0, 0.0))
    logit = torch.tensor([[math.log(4.0)]], dtype=torch.float64)
    for u, share in ((0.1, 1.0), (0.5, 0.0), (0.9, 1.0)):
        monkeypatch.setattr(torch, "rand_like", lambda x, u=u: torch.full_like(x, u))
        found = estimates(lambda x: estimators.disarm(x, reward), logit[0], 1)
        assert float(found) == pytest.approx(share * 0.5 * (one - zero) * 0.8)


@pytest.mark.parametrize("coefficient", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("kind", ["bernoulli", "categorical"])
def test_taylor_is_unbiased_at_any_coefficient(kind, coefficient):
    torch.manual_seed(0)
    if kind == "bernoulli":
        variables, logits, states = (
            Bernoulli(),
            torch.randn(4, dtype=torch.float64),
            binary_states(4),
        )
    else:
        variables, states = Categorical(), one_hot_states(2, 3)
        logits = torch.randn(2, 3, dtype=torch.float64)
    reward = tanh_reward(logits.numel(), 1)
    truth = exact_gradient(variables, logits, states, reward)
    estimator = estimators.taylor(3).double()
    estimator.product.fill_(coefficient)
    estimator.square.fill_(1.0)
    found = estimates(lambda rows: estimator(variables, rows, reward), logits, COUNT)
    assert standard_errors(found, truth) < 4
    if coefficient == 0:  # then it is leave-one-out
        torch.manual_seed(1)
        estimator.product.zero_()
        one = estimates(lambda rows: estimator(variables, rows, reward), logits, 20)
        torch.manual_seed(1)
        x = variables.sample(logits.expand(20, *logits.shape), 3)
        value = reward(x.flatten(0, 1)).view(20, 3)
        centred = value - (value.sum(1, keepdim=True) - value) / 2
        score = x - variables.mean(logits[None])[:, None]
        by_hand = (centred.view(20, 3, *[1] * logits.dim()) * score).mean(1)
        assert torch.allclose(one, by_hand, atol=1e-12)


def test_taylor_has_no_variance_but_that_of_the_slope_where_the_reward_is_linear():
    """A linear reward's tangent is the reward: the coefficient finds 1, the estimate is exact."""
    logits = torch.tensor([0.5, -1.0, 0.2], dtype=torch.float64)
    weight = torch.tensor([1.0, -2.0, 0.7], dtype=torch.float64)
    estimator = estimators.taylor(2, momentum=0.5).double()
    estimates(lambda rows: estimator(Bernoulli(), rows, lambda x: x @ weight), logits, 50)
    found = estimates(lambda rows: estimator(Bernoulli(), rows, lambda x: x @ weight), logits, 50)
    p = logits.sigmoid()
    assert torch.allclose(found, (weight * p * (1 - p)).expand(50, 3), atol=1e-12)


def test_the_relaxed_pair_is_one_point_and_its_path_has_the_right_slope():
    """z = z~ in value; the slopes are those of log p + g and of the formula of p(z | b)."""
    logits = torch.tensor([[0.3, -1.2, 0.8]], dtype=torch.float64, requires_grad=True)
    torch.manual_seed(2)
    hard, z, path = control_variates._coupled(logits)
    assert torch.equal(path, torch.zeros_like(path))
    assert torch.equal(hard, torch.nn.functional.one_hot(z.argmax(-1), 3).double())
    p, k = logits.detach().softmax(-1)[0], int(z.argmax())
    top = (-z[0, k]).exp().detach()
    e = ((-z[0]).exp().detach() - top) * p

    def written_out(logits):
        log_p = logits.log_softmax(-1)[0]
        conditional = -(e / log_p.exp() + top).log()
        conditional = torch.where(hard[0].bool(), -top.log(), conditional)
        return log_p - conditional

    weight = torch.tensor([0.7, -0.4, 1.1], dtype=torch.float64)
    (expected,) = torch.autograd.grad((written_out(logits) * weight).sum(), logits)
    (found,) = torch.autograd.grad((path[0] * weight).sum(), logits)
    assert torch.allclose(found, expected, atol=1e-12)
    assert found.abs().max() > 0.1


@pytest.mark.parametrize("name", ["rebar", "relax"])
def test_forbidden_classes_and_great_logits_stay_finite(name):
    rows = torch.tensor([[[0.0, -math.inf, 1.0], [300.0, 0.0, -300.0]]]).repeat(64, 1, 1)
    rows.requires_grad_()
    weight = torch.randn(6)
    surrogate = estimators.rebar if name == "rebar" else estimators.relax()
    loss = surrogate(rows, lambda x: torch.tanh(x.flatten(1) @ weight))
    (gradient,) = torch.autograd.grad(loss, rows)
    assert gradient.isfinite().all()
    assert (gradient[:, 0, 1] == 0).all()
    assert gradient[:, 0].abs().sum() > 0


def test_what_makes_no_sense_is_refused():
    logits = torch.zeros(1, 1, 2)
    with pytest.raises(UserError, match="temperature"):
        estimators.rebar(logits, lambda x: x.flatten(1).sum(1), temperature=0.0)
    with pytest.raises(UserError, match="temperature"):
        estimators.relax(temperature=-1.0)
    with pytest.raises(UserError, match="samples"):
        estimators.taylor(1)
    with pytest.raises(UserError, match="momentum"):
        estimators.taylor(2, momentum=1.0)
    with pytest.raises(UserError, match="control"):
        estimators.relax(None, eta=None)
