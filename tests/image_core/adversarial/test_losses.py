"""Values on an exact discrete problem, gradients, and the algebra that the losses promise."""

import copy
import math
import pickle

import pytest
import torch

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError

NAMES = losses.__all__
REWARDED = [name for name in NAMES if getattr(losses, name).reward is not None]
RELATIVISTIC = [name for name in NAMES if name.startswith("relativistic")]

# Three states, held by batches of ten in exactly these proportions: means are expectations.
P = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
Q = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
REAL = torch.tensor([0] * 7 + [1] * 2 + [2])
FAKE = torch.tensor([0] * 3 + [1] * 3 + [2] * 4)
LOG_RATIO = (P / Q).log()
JS = 0.5 * (P * (2 * P / (P + Q)).log()).sum() + 0.5 * (Q * (2 * Q / (P + Q)).log()).sum()


def loss(name):
    return getattr(losses, name)


def two_batches():
    real = torch.randn(6, dtype=torch.float64, requires_grad=True)
    fake = torch.randn(6, dtype=torch.float64, requires_grad=True)
    return real, fake


def close(value, expected, tolerance=1e-9):
    difference = torch.as_tensor(value - expected).detach()
    assert abs(float(difference)) < tolerance


def test_every_loss_is_listed():
    instances = {k for k, v in vars(losses).items() if isinstance(v, losses.AdversarialLoss)}
    assert instances == set(NAMES)


# ------------------------------------------------------------------------------------------ values

OPTIMUM = {
    "minimax": LOG_RATIO,
    "non_saturating": LOG_RATIO,
    "hinge": (P - Q).sign(),
    "least_squares": P / (P + Q),
    "least_squares_pearson": (P - Q) / (P + Q),
}
TV, OVERLAP = 0.4, 0.41
VALUES = {
    "minimax": (2 * math.log(2) - 2 * JS, (Q * (Q / (P + Q)).log()).sum()),
    "non_saturating": (2 * math.log(2) - 2 * JS, -(Q * (P / (P + Q)).log()).sum()),
    "hinge": (2 - 2 * TV, TV),
    "least_squares": (0.5 * OVERLAP, 0.1955),
    "least_squares_pearson": (2 * OVERLAP, (Q * ((P - Q) / (P + Q)).square()).sum() / 2),
}
PRINTED = {
    "minimax": (1.1975713, -0.6036969),
    "non_saturating": (1.1975713, 1.0256648),
    "hinge": (1.2, 0.4),
    "least_squares": (0.205, 0.1955),
    "least_squares_pearson": (0.82, 0.102),
}


@pytest.mark.parametrize("name", OPTIMUM)
def test_values_at_the_best_critic(name):
    table = OPTIMUM[name]
    d, g = loss(name).d(table[REAL], table[FAKE]), loss(name).g(table[REAL], table[FAKE])
    close(d, VALUES[name][0])
    close(g, VALUES[name][1])
    close(d, PRINTED[name][0], 1e-7)
    close(g, PRINTED[name][1], 1e-7)


@pytest.mark.parametrize(
    "name", ["minimax", "non_saturating", "least_squares", "least_squares_pearson"]
)
def test_best_critic_is_stationary(name):
    table = OPTIMUM[name].clone().requires_grad_()
    loss(name).d(table[REAL], table[FAKE]).backward()
    assert table.grad.abs().max() < 1e-15


def test_least_squares_with_pearson_coding():
    coding = loss("least_squares_pearson")
    table = (P - Q) / (P + Q)
    close(coding.d(table[REAL], table[FAKE]), 0.82)
    # half the Pearson divergence needs the term that the generator cannot move
    close(coding.g(table[REAL], table[FAKE]) + table[REAL].square().mean() / 2, 0.18)


def test_least_squares_is_zero_on_target_and_never_saturates():
    a, b, c = 0.2, 0.9, 0.7
    coding = losses.least_squares_coding(a, b, c)
    fake = torch.full((4,), a, dtype=torch.float64, requires_grad=True)
    close(coding.d(torch.full((3,), b, dtype=torch.float64), fake), 0.0, 1e-15)
    close(coding.g(fake, fake), 0.5 * (a - c) ** 2)
    far = torch.full((4,), -50.0, dtype=torch.float64, requires_grad=True)
    loss("least_squares").g(far, far).backward()
    assert torch.allclose(far.grad, torch.full_like(far, -51.0 / 4), rtol=1e-12)


def test_wasserstein_is_the_gap_of_means():
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0, 6.0])
    assert loss("wasserstein").d(real, fake) == -1.0
    assert loss("wasserstein").g(real, fake) == -3.0


def test_paired_relativistic_on_all_hundred_pairs():
    table = LOG_RATIO.clone().requires_grad_()
    real, fake = table[REAL].repeat_interleave(10), table[FAKE].repeat(10)
    value = loss("relativistic").d(real, fake)
    pairs = sum(
        P[i] * Q[j] * math.log1p(math.exp(LOG_RATIO[j] - LOG_RATIO[i]))
        for i in range(3)
        for j in range(3)
    )
    close(value, pairs)
    close(value, 0.5209115, 1e-7)
    value.backward()
    assert table.grad.abs().max() < 1e-15


def test_relativistic_average_value_and_its_optimum_is_not_the_log_ratio():
    table = LOG_RATIO.clone().requires_grad_()
    value = loss("relativistic_average").d(table[REAL], table[FAKE])
    mean_real, mean_fake = float((P * LOG_RATIO).sum()), float((Q * LOG_RATIO).sum())
    by_hand = sum(
        P[i] * math.log1p(math.exp(mean_fake - LOG_RATIO[i]))
        + Q[i] * math.log1p(math.exp(LOG_RATIO[i] - mean_real))
        for i in range(3)
    )
    close(value, by_hand)
    value.backward()
    printed = torch.tensor([-0.108, 0.025, 0.083], dtype=torch.float64)
    assert (table.grad - printed).abs().max() < 6e-4


def test_relativistic_hinge_and_least_squares_by_hand():
    """Real logits 2, 0 above a mean of fakes of -1; fakes -3, 1 below a mean of reals of 1."""
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    hinge, squares = loss("relativistic_hinge"), loss("relativistic_least_squares")
    # margins of reals 3, 1: nothing missing; of fakes 4, 0: 0 and 1
    close(hinge.d(real, fake), 0.5)
    close(hinge.g(real, fake), (4 + 2) / 2 + (5 + 1) / 2)
    close(squares.d(real, fake), (2**2 + 0) / 2 + (3**2 + 1) / 2)
    close(squares.g(real, fake), (4**2 + 2**2) / 2 + (5**2 + 1) / 2)


@pytest.mark.parametrize(
    ("name", "d", "g"),
    [
        ("minimax", 2 * math.log(2), -math.log(2)),
        ("non_saturating", 2 * math.log(2), math.log(2)),
        ("hinge", 2.0, 0.0),
        ("wasserstein", 0.0, 0.0),
        ("least_squares", 0.5, 0.5),
        ("least_squares_pearson", 1.0, 0.0),
        ("relativistic", math.log(2), math.log(2)),
        ("relativistic_hinge", 2.0, 2.0),
        ("relativistic_least_squares", 2.0, 2.0),
        ("relativistic_average", 2 * math.log(2), 2 * math.log(2)),
    ],
)
def test_values_of_an_untrained_critic(name, d, g):
    zeros = torch.zeros(5, dtype=torch.float64)
    close(loss(name).d(zeros, zeros), d, 1e-15)
    close(loss(name).g(zeros, zeros), g, 1e-15)


def test_saturation_of_the_two_generator_losses():
    slopes = {}
    for name in ("minimax", "non_saturating"):
        fake = torch.tensor([-20.0], dtype=torch.float64, requires_grad=True)
        loss(name).g(fake.detach(), fake).backward()
        slopes[name] = float(fake.grad)
    assert slopes["minimax"] == pytest.approx(-1 / (1 + math.exp(20)), rel=1e-9)
    assert slopes["non_saturating"] == pytest.approx(-1 / (1 + math.exp(-20)), rel=1e-9)


def test_hinge_leaves_samples_beyond_the_margin_alone():
    real = torch.tensor([1.0, 3.0, 0.5], requires_grad=True)
    fake = torch.tensor([-1.5, -4.0, -0.5], requires_grad=True)
    loss("hinge").d(real, fake).backward()
    assert real.grad[1] == 0
    assert real.grad[2] == pytest.approx(-1 / 3)
    assert fake.grad[:2].tolist() == [0, 0]
    assert fake.grad[2] == pytest.approx(1 / 3)


# -------------------------------------------------------------------------------- over every loss


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("player", ["d", "g"])
def test_gradients_by_differences(name, player):
    assert torch.autograd.gradcheck(getattr(loss(name), player), two_batches())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("player", ["d", "g"])
def test_value_is_the_mean_whatever_the_shape(name, player):
    real, fake = torch.randn(4, 3, 2).double(), torch.randn(4, 3, 2).double()
    of = getattr(loss(name), player)
    value = of(real, fake)
    assert value.shape == ()
    close(value, of(real.flatten(), fake.flatten()), 1e-14)
    close(value, of(real.repeat(2, 1, 1), fake.repeat(2, 1, 1)), 1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_descending_separates_for_the_critic_and_raises_fakes_for_the_generator(name):
    real, fake = two_batches()
    real.data.mul_(0.1), fake.data.mul_(0.1)
    grad_real, grad_fake = torch.autograd.grad(loss(name).d(real, fake), (real, fake))
    assert (grad_real < 0).all()
    if name == "least_squares":
        assert torch.allclose(grad_fake, fake / 6)
    else:
        assert (grad_fake > 0).all()
    (grad_fake,) = torch.autograd.grad(loss(name).g(real, fake), fake)
    if name == "least_squares_pearson":  # its generator aims at 0
        assert torch.allclose(grad_fake, fake / 6)
    else:
        assert (grad_fake < 0).all()


@pytest.mark.parametrize("name", REWARDED)
def test_reward_is_minus_the_generators_loss_of_each_sample(name):
    logits = torch.linspace(-30, 30, 13, dtype=torch.float64).reshape(13, 1)
    reward = loss(name).reward(logits)
    assert reward.shape == logits.shape
    for row, own in zip(logits, reward):
        close(own, -loss(name).g(torch.full_like(row, 7.0), row), 1e-12)


def test_rewards_by_hand():
    logit = torch.tensor([1.5], dtype=torch.float64)
    sigmoid = 1 / (1 + math.exp(-1.5))
    close(loss("minimax").reward(logit), -math.log(1 - sigmoid))
    close(loss("non_saturating").reward(logit), math.log(sigmoid))
    close(loss("least_squares").reward(logit), -0.125)
    close(loss("hinge").reward(logit), 1.5)
    close(loss("wasserstein").reward(logit), 1.5)


def test_only_relativistic_losses_have_no_reward():
    assert set(NAMES) - set(REWARDED) == set(RELATIVISTIC)


@pytest.mark.parametrize("name", REWARDED)
def test_generator_ignores_real_where_it_should(name):
    fake = torch.randn(5)
    assert loss(name).g(torch.randn(9), fake) == loss(name).g(torch.full((2,), 1e4), fake)


BIG = 1e4
AT_BIG = {  # (d, g) with the critic surely wrong, and with it surely right
    "minimax": ((2 * BIG, -BIG), (0.0, 0.0)),
    "non_saturating": ((2 * BIG, 0.0), (0.0, BIG)),
    "hinge": ((2 * BIG + 2, -BIG), (0.0, BIG)),
    "wasserstein": ((2 * BIG, -BIG), (-2 * BIG, BIG)),
    "least_squares": (
        (((BIG + 1) ** 2 + BIG**2) / 2, (BIG - 1) ** 2 / 2),
        (((BIG - 1) ** 2 + BIG**2) / 2, (BIG + 1) ** 2 / 2),
    ),
    "least_squares_pearson": (((BIG + 1) ** 2, BIG**2 / 2), ((BIG - 1) ** 2, BIG**2 / 2)),
    "relativistic": ((2 * BIG, 0.0), (0.0, 2 * BIG)),
    "relativistic_hinge": ((4 * BIG + 2, 0.0), (0.0, 4 * BIG + 2)),
    "relativistic_least_squares": (
        (2 * (2 * BIG + 1) ** 2, 2 * (2 * BIG - 1) ** 2),
        (2 * (2 * BIG - 1) ** 2, 2 * (2 * BIG + 1) ** 2),
    ),
    "relativistic_average": ((4 * BIG, 0.0), (0.0, 4 * BIG)),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("right", [False, True])
def test_exact_and_finite_at_huge_logits(name, right):
    sign = 1.0 if right else -1.0
    real = torch.full((3,), sign * BIG, requires_grad=True)
    fake = torch.full((3,), -sign * BIG, requires_grad=True)
    values = loss(name).d(real, fake), loss(name).g(real, fake)
    for value, expected in zip(values, AT_BIG[name][right]):
        assert value.item() == pytest.approx(expected, rel=1e-6)
        gradients = torch.autograd.grad(value, (real, fake), allow_unused=True)
        assert all(g.isfinite().all() for g in gradients if g is not None)
    if name in REWARDED:
        assert loss(name).reward(fake).isfinite().all()


# ------------------------------------------------------------------------------------ relativistic


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_relativistic_losses_see_differences_only(name):
    real, fake = two_batches()
    close(loss(name).d(real, fake), loss(name).d(real + 3.7, fake + 3.7), 1e-14)
    close(loss(name).g(real, fake), loss(name).g(real - 2.1, fake - 2.1), 1e-14)
    assert loss(name).d(real, fake) != loss(name).d(real + 3.7, fake)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_swapping_the_players_swaps_the_losses(name):
    real, fake = two_batches()
    assert loss(name).d(real, fake) == loss(name).g(fake, real)
    assert loss(name).d(real, fake) != loss(name).g(real, fake)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_generators_gradient_reaches_real(name):
    real, fake = two_batches()
    real.data.mul_(0.1), fake.data.mul_(0.1)
    (gradient,) = torch.autograd.grad(loss(name).g(real, fake), real)
    assert (gradient > 0.01).all()


def test_paired_loss_refuses_what_it_cannot_pair():
    with pytest.raises(UserError, match=r"\(4, 1\).*\(4,\).*relativistic_average"):
        loss("relativistic").d(torch.zeros(4, 1), torch.zeros(4))


@pytest.mark.parametrize("name", NAMES)
def test_losses_survive_copying_and_pickling(name):
    real, fake = torch.randn(4), torch.randn(4)
    for twin in (copy.deepcopy(loss(name)), pickle.loads(pickle.dumps(loss(name)))):
        assert twin.g(real, fake) == loss(name).g(real, fake)


def test_the_density_ratio_is_the_odds_bounded():
    logit = torch.tensor([-3.0, 0.0, 2.0, 10.0, 50.0], requires_grad=True)
    ratio = losses.density_ratio(logit)
    odds = torch.sigmoid(logit[:3]) / (1 - torch.sigmoid(logit[:3]))
    assert torch.allclose(ratio[:3], odds)
    assert ratio[3:].tolist() == pytest.approx([math.exp(10)] * 2)
    assert losses.density_ratio(logit, bound=1.0)[2].item() == pytest.approx(math.e)
    (slope,) = torch.autograd.grad(ratio.sum(), logit)
    assert torch.allclose(slope[:3], ratio[:3])
    assert slope[4] == 0
    assert "density_ratio" not in losses.__all__
