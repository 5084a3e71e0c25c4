"""Write tasks of blocks: pairs, validation pairs, prompts without answers, tests, labelled prompts.

    python -m benchmarks.claims.blocks_parts.make --out DIR --seed 0 --pairs 300

No task stands in two of the files, except that `labelled.txt`, the ceiling, has the tasks of
`prompts.txt` with a plan each.
"""

import argparse
import random
from pathlib import Path

from benchmarks.claims.blocks_parts.world import MARK, State, distances, draw_plan, states, written
from benchmarks.claims.harness.tasks import write_tasks


def make(blocks: int, counts: dict[str, int], seed: int) -> dict[str, list[tuple[str, str]]]:
    """Distinct tasks with a plan each, in as many sets as there are counts.

    Args:
        blocks: Number of blocks.
        counts: Number of tasks of each set.
        seed: Seed of everything.
    """
    draw, every = random.Random(seed), states(blocks)
    seen: set[tuple[State, State]] = set()
    to_go: dict[State, dict[State, int]] = {}
    found: dict[str, list[tuple[str, str]]] = {}
    for name, count in counts.items():
        rows: list[tuple[str, str]] = []
        while len(rows) < count:
            state, goal = draw.sample(every, 2)
            if (state, goal) in seen:
                continue
            seen.add((state, goal))
            if goal not in to_go:
                to_go[goal] = distances(goal)
            rows.append((written(state, goal), " ".join(draw_plan(state, to_go[goal], draw))))
        found[name] = rows
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Write tasks of blocks and plans for them.")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--prompts", type=int, default=3_000)
    parser.add_argument("--test", type=int, default=1_000)
    c = parser.parse_args()
    counts = {"test": c.test, "valid": 300, "pairs": c.pairs, "prompts": c.prompts}
    sets = make(c.blocks, counts, c.seed)
    write_tasks(c.out, sets, MARK)


if __name__ == "__main__":
    main()
