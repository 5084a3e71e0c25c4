"""Where a path is in its maze: tables of cells, walls of prompts, positions, and their features."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from benchmarks.claims.mazes_parts.maze import MARK, MOVES, OPEN, edges, side_of
from seqgan.lm.policies import State
from seqgan.text.features import Features
from seqgan.text.sequences import Sequences


class Names(NamedTuple):
    """Ids of the tokens.

    Args:
        mark: Id of the mark between walls and moves.
        open: Id of an opening.
        moves: Ids of the moves, in the order of `MOVES`.
    """

    mark: int
    open: int
    moves: list[int]


def names_of(s: Sequences) -> Names:
    """Ids of the tokens of a run.

    Args:
        s: Sequences of the run.
    """
    number = {s.decode([i]): i for i in range(s.vocab)}
    return Names(number[MARK], number[OPEN], [number[name] for name in MOVES])


def tables(side: int) -> tuple[Int64[Tensor, "N 4"], Int64[Tensor, "N 4"]]:
    """The neighbour and the wall of each cell and move; a cell's own number and -1 at the border.

    Args:
        side: Cells on a side.
    """
    places = {edge: i for i, edge in enumerate(edges(side))}
    following = torch.empty(side * side, len(MOVES), dtype=torch.int64)
    wall = torch.full_like(following, -1)
    for cell in range(side * side):
        row, column = divmod(cell, side)
        for move, (down, right) in enumerate(MOVES.values()):
            other = (row + down, column + right)
            edge = frozenset([(row, column), other])
            following[cell, move] = other[0] * side + other[1] if edge in places else cell
            wall[cell, move] = places.get(edge, -1)
    return following, wall


class Walker:
    """Positions in mazes of one size.

    Args:
        s: Sequences of the run.
        walls: Number of walls of a prompt.
    """

    def __init__(self, s: Sequences, walls: int):
        self.names, self.start = names_of(s), s.start
        self.walls, self.side = walls, side_of(walls)
        self.following, self.wall = tables(self.side)
        self.goal = self.side * self.side - 1
        self.move_of = torch.full((s.vocab,), -1)
        self.move_of[self.names.moves] = torch.arange(len(MOVES))

    def openings(self, prompt: Int64[Tensor, "B P"]) -> Float[Tensor, "B W"]:
        """1 for an opening, 0 for a wall; all 0 where the prompt is the mark alone.

        Args:
            prompt: Prompts with their marks, (B, walls + 1) or (B, 1).
        """
        if prompt.shape[1] == 1:
            return torch.zeros(len(prompt), self.walls)
        return (prompt[:, :-1] == self.names.open).float()

    def around(self, openings: Float[Tensor, "B W"]) -> Float[Tensor, "B N 4"]:
        """Whether there is an opening from each cell by each move.

        Args:
            openings: 1 for an opening, (B, W).
        """
        return F.pad(openings, (0, 1))[:, self.wall]

    def trail(self, moves: Int64[Tensor, "B T"]) -> Int64[Tensor, "B T"]:
        """Cell before each move; walls stop nobody, the border does.

        Args:
            moves: Numbers of moves, (B, T), -1 where there is none.
        """
        cell = torch.zeros(len(moves), dtype=torch.int64)
        cells = []
        for move in moves.unbind(1):
            cells.append(cell)
            cell = torch.where(move >= 0, self.following[cell, move], cell)
        return torch.stack(cells, 1)


def asked(s: Sequences) -> int:
    """Number of walls of a run's prompts.

    Args:
        s: Sequences of the run.
    """
    first = s.real()[:1]
    return int((first[0] == names_of(s).mark).nonzero()[0, 0])


class MazeFeatures(Features):
    """Openings around the cell that a path has reached, and whether it is the goal.

    Args:
        walker: Positions.
    """

    size = len(MOVES) + 1

    def __init__(self, walker: Walker):
        self.walker = walker

    def begin(self, rows: int) -> State:
        """Openings read so far, number of tokens read, and cell."""
        count = torch.full((rows,), -1)  # the token before the first is read, too
        return torch.zeros(rows, self.walker.walls), count, torch.zeros_like(count)

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N F"], State]:
        w, (openings, count, cell) = self.walker, state
        place = torch.arange(w.walls) == count[:, None]
        openings = torch.where(place, (tokens == w.names.open).float()[:, None], openings)
        move = w.move_of[tokens]
        cell = torch.where(move >= 0, w.following[cell, move], cell)
        around = w.around(openings)[torch.arange(len(cell)), cell]
        found = torch.cat([around, (cell == w.goal).float()[:, None]], 1)
        found = found * (count >= w.walls)[:, None]
        return found, (openings, count + 1, cell)

    def of(self, tokens: Int64[Tensor, "B T"], start: int) -> Float[Tensor, "B T F"]:
        w, first = self.walker, self.walker.walls + 1
        around = w.around(w.openings(tokens[:, :first]))
        cells = w.trail(w.move_of[tokens[:, first:]])
        values = around[torch.arange(len(cells))[:, None], cells]
        found = torch.cat([values, (cells == w.goal).float()[:, :, None]], 2)
        return F.pad(found, (0, 0, first, 0))


def features(s: Sequences) -> MazeFeatures:
    """Features for --features.

    Args:
        s: Sequences of the run.
    """
    return MazeFeatures(Walker(s, asked(s)))
