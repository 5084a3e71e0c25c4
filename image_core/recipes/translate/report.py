"""The end of a translation run: scores beside controls, grids, curves, result.json."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from image_core.data.domains import pair_gap
from image_core.games.common import to_images
from image_core.games.detector import DetectorGAN
from image_core.games.translation import (
    ClassifyingGame,
    Direction,
    DomainGame,
    DrawingGame,
    EditingGame,
    PairDrawingGame,
    TranslationGame,
)
from image_core.metrics.features import Extractor
from image_core.recipes.translate.build import objective, source_of
from image_core.recipes.translate.config import TranslateOptions
from image_core.recipes.translate.data import DomainSets
from image_core.recipes.translate.detected import detected_rows
from image_core.recipes.translate.edited import edited_rows
from image_core.recipes.translate.measure import (
    AGAIN,
    ENDS,
    DomainRuler,
    Examples,
    Scored,
    again_row,
    control_rows,
    discrimination,
    examples,
    named_right,
    neighbours,
    round_trip,
)
from image_core.runs import options, plots
from image_core.runs.folder import RunFolder
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.picture_files import to_bytes
from image_core.runs.run_page import told_facts, write_page
from image_core.runs.table import print_table

CURVES = (
    *("D/loss", "DA/loss", "DB/loss", "G/loss", "G/reconstruction", "G/cycle_a", "G/cycle_b"),
    *("D/d_real", "D/d_fake", "l1", "l1_ba", "accuracy", "accuracy_ba", "fd", "fd_ba"),
    *("cycle_l1", "edited_accuracy", "d_auc", "d_accuracy"),
)
LOOKED = 200
"""Most pictures of either kind that the log measures with."""
SHOWN = 10
"""Pictures in a row of a grid: what is translated, the translations, and the true ones."""
NAMES: Mapping[Direction, str] = {"ab": "A to B", "ba": "B to A"}
CONTROLS = (
    "copy of the input: the picture to translate in its translation's place; mean picture: the "
    "mean of the pictures to learn from; real again: further held-out pictures of the target "
    "domain."
)
OVER = "held-out pictures"


class TranslateSubject(NamedTuple):
    """What of a run its report measures.

    Args:
        config: Options of the run.
        title: Title of the paper, as tables print it.
        folder: Folder where everything is written.
        sets: Domains learned from, of the log, and of the report.
        ruler: Function that gives the measures of the domain "a" or "b".
        game: Game that is played.
        alarms: Sentences on signs of collapse.
        rounds: Number of rounds played so far.
        steps: Optimizer steps of each player.
    """

    config: TranslateOptions
    title: str
    folder: RunFolder
    sets: DomainSets
    ruler: Callable[[str], DomainRuler]
    game: DomainGame
    alarms: Sequence[str]
    rounds: int
    steps: Mapping[str, int]


class Translated(NamedTuple):
    """What a game makes of held-out pictures.

    Args:
        held: Held-out pictures.
        made: Translations.
        row: Scores of the translations.
        judged: Quality of the discriminator.
    """

    held: Examples
    made: Float[Tensor, "N C H W"]
    row: Scored
    judged: dict[str, float]


def translated(
    subject: TranslateSubject, direction: Direction, *, role: str, most: int
) -> Translated:
    """Translations of held-out pictures, and their scores.

    Args:
        subject: A run as it is.
        direction: Direction of the translation.
        role: Set to measure with, valid or test.
        most: Number of pictures of each domain.
    """
    domains = subject.sets.valid if role == "valid" else subject.sets.test
    held = examples(domains, direction, most)
    game, ruler = subject.game, subject.ruler(ENDS[direction][1])
    assert isinstance(game, TranslationGame)
    with options.seeded(subject.config.seed + 1):  # dropout may be a generator's noise
        made = game.translate(held.source, direction)
        trip = round_trip(game, held.source, made, direction)
    found = ruler.measure(made, ruler.moments(held.target), held.true, held.labels)
    codes = neighbours(game, subject.sets, held)
    row = Scored({**found.scores, **trip, **codes}, found.ends)
    return Translated(held, made, row, discrimination(game, held, made, direction))


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


def directions(game: DomainGame) -> list[Direction]:
    """Directions that a game has learned, none where it translates nothing."""
    return list(game.translators()) if isinstance(game, TranslationGame) else []


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


def pair_rows(subject: TranslateSubject, game: PairDrawingGame) -> dict[str, Scored]:
    """Scores of pairs drawn from the prior, domain by domain, and whether they are pairs.

    `coupling` is the distance of drawn pairs from true ones, as a share of that of the same
    pictures put together at random: 1 where nothing couples them.

    Args:
        subject: A run at its end.
        game: Its game.
    """
    c = subject.config
    most, rows = min(c.eval_samples, len(subject.sets.test.a.images)), {}
    with options.seeded(c.seed + 2):
        pairs = [images.cpu() for images in game.draw_pairs(most)]
    shown = torch.stack([to_colours(images[: 2 * SHOWN]) for images in pairs], 1)
    pairs_in_rows = shown.unflatten(0, (-1, SHOWN)).transpose(1, 2).flatten(0, 2)
    write_image_grid(pairs_in_rows, subject.folder.samples / "pairs.png", columns=SHOWN)
    gap = coupling(subject, *(torch.from_numpy(to_bytes(images)) for images in pairs))
    for name, made in zip(("a", "b"), pairs):
        ruler, held = subject.ruler(name), to_images(subject.sets.test.of(name).images[:most])
        found = ruler.measure(made, ruler.moments(held), None, None)
        own = Scored({**found.scores, **gap}, found.ends)
        again = to_images(subject.sets.valid.of(name).images[:most])
        rows[f"{subject.title}, {name.upper()} drawn"] = own
        rows[f"{AGAIN}, {name.upper()}"] = ruler.measure(again, ruler.moments(held), None, None)
    return rows


def coupling(subject: TranslateSubject, a: Tensor, b: Tensor) -> dict[str, float]:
    """Distance of drawn pairs from true ones, over that of pictures put together at random.

    Args:
        subject: A run at its end.
        a: Drawn pictures of A as bytes.
        b: Drawn pictures of B as bytes, of the same latents.
    """
    c = subject.config
    if c.a is not None or c.pairs is not None:
        return {}
    if c.swap:
        a, b = b, a
    own, apart = pair_gap(c.domains, a, b), pair_gap(c.domains, a, b.roll(1, 0))
    return {} if own is None or not apart else {"coupling": own / apart}


def drawn_row(
    subject: TranslateSubject, game: DrawingGame, ruler: DomainRuler, held: Examples
) -> Scored:
    """Scores of pictures drawn from the prior, of the classes of the held-out ones; a grid of some.

    Args:
        subject: A run at its end.
        game: Its game.
        ruler: Measures of the domain.
        held: Held-out pictures.
    """
    assert held.target_labels is not None
    classes = len(subject.sets.train.b.names)
    with options.seeded(subject.config.seed + 2):
        made = game.draw(held.target_labels).cpu()
        grid = game.draw(torch.arange(SHOWN * classes) // SHOWN).cpu()
    write_image_grid(to_colours(grid), subject.folder.samples / "drawn.png", columns=SHOWN)
    return ruler.measure(made, ruler.moments(held.target), None, held.target_labels)


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


def write_grid(subject: TranslateSubject, now: Translated, name: str, groups: int = 1) -> Path:
    """Rows of pictures, below them their translations, below these the true ones.

    Args:
        subject: A run.
        now: Translations.
        name: Name of the file among the samples.
        groups: Number of such groups of rows.
    """
    parts = []
    for start in range(0, min(groups * SHOWN, len(now.made)), SHOWN):
        rows = slice(start, start + SHOWN)
        parts += [enlarged(now.held.source[rows], now.made), now.made[rows]]
        if now.held.true is not None:
            parts.append(now.held.true[rows])
    shown = torch.cat([to_colours(part) for part in parts])
    file = subject.folder.samples / name
    columns = min(SHOWN, len(now.made))
    write_image_grid(shown, file, scale=max(1, 48 // int(shown.shape[1])), columns=columns)
    return file


def enlarged(images: Float[Tensor, "N C H W"], like: Tensor) -> Float[Tensor, "N C G F"]:
    """Pictures with pixels repeated to the size of others."""
    return interpolate(images, (int(like.shape[2]), int(like.shape[3])), mode="nearest")
