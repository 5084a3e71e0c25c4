"""Every image paper trained for the same CPU time: `python benchmarks/image_papers.py --out DIR`.

Each paper runs with its own defaults for as many rounds as fit in --seconds, counted on a short
run beforehand. A paper whose result is in DIR is not run again, so a stopped table goes on where it
stood. DIR gets a folder a paper and seed (grids, curves, result.json), and result.json and table.md
of all: means with 95 % t intervals over seeds, and real held-out images in the generator's place
with an interval over draws of which those are.
"""

import argparse
import json
import time
from itertools import product
from pathlib import Path
from typing import Any

from image_core.memory import keep_freed_memory
from image_core.recipes.image.config import ImageOptions
from image_core.recipes.image.recipe import PAPERS, Run
from image_core.recipes.image.report import AGAIN
from image_core.recipes.study.report import over_seeds

SHOWN = ("fd-clf", "is-clf", "coverage-clf", "modes-clf", "test_accuracy", "d_auc")
SIZES: dict[str, dict[str, Any]] = {
    "digits": {},
    "shapes": {"size": 32, "width": 0.25},
}
WARM, TIMED = 3, 8
"""Rounds before the clock starts, and on it."""


def config(paper: str, data: str, out: Path, seed: int, rounds: int) -> ImageOptions:
    """The paper's defaults, a short memory of the weight average, one look at the end."""
    made = PAPERS.config(paper)(
        out=str(out),
        data=data,
        rounds=rounds,
        evaluate_every=rounds,
        ema_decay=0.98,
        seed=seed,
        device="cpu",
        threads=1,
        **SIZES[data],
    )
    assert isinstance(made, ImageOptions)
    return made


def rounds_in(seconds: float, paper: str, data: str, out: Path, seed: int) -> int:
    """How many rounds fit."""
    run = Run(config(paper, data, out, seed, 1))
    rounds = run.engine.rounds(run.data, WARM + TIMED)
    for _ in range(WARM):
        next(rounds)
    began = time.process_time()
    for _ in rounds:
        pass
    return max(1, round(seconds * TIMED / (time.process_time() - began)))


def train(paper: str, data: str, out: Path, seed: int, seconds: float) -> None:
    """One paper; its folder holds the result."""
    rounds = rounds_in(seconds, paper, data, out, seed)
    run = Run(config(paper, data, out, seed, rounds))
    run.start()
    run.train()
    print(json.dumps({"data": data, "paper": paper, "seed": seed, "rounds": rounds}), flush=True)


def rows(folder: Path, data: str, seeds: list[int]) -> dict[str, dict[str, str]]:
    """What has been measured, by paper; what real images score in its place is the last row."""
    found: dict[str, dict[str, str]] = {}
    again: dict[str, str] = {}
    for paper in PAPERS.names():
        files = [folder / f"{data}-{paper}-{seed}" / "result.json" for seed in seeds]
        results = [json.loads(file.read_text()) for file in files if file.exists()]
        if not results:
            continue
        title = PAPERS.load(paper).title
        told = [{**r["table"][title], **r["discriminator"]} for r in results]
        found[paper] = {
            **results[0]["objective"],
            "rounds": ", ".join(str(r["rounds"]) for r in results),
            **{n: over_seeds([t[n] for t in told], 4) for n in SHOWN if n in told[0]},
        }
        ends, real = results[0]["intervals"][AGAIN], results[0]["table"][AGAIN]
        again = {n: f"{real[n]:.4g} ({ends[n][0]:.4g} - {ends[n][1]:.4g})" for n in ends}
    return {**found, AGAIN: {n: v for n, v in again.items() if n in SHOWN}} if found else {}


def markdown(table: dict[str, dict[str, str]]) -> str:
    """The rows as a table."""
    columns = ("loss", "penalty", "rounds", *SHOWN)
    lines = ["| paper | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for paper, row in table.items():
        cells = [row.get(name, "") for name in columns]
        lines.append(f"| {paper} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    names = PAPERS.names()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--papers", nargs="+", default=names, choices=names)
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    keep_freed_memory()
    for data in options.data:
        for seed, paper in product(options.seeds, options.papers):
            out = options.out / f"{data}-{paper}-{seed}"
            if not (out / "result.json").exists():
                train(paper, data, out, seed, options.seconds)
    tables = {data: rows(options.out, data, options.seeds) for data in options.data}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps(tables, indent=1) + "\n")
    text = "\n".join(f"## {data}\n\n{markdown(table)}" for data, table in tables.items())
    (options.out / "table.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
