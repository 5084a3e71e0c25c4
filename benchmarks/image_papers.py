"""Every image paper trained for the same CPU time: `python benchmarks/image_papers.py --out DIR`.

Each paper runs with its own defaults for as many rounds as fit in --seconds, counted on a short
run beforehand. A paper whose result is in DIR is not run again, so a stopped table goes on where it
stood. DIR gets a folder a paper (grids, curves, result.json), and result.json and table.md of all.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from image_core.memory import keep_freed_memory
from image_core.recipes.image.config import ImageOptions
from image_core.recipes.image.recipe import PAPERS, Run

SHOWN = ("fd-clf", "is-clf", "coverage-clf", "modes-clf", "test_accuracy")
SIZES: dict[str, dict[str, Any]] = {
    "digits": {},
    "shapes": {"size": 32, "width": 0.25},
}
WARM, TIMED = 3, 8
"""Rounds before the clock starts, and on it."""


def config(
    paper: str, data: str, out: Path, options: argparse.Namespace, rounds: int
) -> ImageOptions:
    """The paper's defaults, a short memory of the weight average, one look at the end."""
    made = PAPERS.config(paper)(
        out=str(out),
        data=data,
        rounds=rounds,
        evaluate_every=rounds,
        ema_decay=0.98,
        seed=options.seed,
        device="cpu",
        threads=1,
        **SIZES[data],
    )
    assert isinstance(made, ImageOptions)
    return made


def rounds_in(seconds: float, paper: str, data: str, out: Path, options: argparse.Namespace) -> int:
    """How many rounds fit."""
    run = Run(config(paper, data, out, options, 1))
    rounds = run.engine.rounds(run.data, WARM + TIMED)
    for _ in range(WARM):
        next(rounds)
    began = time.process_time()
    for _ in rounds:
        pass
    return max(1, round(seconds * TIMED / (time.process_time() - began)))


def train(paper: str, data: str, out: Path, options: argparse.Namespace) -> None:
    """One paper; its folder holds the result."""
    rounds = rounds_in(options.seconds, paper, data, out, options)
    run = Run(config(paper, data, out, options, rounds))
    run.start()
    run.train()
    print(json.dumps({"data": data, "paper": paper, "rounds": rounds}), flush=True)


def rows(folder: Path, data: str) -> dict[str, dict[str, float]]:
    """What has been measured, by paper; what real images score is the last row."""
    found: dict[str, dict[str, float]] = {}
    real: dict[str, float] = {}
    for paper in PAPERS.names():
        file = folder / f"{data}-{paper}" / "result.json"
        if not file.exists():
            continue
        result = json.loads(file.read_text())
        told = result["table"][PAPERS.load(paper).title]
        found[paper] = {"rounds": result["rounds"], **{n: told[n] for n in SHOWN if n in told}}
        real = {n: v for n, v in result["table"]["real"].items() if n in SHOWN}
    return {**found, "real images": real} if found else {}


def markdown(table: dict[str, dict[str, float]]) -> str:
    """The rows as a table."""
    columns = ("rounds", *SHOWN)
    lines = ["| paper | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for paper, row in table.items():
        cells = [f"{row[name]:.4g}" if name in row else "" for name in columns]
        lines.append(f"| {paper} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    names = PAPERS.names()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--papers", nargs="+", default=names, choices=names)
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    keep_freed_memory()
    for data in options.data:
        for paper in options.papers:
            out = options.out / f"{data}-{paper}"
            if not (out / "result.json").exists():
                train(paper, data, out, options)
    tables = {data: rows(options.out, data) for data in options.data}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps(tables, indent=1) + "\n")
    text = "\n".join(f"## {data}\n\n{markdown(table)}" for data, table in tables.items())
    (options.out / "table.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
