"""Estimators on problems small enough to enumerate, against loops in plain Python, and by hand."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from image_core.adversarial import estimators, losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.returns import discounted

T, F = True, False
EVERY = {
    "reinforce": lambda: estimators.reinforce(),
    "summed": lambda: estimators.reinforce(reduction="sum"),
    "position_mean": lambda: estimators.reinforce("position_mean"),
    "leave_one_out": lambda: estimators.reinforce("leave_one_out", samples=2),
    "moving_average": lambda: remembering(0.3, 0.5),
    "importance": lambda: estimators.importance(samples=2, baseline=0.4),
    "boundary_seeking": lambda: estimators.boundary_seeking(samples=2),
    "clipped": lambda: estimators.clipped(),
}
quick = settings(max_examples=25, deadline=None)


def remembering(total, weight):
    """Moving average in the middle of a run: its baseline is total / weight."""
    estimator = estimators.reinforce("moving_average")
    estimator.load_state_dict({"total": torch.tensor(total), "weight": torch.tensor(weight)})
    return estimator


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def full(*shape):
    return torch.ones(*shape, dtype=torch.bool)


def loss_and_gradient(estimator, log_prob, reward, mask):
    log_prob = log_prob.clone().requires_grad_()
    loss = estimator(log_prob, reward, mask)
    (gradient,) = torch.autograd.grad(loss, log_prob)
    return loss.detach(), gradient


def random_case(seed, rows=6, columns=4):
    generator = torch.Generator().manual_seed(seed)
    log_prob, reward = torch.randn(2, rows, columns, dtype=torch.float64, generator=generator)
    mask = torch.rand(rows, columns, generator=generator) < 0.7
    mask[0, 0] = True
    return log_prob, reward, mask


# ------------------------------------------------------- unbiasedness, by enumerating every batch

STEP_REWARD = {(0, 0): (0.7, -1.1), (0, 1): (0.7, 2.0), (1, 0): (-0.4, 0.5), (1, 1): (-0.4, 3.0)}


def fixed_length(parameters):
    """Two binary tokens: log_prob (4, 2), reward to go (4, 2), mask, for each of the four."""
    first, second = parameters[:2].log_softmax(0), parameters[2:].reshape(2, 2).log_softmax(1)
    log_prob = torch.stack([torch.stack([first[a], second[a, b]]) for a, b in STEP_REWARD])
    reward = tensor(list(STEP_REWARD.values()))
    return log_prob, discounted(reward, full(4, 2), 1.0), full(4, 2)


def ragged(parameters):
    """Token 0 ends the sequence; only (1, 0) and (1, 1) have a second position."""
    first, second = parameters[:2].log_softmax(0), parameters[2:4].log_softmax(0)
    nothing = tensor(-math.inf)
    rows = [(first[0], nothing), (first[1], second[0]), (first[1], second[1])]
    log_prob = torch.stack([torch.stack(row) for row in rows])
    reward = tensor([[1.3, math.nan], [-0.6, -0.6], [2.2, 2.2]])
    return log_prob, reward, torch.tensor([[T, F], [T, T], [T, T]])


def true_gradient(problem, parameters):
    log_prob, reward, mask = problem(parameters)
    probability = log_prob.masked_fill(~mask, 0).sum(dim=1).exp()
    (gradient,) = torch.autograd.grad((probability * reward[:, 0]).sum(), parameters)
    return gradient


def expected_gradient(problem, parameters, make, rows):
    """Gradient of the surrogate loss, averaged over all batches of `rows` independent samples."""
    log_prob, reward, mask = problem(parameters)
    log_likelihood = log_prob.detach().masked_fill(~mask, 0).sum(dim=1)
    surrogate = 0.0
    for draw in itertools.product(range(len(reward)), repeat=rows):
        batch = list(draw)
        loss = make()(log_prob[batch], reward[batch], mask[batch])
        surrogate = surrogate + log_likelihood[batch].sum().exp() * loss
    (gradient,) = torch.autograd.grad(surrogate, parameters)
    return gradient


UNBIASED = {
    "none": lambda: estimators.reinforce(reduction="sum"),
    "leave_one_out": lambda: estimators.reinforce("leave_one_out", "sum"),
    "moving_average": lambda: estimators.reinforce("moving_average", "sum"),
}


@pytest.mark.parametrize("problem", [fixed_length, ragged])
@pytest.mark.parametrize("baseline", UNBIASED)
@pytest.mark.parametrize("rows", [2, 3])
def test_reinforce_is_unbiased(problem, baseline, rows):
    parameters = tensor([0.3, -0.2, 0.8, 0.1, -0.5, 0.4]).requires_grad_()
    found = expected_gradient(problem, parameters, UNBIASED[baseline], rows)
    truth = true_gradient(problem, parameters)
    assert truth.abs().max() > 0.1
    assert torch.allclose(found, -rows * truth, atol=1e-13)


def test_moving_average_is_unbiased_in_the_middle_of_a_run():
    parameters = tensor([0.3, -0.2, 0.8, 0.1, -0.5, 0.4]).requires_grad_()
    found = expected_gradient(fixed_length, parameters, EVERY["moving_average"], 2)
    assert torch.allclose(found, -true_gradient(fixed_length, parameters) / 2, atol=1e-7)


@pytest.mark.parametrize("rows", [2, 3])
def test_position_mean_shrinks_the_gradient_by_its_own_share(rows):
    parameters = tensor([0.3, -0.2, 0.8, 0.1, -0.5, 0.4]).requires_grad_()
    found = expected_gradient(fixed_length, parameters, EVERY["position_mean"], rows)
    truth = true_gradient(fixed_length, parameters)
    assert torch.allclose(found, -(1 - 1 / rows) * truth / 2, atol=1e-13)


# ------------------------------------------------------------------------------- reinforce by hand


def test_reinforce_by_hand():
    log_prob = tensor([[-1.0, -2.0], [-3.0, -4.0]])
    reward = tensor([[1.0, 0.5], [2.0, 7.0]])
    mask = torch.tensor([[T, T], [T, F]])
    assert estimators.reinforce(reduction="sum")(log_prob, reward, mask) == 1.0 + 1.0 + 6.0
    assert estimators.reinforce()(log_prob, reward, mask) == pytest.approx(8 / 3)
    # position means 1.5 and 0.5; the other's reward 2, 0 (nobody) and 1
    assert estimators.reinforce("position_mean", "sum")(log_prob, reward, mask) == -0.5 + 1.5
    assert estimators.reinforce("leave_one_out", "sum")(log_prob, reward, mask) == -1 + 1 + 3


def test_leave_one_out_stays_within_the_item():
    log_prob, reward = tensor([[-1.0], [-2.0], [-3.0], [-4.0]]), tensor([[1], [2], [10], [20]])
    loss = estimators.reinforce("leave_one_out", "sum", samples=2)(log_prob, reward, full(4, 1))
    assert loss == -1 + 2 + (-10 * 3 + 10 * 4)


@pytest.mark.parametrize("baseline", ["position_mean", "leave_one_out"])
def test_batch_baselines_cancel_a_constant_reward(baseline):
    log_prob, reward, _ = random_case(1)
    estimator = estimators.reinforce(baseline)
    _, before = loss_and_gradient(estimator, log_prob, reward, full(6, 4))
    _, after = loss_and_gradient(estimator, log_prob, reward + 100.0, full(6, 4))
    assert torch.allclose(before, after, atol=1e-12)


def test_moving_average_uses_only_the_past():
    estimator = estimators.reinforce("moving_average", "sum", momentum=0.5)
    baselines = []
    for reward in (1.0, 2.0, 3.0):
        loss = estimator(tensor([[-1.0]]), tensor([[reward]]), full(1, 1))
        baselines.append(reward - loss.item())
    # weights of age one and two: 1, then (2 + 1/2 * 1) / (1 + 1/2)
    assert baselines == pytest.approx([0.0, 1.0, 5 / 3])


def test_moving_average_is_saved_and_continues():
    estimator, case = estimators.reinforce("moving_average"), random_case(2)
    estimator(*case)
    twin = estimators.reinforce("moving_average")
    twin.load_state_dict(estimator.state_dict())
    assert set(estimator.state_dict()) == {"total", "weight"}
    assert estimator(*case) == twin(*case)
    assert estimator(*case) != estimators.reinforce("moving_average")(*case)


def test_only_a_moving_average_is_state():
    for name, make in EVERY.items():
        assert bool(make().state_dict()) == (name == "moving_average")


def test_an_empty_batch_leaves_the_average_alone():
    estimator = remembering(0.3, 0.5)
    loss = estimator(tensor([[-1.0]]), tensor([[5.0]]), ~full(1, 1))
    assert loss == 0
    assert estimator.state_dict() == {"total": torch.tensor(0.3), "weight": torch.tensor(0.5)}


# ----------------------------------------------------------------- importance and boundary seeking


def slow_weights(ratio, mask, samples):
    """Self-normalised weights of mean one, by loops."""
    rows, columns = mask.shape
    weight = [[0.0] * columns for _ in range(rows)]
    for first in range(0, rows, samples):
        for t in range(columns):
            live = [i for i in range(first, first + samples) if mask[i, t]]
            whole = sum(ratio[i][t] for i in live)
            for i in live:
                weight[i][t] = len(live) * ratio[i][t] / whole
    return tensor(weight)


@quick
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 6]), st.sampled_from([0.0, 0.3, 1.0]))
def test_importance_against_loops(seed, samples, baseline):
    log_prob, logit, mask = random_case(seed)
    ratio = [[math.exp(x) for x in row] for row in logit.tolist()]
    weight = (slow_weights(ratio, mask, samples) - baseline * mask.double()) / mask.sum()
    estimator = estimators.importance(samples, baseline)
    loss, gradient = loss_and_gradient(estimator, log_prob, logit.exp(), mask)
    assert torch.allclose(gradient, -weight, atol=1e-13)
    assert torch.allclose(loss, -(weight * log_prob).sum(), atol=1e-13)


@quick
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 6]))
def test_boundary_seeking_against_loops(seed, samples):
    log_prob, logit, mask = random_case(seed)
    ratio = [[math.exp(x) for x in row] for row in logit.tolist()]
    weight = slow_weights(ratio, mask, samples) / sum(bool(row.any()) for row in mask)
    loss, gradient = loss_and_gradient(estimators.boundary_seeking(samples), log_prob, logit, mask)
    assert torch.allclose(gradient, -weight, atol=1e-13)
    assert torch.allclose(loss, -(weight * log_prob).sum(), atol=1e-13)


def test_the_papers_formulas_on_full_rows():
    log_prob, logit, _ = random_case(4)
    ratio = logit.exp()
    mali = -((ratio / ratio.sum(0) - 0.7 / 6) * log_prob).sum() / 4
    assert torch.isclose(estimators.importance(None, 0.7)(log_prob, ratio, full(6, 4)), mali)
    score = logit[:, :1].expand(6, 4)  # one logit a sample, three samples of two latents
    of_latent = [score[z : z + 3, 0].softmax(0) @ log_prob[z : z + 3].sum(1) for z in (0, 3)]
    bgan = -(of_latent[0] + of_latent[1]) / 2
    assert torch.isclose(estimators.boundary_seeking(3)(log_prob, score, full(6, 4)), bgan)


@pytest.mark.parametrize("samples", [None, 2, 3])
def test_boundary_seeking_is_importance_of_the_exponential(samples):
    log_prob, logit, mask = random_case(5)
    mask[3] = False
    scale = mask.sum() / mask.any(dim=1).sum()
    boundary = estimators.boundary_seeking(samples)(log_prob, logit, mask)
    mali = estimators.importance(samples, 0.0)(log_prob, logit.exp(), mask)
    assert torch.isclose(boundary, scale * mali, rtol=1e-12)


def test_true_ratios_give_maximum_likelihood():
    """Ten samples in the proportions of q, weighted by p/q: the cross entropy of p with q."""
    p, q = tensor([0.7, 0.2, 0.1]), tensor([0.3, 0.3, 0.4])
    drawn = torch.tensor([0] * 3 + [1] * 3 + [2] * 4)
    parameters = q.log().requires_grad_()
    log_prob = parameters.log_softmax(0)
    logit = (p / q).log()[drawn, None]
    reward = losses.wasserstein.reward(logit)
    loss = estimators.boundary_seeking()(log_prob[drawn, None], reward, full(10, 1))
    assert torch.isclose(loss, -(p * q.log()).sum(), rtol=1e-12)
    (gradient,) = torch.autograd.grad(loss, parameters)
    assert torch.allclose(gradient, q - p, atol=1e-12)


@pytest.mark.parametrize("huge", [1e4, 1e30])
def test_boundary_seeking_at_huge_logits(huge):
    log_prob = tensor([[-1.0], [-2.0], [-3.0]]).float()
    logit = torch.tensor([[huge], [huge], [-huge]])
    loss, gradient = loss_and_gradient(estimators.boundary_seeking(), log_prob, logit, full(3, 1))
    assert loss == 1.5
    assert gradient.flatten().tolist() == [-0.5, -0.5, 0.0]


# ----------------------------------------------------------------------------------------- clipped


def test_clipped_by_hand():
    log_ratio = tensor([[1.5, 1.5, 0.5, 0.5, 1.1]]).log()
    advantage = tensor([[1.0, -1.0, 1.0, -1.0, 2.0]])
    loss, gradient = loss_and_gradient(estimators.clipped(), log_ratio, advantage, full(1, 5))
    # min(1.5, 1.2), min(-1.5, -1.2), min(.5, .8), min(-.5, -.8), 1.1 * 2
    assert loss == pytest.approx(-(1.2 - 1.5 + 0.5 - 0.8 + 2.2) / 5)
    assert torch.allclose(gradient, -tensor([[0.0, -1.5, 0.5, 0.0, 2.2]]) / 5)
    assert estimators.clipped(0.05, "sum")(log_ratio, advantage, full(1, 5)) == pytest.approx(
        -(1.05 - 1.5 + 0.5 - 0.95 + 2.1)
    )


@quick
@given(st.integers(0, 10**6), st.floats(0.01, 0.9))
def test_clipped_against_the_papers_formula(seed, clip):
    log_ratio, advantage, mask = random_case(seed)
    ratio = log_ratio.exp()
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    loss = estimators.clipped(clip)(log_ratio, advantage, mask)
    assert torch.isclose(loss, -surrogate[mask].mean(), rtol=1e-12)


def test_on_policy_gradient_is_that_of_reinforce():
    log_prob, advantage, mask = random_case(6)
    log_ratio = torch.zeros_like(log_prob)
    _, found = loss_and_gradient(estimators.clipped(), log_ratio, advantage, mask)
    _, expected = loss_and_gradient(estimators.reinforce(), log_prob, advantage, mask)
    assert expected.abs().max() > 0.05
    assert torch.allclose(found, expected, atol=1e-15)


def test_clipped_does_not_overflow_where_it_clips():
    log_ratio, advantage = torch.tensor([[500.0, 500.0]]), torch.tensor([[2.0, 0.0]])
    loss, gradient = loss_and_gradient(estimators.clipped(), log_ratio, advantage, full(1, 2))
    assert loss == pytest.approx(-1.2)
    assert gradient.tolist() == [[0.0, 0.0]]


# ---------------------------------------------------------------------------------- every estimator


@pytest.mark.parametrize("name", EVERY)
@quick
@given(seed=st.integers(0, 10**6), garbage=st.sampled_from([math.nan, math.inf, -math.inf, 1e30]))
def test_what_does_not_count_changes_nothing(name, seed, garbage):
    log_prob, reward, mask = random_case(seed)
    reward = reward.abs()
    loss, gradient = loss_and_gradient(EVERY[name](), log_prob, reward, mask)
    assert (gradient[~mask] == 0).all()
    wide_mask = torch.zeros(8, 6, dtype=torch.bool)  # two rows and two positions of padding
    wide_mask[:6, :4] = mask
    wide = [torch.full((8, 6), garbage, dtype=torch.float64) for _ in range(2)]
    for padded, kept in zip(wide, (log_prob, reward)):
        padded[wide_mask] = kept[mask]
    padded_loss, padded_gradient = loss_and_gradient(EVERY[name](), *wide, wide_mask)
    assert torch.isclose(padded_loss, loss, rtol=1e-12)
    assert torch.allclose(padded_gradient[:6, :4], gradient, atol=1e-14)
    assert (padded_gradient[~wide_mask] == 0).all()


@pytest.mark.parametrize("name", [name for name in EVERY if name != "clipped"])
def test_a_shift_of_the_first_argument_leaves_the_gradient_alone(name):
    log_prob, reward, mask = random_case(7)
    shift = torch.randn_like(log_prob)
    _, plain = loss_and_gradient(EVERY[name](), log_prob, reward.exp(), mask)
    _, shifted = loss_and_gradient(EVERY[name](), log_prob - shift, reward.exp(), mask)
    assert torch.equal(plain, shifted)


@pytest.mark.parametrize("name", EVERY)
def test_rewards_are_constants(name):
    log_prob, reward, mask = random_case(8)
    log_prob.requires_grad_(), reward.requires_grad_()
    for _ in range(2):
        EVERY[name]()(log_prob, reward.exp(), mask).backward()
    assert reward.grad is None
    assert log_prob.grad.abs().sum() > 0


@pytest.mark.parametrize("name", EVERY)
def test_descending_favours_the_sample_that_earns_more(name):
    log_prob, reward = torch.zeros(2, 1), torch.tensor([[2.0], [1.0]])
    _, gradient = loss_and_gradient(EVERY[name](), log_prob, reward, full(2, 1))
    assert gradient[0] < gradient[1]


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_read_back_to_the_host(name):
    """Tensors on the meta device have no values: any read of one raises."""
    case = [torch.empty(4, 3, device="meta", requires_grad=True) for _ in range(2)]
    mask = torch.empty(4, 3, device="meta", dtype=torch.bool)
    with pytest.raises((RuntimeError, NotImplementedError)):
        mask.any().item()
    loss = EVERY[name]().to("meta")(*case, mask)
    loss.backward()
    assert case[0].grad.shape == (4, 3)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (
            lambda: estimators.reinforce("leave-one-out"),
            "baseline = 'leave-one-out'.*leave_one_out",
        ),
        (lambda: estimators.reinforce(reduction="none"), "reduction = 'none'.*mean, sum"),
        (lambda: estimators.reinforce("leave_one_out", samples=1), "samples = 1"),
        (lambda: estimators.reinforce("moving_average", momentum=1.0), r"momentum = 1.0.*\[0, 1\)"),
        (lambda: estimators.importance(samples=0), "samples = 0"),
        (lambda: estimators.boundary_seeking(samples=-3), "samples = -3"),
        (lambda: estimators.clipped(1.5), "clip = 1.5"),
        (lambda: estimators.clipped(reduction="max"), "reduction = 'max'"),
        (lambda: EVERY["importance"]()(*random_case(0, rows=5)), "samples = 2 .*5 rows"),
    ],
)
def test_mistakes_are_named(build, words):
    with pytest.raises(UserError, match=words):
        build()
