"""Terms on weights and on the game's gradients, by hand and by differences."""

import cmath
import math

import pytest
import torch
from torch import nn

from image_core.adversarial import losses, regularizers
from image_core.adversarial.errors import UserError


def net():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ConvTranspose2d(3, 4, 2), nn.Linear(5, 6)
    ).double()


def test_l2_is_the_mean_over_layers_and_spares_biases_and_norms():
    module = net()
    by_hand = sum(float(module[i].weight.detach().square().sum()) for i in (0, 2, 3)) / 3
    assert regularizers.l2(0.4)(module).item() == pytest.approx(0.2 * by_hand)
    with pytest.raises(UserError, match="no linear"):
        regularizers.l2()(nn.ReLU())


@pytest.mark.parametrize("off_diagonal", [True, False])
def test_orthogonal_regularisation_and_its_gradient(off_diagonal):
    layer = nn.Linear(6, 4, bias=False).double()
    w = layer.weight
    gram = w @ w.T
    mask = 1 - torch.eye(4).double()
    deviation = gram * mask if off_diagonal else gram - torch.eye(4).double()
    value = regularizers.orthogonal(0.3, off_diagonal)(layer)
    assert value.item() == pytest.approx(0.3 * float(deviation.detach().square().sum()))
    (gradient,) = torch.autograd.grad(value, w)
    assert torch.allclose(gradient, 0.3 * 4 * deviation.detach() @ w.detach())


def test_orthogonal_rows_cost_nothing_and_a_transposed_layer_is_read_by_output():
    layer = nn.ConvTranspose2d(3, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [0, 0]])[:, :, None, None])
    assert regularizers.orthogonal(1.0, off_diagonal=False)(layer).item() == 0
    layer.weight.data.mul_(3)
    assert regularizers.orthogonal(1.0)(layer).item() == 0
    assert regularizers.orthogonal(1.0, off_diagonal=False)(layer).item() == pytest.approx(128)


def test_consistency_of_a_linear_critic():
    weight = torch.tensor([2.0, -1.0])
    penalty = regularizers.consistency(5.0, lambda x: x + torch.tensor([0.1, 0.3]))
    value = penalty(lambda x: x @ weight, torch.randn(7, 2), torch.randn(7, 2))
    assert value.item() == pytest.approx(5 * (0.2 - 0.3) ** 2, rel=1e-4)


def test_drift_and_smoothing_by_hand():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5])
    drifted = regularizers.with_drift(losses.wasserstein, 0.1)
    assert drifted.d(real, fake).item() == pytest.approx(0.5 - 0.5 + 0.1 * 2.5)
    loss = regularizers.smoothed(losses.non_saturating, 0.9)
    softplus = nn.functional.softplus
    by_hand = (0.9 * softplus(-real) + 0.1 * softplus(real)).mean() + softplus(fake).mean()
    assert loss.d(real, fake).item() == pytest.approx(by_hand.item())
    assert loss.g(real, fake) == losses.non_saturating.g(real, fake)
    with pytest.raises(UserError, match="target"):
        regularizers.smoothed(losses.minimax, 1.5)
    for loss in (losses.hinge, drifted):
        with pytest.raises(UserError, match="smoothed of a logistic loss alone"):
            regularizers.smoothed(loss)


@pytest.mark.parametrize(
    "make",
    [
        regularizers.l2,
        regularizers.orthogonal,
        lambda weight: regularizers.consistency(weight, torch.neg),
        lambda weight: regularizers.with_drift(losses.wasserstein, weight),
    ],
)
def test_a_weight_below_0_would_ask_for_the_opposite(make):
    with pytest.raises(UserError, match=r"weight=-1\.0: give a number of at least 0"):
        make(-1.0)


def test_smoothing_moves_the_best_critic_to_target_p_over_both():
    p, q = 0.6, 0.2  # at a point; the other masses do not matter
    d = torch.tensor(math.log(0.675 / 0.325), dtype=torch.float64, requires_grad=True)
    loss = regularizers.smoothed(losses.minimax, 0.9)
    total = p * loss.d(d[None], torch.tensor([-1e9]).double())
    total = total + q * loss.d(torch.tensor([0.0]).double(), d[None])
    (gradient,) = torch.autograd.grad(total, d)
    assert abs(gradient.item()) < 1e-12


# ---------------------------------------------------------------------- gradients of the game


def eigenvalues(field):
    jacobian = torch.autograd.functional.jacobian(field, torch.zeros(2, dtype=torch.float64))
    return sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda z: (z.real, z.imag))


def bilinear(x):
    """Wasserstein on point masses at 0 and theta: L_D = psi theta, L_G = -psi theta."""
    theta, psi = x
    return -psi * theta, psi * theta


@pytest.mark.parametrize("eta", [0.3, 1.0, 1.5])
def test_look_ahead_settles_the_bilinear_game(eta):
    def field(x):
        theta, psi = x.unbind()
        loss_g, loss_d = bilinear((theta, psi))
        loss_g = loss_g + regularizers.look_ahead(loss_d, [psi], eta)
        (g,) = torch.autograd.grad(loss_g, theta, create_graph=True)
        (d,) = torch.autograd.grad(loss_d, psi, create_graph=True)
        return torch.stack([-g, -d])

    # eta ||grad V||^2 = eta theta^2 has slope 2 eta theta: the trace of the Jacobian is -2 eta
    root = cmath.sqrt(eta**2 - 1)
    expected = sorted((-eta - root, -eta + root), key=lambda z: (z.real, z.imag))
    for found, wanted in zip(eigenvalues(field), expected):
        assert abs(found - wanted) < 1e-7


@pytest.mark.parametrize("gamma", [0.5, 3.0])
def test_consensus_settles_the_bilinear_game(gamma):
    def field(x):
        theta, psi = x.unbind()
        losses_ = bilinear((theta, psi))
        agreed = regularizers.consensus(losses_, ([theta], [psi]), gamma)
        (g,) = torch.autograd.grad(losses_[0] + agreed, theta, create_graph=True)
        (d,) = torch.autograd.grad(losses_[1] + agreed, psi, create_graph=True)
        return torch.stack([-g, -d])

    for found, wanted in zip(eigenvalues(field), (-gamma - 1j, -gamma + 1j)):
        assert abs(found - wanted) < 1e-7


def test_gradient_of_consensus_is_the_jacobian_on_the_field():
    torch.manual_seed(2)
    a = torch.randn(4, 4, dtype=torch.float64)

    def both(x):
        g, d = x[:2], x[2:]
        loss_g = torch.sin(a[:2, :2] @ g).sum() + (g @ a[:2, 2:] @ d.tanh())
        loss_d = torch.cos(a[2:, 2:] @ d).sum() - (g.exp() @ a[:2, 2:] @ d)
        return loss_g, loss_d, g, d

    def field(x):
        loss_g, loss_d, g, d = both(x)
        one = torch.autograd.grad(loss_g, g, create_graph=True)[0]
        return -torch.cat([one, torch.autograd.grad(loss_d, d, create_graph=True)[0]])

    x = torch.randn(4, dtype=torch.float64, requires_grad=True)
    jacobian, v = torch.autograd.functional.jacobian(field, x), field(x).detach()
    loss_g, loss_d, g, d = both(x)
    value = regularizers.consensus((loss_g, loss_d), ([g], [d]), 1.0)
    (gradient,) = torch.autograd.grad(value, x)
    assert torch.allclose(gradient, jacobian.T @ v, rtol=1e-12, atol=1e-12)
    assert value.item() == pytest.approx(0.5 * float(v.square().sum()))


def test_squared_norm_needs_a_parameter_that_matters():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    assert regularizers.squared_norm((3 * x).sum(), [x, y]).item() == 18
    with pytest.raises(UserError, match="none"):
        regularizers.squared_norm(x.sum(), [y])


@pytest.mark.parametrize("regularizer", [regularizers.l2(0.4), regularizers.orthogonal(0.3)])
def test_gradients_in_the_weights_by_differences(regularizer):
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)

    def value(w):
        layer = nn.Linear(3, 4).double()
        del layer.weight
        layer.weight = w
        return regularizer(layer)

    assert torch.autograd.gradcheck(value, [weight])


def test_gradients_of_changed_losses_by_differences():
    batches = [torch.randn(5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    for changed in (
        regularizers.with_drift(losses.wasserstein, 0.2),
        regularizers.smoothed(losses.non_saturating, 0.8),
    ):
        assert torch.autograd.gradcheck(changed.d, batches)


def test_gradient_of_consistency_reaches_the_critic_through_both_images():
    weight = torch.randn(3, dtype=torch.float64, requires_grad=True)
    real, fake = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    penalty = regularizers.consistency(2.0, lambda x: x.flip(1) * 0.5)
    value = lambda w: penalty(lambda x: (x @ w).tanh(), real, fake)  # noqa: E731
    assert torch.autograd.gradcheck(value, [weight])
