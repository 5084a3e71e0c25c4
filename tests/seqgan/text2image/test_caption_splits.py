"""Sets of captioned pictures that a user brings: what belongs together, and sets of one's own."""

import json

import numpy as np
import pytest

from image_core.adversarial.errors import UserError
from seqgan.text2image import recipe
from seqgan.text2image.data import Places, read_data
from tests.recipes.made import built
from tests.seqgan.text2image.test_captions_brought import COLOURS, THREE, place


def emoji(folder, bases=40, tones=3):
    """Pictures in groups of one base, in their order; and two bases that share a picture."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 255, (bases * tones, 16, 16, 3)).astype(np.uint8)
    images[-1] = images[0]
    np.savez(folder / "e.npz", images=images)
    records = [{"caption": f"sign {i}", "base": f"U+{i // tones}"} for i in range(len(images))]
    (folder / "e.json").write_text(json.dumps(records))
    return str(folder / "e.npz"), images


def config(data, **changes):
    return Places(data, 16, **changes)


def test_what_belongs_together_stays_on_one_side(tmp_path):
    data, images = emoji(tmp_path)
    row = {image.transpose(2, 0, 1).tobytes(): i for i, image in enumerate(images)}
    read = read_data(config(data), 500, 8)
    parts = [read.training.images, read.validation.images, read.splits["unseen"].images]
    bases = [{row[image.numpy().tobytes()] // 3 for image in part} for part in parts]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not bases[one] & bases[other]
    # Two bases that share a picture are one group, with all of their other pictures
    assert row[images[0].transpose(2, 0, 1).tobytes()] // 3 == 39
    assert sum({0, 39} <= side for side in bases) == 1
    assert sum(map(len, parts)) == 120
    assert all(10 <= len(part) <= 14 for part in parts[1:])
    assert read.facts["test_in_train"] == read.facts["valid_in_train"] == 0
    assert read.facts["test_captions_in_train"] == 0
    other = read_data(config(data, split_seed=1), 500, 8)
    assert set(other.splits["unseen"].captions) != set(read.splits["unseen"].captions)


def test_sets_of_ones_own_and_those_that_are_the_training_set(tmp_path):
    data, _ = emoji(tmp_path)
    place(
        tmp_path / "mine",
        {**THREE, "captions.csv": "file,caption\n" + "".join(f"{c}.png,{c}\n" for c in COLOURS)},
    )
    read = read_data(config(data, test=str(tmp_path / "mine")), 500, 8)
    assert set(read.splits["unseen"].captions) == set(COLOURS)
    assert len(read.place.captions) == len(read.reference.images) == 3
    with pytest.raises(UserError, match=r"every picture of --test .* is in the training data too"):
        read_data(config(data, test=data), 500, 8)
    with pytest.raises(UserError, match="--test is for data of your own"):
        built(recipe, "tiny", "stackgan", data="shapes", test="x", out="run")
