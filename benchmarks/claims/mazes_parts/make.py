"""Write mazes: pairs, validation pairs, prompts without answers, tests, and labelled prompts.

    python -m benchmarks.claims.mazes_parts.make --out DIR --seed 0 --pairs 300 --side 4

No maze stands in two of the files, except that `labelled.txt`, the ceiling, has the mazes of
`prompts.txt` with a path each.
"""

import argparse
import random
from pathlib import Path

from benchmarks.claims.harness.tasks import write_tasks
from benchmarks.claims.mazes_parts.maze import (
    MARK,
    TRIES,
    draw_maze,
    draw_path,
    longest,
    written,
)


def make(
    side: int, counts: dict[str, int], seed: int, extra: int
) -> dict[str, list[tuple[str, str]]]:
    """Distinct mazes with a path each, in as many sets as there are counts.

    Args:
        side: Cells on a side.
        counts: Number of mazes of each set.
        seed: Seed of everything.
        extra: Openings beside those of a tree.
    """
    draw = random.Random(seed)
    seen: set[str] = set()
    found: dict[str, list[tuple[str, str]]] = {}
    for name, count in counts.items():
        rows: list[tuple[str, str]] = []
        while len(rows) < count:
            openings = draw_maze(side, draw, extra)
            walls = written(openings, side)
            paths = (draw_path(openings, side, draw) for _ in range(TRIES))
            moves = next((path for path in paths if len(path) <= longest(side)), None)
            if walls in seen or moves is None:
                continue
            seen.add(walls)
            rows.append((walls, " ".join(moves)))
        found[name] = rows
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Write mazes and paths through them.")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=4, help="cells on a side")
    parser.add_argument("--extra", type=int, default=2, help="openings beside those of a tree")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--prompts", type=int, default=20_000)
    parser.add_argument("--test", type=int, default=3_000)
    c = parser.parse_args()
    counts = {"test": c.test, "valid": 300, "pairs": c.pairs, "prompts": c.prompts}
    sets = make(c.side, counts, c.seed, c.extra)
    write_tasks(c.out, sets, MARK)


if __name__ == "__main__":
    main()
