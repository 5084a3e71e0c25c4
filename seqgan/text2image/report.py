"""What a text-to-image run is measured by: its table, its pictures, its result.json."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.metrics.distances import frechet, kernel
from image_core.runs.folder import RunFolder
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.plots import learning_curves
from image_core.runs.table import print_table
from seqgan.text2image.captions import SHAPES
from seqgan.text2image.config import Text2ImageOptions
from seqgan.text2image.data import Pairs, Read
from seqgan.text2image.encoders import EncodedSentences
from seqgan.text2image.games.stack import as_floats, shrink
from seqgan.text2image.metrics import (
    cosines,
    exact_scores,
    nearest,
    r_precision,
    spread,
)
from seqgan.text2image.shapes import attribute_accuracy, parse_caption, read_attributes

Row = dict[str, float]
FOLLOWED = ("attributes", "whole", "overlap", "r_precision")
SHOWN, COLUMNS = 12, 8
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
    """

    config: Text2ImageOptions
    title: str
    encode: Callable[[Sequence[str]], EncodedSentences]
    draw: Callable[..., Float[Tensor, "N 3 S S"]]
    matcher: nn.Module
    matched: Callable[[Sequence[str]], EncodedSentences]
    device: torch.device


class Text2ImageSubject(NamedTuple):
    """What of a finished run its report measures.

    Args:
        painter: What draws and judges.
        data: Pictures learned from, and pairs to measure with.
        folder: Folder that everything is written to.
        stages: Number of stages that have begun.
        rounds: Number of rounds that were played.
        steps: Optimizer steps of each player.
    """

    painter: Painter
    data: Read
    folder: RunFolder
    stages: int
    rounds: int
    steps: dict[str, int]


def judge(painter: Painter, pairs: Pairs, stage: int) -> Row:
    """The figures worth following while a stage is trained.

    Args:
        painter: What draws and judges.
        pairs: Pairs whose sentences are drawn; they are in no final table.
        stage: Stage that draws.
    """
    text = painter.encode(pairs.captions)
    images = painter.draw(text, seed=painter.config.seed, stage=stage)
    fit = fits(painter, images, pairs)
    return {f"{key}_validation": fit[key] for key in FOLLOWED if key in fit}


def fits(painter: Painter, images: Float[Tensor, "N 3 S S"], pairs: Pairs) -> Row:
    """Whether pictures show their sentences; those of a smaller side are enlarged to the run's.

    On shapes by the exact reader: `attributes`, the share of right ones among those said, `whole`,
    pictures with all of them right, each attribute, the overlap of shapes, and R-precision. Else
    R-precision by the trained matcher.
    """
    captions, images = pairs.captions, enlarge(images, painter.config.side)
    if painter.config.data != SHAPES:
        words = painter.matched(captions).sentence
        scores = cosines(look(painter, images), words)
        return {"r_precision": r_precision(scores, captions)}
    reading = read_attributes(images)
    asked = torch.stack([parse_caption(text) for text in captions])
    by, mean, whole = attribute_accuracy(reading.attributes, asked)
    scores = exact_scores(reading.attributes, asked)
    return {
        "attributes": mean,
        "whole": whole,
        **by,
        "overlap": float(reading.overlap.mean()),
        "r_precision": r_precision(scores, captions),
    }


@torch.no_grad()
def look(painter: Painter, images: Float[Tensor, "N 3 S S"]) -> Float[Tensor, "N E"]:
    """The matcher's vectors of pictures."""
    matcher = painter.matcher.eval()
    images = enlarge(images, painter.config.side)
    parts = [matcher(part.to(painter.device)).cpu() for part in images.split(250)]
    return torch.cat(parts)


def enlarge(images: Float[Tensor, "N 3 S S"], side: int) -> Float[Tensor, "N 3 L L"]:
    """Pictures of a side, smoothly made from smaller ones."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=side, mode="bilinear")


def table(subject: Text2ImageSubject) -> tuple[dict[str, Row], dict[str, dict[str, Row]]]:
    """A row a stage and one of real pictures; and how each fits its sentences, by split."""
    rows: dict[str, Row] = {}
    detail: dict[str, dict[str, Row]] = {}
    painter, stages = subject.painter, range(1, subject.stages + 1)
    for name, stage in [*((f"stage {'I' * s}", s) for s in stages), ("real pictures", 0)]:
        row: Row = {}
        detail[name] = {}
        for split, pairs in subject.data.splits.items():
            images = as_floats(pairs.images)
            if stage:
                text = painter.encode(pairs.captions)
                images = painter.draw(text, seed=painter.config.seed, stage=stage)
            found = fits(painter, images, pairs)
            detail[name][split] = found
            row |= {f"{key}_{split}": found[key] for key in FOLLOWED if key in found}
            if split == "seen":
                row |= _distances(painter, subject.data, images, stage)
        rows[name] = row
    return rows, detail


def _distances(painter: Painter, data: Read, images: Float[Tensor, "N 3 S S"], stage: int) -> Row:
    """From data: in the matcher's vectors, and to the nearest training picture."""
    seed = painter.config.seed
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data.training.images), generator=draw)
    training = as_floats(data.training.images[order[:NEAREST]])
    real, mine = look(painter, training[: max(2, len(images))]), look(painter, images)
    found = {"fd_matcher": frechet(mine, real), "kid_matcher": kernel(mine, real)}
    side = images.shape[-1]
    found["nearest"] = float(nearest(images, shrink(training, side)).mean())
    if stage:
        text = painter.encode(data.splits["seen"].captions[:SHOWN])
        many = painter.draw(text.pick(repeated(text, COLUMNS)), seed=seed, stage=stage)
        found["diversity"] = spread(many.unflatten(0, (-1, COLUMNS)))
    return found


def repeated(text: EncodedSentences, times: int) -> Int64[Tensor, " N"]:
    """Rows that repeat each sentence."""
    rows = torch.arange(len(text.sentence), device=text.sentence.device)
    return rows.repeat_interleave(times)


def write_report(subject: Text2ImageSubject, cpu_seconds: float | None) -> None:
    """Write result.json, plots and sample grids; print the table.

    Args:
        subject: A run at its end.
        cpu_seconds: CPU seconds of the training in this process; None keeps what `result.json`
            says.
    """
    rows, detail = table(subject)
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
    keys += ["D1/loss", "G1/loss", "D2/loss", "G2/loss", "match/right"]
    learning_curves(folder.log, folder.plots / "learning.png", keys)
    folder.write_result(
        {
            "table": rows,
            "detail": detail,
            "config": asdict(c),
            "data": subject.data.training.told(),
            "rounds": subject.rounds,
            "steps": subject.steps,
            "cpu_seconds": cpu_seconds,
        }
    )
    metrics = dict.fromkeys(metric for row in rows.values() for metric in row)
    turned = {m: {n: row[m] for n, row in rows.items() if m in row} for m in metrics}
    print_table(f"{painter.title} on {c.data}, at most {c.eval_samples} pictures a split", turned)
    print(f"{folder.result}  {folder.samples}")
