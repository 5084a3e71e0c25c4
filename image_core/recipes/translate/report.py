"""The end of a translation run: scores beside controls, grids, curves, result.json."""

from collections.abc import Mapping
from dataclasses import asdict

import torch

from image_core.games.detector import DetectorGAN
from image_core.games.translation import (
    ClassifyingGame,
    Direction,
    DomainGame,
    DrawingGame,
    EditingGame,
    PairDrawingGame,
)
from image_core.metrics.features import Extractor
from image_core.recipes.translate.build import objective, source_of
from image_core.recipes.translate.detected import detected_rows
from image_core.recipes.translate.drawn import drawn_row, pair_rows
from image_core.recipes.translate.edited import edited_rows
from image_core.recipes.translate.measure import (
    AGAIN,
    ENDS,
    Scored,
    again_row,
    control_rows,
    examples,
    named_right,
)
from image_core.recipes.translate.translated import (
    TranslateSubject,
    directions,
    translated,
    write_grid,
)
from image_core.runs import options, plots
from image_core.runs.run_page import told_facts, write_page
from image_core.runs.table import print_table

CURVES = (
    *("D/loss", "DA/loss", "DB/loss", "G/loss", "G/reconstruction", "G/cycle_a", "G/cycle_b"),
    *("D/d_real", "D/d_fake", "l1", "l1_ba", "accuracy", "accuracy_ba", "fd", "fd_ba"),
    *("cycle_l1", "edited_accuracy", "d_auc", "d_accuracy"),
)
LOOKED = 200
"""Most pictures of either kind that the log measures with."""
NAMES: Mapping[Direction, str] = {"ab": "A to B", "ba": "B to A"}
CONTROLS = (
    "copy of the input: the picture to translate in its translation's place; mean picture: the "
    "mean of the pictures to learn from; real again: further held-out pictures of the target "
    "domain."
)
OVER = "held-out pictures"


def look(subject: TranslateSubject) -> dict[str, float]:
    """Write grids of translations and measure a few, with pictures that the report leaves.

    Args:
        subject: A run as it is.
    """
    found: dict[str, float] = {}
    most = min(LOOKED, subject.config.eval_samples)
    for direction in directions(subject.game):
        now = translated(subject, direction, role="valid", most=most)
        end = "" if direction == "ab" else "_ba"
        found |= {f"{name}{end}": value for name, value in {**now.row.scores, **now.judged}.items()}
        write_grid(subject, now, f"round_{subject.rounds:06d}{end}.png")
    if isinstance(subject.game, EditingGame):
        made, *_ = with_edits(
            subject, subject.game, "valid", f"edited_{subject.rounds:06d}"
        ).values()
        found |= {f"edited_{name}": value for name, value in made.scores.items()}
    if isinstance(subject.game, DetectorGAN):
        found |= detected_rows(subject.game, subject.sets.valid.b, subject.config.seed)[""].scores
    if isinstance(subject.game, ClassifyingGame):
        right = named_right(subject.game, subject.sets.valid, most)
        found["test_accuracy"] = right[""]
    return found


def _measured(game: DomainGame) -> set[str]:
    """Domains whose pictures a game makes."""
    translated = {ENDS[direction][1] for direction in directions(game)}
    return {*translated, *("a" if isinstance(game, EditingGame) else "")} or {"b"}


def write_report(subject: TranslateSubject, cpu_seconds: float | None) -> None:
    """Scores of translations and of controls, grids, curves, result.json.

    Args:
        subject: A run at its end.
        cpu_seconds: CPU time of the training in this process; None keeps what `result.json` says.
    """
    c, folder = subject.config, subject.folder
    rows: dict[str, Scored] = {}
    judged: dict[Direction, dict[str, float]] = {}
    grids = {}
    ways = directions(subject.game)
    for direction in ways:
        end = f", {NAMES[direction]}" if len(ways) > 1 else ""
        now = translated(subject, direction, role="test", most=c.eval_samples)
        rows[f"{subject.title}{end}"], judged[direction] = now.row, now.judged
        ruler = subject.ruler(ENDS[direction][1])
        controls = control_rows(ruler, now.held, subject.sets, direction, c.eval_samples)
        rows |= {f"{name}{end}": row for name, row in controls.items()}
        caption = f"{NAMES[direction]}: pictures, translations" + (
            ", true translations" if now.held.true is not None else ""
        )
        grids[caption] = write_grid(subject, now, f"grid_{direction}.png", 3)
    rows = {**class_rows(subject), **rows}
    table = {name: row.scores for name, row in rows.items()}
    intervals = {name: {n: list(e) for n, e in row.ends.items()} for name, row in rows.items()}
    nets = {name: subject.ruler(name).net for name in sorted(_measured(subject.game))}
    folder.write_result(
        {
            "table": table,
            "intervals": {**intervals, "over": OVER},
            "objective": objective(c),
            "discriminator": judged,
            "data": subject.sets.facts,
            "extractors": {
                name: {"name": net.name, "digest": net.digest, "accuracy": net.accuracy}
                for name, net in nets.items()
            },
            "paired": subject.sets.test.paired,
            "alarms": list(subject.alarms),
            "rounds": subject.rounds,
            "steps": subject.steps,
            "seed": c.seed,
            "config": asdict(c),
            "cpu_seconds": folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
            "versions": {"torch": torch.__version__},
        }
    )
    folder.plots.mkdir(parents=True, exist_ok=True)
    plots.learning_curves(folder.log, folder.plots / "learning.png", CURVES)
    heading = told(subject, nets)
    write_page(
        folder.html,
        f"{subject.title} on {source_of(c).told()}",
        facts=asdict(c),
        table=table,
        intervals=intervals,
        notes=[
            f"{heading}.",
            f"{CONTROLS} Intervals are of 95 %, over {OVER}.",
            *(
                f"Discriminator, {NAMES[d]}, on held-out pictures: "
                + ", ".join(f"{name} {value:.3f}" for name, value in found.items())
                + " (an AUC of 0.5 is chance)."
                for d, found in judged.items()
            ),
            *told_facts(subject.sets.facts),
        ],
        pictures={
            **grids,
            "Pictures above the same under another class": folder.samples / "edited.png",
            "Pairs drawn from the prior, A above B": folder.samples / "pairs.png",
            "Drawn from the prior, a row a class": folder.samples / "drawn.png",
            "Curves of the log": folder.plots / "learning.png",
        },
    )
    print_table(f"{folder.folder}: {heading}", table)


def class_rows(subject: TranslateSubject) -> dict[str, Scored]:
    """Rows of games that name classes, or draw pictures of them.

    Args:
        subject: A run at its end.
    """
    game, most = subject.game, subject.config.eval_samples
    held, rows = examples(subject.sets.test, "ab", most), {}
    if isinstance(game, ClassifyingGame):
        for name, share in named_right(game, subject.sets.test, most).items():
            rows[name or subject.title] = Scored({"test_accuracy": share}, {})
    if isinstance(game, DetectorGAN):
        found = detected_rows(game, subject.sets.test.b, subject.config.seed)
        rows = {name or subject.title: row for name, row in found.items()}
    if isinstance(game, EditingGame):
        rows |= with_edits(subject, game, "test", "edited")
    if isinstance(game, PairDrawingGame):
        rows |= pair_rows(subject, game)
    if isinstance(game, DrawingGame):
        ruler = subject.ruler("b")
        rows[f"{subject.title}, drawn"] = drawn_row(subject, game, ruler, held)
        if not directions(game):
            rows[AGAIN] = again_row(ruler, held, subject.sets, "b", most)
    return rows


def with_edits(
    subject: TranslateSubject, game: EditingGame, role: str, name: str
) -> dict[str, Scored]:
    """Scores of pictures under another class, and of what stands in their place.

    Args:
        subject: A run.
        game: Its game.
        role: Set to measure with, valid or test.
        name: Name of the grid among the samples.
    """
    sets, c = subject.sets, subject.config
    held, most = (sets.valid, LOOKED) if role == "valid" else (sets.test, c.eval_samples)
    file = subject.folder.samples / f"{name}.png"
    with options.seeded(c.seed + 3):
        rows = edited_rows(game, subject.ruler("a"), held, sets.valid, most, file)
    return {f"{row or subject.title}, edited": scored for row, scored in rows.items()}


def told(subject: TranslateSubject, nets: Mapping[str, Extractor]) -> str:
    """What the figures of a table were made with.

    Args:
        subject: A run at its end.
        nets: Extractor of each target domain.
    """
    count = min(subject.config.eval_samples, len(subject.sets.test.a.images))
    parts = "".join(f", {name} {value}" for name, value in objective(subject.config).items())
    features = ", ".join(
        f"{net.name}@{net.digest[:8]} of {name.upper()}" for name, net in nets.items()
    )
    return f"{count} held-out pictures, one seed{parts}, features {features}"
