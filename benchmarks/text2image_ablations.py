"""What each part of StackGAN is worth on shapes: a row a part left out, all of the same CPU time.

    python benchmarks/text2image_ablations.py --out DIR [--rows full no_wrong_pairs] [--seeds 0 1 2]

The first rows leave one part out of two stages, 16 and 32 pixels, whose settings are those of the
preset "shapes"; the others are relatives with the same networks' widths. The rounds of a row are
what 180 CPU seconds bought on one core of an AMD EPYC in bfloat16, so a row is the same on any
machine; the seconds it took are in the table. Every row of a seed begins with the same 700 matching
steps, so their `fd_matcher` may be compared.

A run whose result is in DIR is not made again, and one that was stopped goes on, so the command may
be stopped and repeated; two of them may take different rows. DIR gets a folder a run, result.json
and table.md of all that are there, and pictures.png: the same unseen sentences drawn by each row.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.memory import keep_freed_memory
from image_core.recipes.study.report import over_seeds
from image_core.runs.image_grid import to_colours, write_image_grid
from seqgan.text2image.config import Text2ImageOptions
from seqgan.text2image.games.stack import as_floats, shrink
from seqgan.text2image.recipe import PAPERS, PRESETS, Text2ImageRun
from seqgan.text2image.report import AGAIN, FOLLOWED, enlarge, fits

STEPS = 20
STACK: dict[str, Any] = {"small": 16, "rounds": 75, "refine_rounds": 60}
ROWS: dict[str, dict[str, Any]] = {
    "full": STACK,
    "no_wrong_pairs": {**STACK, "wrong_pairs": False, "hard_negatives": False},
    "no_augmentation": {**STACK, "augmentation": False},
    "no_stage_2": {**STACK, "rounds": 265, "refine_rounds": 0},
    "no_stage_1": {"rounds": 80},
    "no_hard_negatives": {**STACK, "hard_negatives": False},
    "stackgan_v2": {"paper": "stackgan_v2", "small": 16, "rounds": 45},
    "attngan": {"paper": "attngan", "small": 16, "rounds": 30},
    "dfgan": {"paper": "dfgan", "width": 8, "d_width": 16, "rounds": 31},
}
"""Options that differ from the preset's."""
HALVINGS = 2.5
"""How often rates are halved in the longest stage."""
SHOWN, COLUMNS = 4, 4


def config(row: str, seed: int, out: Path) -> Text2ImageOptions:
    """The options of one run."""
    own = ROWS[row]
    paper = own.get("paper", "stackgan")
    longest = max(own["rounds"], own.get("refine_rounds", 0))
    options: dict[str, Any] = {
        **PAPERS.preset(paper, PRESETS["shapes"], "shapes"),
        "steps": STEPS,
        "halve_every": round(STEPS * longest / HALVINGS),
        "ema_decay": 0.99,
        "evaluate_every": 30,
        "precision": "bf16",
        "threads": 1,
        "device": "cpu",
        **own,
    }
    return PAPERS.config(paper)(out=str(out / f"{row}-{seed}"), seed=seed, **options)


def train(row: str, seed: int, out: Path) -> None:
    """Make what is missing of a run."""
    run = Text2ImageRun(config(row, seed, out))
    if run.folder.config.exists():
        run.resume()
    else:
        run.start()
    run.train()


def measured(row: str, seed: int, out: Path) -> dict[str, float] | None:
    """The last stage of a run, and what it cost; None = it has not been made."""
    file = out / f"{row}-{seed}" / "result.json"
    if not file.exists():
        return None
    result = json.loads(file.read_text())
    last = [name for name in result["table"] if name.startswith("stage")][-1]
    return {**result["table"][last], "cpu_seconds": result["cpu_seconds"]}


def ceiling(run: Text2ImageRun, small: int) -> dict[str, float]:
    """Real pictures of a smaller side, enlarged: the best that can be had without stage II."""
    found, painter = {}, run.painter()
    for split, pairs in run.read.splits.items():
        row = fits(painter, shrink(as_floats(pairs.images), small), pairs)
        found |= {f"{key}_{split}": row[key] for key in row if key in FOLLOWED}
    return found


def again(row: str, seed: int, out: Path) -> dict[str, dict[str, float]]:
    """Real pictures in the generator's place, and with shuffled captions, by a run's matcher."""
    table = json.loads((out / f"{row}-{seed}" / "result.json").read_text())["table"]
    return {name: told for name, told in table.items() if name.startswith(AGAIN)}


def markdown(table: dict[str, dict[str, dict[str, float]]]) -> str:
    """A row of means over seeds with 95 % t intervals; one seed is marked."""
    names = [f"{key}_{split}" for key in FOLLOWED for split in ("seen", "unseen")]
    columns = (*names, "fd_matcher", "diversity", "cpu_seconds")
    lines = ["| row | seeds | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for row, seeds in table.items():
        cells = [row, " ".join(seeds) if len(seeds) > 1 else f"{' '.join(seeds)} (one seed)"]
        for name in columns:
            values = [run[name] for run in seeds.values() if name in run]
            cells.append(over_seeds(values, 3).split(" (")[0] if values else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def drawings(out: Path, seed: int) -> list[tuple[str, Float[Tensor, "N 3 S S"]]]:
    """The same unseen sentences under the same noise, a row of pictures a run."""
    found = []
    for row in ROWS:
        if measured(row, seed, out) is None:
            continue
        run = Text2ImageRun(config(row, seed, out))
        run.load()
        captions = run.read.splits["unseen"].captions[:SHOWN]
        rows = torch.arange(SHOWN).repeat_interleave(COLUMNS)
        images = enlarge(run.draw(run.encode(captions).pick(rows), seed=seed), run.config.side)
        found.append((f"{row}: {'; '.join(captions)}", images))
    return found


def write(out: Path, seeds: list[int]) -> None:
    """Everything that has been measured."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in ROWS:
        runs = {str(seed): measured(row, seed, out) for seed in seeds}
        table |= {row: {s: run for s, run in runs.items() if run}} if any(runs.values()) else {}
    for seed in seeds:
        for name, told in again(next(iter(table)), seed, out).items():
            table.setdefault(name, {})[str(seed)] = told
    run = Text2ImageRun(config("no_stage_2", seeds[0], out))
    table["real pictures of 16 pixels"] = {str(seeds[0]): ceiling(run, 16)}
    (out / "result.json").write_text(json.dumps(table, indent=1) + "\n")
    (out / "table.md").write_text(markdown(table))
    print(markdown(table))
    titles, images = zip(*drawings(out, seeds[0]), strict=True)
    grid, columns = to_colours(torch.cat(images)), SHOWN * COLUMNS
    write_image_grid(grid, out / "pictures.png", columns=columns, titles=titles)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Parts of StackGAN left out, one by one, for the same CPU time."
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    keep_freed_memory()
    for seed in options.seeds:
        for row in options.rows:
            if measured(row, seed, options.out) is None:
                train(row, seed, options.out)
    write(options.out, options.seeds)


if __name__ == "__main__":
    main()
