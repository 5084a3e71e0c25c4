"""PPO's objective: its gradient by the formula, and what was compiled beside the plain way."""

import copy

import numpy as np
import pytest
import torch

from image_core.adversarial import estimators
from rl import dense, objective
from rl.advantages import Samples
from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser
from rl.objective import Surrogate, Weights
from rl.policies import make_policy, value_net

FIVE = Observations(None, (5,))
CHOICES = Actions(3, 0, torch.zeros(0), torch.zeros(0))
SEVERAL = Actions(5, np.zeros(2, np.int64), torch.zeros(0), torch.zeros(0), (2, 3))
BOX = Actions(0, 0, torch.tensor([-1.0, -3.0]), torch.tensor([1.0, 5.0]))


def networks(actions, hidden=(64, 33), seed=0):
    torch.manual_seed(seed)
    normaliser = Normaliser(FIVE)
    normaliser.see(2 * torch.randn(50, 5) + 1)
    policy = make_policy(FIVE, actions, normaliser, hidden)
    value = value_net(FIVE, normaliser, (hidden[0], 20))
    with torch.no_grad():
        for p in [*policy.parameters(), *value.parameters()]:
            p.add_(0.1 * torch.randn_like(p))
    return policy, value


def samples(policy, rows):
    """Rows whose ratios lie on both sides of both bounds."""
    obs = torch.randn(rows, 5)
    act = policy.act(obs)
    with torch.no_grad():
        before = policy.log_prob(obs, act) + 0.3 * torch.randn(rows)
    return Samples(obs, act, before, torch.randn(rows), torch.randn(rows))


def test_the_surrogate_has_the_gradient_of_its_formula():
    """Against autograd through the core's estimator."""
    torch.manual_seed(0)
    before, advantage, target = torch.randn(3, 200, dtype=torch.float64)
    log_prob = (before + 0.3 * torch.randn_like(before)).requires_grad_()
    value = torch.randn_like(before).requires_grad_()
    total, kl, error = Surrogate.apply(log_prob, value, before, advantage, target, 0.2, 0.7)
    ratio = (log_prob - before)[:, None]
    surrogate = estimators.clipped(0.2)(ratio, advantage[:, None], torch.ones_like(ratio) > 0)
    expected = surrogate + 0.7 * (value - target).square().mean()
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(error, (value - target).square().mean().detach())
    torch.testing.assert_close(kl, (ratio.exp() - 1 - ratio).mean().detach())
    assert not kl.requires_grad
    assert not error.requires_grad
    found, wanted = (torch.autograd.grad(3 * loss, [log_prob, value]) for loss in (total, expected))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)
    assert 20 < int((found[0] == 0).sum()) < 180


def by_autograd(policy, value, s, weights):
    """The objective and its gradients in double precision, each formula written out."""
    policy, value = copy.deepcopy(policy).double(), copy.deepcopy(value).double()
    value.normaliser = policy.net.normaliser
    s = Samples(*(x if x.dtype == torch.int64 else x.double() for x in s))
    said = policy.parameters_of(s.obs)
    ratio = (policy.log_prob_of(said, s.act) - s.log_prob).exp()
    cut = ratio.clamp(1 - weights.clip, 1 + weights.clip)
    earned = torch.minimum(ratio * s.advantage, cut * s.advantage).mean()
    error = (value(s.obs).squeeze(1) - s.target).square().mean()
    entropy = policy.entropy_of(said).mean()
    total = -earned + weights.value * error - weights.entropy * entropy
    gradients = torch.autograd.grad(total, [*policy.parameters(), *value.parameters()])
    kl = (ratio - 1 - ratio.log()).mean()
    return [x.detach() for x in (total, kl, entropy, error)], gradients


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("rows", [1, 96, 333])
@pytest.mark.parametrize("entropy", [0.0, 0.3])
@pytest.mark.parametrize("actions", [CHOICES, BOX, SEVERAL])
def test_the_objective_and_its_gradients_are_those_of_the_formula(
    actions, entropy, rows, compiled, monkeypatch
):
    if compiled and not dense.COMPILED:
        pytest.skip("nothing was compiled, or the processor lacks what it needs")
    monkeypatch.setattr(dense, "COMPILED", compiled)
    policy, value = networks(actions)
    s, weights = samples(policy, rows), Weights(0.2, 0.7, entropy)
    at_once = objective._at_once(policy, value, s, weights)
    assert (at_once is not None) == (compiled and actions is not SEVERAL)
    expected, wanted = by_autograd(policy, value, s, weights)
    found = objective.objective(policy, value, s, weights)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5)
    assert [x.requires_grad for x in found] == [True, False, found.entropy.requires_grad, False]
    (2 * found.total).backward()
    for p, b in zip([*policy.parameters(), *value.parameters()], wanted, strict=True):
        torch.testing.assert_close(p.grad.double(), 2 * b, rtol=1e-3, atol=1e-5)


@pytest.mark.skipif(not dense.COMPILED, reason="nothing was compiled, or the processor lacks it")
def test_networks_that_are_not_known_are_called():
    s, weights = samples(networks(CHOICES)[0], 20), Weights(0.2, 0.5, 0.0)

    def known(policy, value):
        return objective._at_once(policy, value, s, weights) is not None

    policy, value = networks(CHOICES)
    assert known(policy, value)
    assert not known(policy, torch.nn.Linear(5, 1))
    assert not known(policy, networks(CHOICES)[1])  # by another normaliser
    handle = value.register_forward_hook(lambda *args: None)
    assert not known(policy, value)
    handle.remove()
    assert not known(*networks(CHOICES, hidden=(300, 8)))
    policy.net.dense = torch.nn.Sequential(*policy.net.dense)
    assert not known(policy, value)
    policy, value = networks(CHOICES)
    with torch.no_grad():
        assert not known(policy, value)
    wrong = s._replace(advantage=s.advantage.double())
    assert objective._at_once(policy, value, wrong, weights) is None


@pytest.mark.skipif(not dense.COMPILED, reason="nothing was compiled, or the processor lacks it")
def test_what_is_no_number_or_no_choice_makes_the_objective_no_number():
    policy, value = networks(CHOICES)
    s, weights = samples(policy, 20), Weights(0.2, 0.5, 0.0)
    for bad in (
        s._replace(act=s.act.clone().fill_(3)),
        s._replace(act=s.act.clone().fill_(-1)),
        s._replace(target=s.target * torch.nan),
        s._replace(obs=s.obs * torch.nan),
    ):
        assert objective.objective(policy, value, bad, weights).total.isnan()
