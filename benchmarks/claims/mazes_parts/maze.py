"""Mazes of K x K cells as lines of text, paths through them, and the check of a path.

    # . . # ... => e s s e

The walls come first, cell by cell: east of it, then south of it, where there is a neighbour; `#` is
a wall and `.` an opening. A path goes from the upper left to the lower right cell. A maze is a tree
drawn by a random depth-first search, with some more openings. Paths are found by a depth-first
search in random order, so that most mazes have several. They have at most 3 K moves, of mazes with
five cells on a side or more 4 K - 4.
"""

import itertools
import math
import random
from collections.abc import Sequence

MARK, WALL, OPEN = "=>", "#", "."
MOVES = {"n": (-1, 0), "e": (0, 1), "s": (1, 0), "w": (0, -1)}
EXTRA = 2
"""Openings of a maze beside those of its tree."""
TRIES = 20
"""Searches for a path that is short enough, before another maze is drawn."""

Edge = frozenset[tuple[int, int]]


def edges(side: int) -> list[Edge]:
    """Pairs of neighbouring cells, in the order of the line.

    Args:
        side: Cells on a side.
    """
    found = []
    for row in range(side):
        for column in range(side):
            cell = (row, column)
            if column + 1 < side:
                found.append(frozenset([cell, (row, column + 1)]))
            if row + 1 < side:
                found.append(frozenset([cell, (row + 1, column)]))
    return found


def side_of(walls: int) -> int:
    """Cells on a side of a maze with as many pairs of neighbours, 2 K (K - 1).

    Args:
        walls: Number of pairs.
    """
    return (1 + math.isqrt(1 + 2 * walls)) // 2


def longest(side: int) -> int:
    """Greatest number of moves of a path.

    Args:
        side: Cells on a side.
    """
    return min(3 * side, 4 * side - 4) if side < 5 else 4 * side - 4


def draw_maze(side: int, draw: random.Random, extra: int = EXTRA) -> set[Edge]:
    """Openings of a maze: a tree by depth-first search, and some more.

    Args:
        side: Cells on a side.
        draw: Random numbers.
        extra: Openings beside those of the tree.
    """
    start = (draw.randrange(side), draw.randrange(side))
    seen, stack = {start}, [start]
    openings: set[Edge] = set()
    while stack:
        new = [cell for cell in _neighbours(stack[-1], side) if cell not in seen]
        if not new:
            stack.pop()
            continue
        cell = draw.choice(new)
        openings.add(frozenset([stack[-1], cell]))
        seen.add(cell)
        stack.append(cell)
    closed = [edge for edge in edges(side) if edge not in openings]
    return openings | set(draw.sample(closed, extra))


def draw_path(openings: set[Edge], side: int, draw: random.Random) -> list[str]:
    """Moves of a random depth-first search from corner to corner, its dead ends left out.

    Args:
        openings: Openings of the maze.
        side: Cells on a side.
        draw: Random numbers.
    """
    cell, goal = (0, 0), (side - 1, side - 1)
    seen, trail = {cell}, [cell]
    while trail[-1] != goal:
        here = trail[-1]
        new = [
            other
            for other in _neighbours(here, side)
            if other not in seen and frozenset([here, other]) in openings
        ]
        if not new:
            trail.pop()
            continue
        cell = draw.choice(new)
        seen.add(cell)
        trail.append(cell)
    steps = {step: name for name, step in MOVES.items()}
    pairs = itertools.pairwise(trail)
    return [steps[b[0] - a[0], b[1] - a[1]] for a, b in pairs]


def written(openings: set[Edge], side: int) -> str:
    """The walls as text.

    Args:
        openings: Openings of the maze.
        side: Cells on a side.
    """
    return " ".join(OPEN if edge in openings else WALL for edge in edges(side))


def is_path(walls: str, moves: str) -> bool:
    """Whether moves go through no wall, stay inside, and end where they first reach the goal.

    Args:
        walls: Walls as text.
        moves: Moves as text.
    """
    marks = walls.split()
    side = side_of(len(marks))
    openings = {edge for edge, mark in zip(edges(side), marks, strict=True) if mark == OPEN}
    cell, goal, names = (0, 0), (side - 1, side - 1), moves.split()
    if len(names) > longest(side):
        return False
    for name in names:
        if cell == goal or name not in MOVES:
            return False
        step = MOVES[name]
        following = (cell[0] + step[0], cell[1] + step[1])
        if frozenset([cell, following]) not in openings:
            return False
        cell = following
    return cell == goal


def check(prompts: Sequence[str], answers: Sequence[str]) -> list[bool]:
    """Whether each answer is a path through its maze, for --check.

    Args:
        prompts: Walls of each maze.
        answers: Moves of each path.
    """
    return [is_path(walls, moves) for walls, moves in zip(prompts, answers, strict=True)]


def reward(sentences: Sequence[str]) -> list[float]:
    """1 for a line whose path is one, else 0: the truth as a reward, a ceiling.

    Args:
        sentences: Lines of walls, mark and moves.
    """
    found = []
    for line in sentences:
        walls, _, moves = line.partition(f" {MARK} ")
        found.append(float(is_path(walls, moves)))
    return found


def _neighbours(cell: tuple[int, int], side: int) -> list[tuple[int, int]]:
    places = [(cell[0] + r, cell[1] + c) for r, c in MOVES.values()]
    return [p for p in places if 0 <= p[0] < side and 0 <= p[1] < side]
