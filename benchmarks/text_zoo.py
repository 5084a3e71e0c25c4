"""All text papers and their controls under one budget of CPU seconds after one maximum likelihood.

    python benchmarks/text_zoo.py --out FOLDER [--seeds 5] [--budget 60] [--cores 2]
        [--worlds oracle captions] [--papers seqgan cot ...] [--controls permuted ...]
        [--data TRAIN --test TEST] [--order FOLDER/table.json]     (captions; gzipped or not)

The oracle is small (vocabulary 100, length 10, 2,000 sequences); captions are the first lines of
--data. For each world and seed one LSTM is trained by maximum likelihood; every paper whose policy
is that LSTM starts from its weights, `cot` and `scratchgan` from random ones, and those with a
policy of their own (`relgan`, `leakgan`, `maskgan`) from their own maximum likelihood. Then each
has --budget CPU seconds, its discriminator's warm-up included and evaluation not: two rounds are
timed, and the number of rounds is what fits. Controls of a paper have as many rounds as the paper;
more maximum likelihood has the budget, and is made once for all papers with one start and rate.

Each run is a folder of its own, FOLDER/WORLD/PAPER.CONTROL-SEED. What is finished is not made
again, so that the command can be stopped and repeated; a run that fails is told, left out of the
table and tried again the next time. Papers come before their controls. Nothing is selected: the
last round counts. `text_zoo_table` says what is printed and drawn. With --order the order of the
papers is compared with that of another table: `--seeds 1 --first_seed 5` beside five seeds re-runs
a fifth of the figures.
"""

import argparse
import dataclasses
import json
import multiprocessing
import shutil
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from text_papers import shortened
from text_zoo_table import draw, order, published, tabulate

from image_core.adversarial.stream import Data
from image_core.runs.phase import Phase
from seqgan.text import oracle_recipe, recipe

SHARED: dict[str, Any] = {
    "discriminator": "small",
    "d_warmup_steps": 186,
    "threads": 1,
    "save_seconds": 1e9,
}
SCHEDULE = {
    "g_steps": 3,
    "g_lr": 2e-3,
    "d_steps": 62,
    "d_lr": 1e-3,
    "d_epochs": 2,
    "negatives": 1000,
    "rollouts": 8,
}
"""SeqGAN's schedule at this size, for the papers that have it; others keep their own."""
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
NOT_PLAIN = {"catgan", "sentigan", "prompted"}
"""Papers of text by label or by prompt, which neither world has."""
OWN: dict[str, dict[str, Any]] = {
    "relgan": {"mle_epochs": 16, "g_steps": 1, "d_steps": 2, "beta_max": 2.0}
}
"""What a paper has in place of its options' defaults, which are for longer sequences."""
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "leakgan_released": ("leakgan", {"credit_assignment": "released"}),
    "leakgan_random": ("leakgan", {"leak": "random"}),
}
"""Rows that are a paper with an option: LeakGAN as released, and with features of no use."""
ALONE = {"relgan", "leakgan", "maskgan", "cot", "scratchgan", *ARMS}
"""Rows with a policy or a start of their own, so that more likelihood is theirs alone."""
TINY = {
    "train_size": 256,
    "test_size": 64,
    "d_warmup_steps": 4,
    "d_steps": 4,
    "negatives": 64,
    "rollouts": 2,
    "mle_epochs": 1,
    "sweep_samples": 64,
}


class Cell(NamedTuple):
    """One run.

    Args:
        world: Key of `WORLDS`.
        row: Name of a paper, or of one of `ARMS`.
        control: Control in its place, or "none".
        seed: Seed of the run.
        budget: CPU seconds after maximum likelihood.
        out: Folder of the world.
        changes: Further options.
    """

    world: str
    row: str
    control: str
    seed: int
    budget: float
    out: Path
    changes: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.out / f"{self.row}.{self.control}-{self.seed}"

    def finished(self) -> bool:
        """Whether the run need not be made."""
        return (self.folder / "cell.json").exists()


def configured(cell: Cell, folder: Path, **changes: Any) -> Any:
    """Options of a run: those of the world that its paper reads."""
    papers = RECIPES[cell.world].PAPERS
    paper, arm = ARMS.get(cell.row, (cell.row, {}))
    fields = {field.name: field for field in dataclasses.fields(papers.config(paper))}
    of_seqgan = papers.config("seqgan").__dataclass_fields__["d_steps"].default
    follows = "d_steps" in fields and fields["d_steps"].default == of_seqgan
    own = {**OWN.get(paper, {}), **arm}
    given = {**SHARED, **(SCHEDULE if follows else {}), **WORLDS[cell.world], **own, **cell.changes}
    values = {key: value for key, value in given.items() if key in fields}
    values = {**values, "control": cell.control, **changes}
    return papers.config(paper)(paper=paper, seed=cell.seed, out=str(folder), **values)


def likelihood(cell: Cell) -> Path:
    """Weights of the policy after maximum likelihood, which all papers of a seed start from."""
    file = cell.out / f"start-{cell.seed}.safetensors"
    if not file.exists():
        place = cell.out / f"start-{cell.seed}"
        shutil.rmtree(place, ignore_errors=True)
        plain = cell._replace(row="seqgan", control="none")
        config = configured(plain, place, rounds=0, d_warmup_steps=0, report="none")
        run = RECIPES[cell.world].Run(config)
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
        run.config.mle_epochs = 0
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
    """Number of rounds: those of the paper for its controls, else what fits the budget."""
    if cell.control in ("permuted", "none_real"):
        return rounds_of(cell._replace(control="none"))
    run = begun(cell, cell.folder.with_suffix(".probe"), start, 2)
    *before, rounds = run.phases()
    left = cell.budget
    for phase in before:
        if phase.name != "mle":
            left -= phase.rounds * seconds(run.engine, run.data, phase, 1)
    return max(1, int(left / seconds(run.engine, run.data, rounds, 2)))


def rounds_of(cell: Cell) -> int:
    """Number of rounds of a finished run."""
    found = json.loads((cell.folder / "cell.json").read_text(encoding="utf-8"))
    return int(found["rounds"])


def train(cell: Cell) -> str:
    """Train a run, unless it is finished; one that was stopped begins anew. What went wrong."""
    if cell.finished():
        return ""
    shutil.rmtree(cell.folder, ignore_errors=True)
    try:
        start = load_file(likelihood(cell))
        rounds = fitting(cell, start)
        run = begun(cell, cell.folder, start, rounds)
        run.config.evaluate_every = max(1, rounds // 5)
        run.start()
        run.train()
    except Exception as error:  # one run that fails must not end the others
        traceback.print_exc()
        return f"{cell.folder.name}: {type(error).__name__}: {error}"
    (cell.folder / "cell.json").write_text(json.dumps({"rounds": rounds}), encoding="utf-8")
    return ""


def twins(plain: Cell, rows: Iterable[str]) -> dict[str, str]:
    """Of each row the one whose more maximum likelihood is also its own: one start and rate."""
    first: dict[Any, str] = {}
    found = {}
    for row in rows:
        rate = configured(plain._replace(row=row), Path()).g_lr
        found[row] = first.setdefault(row if row in ALONE else rate, row)
    return found


def rows_of(world: str) -> list[str]:
    """All rows of a world."""
    return [n for n in RECIPES[world].PAPERS.names() if n not in NOT_PLAIN] + list(ARMS)


def planned(plain: Cell, rows: Sequence[str], controls: Sequence[str]) -> list[Cell]:
    """The runs of one world and seed, papers before controls.

    Args:
        plain: A run of the world and seed.
        rows: Names of the rows.
        controls: Controls to make where a paper has them.
    """
    cells = [plain._replace(row=row) for row in rows]
    twin = twins(plain, rows)
    for control in controls:
        for cell in list(cells[: len(rows)]):
            its = configured(cell, Path()).controls()
            made = cell.row == twin[cell.row] if control == "more_mle" else True
            if control in its and made:
                cells.append(cell._replace(control=control))
    return cells


def played(cells: Sequence[Cell], cores: int) -> Iterator[str]:
    """Train the runs, one process a core; what went wrong in each."""
    for cell in {(c.world, c.seed): c for c in cells}.values():
        likelihood(cell)
    papers = [cell for cell in cells if cell.control == "none"]
    others = [cell for cell in cells if cell.control != "none"]
    if cores == 1:
        yield from map(train, [*papers, *others])
        return
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        for part in (papers, others):
            yield from pool.imap(train, part)


def main() -> None:
    parser = argparse.ArgumentParser(description="All text papers under one budget.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--worlds", nargs="+", choices=tuple(WORLDS), default=tuple(WORLDS))
    parser.add_argument("--papers", nargs="+", choices=rows_of("oracle"))
    controls = ("permuted", "more_mle", "none_real")
    parser.add_argument("--controls", nargs="*", choices=controls, default=controls)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--lines", type=int, default=4000)
    parser.add_argument("--order", type=Path, help="table.json of other seeds")
    parser.add_argument("--table", action="store_true", help="Make no runs, only the table.")
    parser.add_argument("--tiny", action="store_true", help="A proof that it runs; shows nothing.")
    o = parser.parse_args()
    if "captions" in o.worlds and not (o.data and o.test):
        parser.error("captions need --data and --test")
    cells, wrong, twin = [], [], {}
    for world in o.worlds:
        changes: dict[str, Any] = dict(TINY) if o.tiny else {}
        place = o.out / world
        place.mkdir(parents=True, exist_ok=True)
        if world == "captions":
            changes["data"] = str(shortened(o.data, o.lines, o.out))
            changes["test"] = str(shortened(o.test, o.lines // 4, o.out))
        for seed in range(o.first_seed, o.first_seed + o.seeds):
            plain = Cell(world, "seqgan", "none", seed, o.budget, place, changes)
            cells += planned(plain, o.papers or rows_of(world), o.controls)
        twin[world] = twins(plain, o.papers or rows_of(world))
    if not o.table:
        wrong = [said for said in played(cells, o.cores) if said]
    done = [cell for cell in cells if cell.finished()]
    found = {}
    for world in o.worlds:
        here = [cell for cell in done if cell.world == world]
        seeds = [(c.row, c.control, c.folder, rounds_of(c)) for c in here]
        found[world] = tabulate(world, seeds, twin[world])
        draw(world, found[world], o.out / f"{world}.png")
        if world == "captions":
            published()
        if o.order:
            order(found[world], json.loads(o.order.read_text(encoding="utf-8"))[world])
    (o.out / "table.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    left = len(cells) - len(done)
    print(f"\n{len(done)} of {len(cells)} runs are finished" if left else "\nall runs are finished")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
