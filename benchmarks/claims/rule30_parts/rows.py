"""Rows of cells under rule 30, the check of a row before another, and features of prefixes.

    0 1 1 1 0 => 0 0 1 1 0

First a row, then one that rule 30 turns into it: x_i = y_(i-1) xor (y_i or y_(i+1)), with 0 beyond
both ends. A row may follow from several rows, or from none; the rows asked about follow from one.
"""

import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from seqgan.lm.policies import State
from seqgan.text.features import Features
from seqgan.text.sequences import Sequences

MARK = "=>"
CELLS = 16
"""Cells of a row."""


def after(row: Sequence[int]) -> list[int]:
    """The row that follows by rule 30.

    Args:
        row: Cells, 0 or 1.

    Source: Wolfram 1983, "Statistical mechanics of cellular automata".
    """
    left, right = [0, *row[:-1]], [*row[1:], 0]
    return [a ^ (b | c) for a, b, c in zip(left, row, right, strict=True)]


def check(prompts: Sequence[str], answers: Sequence[str]) -> list[bool]:
    """Whether each answer is a row that its prompt follows from, for --check.

    Args:
        prompts: Rows.
        answers: Rows before them.
    """
    return [is_before(a, b) for a, b in zip(prompts, answers, strict=True)]


def is_before(row: str, before: str) -> bool:
    """Whether a row follows from another.

    Args:
        row: Cells, with blanks between.
        before: Cells of the other one.
    """
    words, asked = before.split(), row.split()
    if len(words) != len(asked) or not {*words, *asked} <= {"0", "1"}:
        return False
    return after([int(word) for word in words]) == [int(word) for word in asked]


def make(counts: dict[str, int], seed: int) -> dict[str, list[tuple[str, str]]]:
    """Different rows with one before each, in as many sets as there are counts.

    Args:
        counts: Number of rows of each set.
        seed: Seed of everything.
    """
    draw, seen = random.Random(seed), set()
    found: dict[str, list[tuple[str, str]]] = {}
    for name, count in counts.items():
        rows: list[tuple[str, str]] = []
        while len(rows) < count:
            before = [draw.randrange(2) for _ in range(CELLS)]
            row = " ".join(map(str, after(before)))
            if row not in seen:
                seen.add(row)
                rows.append((row, " ".join(map(str, before))))
        found[name] = rows
    return found


class Neighbours(Features):
    """Cells of the first row around the place of the next cell, and the last two of the second.

    1 for a cell that is 1, -1 for 0, 0 for none; all 0 before the second row, whose end is told.

    Args:
        s: Sequences of the run.
    """

    size = 6

    def __init__(self, s: Sequences):
        number = {s.decode([i]): i for i in range(s.vocab)}
        self.mark = number[MARK]
        self.value = torch.zeros(s.vocab)
        self.value[number["1"]], self.value[number["0"]] = 1.0, -1.0
        self.cells = int((s.real()[0] == self.mark).nonzero()[0, 0])

    def begin(self, rows: int) -> State:
        """The first row, the last two cells, the number of cells of the row now, and whether it is
        the second.
        """
        none = torch.zeros(rows)
        first = torch.zeros(rows, self.cells)
        return first, none, none.clone(), none.long(), none.bool()

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N F"], State]:
        first, last, before, count, second = state
        value = self.value[tokens]
        cell = value != 0
        here = (cell & ~second)[:, None] & (torch.arange(self.cells) == count[:, None])
        first = torch.where(here, value[:, None], first)
        own = cell & second
        last, before = torch.where(own, value, last), torch.where(own, last, before)
        count = torch.where(tokens == self.mark, 0, count + cell)
        second = second | (tokens == self.mark)
        place = count.clamp(max=self.cells)[:, None] + torch.arange(3)
        around = F.pad(first, (1, 2)).gather(1, place)
        told = [around, last[:, None], before[:, None], (count >= self.cells).float()[:, None]]
        return torch.cat(told, 1) * second[:, None], (first, last, before, count, second)


def features(s: Sequences) -> Neighbours:
    """Features for --features.

    Args:
        s: Sequences of the run.
    """
    return Neighbours(s)
