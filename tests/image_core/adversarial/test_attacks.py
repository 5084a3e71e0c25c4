"""Attacks on linear classifiers, where the best change is known, on a net, and beside foolbox."""

import math

import jaxtyping
import pytest
import torch
from torch import nn

from image_core.adversarial import attacks
from image_core.adversarial.attacks import Victim, margin
from image_core.adversarial.attacks.descent import draw_in_ball
from image_core.adversarial.errors import UserError


@pytest.fixture
def unchecked():
    """As users call: the annotations of shapes are checked in tests only."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


NORMS = {"linf": math.inf, "l2": 2, "l1": 1}


def linear(classes=2, size=6, scale=0.05):
    """A linear classifier of images (N, 1, 1, size) whose borders are near the middle."""
    torch.manual_seed(1)
    layer = nn.Linear(size, classes).requires_grad_(False)
    with torch.no_grad():
        layer.bias.copy_(-layer.weight.sum(1) / 2)
        layer.bias[0] += scale
    return Victim(nn.Sequential(nn.Flatten(), layer).eval()), layer


def middle(count=16, size=6):
    return 0.45 + 0.1 * torch.rand(count, 1, 1, size)


@pytest.fixture(scope="module")
def net():
    """A small net with a curved border and images that it classifies rightly."""
    torch.manual_seed(3)
    inner = nn.Linear(16, 32)
    with torch.no_grad():  # odd around the middle of the range, so that no class takes all
        inner.weight.mul_(4)
        inner.bias.copy_(-inner.weight.sum(1) / 2)
    model = nn.Sequential(nn.Flatten(), inner, nn.Tanh(), nn.Linear(32, 3, bias=False)).eval()
    images = torch.rand(40, 1, 4, 4)
    victim = Victim(model)
    return victim, images, victim.classify(images)


def distances(x, y, norm):
    return (x - y).flatten(1).norm(p=NORMS[norm], dim=1)


def test_fgsm_moves_the_margin_of_a_linear_classifier_by_the_dual_norm():
    victim, layer = linear()
    x = middle()
    y = victim.classify(x)
    moved = attacks.fgsm(victim, x, y, 0.03)
    fell = margin(victim.logits(x), y) - margin(victim.logits(moved), y)
    w = layer.weight[0] - layer.weight[1]
    torch.testing.assert_close(fell, torch.full_like(fell, 0.03 * float(w.abs().sum())))


def test_fgsm_towards_a_target_raises_its_margin():
    victim, _ = linear(classes=3)
    x = middle()
    target = (victim.classify(x) + 1) % 3
    before = margin(victim.logits(x), target)
    after = margin(victim.logits(attacks.fgsm(victim, x, target, 0.05, targeted=True)), target)
    assert (after > before).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_finds_the_farthest_point_of_the_ball_for_a_linear_classifier(norm):
    victim, layer = linear()
    x = middle()
    y = victim.classify(x)
    moved = attacks.pgd(victim, x, y, 0.04, norm=norm, steps=60, rate=0.01)
    w = layer.weight[0] - layer.weight[1]
    dual = w.abs().sum() if norm == "linf" else w.norm()
    fell = margin(victim.logits(x), y) - margin(victim.logits(moved), y)
    torch.testing.assert_close(fell, torch.full_like(fell, 0.04 * float(dual)), rtol=1e-3, atol=0)


@pytest.mark.parametrize("norm", list(NORMS))
@pytest.mark.parametrize("radius", [0.05, 1.5])
def test_no_attack_leaves_its_ball_or_the_range(net, norm, radius):
    victim, x, y = net
    moved = attacks.pgd(victim, x, y, radius, norm=norm, steps=7, restarts=2)
    assert distances(moved, x, norm).max() <= radius * (1 + 1e-5)
    assert moved.min() >= 0
    assert moved.max() <= 1


def test_more_restarts_never_fool_less(net):
    victim, x, y = net
    fooled = []
    for restarts in (1, 30):
        torch.manual_seed(0)
        moved = attacks.pgd(victim, x, y, 0.08, steps=1, rate=1e-3, restarts=restarts)
        fooled.append(victim.classify(moved) != y)
    assert (fooled[1] >= fooled[0]).all()
    assert fooled[1].sum() > fooled[0].sum()


@pytest.mark.parametrize("norm", list(NORMS))
def test_random_starts_are_uniform_in_the_ball(norm):
    d, radius = 3, 2.0
    draws = draw_in_ball(torch.empty(20_000, d), radius, norm)
    lengths = draws.norm(p=NORMS[norm], dim=1)
    assert lengths.max() <= radius * (1 + 1e-6)
    # P(length <= radius / 2) = 2^-d, +- 4 standard deviations
    assert abs(float((lengths < radius / 2).float().mean()) - 2.0**-d) < 4 * (0.11 / 20_000) ** 0.5
    assert draws.mean(0).abs().max() < 0.05


def test_deepfool_takes_the_shortest_way_over_a_linear_border():
    victim, layer = linear()
    x = middle()
    y = victim.classify(x)
    moved = attacks.deepfool(victim, x, overshoot=0.02)
    w = layer.weight[0] - layer.weight[1]
    shortest = margin(victim.logits(x), y) / w.norm()
    expected = 1.02 * (shortest + 1e-4)
    torch.testing.assert_close(distances(moved, x, "l2"), expected, rtol=1e-4, atol=1e-6)
    assert (victim.classify(moved) != y).all()


def test_deepfool_chooses_the_nearest_of_many_borders():
    victim, layer = linear(classes=4)
    x = middle()
    y = victim.classify(x)
    z = victim.logits(x)
    w = layer.weight[y][:, None] - layer.weight[None]
    ways = (z.gather(1, y[:, None]) - z) / w.norm(dim=2)
    ways[torch.arange(len(y)), y] = math.inf
    moved = attacks.deepfool(victim, x, overshoot=0.0)
    nearest = ways.amin(1) + 1e-4
    torch.testing.assert_close(distances(moved, x, "l2"), nearest, rtol=1e-4, atol=1e-6)


def test_carlini_and_wagner_come_near_the_shortest_way():
    victim, layer = linear()
    x = middle()
    y = victim.classify(x)
    moved = attacks.carlini_wagner(victim, x, y, steps=200, rounds=8)
    shortest = margin(victim.logits(x), y) / (layer.weight[0] - layer.weight[1]).norm()
    ratio = distances(moved, x, "l2") / shortest
    assert (victim.classify(moved) != y).all()
    assert ratio.min() >= 1
    assert ratio.median() < 1.1


def test_carlini_and_wagner_with_confidence_and_target(net):
    victim, x, y = net
    target = (y + 1) % 3
    moved = attacks.carlini_wagner(
        victim, x, target, targeted=True, confidence=0.2, steps=150, rounds=6, weight=1.0
    )
    reached = distances(moved, x, "l2") > 0
    assert reached.float().mean() > 0.8
    assert (margin(victim.logits(moved), target)[reached] >= 0.2).all()


def test_one_universal_change_fools_a_linear_classifier_on_one_side():
    victim, _layer = linear(scale=0.4)  # all images are of class 0
    x = middle(64)
    y = victim.classify(x)
    assert (y == 0).all()
    v = attacks.universal(victim, x, y, 0.3, rate=0.05, passes=20, batch=16)
    assert v.shape == x.shape[1:]
    assert v.abs().max() <= 0.3 + 1e-6
    others = middle(64)
    assert (victim.classify((others + v).clamp(0, 1)) == 1).float().mean() > 0.9
    signs = 0.3 * torch.randn_like(v).sign()
    assert (victim.classify((others + signs).clamp(0, 1)) == 1).float().mean() < 0.1


def test_one_pixel_changes_one_pixel_and_finds_the_best_for_a_linear_classifier():
    victim, layer = linear(size=6, scale=0.1)
    x = middle(8)
    y = victim.classify(x)
    moved = attacks.one_pixel(victim, x, y, population=60, generations=40)
    assert ((moved != x).flatten(1).sum(1) <= 1).all()
    w = (layer.weight[0] - layer.weight[1]) * (1 - 2 * y[:, None])  # margin of y rises along w
    flat = x.flatten(1)
    falls = torch.where(w > 0, w * flat, -w * (1 - flat))  # of the best value of each pixel
    possible = margin(victim.logits(x), y) - falls.amax(1) < 0
    assert possible.any()
    assert torch.equal(victim.classify(moved) != y, possible)


def test_no_weight_and_no_gradient_of_a_weight_changes(net):
    victim, x, y = net
    before = [p.clone() for p in victim.logits.parameters()]
    attacks.fgsm(victim, x, y, 0.1)
    attacks.deepfool(victim, x, steps=2)
    attacks.carlini_wagner(victim, x, y, steps=3, rounds=1)
    attacks.universal(victim, x, y, 0.1, passes=1)
    for p, old in zip(victim.logits.parameters(), before, strict=True):
        assert torch.equal(p, old)
        assert p.grad is None


class Bad:
    """Classifiers that no attack can use, each with a part of the sentence that says why."""

    probabilities = (lambda x: x.flatten(1)[:, :3].softmax(1), "gives probabilities")
    no_gradient = (lambda x: x.detach().flatten(1)[:, :3] - 0.5, "no gradient")
    one_number = (lambda x: x.flatten(1).sum(1), "logits of shape (N, K)")


@pytest.mark.parametrize("bad", ["probabilities", "no_gradient", "one_number"])
def test_an_unfit_classifier_is_refused(net, bad):
    _, x, y = net
    logits, sentence = getattr(Bad, bad)
    with pytest.raises(UserError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        attacks.fgsm(Victim(logits), x, y, 0.1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"radius": 0.0}, "radius 0: a budget is a finite number above 0"),
        ({"radius": -1.0}, "radius -1: a budget"),
        ({"radius": math.nan}, "radius nan: a budget"),
        ({"classes": torch.full((40,), 3)}, "classes from 3 to 3, but the classifier has 3"),
        ({"images": torch.full((40, 1, 4, 4), 255.0)}, "range is 0 to 1"),
        ({"images": torch.full((40, 1, 4, 4), math.nan)}, "from nan to nan, but the classifier"),
        ({"images": torch.zeros(0, 1, 4, 4), "classes": torch.zeros(0).long()}, "^0 images and cl"),
        ({"classes": torch.zeros(2).long()}, r"^40 images and classes of shape \(2,\)"),
        ({"classes": torch.zeros(40, 3).long()}, r"classes of shape \(40, 3\); give"),
        ({"rate": -0.1}, "rate -0.1: a budget"),
    ],
)
def test_bad_input_is_refused(net, change, sentence, unchecked):
    victim, x, y = net
    given = {"images": x, "classes": y, "radius": 0.1} | change
    with pytest.raises(UserError, match=sentence):
        attacks.pgd(victim, **given)


@pytest.mark.parametrize(
    ("attack", "options", "sentence"),
    [
        (attacks.universal, {"radius": 0.1, "rate": -1.0}, "rate -1: a budget"),
        (attacks.universal, {"radius": 0.1, "batch": 0}, "batch 0: a budget"),
        (attacks.one_pixel, {"population": 3}, "population=3: give a number of at least 4"),
        (attacks.one_pixel, {"scale": 0.0}, "scale 0: a budget"),
    ],
)
def test_numbers_that_find_nothing_are_refused(net, attack, options, sentence):
    victim, x, y = net
    with pytest.raises(UserError, match=sentence):
        attack(victim, x, y, **options)
    with pytest.raises(UserError, match=r"^0 images"):
        attacks.deepfool(victim, x[:0])


def test_a_classifier_in_training_mode_is_refused(net):
    _, x, y = net
    model = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(16, 3))
    with pytest.raises(UserError, match="training mode"):
        attacks.fgsm(Victim(model), x, y, 0.1)


# ------------------------------------------------------------------------------- beside foolbox


def foolbox_share(net, attack, radius=None):
    """Share of images that foolbox's attack fools, and its changed images."""
    foolbox = pytest.importorskip("foolbox", reason="foolbox is not installed")
    victim, x, y = net
    model = foolbox.PyTorchModel(victim.logits, bounds=(0, 1), device="cpu")
    _, changed, fooled = getattr(foolbox.attacks, attack[0])(**attack[1])(
        model, x, y, epsilons=radius
    )
    return float(fooled.float().mean()), changed


def share(net, moved):
    victim, _, y = net
    return float((victim.classify(moved) != y).float().mean())


def test_fgsm_is_foolbox_s(net):
    victim, x, y = net
    found, changed = foolbox_share(net, ("FGSM", {}), 0.1)
    torch.testing.assert_close(attacks.fgsm(victim, x, y, 0.1), changed)
    assert 0 < found < 1


@pytest.mark.parametrize(
    ("norm", "name", "radius"),
    [("linf", "LinfPGD", 0.1), ("l2", "L2PGD", 0.3), ("l1", "L1PGD", 1.0)],
)
def test_pgd_without_a_random_start_is_foolbox_s(net, norm, name, radius):
    victim, x, y = net
    options = {"abs_stepsize": radius / 8, "steps": 20, "random_start": False}
    found, changed = foolbox_share(net, (name, options), radius)
    moved = attacks.pgd(
        victim, x, y, radius, norm=norm, steps=20, rate=radius / 8, random_start=False
    )
    if norm == "l1":  # foolbox scales to the ball, which is not the nearest point of it
        assert share(net, moved) >= found > 0
    else:
        assert share(net, moved) == found
        torch.testing.assert_close(moved, changed, rtol=1e-4, atol=1e-5)


def test_deepfool_is_as_near_as_foolbox_s(net):
    victim, x, _ = net
    found, changed = foolbox_share(net, ("L2DeepFoolAttack", {"loss": "logits"}))
    moved = attacks.deepfool(victim, x)
    assert share(net, moved) == found == 1
    torch.testing.assert_close(
        distances(moved, x, "l2"), distances(changed, x, "l2"), rtol=0.01, atol=1e-3
    )


def test_carlini_and_wagner_are_as_near_as_foolbox_s(net):
    victim, x, y = net
    options = {"binary_search_steps": 5, "steps": 100, "stepsize": 0.05, "initial_const": 0.1}
    found, changed = foolbox_share(net, ("L2CarliniWagnerAttack", options))
    moved = attacks.carlini_wagner(victim, x, y, rounds=5, steps=100, rate=0.05, weight=0.1)
    assert share(net, moved) == found
    torch.testing.assert_close(
        distances(moved, x, "l2"), distances(changed, x, "l2"), rtol=0.02, atol=1e-3
    )
