"""Inputs against analytic optima, projections against exact ones, chains against their moments."""

import itertools
import math

import pytest
import torch
from torch import nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.input_search import (
    adam,
    ascent,
    box,
    compose,
    gradient,
    l1_ball,
    l2_ball,
    langevin,
    linf_ball,
    path,
    search,
    steepest,
)

BALLS = {"linf": linf_ball, "l2": l2_ball, "l1": l1_ball}
DUALS = {"linf": 1, "l2": 2, "l1": math.inf}


def linear():
    """A classifier of two classes and its margin for the wrong one, w x."""
    torch.manual_seed(0)
    model = nn.Linear(6, 2)
    return model, lambda x: model(x)[:, 1] - model(x)[:, 0]


# ----------------------------------------------------------------------------------------- attacks


@pytest.mark.parametrize("norm", list(BALLS))
@pytest.mark.parametrize("rule", ["steepest", "ascent", "adam"])
def test_the_best_of_a_ball_around_the_input(norm, rule):
    """max of w (x + e) over ||e|| <= r is w x + r ||w||_dual, at one point."""
    model, margin = linear()
    clean, radius = torch.randn(5, 6), 0.3
    rules = {"steepest": steepest(norm, 0.05), "ascent": ascent(5.0), "adam": adam(0.05)}
    project = BALLS[norm](clean, radius)
    start = project(clean + torch.randn(5, 6))
    found = search(margin, start, rules[rule], 400, project)
    w = (model.weight[1] - model.weight[0]).detach()
    rise = (margin(found) - margin(clean)).detach()
    if rule != "adam" or norm == "linf":  # else it ends elsewhere on the ball
        assert torch.allclose(rise, radius * w.norm(p=DUALS[norm]).expand(5), atol=1e-4)
        best = {
            "linf": w.sign(),
            "l2": w / w.norm(),
            "l1": w.sign() * (w.abs() == w.abs().max()),
        }[norm]
        assert torch.allclose(found, clean + radius * best, atol=1e-3)
    assert (
        (found - clean).norm(p=math.inf if norm == "linf" else int(norm[1]), dim=1)
        <= radius * (1 + 1e-6)
    ).all()


def test_no_weight_has_a_gradient_afterwards_and_none_is_frozen():
    model, margin = linear()
    with torch.no_grad():
        search(margin, torch.randn(3, 6), adam(0.1), 5, box(0.0, 1.0))
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    model.bias.grad = torch.ones(2)
    start = torch.randn(3, 6, requires_grad=True)
    found = search(margin, start, steepest("l2", 0.1), 5)
    assert torch.equal(model.bias.grad, torch.ones(2))
    assert start.grad is None
    assert not found.requires_grad


@pytest.mark.parametrize(
    "rule",
    [ascent(0.1), steepest("linf", 0.1), steepest("l2", 0.1), steepest("l1", 0.1), adam(0.1)],
)
@pytest.mark.parametrize("norm", list(BALLS))
def test_a_sample_more_changes_nothing_for_the_others(rule, norm):
    """Elementwise objectives, so that no matrix product rounds another way in a larger batch."""
    start, clean = torch.randn(4, 3, 5), torch.randn(4, 3, 5)

    def objective(x):
        return (x.sin() * x).flatten(1).sum(1)

    found = search(objective, start, rule, 7, BALLS[norm](clean, 0.5))
    more = search(
        objective,
        torch.cat([start, 100 * torch.ones(1, 3, 5)]),
        rule,
        7,
        BALLS[norm](torch.cat([clean, torch.zeros(1, 3, 5)]), 0.5),
    )
    assert torch.equal(found, more[:4])
    assert not torch.equal(found, BALLS[norm](clean, 0.5)(start))


def test_a_rule_begins_anew_with_each_search():
    rule, start = adam(0.1), torch.randn(3, 2)

    def objective(x):
        return -(x**4).sum(1)

    assert torch.equal(search(objective, start, rule, 6), search(objective, start, rule, 6))


def test_the_path_begins_with_the_projected_start():
    points = list(path(lambda x: x.sum(1), torch.tensor([[9.0, 0.0]]), ascent(1.0), 3, box(0, 2)))
    assert [p.tolist() for p in points] == [[[2, 0]], [[2, 1]], [[2, 2]], [[2, 2]]]
    assert search(lambda x: x.sum(1), torch.ones(1, 1), ascent(1.0), 0).item() == 1


@pytest.mark.parametrize("objective", [lambda x: x.sum(), lambda x: x])
def test_an_objective_that_is_not_one_number_a_sample(objective):
    with pytest.raises(UserError, match=r"objective has shape .* for 3 inputs"):
        search(objective, torch.ones(3, 2), ascent(0.1), 1)


# --------------------------------------------------------------------------------------- step rules


def test_moves_by_hand():
    g = torch.tensor([[3.0, -4.0, 0.0], [0.0, 0.0, 0.0], [1e-30, 0.0, 0.0], [2.0, -2.0, 1.0]])

    def move(norm):
        return steepest(norm, 0.5)(g, None)[0]

    assert torch.equal(move("linf"), 0.5 * g.sign())
    r = 0.5 / 3
    l2 = [[0.3, -0.4, 0], [0, 0, 0], [0.5, 0, 0], [2 * r, -2 * r, r]]
    assert torch.allclose(move("l2"), torch.tensor(l2))
    l1 = [[0, -0.5, 0], [0, 0, 0], [0.5, 0, 0], [0.25, -0.25, 0]]
    assert torch.allclose(move("l1"), torch.tensor(l1))
    assert torch.equal(ascent(0.5)(g, None)[0], 0.5 * g)


def test_adam_is_torch_s():
    start = torch.randn(2, 3)
    weight = nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([weight], lr=0.1, betas=(0.5, 0.9), maximize=True)
    for x in path(lambda x: (x.cos() * x).sum(1), start, adam(0.1, (0.5, 0.9)), 6):
        assert torch.allclose(x, weight, atol=1e-6)
        optimizer.zero_grad()
        (weight.cos() * weight).sum().backward()
        optimizer.step()


def test_langevin_samples_its_density():
    """A chain on N(m, s^2) with rate e rests at mean m and variance s^2 / (1 - e / (2 s^2)).

    20,000 chains: deviations of mean and variance are s / 141 and s^2 / 100.
    """
    torch.manual_seed(1)
    mean, s, rate = 2.0, 0.5, 0.05
    found = search(
        lambda x: -((x - mean) ** 2).sum(1) / (2 * s**2), torch.zeros(20_000, 1), langevin(rate), 60
    )
    variance = s**2 / (1 - rate / (2 * s**2))
    assert abs(found.mean().item() - mean) < 4 * variance**0.5 / 141
    assert abs(found.var().item() - variance) < 4 * variance / 100
    assert abs(s**2 - variance) > 2 * variance / 100


def test_langevin_noise_by_hand():
    move, _ = langevin(0.02, sigma=3.0)(torch.full((40_000, 1), 50.0), None)
    assert abs(move.mean().item() - 1.0) < 4 * 3 / 200
    assert abs(move.std().item() - 3.0) < 4 * 3 / 283
    assert torch.equal(
        langevin(0.02, sigma=0.0)(torch.ones(2, 1), None)[0], torch.full((2, 1), 0.02)
    )


# -------------------------------------------------------------------------------------- projections


def nearest_of_l1(away, radius):
    """The nearest point of the l1 ball, by trying every set of coordinates that stay above 0."""
    best, least = None, math.inf
    size = len(away)
    for kept in itertools.product([False, True], repeat=size):
        kept = torch.tensor(kept)
        if not kept.any():
            continue
        threshold = (away.abs()[kept].sum() - radius) / kept.sum()
        point = torch.where(kept, away.abs() - threshold, 0.0)
        if (point < 0).any():
            continue
        distance = float((away.abs() - point).square().sum())
        if distance < least:
            best, least = point * away.sign(), distance
    return best


def test_the_l1_projection_is_the_nearest_point():
    torch.manual_seed(0)
    center, x = torch.randn(20, 5, dtype=torch.float64), 3 * torch.randn(20, 5, dtype=torch.float64)
    found = l1_ball(center, 1.5)(x)
    for i in range(20):
        assert torch.allclose(found[i] - center[i], nearest_of_l1(x[i] - center[i], 1.5))
    corner = torch.tensor([[3.0, 0.5, 0.0]])
    assert l1_ball(torch.zeros(1, 3), 1.0)(corner).tolist() == [[1, 0, 0]]
    edge = torch.tensor([[1.0, -0.8, 0.1]])
    assert torch.allclose(l1_ball(torch.zeros(1, 3), 1.0)(edge), torch.tensor([[0.6, -0.4, 0.0]]))


def test_the_other_projections_by_hand():
    center = torch.tensor([[1.0, 1.0]])
    x = torch.tensor([[4.0, 5.0]])
    assert linf_ball(center, 0.5)(x).tolist() == [[1.5, 1.5]]
    assert torch.allclose(l2_ball(center, 0.5)(x), torch.tensor([[1.3, 1.4]]))
    assert box(0.0, 4.5)(x).tolist() == [[4.0, 4.5]]
    assert compose(linf_ball(center, 0.5), box(0.0, 1.25))(x).tolist() == [[1.25, 1.25]]
    assert compose(box(0.0, 1.2), linf_ball(10 * center, 0.5))(x).tolist() == [[9.5, 9.5]]


@pytest.mark.parametrize("norm", list(BALLS))
def test_what_is_inside_stays_bit_for_bit_and_twice_is_once(norm):
    center = torch.randn(50, 2, 3)
    project = BALLS[norm](center, 2.0)
    inside = center + torch.rand(50, 2, 3) * 2 / 6
    assert torch.equal(project(inside), inside)
    assert torch.equal(project(center), center)
    once = project(center + 5 * torch.randn(50, 2, 3))
    assert torch.allclose(project(once), once, atol=1e-6)
    for i in range(50):
        alone = BALLS[norm](center[i : i + 1], 2.0)(once[i : i + 1])
        assert torch.allclose(alone, once[i : i + 1], atol=1e-6)


def test_a_gradient_is_of_each_sample_s_own_objective():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.equal(gradient(lambda x: x.square().sum(1), x), 2 * x)
