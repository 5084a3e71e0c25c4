"""Write tasks of blocks: 200 with a plan each, 4,500 without, 100 to validate on, 200 to test on.

    python -m benchmarks.claims.instructions_parts.make --out DIR --seed 0

A chat model takes long to answer, so that fewer tasks are tested than in the claim `blocks`. Four
blocks have 5,256 tasks; no two of the files share one.
"""

import argparse
from pathlib import Path

from benchmarks.claims.blocks_parts.make import make
from benchmarks.claims.blocks_parts.world import MARK
from benchmarks.claims.harness.tasks import write_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description="Write tasks of blocks for a chat model.")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=4_500)
    parser.add_argument("--test", type=int, default=200)
    c = parser.parse_args()
    counts = {"test": c.test, "valid": 100, "pairs": 200, "prompts": c.prompts}
    write_tasks(c.out, make(c.blocks, counts, c.seed), MARK)


if __name__ == "__main__":
    main()
