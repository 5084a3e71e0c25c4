"""f-GAN: Fenchel's equality, domains, divergences on exact problems, gradients."""

import math

import pytest
import torch

from image_core.adversarial import divergences, fgan, losses
from image_core.adversarial.errors import UserError

ROWS = {
    "kullback_leibler": fgan.KULLBACK_LEIBLER,
    "reverse_kullback_leibler": fgan.REVERSE_KULLBACK_LEIBLER,
    "pearson": fgan.PEARSON,
    "neyman": fgan.NEYMAN,
    "squared_hellinger": fgan.SQUARED_HELLINGER,
    "jensen_shannon": fgan.JENSEN_SHANNON,
    "gan": fgan.GAN,
    "total_variation": fgan.TOTAL_VARIATION,
    **{f"alpha {a}": fgan.alpha_divergence(a) for a in (-1.0, 0.5, 2.5)},
}
SMOOTH = [name for name in ROWS if name != "total_variation"]
P = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
Q = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
REAL = torch.tensor([0] * 7 + [1] * 2 + [2])
FAKE = torch.tensor([0] * 3 + [1] * 3 + [2] * 4)
PRINTED = {
    "kullback_leibler": 0.3733860,
    "reverse_kullback_leibler": 0.4219679,
    "pearson": 0.7916667,
    "neyman": 1.1785714,
    "squared_hellinger": 0.1935869,
    "jensen_shannon": 0.1887230,
    "gan": -1.1975713,
}


def best_output(row, ratio):
    """The raw output v with nu(v) = f'(ratio), by bisection: nu increases."""
    low, high = torch.full_like(ratio, -60.0), torch.full_like(ratio, 60.0)
    for _ in range(200):
        middle = (low + high) / 2
        below = row.activation(middle) < row.slope(ratio)
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def test_every_loss_is_listed_and_is_one_of_the_table():
    found = {n for n, v in vars(fgan).items() if isinstance(v, losses.AdversarialLoss)}
    assert found == set(fgan.__all__)
    assert {f"f_{n}" for n in ROWS if "alpha" not in n} | {"f_alpha"} == found


@pytest.mark.parametrize("name", SMOOTH)
def test_fenchels_equality(name):
    row, u = ROWS[name], torch.tensor([0.4, 1.0, 2.2], dtype=torch.float64)
    t = row.slope(u)
    assert torch.allclose(row.conjugate(t), u * t - row.f(u), rtol=0, atol=1e-13)
    by_differences = (row.f(u + 1e-6) - row.f(u - 1e-6)) / 2e-6
    assert torch.allclose(t, by_differences, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ROWS)
def test_activation_maps_into_the_domain_and_rises(name):
    row, v = ROWS[name], torch.linspace(-30, 30, 601, dtype=torch.float64)
    t = row.activation(v)
    assert (t.diff() >= 0).all()
    assert row.conjugate(t).isfinite().all() or name in ("neyman", "squared_hellinger")
    near = torch.linspace(-5, 5, 101, dtype=torch.float64)
    direct = row.conjugate(row.activation(near))
    assert torch.allclose(row.composed(near), direct, rtol=1e-9, atol=1e-10)
    assert row.composed(v).isfinite().all()


@pytest.mark.parametrize("name", SMOOTH)
def test_the_best_critic_attains_the_divergence_and_rests_there(name):
    row, ratio = ROWS[name], P / Q
    table = best_output(row, ratio).requires_grad_()
    loss = fgan.heuristic(row)
    value = loss.d(table[REAL], table[FAKE])
    by_hand = float((Q * row.f(ratio)).sum())
    assert value.item() == pytest.approx(-by_hand, abs=1e-12)
    if name in PRINTED:
        assert value.item() == pytest.approx(-PRINTED[name], abs=1e-7)
    (gradient,) = torch.autograd.grad(value, table)
    assert gradient.abs().max() < 1e-12


@pytest.mark.parametrize(("a", "printed"), [(2.5, 1.4722184), (0.5, 0.4700124), (-1.0, 0.8591409)])
def test_alpha_divergence_of_two_gaussians(a, printed):
    """N(0, 1) from N(1, 1): (exp(a (a - 1) / 2) - 1) / (a (a - 1))."""
    x = torch.linspace(-12, 14, 20_001, dtype=torch.float64)
    q = torch.exp(-0.5 * (x - 1) ** 2) / math.sqrt(2 * math.pi)
    divergence = torch.trapezoid(q * fgan.alpha_divergence(a).f((0.5 - x).exp()), x)
    assert divergence.item() == pytest.approx((math.exp(a * (a - 1) / 2) - 1) / (a * (a - 1)))
    assert divergence.item() == pytest.approx(printed, abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 10.0, 1000.0])
def test_total_variation_is_approached_from_below(scale):
    printed = {1.0: 0.2954529, 10.0: 0.3814884, 1000.0: 0.3829249}
    levels = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    real = torch.special.ndtri(levels)
    d = fgan.f_total_variation.d(scale * (0.5 - real), scale * (-0.5 - real))
    assert -d.item() == pytest.approx(printed[scale], abs=1e-5)


@pytest.mark.parametrize("name", fgan.__all__)
@pytest.mark.parametrize("player", ["d", "g"])
def test_gradients_by_differences(name, player):
    batches = [torch.randn(5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(getattr(getattr(fgan, name), player), batches)


@pytest.mark.parametrize("name", ROWS)
def test_both_generators_raise_their_fakes_and_earn_minus_their_loss(name):
    fake = torch.linspace(-2, 2, 7, dtype=torch.float64, requires_grad=True)
    for loss in (fgan.heuristic(ROWS[name]), fgan.exact(ROWS[name])):
        (gradient,) = torch.autograd.grad(loss.g(fake, fake), fake)
        # Beyond the domain of f the bound of alpha > 1 is flat, and Pearson's turns
        flat = {"pearson": -2.0, "alpha 2.5": -2 / 3}.get(name, -math.inf)
        assert (gradient[fake > flat] < 0).all()
        assert loss.reward(fake).mean().item() == pytest.approx(-loss.g(fake, fake).item())


def test_the_exact_generator_holds_the_fake_half_of_the_critics_loss():
    real, fake = torch.randn(6), torch.randn(6)
    loss = fgan.exact(fgan.SQUARED_HELLINGER)
    half = loss.d(real, fake) + fgan.SQUARED_HELLINGER.activation(real).mean()
    assert loss.g(real, fake).item() == pytest.approx(-half.item())


def test_the_gan_row_is_the_logistic_loss():
    real, fake = torch.randn(9), torch.randn(9)
    assert fgan.f_gan.d(real, fake).item() == pytest.approx(
        losses.non_saturating.d(real, fake).item()
    )
    assert fgan.f_gan.g(real, fake).item() == pytest.approx(
        losses.non_saturating.g(real, fake).item()
    )
    shifted = fgan.f_jensen_shannon.d(real, fake)
    assert shifted.item() == pytest.approx(divergences.jensen_shannon.d(real, fake).item())


@pytest.mark.parametrize("a", [0.0, 1.0, math.nan])
def test_alpha_has_no_zero_and_no_one(a):
    with pytest.raises(UserError, match="f_kullback_leibler"):
        fgan.alpha_divergence(a)
