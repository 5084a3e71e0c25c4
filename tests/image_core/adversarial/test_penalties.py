"""Penalties of critics whose slope is known, weight gradients, and the dynamics they cause."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial import penalties

NAMES = penalties.__all__
FLATTENING = [name for name in NAMES if name != "mixup"]  # those that read a slope
OF_SLOPE = [name for name in FLATTENING if name != "js_reg"]  # and not the logit
SLOPE_ONE = ["gradient_penalty", "dragan"]  # two-sided, target 1


def factory(name):
    return getattr(penalties, name)


def linear(weight):
    return lambda x: x.flatten(1) @ weight + 0.3


def batch(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def expected_on_linear(name, norm, weight):
    """Penalty of a critic whose slope is `norm` everywhere."""
    if name in ("r1", "r2"):
        return weight / 2 * norm**2
    excess = max(0.0, norm - 1) if name == "lipschitz" else norm - 1
    return weight * excess**2


# ------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("name", OF_SLOPE)
@pytest.mark.parametrize("norm", [0.4, 1.0, 2.5])
def test_linear_critic_pays_for_its_slope_whatever_the_batch(name, norm):
    weight = batch(12)
    weight *= norm / weight.norm()
    for _ in range(3):
        value = factory(name)(3.0)(linear(weight), batch(5, 3, 2, 2), batch(5, 3, 2, 2))
        assert value.shape == ()
        assert value.item() == pytest.approx(expected_on_linear(name, norm, 3.0), abs=1e-12)


@pytest.mark.parametrize("name", OF_SLOPE)
def test_default_weight_is_ten(name):
    weight = torch.tensor([3.0, 0.0], dtype=torch.float64)
    value = factory(name)()(linear(weight), batch(4, 2), batch(4, 2))
    assert value.item() == pytest.approx(expected_on_linear(name, 3.0, 10.0))


@pytest.mark.parametrize(("name", "which"), [("r1", 0), ("r2", 1)])
def test_quadratic_critic_by_hand(name, which):
    points = (batch(6, 3), batch(6, 3))
    matrix = batch(3, 3)
    matrix = matrix + matrix.T

    def critic(x):
        return 0.5 * ((x @ matrix) * x).sum(dim=1)

    value = factory(name)(2.0)(critic, *points)
    by_hand = sum(float((matrix @ x).square().sum()) for x in points[which]) / 6
    assert value.item() == pytest.approx(by_hand, rel=1e-12)


def test_r1_of_a_quadratic_critic_on_gaussian_data_is_the_frobenius_norm():
    matrix = torch.tensor([[1.0, -0.5, 0.2], [-0.5, 2.0, 0.3], [0.2, 0.3, -0.7]])
    data = torch.randn(200_000, 3)
    value = penalties.r1(2.0)(lambda x: 0.5 * ((x @ matrix) * x).sum(1), data, data)
    assert value.item() == pytest.approx(float(matrix.square().sum()), rel=0.02)


@pytest.mark.parametrize("name", OF_SLOPE)
@pytest.mark.parametrize("shape", ["column", "map"])
def test_the_logits_of_a_sample_are_summed(name, shape):
    weight = batch(4)
    real, fake = batch(5, 4), batch(5, 4)
    as_map = (
        (lambda y: y[:, None]) if shape == "column" else (lambda y: y[:, None, None] * batch_of)
    )
    batch_of = torch.full((1, 2, 3), 1 / 6, dtype=torch.float64)
    value = factory(name)(1.0)(lambda x: as_map(x @ weight), real, fake)
    expected = expected_on_linear(name, float(weight.norm()), 1.0)
    assert value.item() == pytest.approx(expected, abs=1e-12)


def test_r1_reads_real_and_r2_reads_fake():
    def critic(x):
        return (x**2).sum(dim=1) / 2  # slope = |x|

    real, fake = torch.full((2, 1), 3.0), torch.full((2, 1), 5.0)
    assert penalties.r1(2.0)(critic, real, fake) == 9.0
    assert penalties.r2(2.0)(critic, real, fake) == 25.0


def test_interpolation_draws_one_alpha_a_sample():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.flatten(1).sum(dim=1)

    real, fake = torch.zeros(500, 2, 3), torch.ones(500, 2, 3)
    penalties.gradient_penalty()(critic, real, fake)
    alpha = seen[0].flatten(1)
    assert (alpha == alpha[:, :1]).all()
    assert 0 <= alpha.min() < 0.05
    assert 0.95 < alpha.max() <= 1
    assert alpha[:, 0].mean() == pytest.approx(0.5, abs=0.05)


def test_one_sided_is_wgan_lp():
    real, fake, weight = batch(4, 3), batch(4, 3), torch.tensor([0.0, 2.0, 0.0]).double()
    for critic in (linear(weight), linear(weight / 4)):
        one_sided = penalties.gradient_penalty(7.0, one_sided=True)(critic, real, fake)
        assert one_sided == penalties.lipschitz(7.0)(critic, real, fake)
    assert one_sided == 0


def test_target_moves_the_free_slope():
    weight = torch.tensor([0.0, 3.0], dtype=torch.float64)
    arguments = (linear(weight), batch(4, 2), batch(4, 2))
    assert penalties.gradient_penalty(1.0, 3.0)(*arguments).item() == pytest.approx(0.0, abs=1e-12)
    assert penalties.gradient_penalty(1.0, 0.0)(*arguments).item() == pytest.approx(9.0)
    assert penalties.lipschitz(1.0, 2.0)(*arguments).item() == pytest.approx(1.0)
    assert penalties.dragan(1.0, 5.0)(*arguments).item() == pytest.approx(4.0)


def test_dragan_ignores_the_fakes():
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    real, values = torch.randn(6, 3), []
    for fake in (torch.randn(6, 3), torch.full((2, 9), math.nan)):
        torch.manual_seed(3)
        values.append(penalties.dragan()(net, real, fake))
    assert values[0] == values[1]


def test_dragan_noise_is_gaussian_and_scales_with_the_batch():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.sum(dim=1)

    real = 4.0 + 3.0 * torch.randn(4000, 5)
    penalties.dragan(scale=0.5)(critic, real, real)
    noise = seen[0] - real
    assert noise.std() == pytest.approx(0.5 * float(real.std()), rel=0.03)
    assert abs(noise.mean()) < 0.05
    assert (noise.abs() < noise.std()).float().mean() == pytest.approx(0.6827, abs=0.01)
    constant = torch.ones(4, 5)
    penalties.dragan()(critic, constant, constant)
    assert torch.equal(seen[1], constant)


def test_js_reg_at_the_best_critic_of_two_gaussians():
    """p = N(0, 1), q = N(1, 1), d = 1/2 - x: both terms together are sum p q / (p + q)."""
    count = 20_000
    levels = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    real = torch.special.ndtri(levels)[:, None]
    value = penalties.js_reg(2.0)(lambda x: 0.5 - x[:, 0], real, real + 1)
    assert value.item() == pytest.approx(0.3979729, abs=2e-6)


def test_js_reg_by_hand_and_silent_where_the_critic_is_sure():
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64)
    real, fake = batch(1, 2), batch(1, 2)
    d_real, d_fake = float(real @ weight + 0.3), float(fake @ weight + 0.3)
    by_hand = 25 / (1 + math.exp(d_real)) ** 2 + 25 / (1 + math.exp(-d_fake)) ** 2
    value = penalties.js_reg(2.0)(linear(weight), real, fake)
    assert value.item() == pytest.approx(by_hand, rel=1e-12)
    sure = penalties.js_reg(2.0)(
        lambda x: x @ weight, 10 * torch.ones(1, 2).double(), -10 * torch.ones(1, 2).double()
    )
    assert sure.item() < 1e-28


def test_total_adds_up():
    arguments = (linear(batch(3)), batch(4, 3), batch(4, 3))
    both = penalties.total(penalties.r1(1.0), penalties.r2(3.0))(*arguments)
    parts = penalties.r1(1.0)(*arguments) + penalties.r2(3.0)(*arguments)
    assert both.item() == pytest.approx(parts.item(), rel=1e-14)
    assert penalties.total()(*arguments) == 0


# --------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("name", NAMES)
def test_weight_gradients_by_differences(name):
    real, fake = batch(4, 2, 2), batch(4, 2, 2)

    def penalty(first, second):
        torch.manual_seed(7)  # the same alphas and noise at every evaluation
        return factory(name)(1.5)(lambda x: torch.tanh(x.flatten(1) @ first) @ second, real, fake)

    weights = (2 * batch(4, 3)).requires_grad_(), (2 * batch(3)).requires_grad_()
    assert penalty(*weights) > 0.05
    assert torch.autograd.gradcheck(penalty, weights, eps=1e-5, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", FLATTENING)
def test_zero_slope_gives_no_nan(name):
    weight = torch.zeros(6, requires_grad=True)
    value = factory(name)(10.0)(linear(weight), torch.randn(5, 6), torch.randn(5, 6))
    value.backward()
    assert value.item() == (10.0 if name in SLOPE_ONE else 0.0)
    assert torch.equal(weight.grad, torch.zeros(6))


def test_r1_has_the_right_curvature_at_zero_slope():
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    real = batch(5, 2)
    hessian = torch.autograd.functional.hessian(
        lambda w: penalties.r1(3.0)(lambda x: x @ w, real, real), weight
    )
    assert torch.allclose(hessian, 3.0 * torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize("name", NAMES)
def test_neither_data_nor_generator_receive_a_gradient(name):
    real, fake = batch(4, 2).requires_grad_(), batch(4, 2).requires_grad_()
    weight = (4 * batch(2)).requires_grad_()
    factory(name)()(lambda x: torch.tanh(x @ weight), real, fake).backward()
    assert real.grad is None
    assert fake.grad is None
    assert weight.grad.abs().sum() > 0


def test_a_samples_gradient_is_its_own_and_flattened():
    weights, points = batch(6, 4), batch(4, 3, 2)

    def critic(x):
        return torch.tanh(x.flatten(1) @ weights).sum(dim=1)

    found = penalties.input_gradients(critic, points)
    by_hand = (1 - torch.tanh(points.flatten(1) @ weights) ** 2) @ weights.T
    assert torch.allclose(found, by_hand, rtol=1e-12)
    assert torch.allclose(penalties.input_gradients(critic, points[:1]), found[:1], rtol=1e-12)


@pytest.mark.bf16
def test_computed_in_float32_with_autocast_off():
    net = nn.Linear(3, 1)
    real = torch.randn(4, 3)
    exact = penalties.r1()(net, real, real)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(real).dtype == torch.bfloat16
        inside = penalties.r1()(net, real, real)
        mixed = penalties.gradient_penalty()(net, real, net.weight.bfloat16() + real.bfloat16())
    assert inside == exact
    assert inside.dtype == mixed.dtype == torch.float32


def test_attention_has_a_second_derivative():
    torch.manual_seed(5)
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True).double()
    points, query_key = batch(2, 3, 4), layer.self_attn.in_proj_weight

    def penalty():
        return penalties.r1(2.0)(lambda x: layer(x)[:, 0, 0], points, points)

    (gradient,) = torch.autograd.grad(penalty(), query_key)
    around = []
    for step in (1e-5, -2e-5):
        query_key.data[1, 2] += step
        around.append(penalty().item())
    assert gradient[1, 2].item() == pytest.approx((around[0] - around[1]) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_fakes_of_fewer_bits_as_autocast_makes_them(name):
    """Data stay float32, so that the two sides of a penalty have different types."""
    net = nn.Linear(3, 1)
    torch.manual_seed(0)
    real, fake = torch.randn(6, 3), torch.randn(6, 3).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(1)
        value = factory(name)()(net, real, fake)
        torch.manual_seed(1)
        expected = factory(name)()(net, real, fake.float())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected.item(), rel=0.05)
    value.backward()
    assert net.weight.grad.isfinite().all()
