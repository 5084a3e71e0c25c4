"""Scores of image runs: fitted on training images, beside real ones in the generator's place."""

import pytest
import torch
from torch import nn

from image_core.data.images import ImageSet, Reading
from image_core.games.common import to_images
from image_core.games.conditional import ConditionalGAN
from image_core.games.energy import EnergyGAN, Margin
from image_core.games.plain import PlainGAN
from image_core.games.semi import tiny as tiny_semi
from image_core.metrics import features
from image_core.recipes.image import measure, recipe
from image_core.recipes.image.build import limits, objective
from image_core.recipes.image.data import read_sets
from image_core.recipes.image.measure import Ruler, RulerOptions, discrimination, some
from tests.recipes.made import built


def config(paper="dcgan", **changes):
    given = {"data": "shapes", "size": 16, "extractor": "pixels", "out": "run", **changes}
    return built(recipe, paper=paper, **{"eval_samples": 300, **given})


@pytest.fixture(scope="module")
def sets():
    return read_sets("shapes", Reading(size=16))


@pytest.fixture(scope="module")
def ruler(sets):
    return Ruler(RulerOptions("pixels", 300), sets, torch.device("cpu"))


# ------------------------------------------------------------------- real again, planted faults


def test_real_images_in_the_generators_place_lie_in_their_interval(ruler):
    found, low, high = ruler.real_again
    assert low.keys() == high.keys() == found.keys()
    assert all(low[name] <= found[name] <= high[name] for name in found)
    assert low["fd"] < found["fd"] < high["fd"]
    assert found["nearest_ratio"] == pytest.approx(1, abs=0.1)
    assert found["copied"] < 0.05


def planted(sets, fault):
    """300 real images with a fault, in the generator's place; all but the copies held out."""
    train, valid = sets.train, sets.valid
    if fault == "copies":
        return to_images(some(train, 300).images)
    kept = valid.labels < 6 if fault == "classes" else valid.labels % 3 != 0
    images = valid.images[kept]
    times = -(-300 // len(images))
    return to_images(images.repeat(times, 1, 1, 1)[:300])


@pytest.mark.parametrize(
    ("fault", "worse"),
    [
        ("classes", {"fd": 1, "kd": 1, "recall": -1, "coverage": -1}),
        ("modes", {"fd": 1, "kd": 1, "recall": -1, "coverage": -1}),
        ("copies", {"copied": 1, "nearest_ratio": -1}),
    ],
)
def test_a_planted_fault_leaves_the_interval_of_real_images(sets, ruler, fault, worse):
    found = ruler.measure(planted(sets, fault))
    _, low, high = ruler.real_again
    for name, side in worse.items():
        assert found[name] > high[name] if side > 0 else found[name] < low[name], name


def test_nothing_is_fitted_on_images_that_are_measured(sets, monkeypatch):
    seen, plain = [], features.classifier

    def watched(images, labels, **how):
        seen.append(images)
        return plain(images, labels, **{**how, "steps": 2})

    monkeypatch.setattr(measure.features, "classifier", watched)
    made = Ruler(RulerOptions("clf", 40), sets, torch.device("cpu"))
    assert torch.equal(seen[0], sets.train.images)
    share = sets.train.labels.bincount().double()
    assert torch.equal(made.shares, share / share.sum())
    assert {"is", "mode_score", "modes"} <= made.real_again.scores.keys()


def test_some_images_of_a_sorted_set_are_of_every_class(sets):
    order = sets.test.labels.argsort()
    sorted_set = sets.test.pick(order)
    assert len(sorted_set.labels[:60].unique()) == 2
    assert len(some(sorted_set, 60).labels.unique()) >= 10


SEMI = "classes and fakes; feature matching"

# ------------------------------------------------------------------------ the discriminator


class Bright(nn.Module):
    """Logit: the mean of the image."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x, labels=None):
        level = self.scale * x.mean((1, 2, 3))
        return level if labels is None else level * (1 - 2 * labels)


class Level(nn.Module):
    """Images of one level, or of one by their label."""

    def __init__(self, level):
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))

    def forward(self, z, labels=None):
        level = self.level if labels is None else self.level * (1.0 - 2.0 * labels)
        return (
            (level * torch.ones(len(z), 1)).view(-1, 1, 1, 1)
            if labels is None
            else (level.view(-1, 1, 1, 1))
        )


def held_out(*levels, labels=None):
    images = torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1)
    return ImageSet(images, labels, ["0", "1"] if labels is not None else [], "none")


def test_a_discriminator_is_judged_on_held_out_images_and_fresh_ones():
    game = PlainGAN(Level(-0.5), Bright(), 2)
    assert discrimination(game, held_out(255, 200, 255, 200), 0) == {
        "d_auc": 1.0,
        "d_accuracy": 1.0,
    }
    # Two of four above the fakes, of which one above 0; all fakes below 0
    found = discrimination(game, held_out(255, 100, 0, 0), 0)
    assert found == {"d_auc": 0.5, "d_accuracy": (0.25 + 1) / 2}
    same = discrimination(PlainGAN(Level(1.0), Bright(), 2), held_out(255, 255), 0)
    assert same["d_auc"] == 0.5


def test_labels_are_told_of_held_out_images_and_of_fresh_ones():
    """D is right of either label's level; without labels it would be at chance."""
    game = ConditionalGAN(Level(-1.0), Bright(), 2, 2)
    labels = torch.tensor([0, 1, 0, 1])
    found = discrimination(game, held_out(255, 0, 255, 0, labels=labels), 0)
    assert found == {"d_auc": 1.0, "d_accuracy": 1.0}
    found = discrimination(game, held_out(0, 255, 255, 0, labels=labels), 0)
    assert found["d_auc"] == 0.75


def test_energies_are_compared_without_a_threshold():
    game = EnergyGAN(Level(0.6), Bright(), 2, Margin(1.0))
    found = discrimination(game, held_out(0, 0), 0)  # the lower energy is the real one's
    assert found["d_auc"] == 1.0
    assert found["energy_real"] == pytest.approx(-1.0)
    assert found["energy_fake"] == pytest.approx(0.6)
    assert "d_accuracy" not in found


def test_a_classifier_of_fakes_is_real_by_the_sum_of_its_classes():
    game, batch = tiny_semi()
    logits = game.D.eval()(batch["images"])[0]
    game.D.train()
    torch.testing.assert_close(game.d_scores(batch["images"], ()), logits.exp().sum(1).log())
    assert game.D.training


def test_measuring_leaves_the_runs_random_numbers_alone():
    state = torch.get_rng_state()
    discrimination(PlainGAN(Level(-0.5), Bright(), 2), held_out(255, 0), 3)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("paper", "changes", "alarms", "loss", "penalty"),
    [
        ("sngan", {}, ["d_auc", "d_accuracy"], "hinge", "none"),
        ("wgan_gp", {}, ["d_auc"], "wasserstein", "gradient_penalty=10"),
        ("r3gan", {}, ["d_auc"], "relativistic", "r1=1,r2=1"),
        ("dcgan", {"penalty": "r1=3"}, ["d_auc", "d_accuracy"], "non_saturating", "r1=3"),
        ("began", {}, ["d_auc"], "energies, balance", "none"),
        ("ebgan", {}, ["d_auc"], "energies, margin, pulling away", "none"),
        (
            "semi_supervised",
            {},
            ["d_auc", "d_accuracy"],
            SEMI,
            "none",
        ),
    ],
)
def test_alarms_and_names_of_loss_and_penalty(sets, paper, changes, alarms, loss, penalty):
    o = config(paper, **changes)
    game = recipe.PAPERS.load(paper).game(o, sets.train)
    assert [limit.metric for limit in limits(o, game)] == alarms
    assert objective(o, game) == {"loss": loss, "penalty": penalty}
