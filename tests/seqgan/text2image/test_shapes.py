"""Shapes: what is drawn is what is said, and what is read back is what was drawn."""

import itertools

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.text2image import shapes
from seqgan.text2image.shapes import (
    ATTRIBUTES,
    JITTER,
    all_combinations,
    attribute_accuracy,
    caption,
    hard_negative,
    is_held_out,
    make_shapes,
    parse_caption,
    read_attributes,
    render,
)


def as_read(images):
    return images.float() / 127.5 - 1


def test_all_combinations_differ_in_ink_and_paper():
    rows = all_combinations()
    assert len(rows) == 4 * 2 * 5 * (5 * 5 - 2)
    names = [[v[i] for v, i in zip(ATTRIBUTES.values(), row)] for row in rows.tolist()]
    assert all(colour != background for _, colour, _, _, background in names)
    assert int(is_held_out(rows).sum()) == sum(
        (
            ("circle", "green"),
            ("square", "blue"),
            ("triangle", "yellow"),
            ("cross", "purple"),
        ).count((shape, colour))
        for shape, colour, *_ in names
    )


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("corner", [(-1, -1), (0, 0), (1, 0), (1, 1)])
def test_every_clean_picture_is_read_without_a_mistake(side, corner):
    rows = all_combinations()
    jitter = JITTER * torch.tensor(corner, dtype=torch.float32).expand(len(rows), 2)
    read, overlap = read_attributes(as_read(render(rows, jitter, side)))
    assert torch.equal(read, rows)
    assert float(overlap.min()) > 0.85


def test_a_little_noise_changes_no_reading():
    rows = all_combinations()
    images = as_read(render(rows, torch.zeros(len(rows), 2), 32))
    noise = 0.05 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    assert float((read_attributes(images + noise).attributes == rows).float().mean()) > 0.999


def test_a_blank_picture_shows_its_background_alone():
    image = torch.full((1, 3, 32, 32), -1.0)
    read, overlap = read_attributes(image)
    assert read.tolist() == [[-1, -1, -1, -1, 1]]
    assert overlap.tolist() == [0.0]


@pytest.mark.parametrize("size", [0, 1])
def test_every_shape_covers_the_area_of_its_size(size):
    for shape in range(4):
        rows = torch.tensor([[shape, 0, size, 0, 1]])
        cover = render(rows, torch.zeros(1, 2), 128)[0, 0].float() / 220
        assert float(cover.mean()) == pytest.approx(shapes.AREA[size], rel=0.02)


def test_a_sentence_says_what_is_true_and_some_say_less():
    draw = np.random.default_rng(0)
    said = set()
    for row in all_combinations().tolist():
        parsed = parse_caption(caption(row, draw)).tolist()
        assert all(p in (-1, r) for p, r in zip(parsed, row))
        assert -1 not in (parsed[0], parsed[1], parsed[4])
        said.add((parsed[2] >= 0, parsed[3] >= 0))
    assert said == set(itertools.product((True, False), repeat=2))


def test_a_prompt_is_parsed_word_by_word():
    assert parse_caption("A small red circle on blue").tolist() == [0, 0, 0, -1, 3]
    assert parse_caption("on a yellow background a big blue cross, left").tolist() == [
        3,
        2,
        1,
        1,
        4,
    ]
    assert parse_caption("nothing of this").tolist() == [-1] * 5
    with pytest.raises(UserError, match="two values of size"):
        parse_caption("a small large circle")


def test_a_picture_is_decided_by_seed_and_number():
    few, more = make_shapes(5, 32, seed=3), make_shapes(9, 32, seed=3)
    assert torch.equal(few.images, more.images[:5])
    assert few.captions == more.captions[:5]
    other = make_shapes(5, 32, seed=4)
    assert not torch.equal(few.images, other.images)


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_pairs_stand_apart(held_out):
    made = make_shapes(200, 16, held_out=held_out)
    assert set(is_held_out(made.attributes).tolist()) == {held_out}


def test_attribute_accuracy_counts_what_was_said_alone():
    read = torch.tensor([[0, 1, 0, 2, 3], [0, 1, 1, 2, 3]])
    asked = torch.tensor([[0, 1, 0, -1, 3], [1, 1, 1, -1, -1]])
    by, mean, whole = attribute_accuracy(read, asked)
    assert by == {"shape": 0.5, "colour": 1.0, "size": 1.0, "background": 1.0}
    assert mean == pytest.approx(6 / 7)
    assert whole == 0.5


def test_too_few_pixels_are_refused():
    with pytest.raises(UserError, match="--side 8"):
        make_shapes(1, 8)


def test_a_hard_negative_changes_one_attribute_that_was_said_to_one_that_can_be_drawn_and_learned():
    draw = np.random.default_rng(0)
    made = make_shapes(300, 16, seed=3, captions=1)
    changed = []
    for text in (own[0] for own in made.captions):
        was, now = parse_caption(text), parse_caption(hard_negative(text, draw))
        (column,) = (was != now).nonzero().flatten().tolist()
        assert int(was[column]) >= 0
        assert not bool(is_held_out(now[None]))
        assert int(now[1]) < 0 or _name("colour", now[1]) != _name("background", now[4])
        changed.append(column)
    # Three attributes are always said, two in two of three sentences
    counts = np.bincount(changed, minlength=5) / len(changed)
    assert all(0.1 < share < 0.32 for share in counts)


def _name(attribute, index):
    return ATTRIBUTES[attribute][int(index)]
