"""Images are measured on every class; a generator that drops classes scores worse by any score."""

from collections import Counter

import numpy as np
import pytest
import torch

from image_core.data.images import read_images
from image_core.data.split import held_out
from image_core.metrics.distances import frechet, kernel
from image_core.metrics.manifold import density_coverage, precision_recall
from image_core.recipes.image import recipe
from tests.recipes.made import built


def run(tmp_path, **words):
    config = {"data": "shapes", "size": 16, "extractor": "pixels", "out": str(tmp_path / "run")}
    return recipe.Run(built(recipe, paper="dcgan", **{**config, **words}))


def test_the_test_set_holds_every_class_alike(tmp_path, capsys):
    """Shapes come in the order of their twelve classes: every tenth one is of six of them."""
    made = run(tmp_path)
    assert Counter(made.sets.test.labels.tolist()) == dict.fromkeys(range(12), 50)
    assert "test: 600 pictures, 50 to 50 of each of 12 classes" in capsys.readouterr().err
    other = run(tmp_path, split_seed=1)
    assert not torch.equal(other.sets.test.images, made.sets.test.images)


def test_a_test_set_of_ones_own(tmp_path, capsys):
    draw = np.random.default_rng(0)
    for name, count in (("train", 120), ("test", 15)):
        np.savez(tmp_path / f"{name}.npz", images=draw.integers(0, 255, (count, 16, 16), np.uint8))
    files = {name: str(tmp_path / f"{name}.npz") for name in ("train", "test")}
    made = run(tmp_path, data=files["train"], test=files["test"], size=0, channels=1)
    assert [len(images.images) for images in made.sets[:3]] == [108, 12, 15]


def test_equal_pictures_stand_in_one_set(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (60, 16, 16), np.uint8)
    np.savez(tmp_path / "twice.npz", images=np.concatenate([pictures, pictures]))
    sets = run(tmp_path, data=str(tmp_path / "twice.npz"), size=0, channels=1).sets
    assert [len(s.images) for s in sets[:3]] == [96, 12, 12]
    assert sets.facts["test_in_train"] == sets.facts["valid_in_train"] == 0


@pytest.mark.parametrize("half", ["classes", "modes"])
def test_a_generator_that_drops_half_scores_worse_by_every_score(half):
    """Real images in the generator's place, all of them or half of the classes or of the modes."""
    found = read_images("shapes")
    labels = found.labels.tolist()
    held = held_out(len(labels), 0.2, 0, labels=labels)
    rest = sorted(set(range(len(labels))) - set(held))
    fair = [rest[i] for i in held_out(len(rest), 0.25, 1, labels=[labels[i] for i in rest])]
    dropped = [i for i in rest if (labels[i] < 6 if half == "classes" else labels[i] % 3 != 0)]
    draw = torch.Generator().manual_seed(0)
    poor = [dropped[i] for i in torch.randperm(len(dropped), generator=draw)[: len(fair)].tolist()]

    def features(rows):
        small = torch.nn.functional.avg_pool2d(found.images[rows].float() / 255, 4)
        return small.flatten(1).double()

    real, good, bad = features(held), features(fair), features(poor)
    assert frechet(real, bad) > 2 * frechet(real, good)
    assert kernel(real, bad) > 2 * abs(kernel(real, good))
    assert precision_recall(real, bad)["recall"] < precision_recall(real, good)["recall"]
    covered = [density_coverage(real, fake)["coverage"] for fake in (good, bad)]
    assert covered[1] < covered[0] - 0.05
