"""Rule 30 of the claim: the rule against its known picture, the check, what is made, features."""

import itertools

import pytest
import torch

from benchmarks.claims.rule30_parts import rows
from seqgan.data.tokenizer import END, PAD, START, TextTokenizer
from seqgan.text.sequences import Sequences


def test_one_cell_grows_as_is_known():
    """Wolfram's numbers of rule 30 from one cell: 1, 7, 25, 111, 401."""
    row = [0, 0, 0, 0, 1, 0, 0, 0, 0]
    found = []
    for reach in range(5):
        cells = row[4 - reach : 5 + reach]
        found.append(int("".join(map(str, cells)), 2))
        row = rows.after(row)
    assert found == [1, 7, 25, 111, 401]


def test_the_check_accepts_exactly_the_rows_before():
    every = [" ".join(bits) for bits in itertools.product("01", repeat=5)]
    number = [int(bit) for bit in f"{30:08b}"[::-1]]  # the rule by its number
    for before in every:
        cells = [0, *map(int, before.split()), 0]
        around = zip(cells, cells[1:], cells[2:])
        row = " ".join(str(number[4 * a + 2 * b + c]) for a, b, c in around)
        assert rows.check(every, [before] * len(every)) == [other == row for other in every]
    assert rows.check(["0 1"] * 3, ["0", "0 1 1", "0 x"]) == [False, False, False]


def test_rows_differ_and_follow():
    sets = rows.make({"test": 20, "pairs": 30}, 3)
    assert [len(part) for part in sets.values()] == [20, 30]
    assert sets == rows.make({"test": 20, "pairs": 30}, 3)
    asked, before = zip(*(pair for part in sets.values() for pair in part), strict=True)
    assert len({*asked}) == 50
    assert all(rows.check(asked, before))


@pytest.mark.parametrize("turned", [False, True])
def test_features_are_the_cells_around_the_next_place(turned):
    first, second = [1, 0, 0, 1], [1, 1, 0, 1]
    if turned:
        first, second = second, first
    line = f"{' '.join(map(str, first))} => {' '.join(map(str, second))}"
    tokenizer = TextTokenizer.train([line], "blank", 1, 50, lowercase=False)
    tokens = torch.tensor([[*tokenizer.encode([line])[0], END, PAD]])
    s = Sequences(tokenizer.vocab_size, 11, START, END, PAD, lambda: tokens, tokenizer.decode)
    found = rows.features(s).of(tokens, START)[0]
    assert not found[:5].any()  # the first row and the mark are given
    sign = [0, *(2 * cell - 1 for cell in first), 0, 0]
    own = [0, 0, *(2 * cell - 1 for cell in second)]
    for place in range(4):
        want = [*sign[place : place + 3], own[place + 1], own[place], 0]
        assert found[5 + place].tolist() == want
    assert found[9].tolist() == [sign[4], 0, 0, own[5], own[4], 1]  # before the end
