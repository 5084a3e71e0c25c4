"""What a text-to-image run is measured by: its table, its pictures, its result.json."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from image_core.metrics.distances import frechet, kernel
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.plots import learning_curves
from image_core.runs.table import print_table
from seqgan.text2image.captions import SHAPES
from seqgan.text2image.encoders import Encoded
from seqgan.text2image.games.stack import as_floats, shrink
from seqgan.text2image.metrics import (
    cosines,
    exact_scores,
    nearest,
    r_precision,
    spread,
)
from seqgan.text2image.shapes import agreement, parse_caption, read_attributes

if TYPE_CHECKING:
    from seqgan.text2image.data import Pairs
    from seqgan.text2image.recipe import Text2ImageRun

Row = dict[str, float]
FOLLOWED = ("attributes", "whole", "overlap", "r_precision")
SHOWN, COLUMNS = 12, 8
NEAREST = 2000
"""Training pictures that the nearest is looked for among."""


def judge(run: "Text2ImageRun", stage: int) -> Row:
    """The figures worth following while a stage is trained, on sentences of no final table."""
    pairs = run.validation
    images = run.draw(run.encode(pairs.captions), seed=run.config.seed, stage=stage)
    fit = fits(run, images, pairs)
    return {f"{key}_validation": fit[key] for key in FOLLOWED if key in fit}


def fits(run: "Text2ImageRun", images: Float[Tensor, "N 3 S S"], pairs: "Pairs") -> Row:
    """Whether pictures show their sentences; those of a smaller side are enlarged to the run's.

    On shapes by the exact reader: `attributes`, the share of right ones among those said, `whole`,
    pictures with all of them right, each attribute, the overlap of shapes, and R-precision. Else
    R-precision by the trained matcher.
    """
    captions, images = pairs.captions, enlarge(images, run.config.side)
    if run.config.data != SHAPES:
        words = run.encoder_vectors(captions).sentence
        scores = cosines(look(run, images), words)
        return {"r_precision": r_precision(scores, captions)}
    reading = read_attributes(images)
    asked = torch.stack([parse_caption(text) for text in captions])
    by, mean, whole = agreement(reading.attributes, asked)
    scores = exact_scores(reading.attributes, asked)
    return {
        "attributes": mean,
        "whole": whole,
        **by,
        "overlap": float(reading.overlap.mean()),
        "r_precision": r_precision(scores, captions),
    }


@torch.no_grad()
def look(run: "Text2ImageRun", images: Float[Tensor, "N 3 S S"]) -> Float[Tensor, "N E"]:
    """The matcher's vectors of pictures."""
    matcher = run.game.matcher.eval()
    images = enlarge(images, run.config.side)
    parts = [matcher(part.to(run.device)).cpu() for part in images.split(250)]
    return torch.cat(parts)


def enlarge(images: Float[Tensor, "N 3 S S"], side: int) -> Float[Tensor, "N 3 L L"]:
    """Pictures of a side, smoothly made from smaller ones."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=side, mode="bilinear")


def table(run: "Text2ImageRun") -> tuple[dict[str, Row], dict[str, dict[str, Row]]]:
    """A row a stage and one of real pictures; and how each fits its sentences, by split."""
    rows: dict[str, Row] = {}
    detail: dict[str, dict[str, Row]] = {}
    stages = range(1, run.stages_done() + 1)
    for name, stage in [*((f"stage {'I' * s}", s) for s in stages), ("real pictures", 0)]:
        row: Row = {}
        detail[name] = {}
        for split, pairs in run.splits.items():
            images = as_floats(pairs.images)
            if stage:
                images = run.draw(run.encode(pairs.captions), seed=run.config.seed, stage=stage)
            found = fits(run, images, pairs)
            detail[name][split] = found
            row |= {f"{key}_{split}": found[key] for key in FOLLOWED if key in found}
            if split == "seen":
                row |= _distances(run, images, stage)
        rows[name] = row
    return rows, detail


def _distances(run: "Text2ImageRun", images: Float[Tensor, "N 3 S S"], stage: int) -> Row:
    """From data: in the matcher's vectors, and to the nearest training picture."""
    c = run.config
    draw = torch.Generator().manual_seed(c.seed)
    order = torch.randperm(len(run.train_set.images), generator=draw)
    training = as_floats(run.train_set.images[order[:NEAREST]])
    real, mine = look(run, training[: max(2, len(images))]), look(run, images)
    found = {"fd_matcher": frechet(mine, real), "kid_matcher": kernel(mine, real)}
    side = images.shape[-1]
    found["nearest"] = float(nearest(images, shrink(training, side)).mean())
    if stage:
        text = run.encode(run.splits["seen"].captions[:SHOWN])
        many = run.draw(text.pick(repeated(text, COLUMNS)), seed=c.seed, stage=stage)
        found["diversity"] = spread(many.unflatten(0, (-1, COLUMNS)))
    return found


def repeated(text: Encoded, times: int) -> Int64[Tensor, " N"]:
    """Rows that repeat each sentence."""
    rows = torch.arange(len(text.sentence), device=text.sentence.device)
    return rows.repeat_interleave(times)


def write_report(run: "Text2ImageRun", cpu_seconds: float | None) -> None:
    """Write result.json, plots and sample grids; print the table."""
    rows, detail = table(run)
    if cpu_seconds is None:
        cpu_seconds = run.folder.cpu_seconds()
    c = run.config
    for split, pairs in run.splits.items():
        captions = pairs.captions[:SHOWN]
        text = run.encode(captions)
        images = run.draw(text.pick(repeated(text, COLUMNS)), seed=c.seed)
        file = run.folder.samples / f"{split}.png"
        write_image_grid(to_colours(images), file, columns=COLUMNS, titles=captions)
    run.folder.plots.mkdir(exist_ok=True)
    keys = [f"{key}_validation" for key in ("attributes", "whole", "r_precision")]
    keys += ["D1/loss", "G1/loss", "D2/loss", "G2/loss", "match/right"]
    learning_curves(run.folder.log, run.folder.plots / "learning.png", keys)
    run.folder.write_result(
        {
            "table": rows,
            "detail": detail,
            "config": run.as_dict(),
            "data": run.train_set.told(),
            "rounds": run.engine.round,
            "steps": run.engine.steps,
            "cpu_seconds": cpu_seconds,
        }
    )
    metrics = dict.fromkeys(metric for row in rows.values() for metric in row)
    turned = {m: {n: row[m] for n, row in rows.items() if m in row} for m in metrics}
    print_table(f"{c.alias} on {c.data}, at most {c.judged} pictures a split", turned)
    print(f"{run.folder.result}  {run.folder.samples}")
