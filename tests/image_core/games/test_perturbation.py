"""Learning to withstand changes, and learning to make them."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softplus

from image_core.adversarial.attacks.victim import Victim, margin
from image_core.adversarial.engine import Engine
from image_core.games.perturbation import AdversarialTraining, AdvGAN

adam = lambda ps: torch.optim.Adam(ps, lr=1e-2)  # noqa: E731


class Fixed(nn.Module):
    """A generator whose output is one number everywhere."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, images):
        return torch.zeros_like(images) + self.value


def advgan(value=0.5, **options):
    torch.manual_seed(0)
    victim = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    D = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.Flatten(0))
    return AdvGAN(Fixed(value), D, victim, 0.4, **options)


def batch(count=5):
    draw = torch.Generator().manual_seed(2)
    x = torch.rand(count, 1, 2, 2, generator=draw) * 1.6 - 0.8
    return {"x": x, "y": torch.randint(3, (count,), generator=draw)}


def test_the_generator_s_loss_is_its_three_terms():
    game, data = advgan(attack=2.0, confidence=0.1, hinge=3.0, reach=0.3), batch()
    (loss,) = list(game.g_move(iter([data])))
    fake = (data["x"] + 0.4 * 0.5).clamp(-1, 1)
    m = margin(game.victim(fake), data["y"])
    length = (fake - data["x"]).flatten(1).norm(dim=1)
    expected = (
        softplus(-game.D(fake)).mean()
        + 2 * m.clamp(min=-0.1).mean()
        + 3 * (length - 0.3).clamp(min=0).mean()
    )
    torch.testing.assert_close(loss.total, expected)
    assert float(loss.logs["fooled"]) == float((m < 0).float().mean())


def test_changed_images_stay_within_budget_and_range():
    game, data = advgan(value=1.0), batch()
    changed = game.changed(data["x"])
    assert (changed - data["x"]).abs().max() <= 0.4 + 1e-6
    assert changed.max() <= 1
    assert (changed == 1).any()  # the range has cut some


def test_the_victim_is_neither_trained_nor_saved():
    game, data = advgan(), batch()
    before = [p.clone() for p in game.victim.module.parameters()]
    Engine(game, {"D": adam, "G": adam}).run(lambda index: data, 3)
    for p, old in zip(game.victim.module.parameters(), before, strict=True):
        assert torch.equal(p, old)
    assert not any("victim" in name for name in game.state_dict())


def test_a_generator_of_changes_learns_to_fool():
    game, data = advgan(value=0.0), batch(40)
    right = game.victim(data["x"]).argmax(1)
    data["y"] = right
    game.G = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Tanh(), nn.Unflatten(1, (1, 2, 2)))
    Engine(game, {"D": adam, "G": adam}).run(lambda index: data, 150)
    fooled = game.victim(game.changed(data["x"])).argmax(1) != right
    assert fooled.float().mean() > 0.3


@pytest.fixture
def classes():
    """Two classes: a small robust feature, and a large one that a change of .5 turns round."""
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(2, (400,), generator=draw)
    sign = (2 * y - 1).float()
    noise = torch.randn(400, 8, generator=draw)
    robust = 0.9 * sign[:, None] + 0.6 * noise[:, :1]
    weak = 0.15 * sign[:, None] + 0.05 * noise[:, 1:]
    return {"x": torch.cat([robust, weak], 1).clamp(-1, 1).view(400, 1, 2, 4), "y": y}


def robust_accuracy(game, data, radius):
    changed = AdversarialTraining(game.C, radius, steps=20).worst(data["x"], data["y"])
    assert (changed - data["x"]).abs().max() <= radius + 1e-6
    return float((Victim(game.C).classify(changed) == data["y"]).float().mean())


def test_a_classifier_that_learns_from_the_worst_images_withstands_them(classes):
    found = {}
    for name, radius in (("plain", 1e-6), ("defended", 0.3)):
        torch.manual_seed(0)
        C = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
        game = AdversarialTraining(C, radius, steps=5)
        Engine(game, {"C": adam}).run(lambda index: classes, 200)
        found[name] = robust_accuracy(game, classes, 0.3)
    assert found["plain"] < 0.3
    assert found["defended"] > 0.7


def test_its_loss_is_that_of_the_worst_images(classes):
    torch.manual_seed(0)
    game = AdversarialTraining(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)), 0.2, steps=3)
    torch.manual_seed(7)
    (loss,) = list(game.move(iter([classes])))
    assert game.C.training
    torch.manual_seed(7)
    worst = game.worst(classes["x"], classes["y"])
    torch.testing.assert_close(loss.total, cross_entropy(game.C(worst), classes["y"]))
    assert loss.total > cross_entropy(game.C(classes["x"]), classes["y"]) + 0.02
