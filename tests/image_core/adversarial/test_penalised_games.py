"""Where games with and without penalties end: optima by hand, eigenvalues, and clipped weights."""

import cmath
import math

import pytest
import torch
from torch import nn

from image_core.adversarial import losses, penalties
from image_core.adversarial.errors import UserError

# --------------------------------------------------------------------------------- optima, dynamics


@pytest.mark.parametrize("name", ["gradient_penalty", "lipschitz"])
@pytest.mark.parametrize(
    ("theta", "lam", "slope", "loss"),
    [(1.0, 10.0, 1.05, -1.025), (2.0, 10.0, 1.1, -2.1), (0.5, 0.1, 3.5, -1.125)],
)
def test_point_masses_pull_the_critic_beyond_slope_one(name, theta, lam, slope, loss):
    """Real at 0, fake at theta: the soft penalty settles at 1 + theta / (2 lambda)."""
    real = torch.zeros(4, 1, dtype=torch.float64)
    fake = torch.full((4, 1), theta, dtype=torch.float64)
    weight = torch.tensor(-slope, dtype=torch.float64, requires_grad=True)
    total = losses.wasserstein.d(real * weight, fake * weight)
    total = total + getattr(penalties, name)(lam)(lambda x: x * weight, real, fake)
    (gradient,) = torch.autograd.grad(total, weight)
    assert abs(gradient) < 1e-12
    assert total.item() == pytest.approx(loss, abs=1e-12)


REAL = torch.zeros(1, 1, dtype=torch.float64)


def dirac_loss_d(loss, penalty, theta, psi):
    """Real mass at 0, fake at theta, D(x) = psi x."""
    fake = theta.reshape(1, 1)
    total = loss.d(psi * REAL, psi * fake)
    return total + penalty(lambda x: psi * x, REAL, fake)


def dirac_field(loss, penalty):
    """Both players' descent directions (theta, psi), differentiable."""

    def field(theta, psi):
        d = dirac_loss_d(loss, penalty, theta, psi)
        g = loss.g(psi * REAL, psi * theta.reshape(1, 1))
        (move_psi,) = torch.autograd.grad(d, psi, create_graph=True)
        (move_theta,) = torch.autograd.grad(g, theta, create_graph=True)
        return -move_theta, -move_psi

    return field


def eigenvalues(loss, penalty):
    at = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    rows = torch.autograd.functional.jacobian(dirac_field(loss, penalty), at)
    jacobian = torch.tensor([[float(entry) for entry in row] for row in rows])
    return sorted(torch.linalg.eigvals(jacobian.double()).tolist(), key=lambda z: (z.real, z.imag))


@pytest.mark.parametrize("name", ["r1", "r2"])
@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
@pytest.mark.parametrize("gamma", [0.3, 0.8, 2.0])
def test_eigenvalues_of_the_regularised_game(name, loss, gamma):
    root = cmath.sqrt(gamma**2 / 4 - 1 / 4)
    expected = sorted((-gamma / 2 - root, -gamma / 2 + root), key=lambda z: (z.real, z.imag))
    found = eigenvalues(getattr(losses, loss), getattr(penalties, name)(gamma))
    for one, other in zip(found, expected):
        assert abs(one - other) < 1e-7


@pytest.mark.parametrize(
    ("loss", "turn"), [("minimax", 0.5), ("non_saturating", 0.5), ("wasserstein", 1.0)]
)
def test_unregularised_games_only_turn(loss, turn):
    found = eigenvalues(getattr(losses, loss), penalties.total())
    for one, other in zip(found, (-turn * 1j, turn * 1j)):
        assert abs(one - other) < 1e-8


def distance_after(loss, penalty, steps, alternating, h=0.1):
    theta = torch.ones((), dtype=torch.float64, requires_grad=True)
    psi = torch.ones((), dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        (move_psi,) = torch.autograd.grad(dirac_loss_d(loss, penalty, theta, psi), psi)
        played = psi.detach() - h * move_psi
        seen = (played if alternating else psi).detach()
        g = loss.g(seen * REAL, seen * theta.reshape(1, 1))
        (move_theta,) = torch.autograd.grad(g, theta)
        theta = (theta.detach() - h * move_theta).requires_grad_()
        psi = played.requires_grad_()
    return math.hypot(theta.item(), psi.item())


@pytest.mark.parametrize(
    ("loss", "alternating", "printed"),
    [
        ("non_saturating", False, 6.4e-10),
        ("non_saturating", True, 8.8e-9),
        ("minimax", False, 1.8e-9),
        ("wasserstein", True, 5.2e-12),
    ],
)
def test_r1_brings_the_game_to_rest(loss, alternating, printed):
    distance = distance_after(getattr(losses, loss), penalties.r1(1.0), 500, alternating)
    assert distance == pytest.approx(printed, rel=0.05)


def test_unregularised_wasserstein_game_spirals_out():
    distance = distance_after(losses.wasserstein, penalties.total(), 500, alternating=False)
    assert distance == pytest.approx(math.sqrt(2) * 1.01**250, rel=1e-9)


# ----------------------------------------------------------------------------------------- clipping


def test_clipping_is_exact_and_in_place():
    net = nn.Linear(50, 20)
    kept = net.weight.detach().clone().clamp(-0.01, 0.01)
    pointer = net.weight.data_ptr()
    penalties.clip_weights(net.parameters(), 0.01)
    assert torch.equal(net.weight, kept)
    assert max(p.abs().max() for p in net.parameters()) <= 0.01
    assert net.weight.data_ptr() == pointer
    assert net.weight.requires_grad


def test_clipped_linear_critic_attains_the_bound():
    gap, bound = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), 0.01
    weight = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    real, fake = gap[None], torch.zeros(1, 3, dtype=torch.float64)
    for _ in range(3):
        (move,) = torch.autograd.grad(losses.wasserstein.d(real @ weight, fake @ weight), weight)
        weight.data -= move
        penalties.clip_weights([weight], bound)
    assert losses.wasserstein.d(real @ weight, fake @ weight).item() == pytest.approx(-0.035)


@pytest.mark.parametrize("bound", [0.0, -0.01, math.nan])
def test_clipping_needs_a_positive_bound(bound):
    weight = torch.ones(2)
    with pytest.raises(UserError, match="bound"):
        penalties.clip_weights([weight], bound)
    assert torch.equal(weight, torch.ones(2))
