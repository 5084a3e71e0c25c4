"""All text papers and their controls under one budget of CPU seconds after one maximum likelihood.

    python benchmarks/text_zoo.py --out FOLDER [--seeds 5] [--budget 60] [--cores 2]
        [--worlds oracle captions] [--papers seqgan cot ...] [--controls none permuted ...]
        [--data TRAIN --test TEST]          (captions; gzipped or not)

The oracle is small (vocabulary 100, length 10, 2,000 sequences); captions are the first lines of
--data. For each world and seed one LSTM is trained by maximum likelihood; every paper whose policy
is that LSTM starts from its weights, `cot` and `scratchgan` from random ones, and those with a
policy of their own (`relgan`, `leakgan`) from their own maximum likelihood. Then each has --budget
CPU seconds, its discriminator's warm-up included and evaluation not: two rounds are timed, and the
number of rounds is what fits. The CPU seconds that were used stand in the table.

Each run is a folder of its own, FOLDER/WORLD/PAPER.CONTROL-SEED. What is finished is not made
again, so that the command can be stopped and repeated; one process a core. Prints one row a paper
and control: distance of its temperature curve from that of maximum likelihood at equal diversity
(NLL_oracle at equal NLL_test, below 0 better; BLEU-5 at equal Self-BLEU-5, above 0 better), best
reverse LM or exact JSD less that of maximum likelihood (below 0 better), AUC of the discriminator,
runs with an alarm, rounds, and CPU seconds; means with 95 % intervals over seeds. Writes
FOLDER/table.json, with NLL_test or NLL_valid of every round that was evaluated. Nothing is
selected: the last round counts.
"""

import argparse
import dataclasses
import json
import math
import multiprocessing
import shutil
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from text_paper_curves import gap, interval
from text_papers import shortened

from image_core.adversarial.stream import Data
from image_core.runs.phase import Phase
from seqgan.text import oracle_recipe, recipe

SHARED: dict[str, Any] = {
    "discriminator": "small",
    "g_steps": 3,
    "d_warmup_steps": 186,
    "d_steps": 62,
    "d_lr": 1e-3,
    "negatives": 1000,
    "rollouts": 8,
    "threads": 1,
    "save_seconds": 1e9,
}
WORLDS: dict[str, dict[str, Any]] = {
    "oracle": {"vocab": 100, "length": 10, "train_size": 2000, "test_size": 2000, "mle_epochs": 8},
    "captions": {
        "min_count": 3,
        "max_length": 16,
        "long_lines": "drop",
        "hidden": 64,
        "embedding": 64,
        "mle_epochs": 20,
        "mle_lr": 3e-3,
        "sweep_samples": 1000,
        "judge_epochs": 1,
    },
}
RECIPES = {"oracle": oracle_recipe, "captions": recipe}
AXES = {
    "oracle": ("nll_test", "nll_oracle", "jsd"),
    "captions": ("self_bleu5", "bleu5", "reverse_lm"),
}
"""Of each world: diversity, quality, and the figure that no temperature makes good."""
BY_LABEL = {"catgan", "sentigan"}
"""Papers of text by label, which captions have not."""
TINY = {"train_size": 256, "test_size": 256, "d_warmup_steps": 4, "d_steps": 4, "negatives": 64}


class Cell(NamedTuple):
    """One run.

    Args:
        world: Key of `WORLDS`.
        paper: Name of the paper.
        control: Control in its place, or "none".
        seed: Seed of the run.
        budget: CPU seconds after maximum likelihood.
        out: Folder of the world.
        changes: Further options.
    """

    world: str
    paper: str
    control: str
    seed: int
    budget: float
    out: Path
    changes: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.out / f"{self.paper}.{self.control}-{self.seed}"


def configured(cell: Cell, folder: Path, **changes: Any) -> Any:
    """Options of a run: those of the world that its paper reads."""
    papers = RECIPES[cell.world].PAPERS
    known = {field.name for field in dataclasses.fields(papers.config(cell.paper))}
    given = {**SHARED, **WORLDS[cell.world], **cell.changes, "control": cell.control, **changes}
    values = {key: value for key, value in given.items() if key in known}
    return papers.config(cell.paper)(seed=cell.seed, out=str(folder), **values)


def likelihood(cell: Cell) -> Path:
    """Weights of the policy after maximum likelihood, which all papers of a seed start from."""
    file = cell.out / f"start-{cell.seed}.safetensors"
    if not file.exists():
        place = cell.out / f"start-{cell.seed}"
        shutil.rmtree(place, ignore_errors=True)
        plain = cell._replace(paper="seqgan", control="none")
        run = RECIPES[cell.world].Run(configured(plain, place, rounds=0, d_warmup_steps=0))
        run.config.report = "none"
        run.start()
        run.train()
        save_file(dict(run.game.mle.state_dict()), file.with_suffix(".tmp"))
        file.with_suffix(".tmp").rename(file)
    return file


def begun(cell: Cell, folder: Path, start: dict[str, torch.Tensor], rounds: int) -> Any:
    """A run whose policy has the weights of the shared start, if they are its own."""
    run = RECIPES[cell.world].Run(configured(cell, folder, rounds=rounds))
    own = {key: value.shape for key, value in run.game.G.state_dict().items()}
    if own == {key: value.shape for key, value in start.items()}:
        run = RECIPES[cell.world].Run(configured(cell, folder, rounds=rounds, mle_epochs=0))
        run.game.G.load_state_dict(start)
        run.game.keep_mle()
    return run


def seconds(engine: Any, data: Data, phase: Phase, rounds: int) -> float:
    """CPU seconds of a round, after one that does not count where there are two."""
    spent = 0.0
    for _ in range(rounds):
        began = time.process_time()
        list(engine.rounds(data, 1, turns=phase.turns))
        spent = time.process_time() - began
    return spent


def fitting(cell: Cell, start: dict[str, torch.Tensor]) -> int:
    """Number of rounds that fit the budget."""
    run = begun(cell, cell.folder.with_suffix(".probe"), start, 2)
    *before, rounds = run.phases()
    left = cell.budget
    for phase in before:
        if phase.name != "mle":
            left -= phase.rounds * seconds(run.engine, run.data, phase, 1)
    return max(1, int(left / seconds(run.engine, run.data, rounds, 2)))


def train(cell: Cell) -> None:
    """Train a run, unless it is finished; one that was stopped begins anew."""
    if (cell.folder / "cell.json").exists():
        return
    shutil.rmtree(cell.folder, ignore_errors=True)
    start = load_file(likelihood(cell))
    rounds = fitting(cell, start)
    run = begun(cell, cell.folder, start, rounds)
    run.config.evaluate_every = max(1, rounds // 5)
    run.start()
    run.train()
    (cell.folder / "cell.json").write_text(json.dumps({"rounds": rounds}))


def measured(cell: Cell) -> dict[str, Any]:
    """Figures of a finished run."""
    result = json.loads((cell.folder / "result.json").read_text(encoding="utf-8"))
    across, up, lowest = AXES[cell.world]
    own = next(name for name in result["sweep"] if name != "MLE")
    sharp = 1 if cell.world == "oracle" else math.inf
    lines = {
        name: sorted((p[across], p[up]) for p in result["sweep"][name] if p["temperature"] <= sharp)
        for name in ("MLE", own)
    }
    best = {
        n: min((p[lowest] for p in result["sweep"][n] if lowest in p), default=math.nan)
        for n in ("MLE", own)
    }
    log = (cell.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    key = "nll_test" if cell.world == "oracle" else "nll_valid"
    rounds = [row for row in map(json.loads, log) if row["phase"] == "adversarial"]
    return {
        "distance": gap(lines["MLE"], lines[own], span=1.5 if cell.world == "oracle" else math.inf),
        lowest: best[own] - best["MLE"],
        "d_auc": result["discriminator"].get(own, {}).get("d_auc", math.nan),
        "alarms": float(bool(result["alarms"])),
        "rounds": json.loads((cell.folder / "cell.json").read_text())["rounds"],
        "cpu_seconds": result["cpu_seconds"],
        "curve": [row[key] for row in rounds if key in row],
    }


def table(cells: list[Cell]) -> dict[str, Any]:
    """Rows by world, paper and control, printed as they stand in the page."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        groups[cell.world, cell.paper, cell.control].append(measured(cell))
    found: dict[str, Any] = {}
    for (world, paper, control), rows in groups.items():
        names = [name for name in rows[0] if name != "curve"]
        if world not in found:
            print(f"\n| {world} | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
        label = paper if control == "none" else f"{paper}, {control}"
        columns = [[row[name] for row in rows] for name in names]
        cells_of = ["-" if any(map(math.isnan, each)) else interval(each) for each in columns]
        print(f"| {label} | " + " | ".join(cells_of) + " |")
        found.setdefault(world, {})[label] = rows
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="All text papers under one budget.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--worlds", nargs="+", choices=tuple(WORLDS), default=tuple(WORLDS))
    parser.add_argument("--papers", nargs="+", default=None)
    parser.add_argument("--controls", nargs="+", default=["none", "permuted", "more_mle"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--lines", type=int, default=4000)
    parser.add_argument("--tiny", action="store_true", help="A proof that it runs; shows nothing.")
    o = parser.parse_args()
    if "captions" in o.worlds and not (o.data and o.test):
        parser.error("captions need --data and --test")
    cells = []
    for world in o.worlds:
        changes: dict[str, Any] = dict(TINY) if o.tiny else {}
        if world == "captions":
            changes["data"] = str(shortened(o.data, o.lines, o.out))
            changes["test"] = str(shortened(o.test, o.lines // 4, o.out))
        papers = RECIPES[world].PAPERS
        for paper in o.papers or [name for name in papers.names() if name not in BY_LABEL]:
            place = o.out / world
            place.mkdir(parents=True, exist_ok=True)
            probe = configured(Cell(world, paper, "none", 0, 0, place, changes), place / "unused")
            for control in ("none", *probe.controls()):
                if control in o.controls:
                    cells += [
                        Cell(world, paper, control, seed, o.budget, place, changes)
                        for seed in range(o.first_seed, o.first_seed + o.seeds)
                    ]
    for cell in {(c.world, c.seed): c for c in cells}.values():
        likelihood(cell)
    with multiprocessing.get_context("spawn").Pool(o.cores, maxtasksperchild=1) as pool:
        pool.map(train, cells, chunksize=1)
    (o.out / "table.json").write_text(json.dumps(table(cells), indent=1))


if __name__ == "__main__":
    main()
