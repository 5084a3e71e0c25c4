"""Held-out rows are drawn, stratified by label and grouped by what belongs together."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from image_core.data.split import alike, held_out


def test_ordered_classes_are_all_there():
    """Twelve classes in turn, of which every tenth row would hold out six."""
    labels = [i % 12 for i in range(6000)]
    assert len({labels[i] for i in range(6000) if i % 10 == 9}) == 6
    held = held_out(6000, 0.1, seed=0, labels=labels)
    assert Counter(labels[i] for i in held) == dict.fromkeys(range(12), 50)


def test_sorted_rows_are_drawn_from_everywhere():
    held = held_out(10_000, 0.1, seed=3)
    assert len(held) == 1000
    assert sum(held) / 1000 == pytest.approx(4999.5, abs=5 * 10_000 / (12 * 1000) ** 0.5)
    assert held != held_out(10_000, 0.1, seed=4)
    assert held == held_out(10_000, 0.1, seed=3)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.floats(0.05, 0.9),
    st.integers(0, 9),
)
def test_no_group_stands_on_both_sides_and_something_stays(groups, share, seed):
    held = set(held_out(len(groups), share, seed, groups=groups))
    one = {groups[i] for i in held}
    other = {g for i, g in enumerate(groups) if i not in held}
    assert not one & other
    assert other
    assert bool(one) == (len(set(groups)) > 1)


def test_a_label_of_one_row_is_learned_from():
    assert held_out(5, 0.5, 0, labels=["a", "a", "a", "a", "b"]) != [4]
    assert 4 not in held_out(5, 0.5, 0, labels=["a", "a", "a", "a", "b"])


def test_rows_of_an_equal_picture_are_alike():
    """Rows 0 and 2 by one side, 2 and 3 by the other; a side of two masks links nothing."""
    a, b = torch.tensor([1, 2, 1, 3, 4]), torch.tensor([5, 6, 7, 7, 8])
    masks = torch.tensor([0, 255, 0, 255, 0])
    sides = [side.to(torch.uint8).reshape(5, 1, 1, 1) for side in (a, b, masks)]

    def linked_pairs(*chosen):
        groups = alike(*(sides[i] for i in chosen))
        return {(i, j) for i in range(5) for j in range(i + 1, 5) if groups[i] == groups[j]}

    assert linked_pairs(0) == {(0, 2)}
    assert linked_pairs(0, 1) == {(0, 2), (0, 3), (2, 3)}
    assert linked_pairs(2) == set()
