"""Sets to measure with that a user brings to a translation run."""

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.recipes.translate.build import source_of
from image_core.recipes.translate.data import read_sets
from tests.image_core.recipes.translated import made


def arrays(folder, name, level, *, count=30, side=16, keys=("images",)):
    """Pictures of one level each, a little different, in an .npz."""
    draw = np.random.default_rng(level)
    levels = [(level + draw.integers(0, 9, (count, side, side))).astype(np.uint8) for _ in keys]
    file = folder / f"{name}.npz"
    np.savez(file, **dict(zip(keys, levels, strict=True)))
    return str(file)


def read(paper="pix2pix", **given):
    return read_sets(source_of(made(paper, **given)))


def levels(images):
    """Least and greatest level."""
    return int(images.images.min()), int(images.images.max())


def test_made_domains_of_own_sets(tmp_path):
    files = {r: arrays(tmp_path, r, 20 * i) for i, r in enumerate(("data", "valid", "test"))}
    sets = read(domains="negative", **files)
    assert [levels(d.a) for d in (sets.train, sets.valid, sets.test)] == [
        (0, 8),
        (20, 28),
        (40, 48),
    ]
    assert levels(sets.test.b) == (255 - 48, 255 - 40)
    assert len(sets.train.a.images) == 30  # nothing is drawn from them
    assert sets.facts["a_test_rows"] == 30


def test_one_own_set_leaves_the_other_to_be_drawn(tmp_path):
    files = {"data": arrays(tmp_path, "d", 0, count=100), "test": arrays(tmp_path, "t", 40)}
    sets = read(domains="negative", **files)
    assert levels(sets.test.a) == (40, 48)
    assert (len(sets.train.a.images), len(sets.valid.a.images)) == (90, 10)


def test_equal_pictures_stand_in_one_set(tmp_path):
    """Pictures that are there twice, as A of pairs with two targets and as a domain."""
    draw = np.random.default_rng(0)
    a, b = draw.integers(0, 255, (60, 16, 16), np.uint8), draw.integers(0, 255, (120, 16, 16))
    twice = np.concatenate([a, a])
    np.savez(tmp_path / "pairs.npz", a=twice, b=b.astype(np.uint8))
    np.savez(tmp_path / "a.npz", images=twice)
    alone = str(tmp_path / "a.npz")
    for sets in (read(pairs=str(tmp_path / "pairs.npz")), read("cyclegan", a=alone, b=alone)):
        assert sets.facts["a_test_in_train"] == sets.facts["a_valid_in_train"] == 0
        assert len(sets.test.a.images) == 12


def test_pairs_and_two_domains(tmp_path):
    both = ("a", "b")
    pairs = {r: arrays(tmp_path, r, 50 * i, keys=both) for i, r in enumerate(("pairs", "test"))}
    sets = read(valid=pairs["test"], **pairs)
    assert levels(sets.test.a) == (50, 58)
    assert sets.test.paired
    a, b, c, d = (arrays(tmp_path, name, 30 * i) for i, name in enumerate("abcd"))
    sets = read("cyclegan", a=a, b=b, swap=True, test=f"{c},{d}", valid=f"{c},{d}")
    assert levels(sets.train.a) == (30, 38)
    assert levels(sets.test.a) == (90, 98)  # exchanged like those to learn from
    assert torch.equal(sets.test.a.images, sets.valid.a.images)


def test_what_does_not_fit(tmp_path):
    data = arrays(tmp_path, "data", 0, count=100)
    few = arrays(tmp_path, "few", 9, count=5)
    with pytest.raises(UserError, match="a measurement needs 10"):
        read(data=data, test=few)
    with pytest.raises(UserError, match=r"--test .*two places with a comma"):
        read("cyclegan", a=data, b=data, test=few)
    pairs = arrays(tmp_path, "pairs", 0, count=100, keys=("a", "b"))
    colours = np.zeros((30, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "colours.npz", a=colours, b=colours)
    with pytest.raises(UserError, match=r"--test .*domain A have 3 colours .* learn from 1 and 16"):
        read(pairs=pairs, test=str(tmp_path / "colours.npz"))
