"""Write rows and rows before them: 200 with an answer, 5,000 without, 300 to validate, tests.

python -m benchmarks.claims.rule30_parts.make --out DIR --seed 0
"""

import argparse
from pathlib import Path

from benchmarks.claims.harness.tasks import write_tasks
from benchmarks.claims.rule30_parts.rows import MARK, make


def main() -> None:
    parser = argparse.ArgumentParser(description="Write rows of cells and rows before them.")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prompts", type=int, default=5_000)
    parser.add_argument("--test", type=int, default=1_000)
    c = parser.parse_args()
    counts = {"test": c.test, "valid": 300, "pairs": 200, "prompts": c.prompts}
    write_tasks(c.out, make(counts, c.seed), MARK)


if __name__ == "__main__":
    main()
