"""Every image game trained for the same CPU time: `python benchmarks/image_games.py --out DIR`.

Each game runs with its own defaults for as many rounds as fit in --seconds, counted on a short
run beforehand. A game whose result is in DIR is not run again, so a stopped table goes on where it
stood. DIR gets a folder a game (grids, curves, result.json), and result.json and table.md of all.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from image_core.recipes.image.games import GAMES

from image_core.memory import keep_freed_memory
from image_core.recipes.image.config import Config
from image_core.recipes.image.recipe import Run

SHOWN = ("fd-clf", "is-clf", "coverage-clf", "modes-clf", "test_accuracy")
SIZES: dict[str, dict[str, Any]] = {
    "digits": {},
    "shapes": {"size": 32, "width": 0.25},
}
WARM, TIMED = 3, 8
"""Rounds before the clock starts, and on it."""


def config(game: str, data: str, out: Path, options: argparse.Namespace, rounds: int) -> Config:
    """The game's defaults, a short memory of the weight average, one look at the end."""
    return Config(
        out=str(out),
        data=data,
        game=game,
        rounds=rounds,
        evaluate_every=rounds,
        average=0.98,
        seed=options.seed,
        device="cpu",
        threads=1,
        **SIZES[data],
    )


def rounds_in(seconds: float, game: str, data: str, out: Path, options: argparse.Namespace) -> int:
    """How many rounds fit."""
    run = Run(config(game, data, out, options, 1))
    rounds = run.engine.rounds(run.data, WARM + TIMED)
    for _ in range(WARM):
        next(rounds)
    began = time.process_time()
    for _ in rounds:
        pass
    return max(1, round(seconds * TIMED / (time.process_time() - began)))


def train(game: str, data: str, out: Path, options: argparse.Namespace) -> None:
    """One game; its folder holds the result."""
    rounds = rounds_in(options.seconds, game, data, out, options)
    run = Run(config(game, data, out, options, rounds))
    run.start()
    run.train()
    print(json.dumps({"data": data, "game": game, "rounds": rounds}), flush=True)


def rows(folder: Path, data: str) -> dict[str, dict[str, float]]:
    """What has been measured, by game; what real images score is the last row."""
    found: dict[str, dict[str, float]] = {}
    real: dict[str, float] = {}
    for game in GAMES:
        file = folder / f"{data}-{game}" / "result.json"
        if not file.exists():
            continue
        result = json.loads(file.read_text())
        told = {n: v for n, v in result["table"][game].items() if n in SHOWN}
        found[game] = {"rounds": result["rounds"], **told}
        real = {n: v for n, v in result["table"]["real"].items() if n in SHOWN}
    return {**found, "real images": real} if found else {}


def markdown(table: dict[str, dict[str, float]]) -> str:
    """The rows as a table."""
    columns = ("rounds", *SHOWN)
    lines = ["| game | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for game, row in table.items():
        cells = [f"{row[name]:.4g}" if name in row else "" for name in columns]
        lines.append(f"| {game} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--games", nargs="+", default=list(GAMES), choices=list(GAMES))
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    keep_freed_memory()
    for data in options.data:
        for game in options.games:
            out = options.out / f"{data}-{game}"
            if not (out / "result.json").exists():
                train(game, data, out, options)
    tables = {data: rows(options.out, data) for data in options.data}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps(tables, indent=1) + "\n")
    text = "\n".join(f"## {data}\n\n{markdown(table)}" for data, table in tables.items())
    (options.out / "table.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
