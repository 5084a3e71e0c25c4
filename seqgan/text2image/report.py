"""What a text-to-image run is measured by: its table, its pictures, its result.json."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.metrics.distances import frechet, kernel
from image_core.runs.folder import RunFolder
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.plots import learning_curves
from image_core.runs.run_page import told_facts, write_page
from image_core.runs.table import print_table
from seqgan.text2image.captions import SHAPES
from seqgan.text2image.config import Text2ImageOptions
from seqgan.text2image.data import Pairs, Read
from seqgan.text2image.encoders import EncodedSentences
from seqgan.text2image.games.stack import as_floats, shrink
from seqgan.text2image.metrics import (
    cosines,
    exact_scores,
    is_fair,
    nearest,
    r_precision,
    retrieval,
    shuffled_retrieval,
    spread,
)
from seqgan.text2image.shapes import attribute_accuracy, parse_caption, read_attributes

Row = dict[str, float]
FOLLOWED = ("attributes", "whole", "overlap", "r_precision")
AGAIN, SHUFFLED = "real again", "real again, shuffled captions"
"""Rows of real pictures in the generator's place, and of these with wrong sentences."""
REDRAWS = 20
OVER = (
    "held-out pictures; intervals of R-precision over pictures (those of one group together), of "
    f"distances over {REDRAWS} draws of which groups stand in the generator's place"
)
SHOWN, COLUMNS = 12, 8
FILM_COLUMNS = 4
NEAREST = 2000
"""Training pictures that the nearest is looked for among."""


class Painter(NamedTuple):
    """What of a run draws pictures of sentences, and judges them.

    Args:
        config: Options of the run.
        title: Name of the paper, as tables print it.
        encode: From sentences to vectors, as generators see them.
        draw: From vectors, a `seed` and a `stage` (None for the last that was begun) to pictures.
        matcher: From pictures to vectors, which stand where those of their sentences do.
        matched: From sentences to vectors, as the matcher sees them.
        device: Device of the matcher.
        discriminate: From a stage and pairs to the quality of its discriminator.
        objective: Names of loss and penalty.
    """

    config: Text2ImageOptions
    title: str
    encode: Callable[[Sequence[str]], EncodedSentences]
    draw: Callable[..., Float[Tensor, "N 3 S S"]]
    matcher: nn.Module
    matched: Callable[[Sequence[str]], EncodedSentences]
    device: torch.device
    discriminate: Callable[[int, Pairs], Row]
    objective: dict[str, str]


class Text2ImageSubject(NamedTuple):
    """What of a finished run its report measures.

    Args:
        painter: What draws and judges.
        data: Pictures learned from, and pairs to measure with.
        folder: Folder that everything is written to.
        stages: Number of stages that have begun.
        alarms: Sentences on signs of collapse.
        rounds: Number of rounds that were played.
        steps: Optimizer steps of each player.
    """

    painter: Painter
    data: Read
    folder: RunFolder
    stages: int
    alarms: Sequence[str]
    rounds: int
    steps: dict[str, int]


def judge(painter: Painter, pairs: Pairs, stage: int, grid: Path) -> Row:
    """The figures worth following while a stage is trained, and a grid of what it draws.

    The grid is of the same sentences and noise each time, so that the grids of a run make a film.

    Args:
        painter: What draws and judges.
        pairs: Pairs whose sentences are drawn; they are in no final table.
        stage: Stage that draws.
        grid: PNG of the first pictures.
    """
    text, c = painter.encode(pairs.captions), painter.config
    images = painter.draw(text, seed=c.seed, stage=stage)
    write_image_grid(to_colours(enlarge(images[:SHOWN], c.side)), grid, columns=FILM_COLUMNS)
    fit = fits(painter, images, pairs)
    return {f"{key}_validation": fit[key] for key in FOLLOWED if key in fit}


def fits(painter: Painter, images: Float[Tensor, "N 3 S S"], pairs: Pairs) -> Row:
    """Whether pictures show their sentences; those of a smaller side are enlarged to the run's.

    On shapes by the exact reader: `attributes`, the share of right ones among those said, `whole`,
    pictures with all of them right, each attribute, the overlap of shapes, and R-precision. Else
    R-precision by the trained matcher.

    Args:
        painter: Networks of the run.
        images: Pictures in [-1, 1], (N, 3, S, S).
        pairs: Sentences of the pictures.
    """
    scores, row = fit_scores(painter, images, pairs)
    return {**row, "r_precision": r_precision(scores, pairs.captions)}


def fit_scores(
    painter: Painter, images: Float[Tensor, "N 3 S S"], pairs: Pairs
) -> tuple[Float[Tensor, "N N"], Row]:
    """How well each picture fits each sentence; and what the exact reader says of shapes.

    Args:
        painter: Networks of the run.
        images: Pictures in [-1, 1], (N, 3, S, S).
        pairs: Sentences of the pictures.
    """
    captions, images = pairs.captions, enlarge(images, painter.config.side)
    if painter.config.data != SHAPES:
        return cosines(look(painter, images), painter.matched(captions).sentence), {}
    reading = read_attributes(images)
    asked = torch.stack([parse_caption(text) for text in captions])
    by, mean, whole = attribute_accuracy(reading.attributes, asked)
    row = {"attributes": mean, "whole": whole, **by, "overlap": float(reading.overlap.mean())}
    return exact_scores(reading.attributes, asked), row


@torch.no_grad()
def look(painter: Painter, images: Float[Tensor, "N 3 S S"]) -> Float[Tensor, "N E"]:
    """The matcher's vectors of pictures.

    Args:
        painter: Networks of the run.
        images: Pictures in [-1, 1], (N, 3, S, S).
    """
    matcher = painter.matcher.eval()
    images = enlarge(images, painter.config.side)
    parts = [matcher(part.to(painter.device)).cpu() for part in images.split(250)]
    return torch.cat(parts)


def enlarge(images: Float[Tensor, "N 3 S S"], side: int) -> Float[Tensor, "N 3 L L"]:
    """Pictures of a side, smoothly made from smaller ones.

    Args:
        images: Pictures, (N, 3, S, S).
        side: Side L in pixels.
    """
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=side, mode="bilinear")


class FiguresTable(NamedTuple):
    """What a run is measured by.

    Args:
        rows: Figures of each stage, of real pictures in their place, and of these with wrong
            sentences.
        detail: How pictures fit their sentences, by row and split.
        intervals: Ends of 95 % intervals of the figures of real pictures.
        left_out: Why figures are not printed, by name.
    """

    rows: dict[str, Row]
    detail: dict[str, dict[str, Row]]
    intervals: dict[str, list[float]]
    left_out: dict[str, str]


def table(subject: Text2ImageSubject) -> FiguresTable:
    """A row a stage and one of real pictures in its place; R-precision only where it is fair.

    Args:
        subject: Networks and data of the run.
    """
    made = FiguresTable({}, {}, {}, {})
    painter, data = subject.painter, subject.data
    for stage in range(1, subject.stages + 1):
        name = f"stage {'I' * stage}"
        made.rows[name], made.detail[name] = {}, {}
        for split, pairs in data.splits.items():
            text = painter.encode(pairs.captions)
            images = painter.draw(text, seed=painter.config.seed, stage=stage)
            found = fits(painter, images, pairs)
            made.detail[name][split] = found
            made.rows[name] |= {f"{key}_{split}": found[key] for key in FOLLOWED if key in found}
        text = painter.encode(data.place.captions)
        images = painter.draw(text, seed=painter.config.seed, stage=stage)
        made.rows[name] |= _distances(painter, data, images) | _diversity(painter, data, stage)
    _real_again(painter, data, made)
    for figure in made.left_out:
        for row in made.rows.values():
            row.pop(figure, None)
    return made


def _real_again(painter: Painter, data: Read, made: FiguresTable) -> None:
    """The rows of real pictures, and whether R-precision is fair."""
    made.rows[AGAIN], made.rows[SHUFFLED], made.detail[AGAIN] = {}, {}, {}
    for split, pairs in data.splits.items():
        scores, row = fit_scores(painter, as_floats(pairs.images), pairs)
        real = retrieval(scores, pairs.captions)
        shuffled = shuffled_retrieval(scores, pairs.captions)
        found, figure = {**row, "r_precision": real.mean}, f"r_precision_{split}"
        made.detail[AGAIN][split] = found
        made.rows[AGAIN] |= {f"{key}_{split}": found[key] for key in FOLLOWED if key in found}
        half = real.half_width(groups=pairs.groups)
        made.intervals[figure] = [max(0.0, real.mean - half), min(1.0, real.mean + half)]
        if shuffled is not None:
            made.rows[SHUFFLED][figure] = shuffled.mean
            made.detail[AGAIN][split] |= {"shuffled": shuffled.mean, "chance": shuffled.chance}
        if why := is_fair(real, shuffled, pairs.groups):
            made.left_out[figure] = why
    images = as_floats(data.place.images)
    made.rows[AGAIN] |= _distances(painter, data, images)
    made.intervals.update(_redrawn(painter, data.place, data.reference))


def _distances(painter: Painter, data: Read, images: Float[Tensor, "N 3 S S"]) -> Row:
    """From real pictures in the matcher's vectors, and to the nearest training picture."""
    real, mine = look(painter, as_floats(data.reference.images)), look(painter, images)
    draw = torch.Generator().manual_seed(painter.config.seed)
    order = torch.randperm(len(data.training.images), generator=draw)
    training = shrink(as_floats(data.training.images[order[:NEAREST]]), images.shape[-1])
    return {
        "fd_matcher": frechet(mine, real),
        "kid_matcher": kernel(mine, real),
        "nearest": float(nearest(images, training).mean()),
    }


def _redrawn(painter: Painter, place: Pairs, reference: Pairs) -> dict[str, list[float]]:
    """Intervals of real pictures' distances, over draws of which of them stand in the place.

    Pictures that belong together are drawn together, as they were when the sets were made.
    """
    both = torch.cat([look(painter, as_floats(own.images)) for own in (place, reference)])
    groups = [*place.groups, *reference.groups] or [str(row) for row in range(len(both))]
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    draw = torch.Generator().manual_seed(0)
    found: dict[str, list[float]] = {"fd_matcher": [], "kid_matcher": []}
    for _ in range(REDRAWS):
        own = [list(members.values())[i] for i in torch.randperm(len(members), generator=draw)]
        order = [row for rows in own for row in rows]
        mine, real = both[order[: len(place.images)]], both[order[len(place.images) :]]
        found["fd_matcher"].append(frechet(mine, real))
        found["kid_matcher"].append(kernel(mine, real))
    ends = torch.tensor([0.025, 0.975])
    return {name: torch.tensor(values).quantile(ends).tolist() for name, values in found.items()}


def _diversity(painter: Painter, data: Read, stage: int) -> Row:
    text = painter.encode(data.splits["seen"].captions[:SHOWN])
    rows = repeated(text, COLUMNS)
    many = painter.draw(text.pick(rows), seed=painter.config.seed, stage=stage)
    return {"diversity": spread(many.unflatten(0, (-1, COLUMNS)))}


def repeated(text: EncodedSentences, times: int) -> Int64[Tensor, " N"]:
    """Rows that repeat each sentence.

    Args:
        text: Encoded sentences.
        times: Number of pictures of each sentence.
    """
    rows = torch.arange(len(text.sentence), device=text.sentence.device)
    return rows.repeat_interleave(times)


def write_report(subject: Text2ImageSubject, cpu_seconds: float | None) -> None:
    """Write result.json, plots and sample grids; print the table.

    Args:
        subject: A run at its end.
        cpu_seconds: CPU seconds of the training in this process; None keeps what `result.json`
            says.
    """
    found = table(subject)
    painter, folder = subject.painter, subject.folder
    if cpu_seconds is None:
        cpu_seconds = folder.cpu_seconds()
    c = painter.config
    for split, pairs in subject.data.splits.items():
        captions = pairs.captions[:SHOWN]
        text = painter.encode(captions)
        images = painter.draw(text.pick(repeated(text, COLUMNS)), seed=c.seed)
        file = folder.samples / f"{split}.png"
        write_image_grid(to_colours(images), file, columns=COLUMNS, titles=captions)
    folder.plots.mkdir(exist_ok=True)
    keys = [f"{key}_validation" for key in ("attributes", "whole", "r_precision")]
    keys += ["D1/loss", "G1/loss", "D2/loss", "G2/loss", "match/right", "d_auc", "d_accuracy"]
    learning_curves(folder.log, folder.plots / "learning.png", keys)
    stages = range(1, subject.stages + 1)
    judged = {f"stage {'I' * s}": painter.discriminate(s, subject.data.place) for s in stages}
    result = {
        "table": found.rows,
        "detail": found.detail,
        "intervals": {AGAIN: found.intervals, "over": OVER},
        "left_out": found.left_out,
        "objective": painter.objective,
        "discriminator": judged,
        "config": asdict(c),
        "data": {"told": subject.data.training.summary(), **subject.data.facts},
        "alarms": list(subject.alarms),
        "rounds": subject.rounds,
        "steps": subject.steps,
        "seed": c.seed,
        "cpu_seconds": cpu_seconds,
    }
    folder.write_result(result)
    _write_page(subject, found, judged)
    _print(painter, found)
    print(f"{folder.result}  {folder.samples}")


def _write_page(
    subject: Text2ImageSubject, found: FiguresTable, judged: Mapping[str, Mapping[str, float]]
) -> None:
    """report.html: the table with grids, curves and facts of the data."""
    painter, folder = subject.painter, subject.folder
    c = painter.config
    told = ", ".join(f"{name} {value}" for name, value in painter.objective.items())
    write_page(
        folder.html,
        f"{painter.title} on {c.data}",
        facts=asdict(c),
        table=found.rows,
        intervals={AGAIN: found.intervals},
        notes=[
            f"{told or 'No loss by name'}; one seed; at most {c.eval_samples} pictures a split.",
            f"{AGAIN}: {OVER}; intervals of 95 %.",
            *(
                f"Discriminator of {stage} on held-out pairs: d_auc {own['d_auc']:.3f}, d_accuracy "
                f"{own['d_accuracy']:.3f} (0.5 is chance)."
                for stage, own in judged.items()
            ),
            *(f"{name} is left out: {why}." for name, why in found.left_out.items()),
            *told_facts(subject.data.facts),
        ],
        pictures={
            "Sentences that training has": folder.samples / "seen.png",
            "Sentences that training has not": folder.samples / "unseen.png",
            "Curves of the log": folder.plots / "learning.png",
        },
    )


def _print(painter: Painter, found: FiguresTable) -> None:
    ends = {name: f"{low:.3f} - {high:.3f}" for name, (low, high) in found.intervals.items()}
    rows: dict[str, Mapping[str, float | str]] = {**found.rows, f"{AGAIN}, 95 %": ends}
    metrics = dict.fromkeys(metric for row in found.rows.values() for metric in row)
    turned = {m: {n: row[m] for n, row in rows.items() if m in row} for m in metrics}
    c, parts = painter.config, (f", {name} {value}" for name, value in painter.objective.items())
    title = f"{painter.title} on {c.data}{''.join(parts)}, one seed, at most {c.eval_samples} "
    print_table(f"{title}pictures a split; {AGAIN}: {OVER}", turned)
    for name, why in found.left_out.items():
        print(f"{name} is left out: {why}")
