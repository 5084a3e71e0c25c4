"""Tricks: values, gradients, and what they do to the dynamics of point masses."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial import tricks
from image_core.adversarial.errors import UserError


def test_schedules_at_their_ends():
    straight, falling = tricks.linear(2.0, 0.5, 10), tricks.exponential(2.0, 0.01, 100)
    steps = torch.tensor([0.0, 5.0, 10.0, 99.0])
    assert [straight(s).item() for s in steps] == pytest.approx([2.0, 1.25, 0.5, 0.5])
    assert [falling(torch.tensor(s)).item() for s in (0.0, 50.0, 100.0)] == pytest.approx(
        [2.0, 0.2, 0.02]
    )


def test_no_noise_is_bit_for_bit_none():
    x = torch.randn(5, 3)
    assert tricks.add_noise(x, 0.0) is x
    assert torch.equal(tricks.add_noise(x, torch.zeros(())), x)
    noise = tricks.add_noise(torch.zeros(20_000), 0.7)
    assert noise.std().item() == pytest.approx(0.7, rel=0.02)


def test_noise_gives_point_masses_a_divergence_that_falls():
    """JS of N(0, s^2) and N(1, s^2)."""
    x = torch.linspace(-12, 13, 100_001, dtype=torch.float64)
    for sigma, printed in ((0.1, 0.6931463), (0.5, 0.3368308), (1, 0.1114215), (2, 0.0303113)):
        log_p, log_q = (-0.5 * ((x - m) / sigma) ** 2 for m in (0, 1))
        middle = torch.logaddexp(log_p, log_q) - math.log(2)
        both = log_p.exp() * (log_p - middle) + log_q.exp() * (log_q - middle)
        js = torch.trapezoid(both, x) / (2 * sigma * math.sqrt(2 * math.pi))
        assert js.item() == pytest.approx(printed, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 1.0, math.sqrt(2), 2.0])
def test_noise_settles_the_point_masses(sigma):
    """Eigenvalues -sigma^2/4 +- sqrt(sigma^4/16 - 1/4) of D(x) = psi x, by quadrature."""
    nodes = torch.linspace(-9, 9, 2001, dtype=torch.float64)
    weight = torch.exp(-0.5 * nodes**2)
    weight = weight / weight.sum()
    softplus = nn.functional.softplus

    def field(x):
        theta, psi = x.unbind()
        real, fake = psi * sigma * nodes, psi * (theta + sigma * nodes)
        loss_d = (weight * (softplus(-real) + softplus(fake))).sum()
        loss_g = (weight * softplus(-fake)).sum()
        (g,) = torch.autograd.grad(loss_g, theta, create_graph=True)
        (d,) = torch.autograd.grad(loss_d, psi, create_graph=True)
        return torch.stack([-g, -d])

    jacobian = tricks.game_jacobian(field, torch.zeros(2, dtype=torch.float64))
    root = torch.sqrt(torch.tensor(sigma**4 / 16 - 0.25 + 0j, dtype=torch.complex128))
    expected = torch.stack([-(sigma**2) / 4 - root, -(sigma**2) / 4 + root])
    found = torch.linalg.eigvals(jacobian)
    nearest = (found[:, None] - expected[None]).abs().min(1).values
    assert nearest.max() < 2e-4  # a double root splits as the root of the quadrature's error


def test_feature_matching_sees_means_only():
    real, fake = torch.randn(50, 4), torch.zeros(9, 4)
    fake += real.mean(0)
    assert tricks.match_features(real, fake).item() == pytest.approx(0, abs=1e-12)
    fake = (fake + torch.tensor([1.0, 0, 0, -3.0])).requires_grad_()
    assert tricks.match_features(real, fake).item() == pytest.approx(10 / 4)
    assert tricks.match_features(real, fake, power=1).item() == pytest.approx(1.0)
    real.requires_grad_()
    gradient = torch.autograd.grad(
        tricks.match_features(real, fake), (real, fake), allow_unused=True
    )
    assert gradient[0] is None
    assert gradient[1].abs().sum() > 0


@pytest.mark.parametrize("power", [1, 2])
def test_gradient_of_feature_matching_by_differences(power):
    real = torch.randn(6, 4, dtype=torch.float64)
    fake = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tricks.match_features(real, x, power), [fake])


def test_historical_average_is_the_running_mean():
    module = nn.Linear(2, 1, bias=False)
    average = tricks.HistoricalAverage(module)
    seen = []
    for _ in range(4):
        seen.append(module.weight.detach().clone())
        average.update(module)
        if len(seen) == 1:
            assert average(module).item() == 0
        module.weight.data += torch.randn(1, 2)
    mean = torch.stack(seen).mean(0)
    assert torch.allclose(average.mean.weight, mean, atol=1e-6)
    (gradient,) = torch.autograd.grad(average(module), module.weight)
    assert torch.allclose(gradient, 2 * (module.weight - mean), atol=1e-5)


def test_historical_average_pulls_the_bilinear_game_inwards():
    def distance(weight):
        theta, psi = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        players = nn.ParameterList([theta, psi])
        average = tricks.HistoricalAverage(players)
        for _ in range(300):
            average.update(players)
            pull = weight * average(players)
            (g,) = torch.autograd.grad(-psi.detach() * theta + pull, theta)
            (d,) = torch.autograd.grad(psi * theta.detach() + weight * average(players), psi)
            theta.data -= 0.1 * g
            psi.data -= 0.1 * d
        return math.hypot(theta.item(), psi.item())

    assert distance(0.0) == pytest.approx(math.sqrt(2) * 1.01**150, rel=1e-3)
    assert distance(0.5) < 0.3


def test_lazy_rates():
    rate, betas = tricks.lazy_rates(2e-3, (0.0, 0.99), 16)
    assert rate == pytest.approx(2e-3 * 16 / 17)
    assert betas == pytest.approx((0.0, 0.99 ** (16 / 17)))
    # 17 steps forget exactly what 16 did
    assert betas[1] ** 17 == pytest.approx(0.99**16)
    assert tricks.lazy_rates(1.0, (0.5, 0.9), 0) == (1.0, (0.5, 0.9))


def test_average_decay_halves_in_a_half_life():
    decay = tricks.average_decay(32, 10_000.0)
    assert decay == pytest.approx(0.99778, abs=1e-5)
    assert decay ** (10_000 / 32) == pytest.approx(0.5)
    with pytest.raises(UserError, match="half-life"):
        tricks.average_decay(32, 0.0)


@pytest.mark.parametrize("alternating", [False, True])
def test_multipliers_of_the_update_map(alternating):
    """The game of point masses turns with +-i/2: at once it spirals out, by turns it stays."""
    h, g_rows, d_rows = 0.1, torch.zeros(2, 2).double(), torch.zeros(2, 2).double()
    g_rows[0, 1], d_rows[1, 0] = 0.5, -0.5
    halves = [d_rows, g_rows]
    found = torch.linalg.eigvals(tricks.update_map(halves, h, alternating)).abs()
    expected = 1.0 if alternating else math.sqrt(1 + h**2 / 4)
    assert found.tolist() == pytest.approx([expected, expected], abs=1e-12)
    assert math.sqrt(1 + h**2 / 4) == pytest.approx(1.0012492, abs=1e-7)
