"""Evaluation of pictures from any source against real ones: every score, with intervals."""

import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet, Reading, read_splits
from image_core.data.pictures import FITS
from image_core.games.common import to_images
from image_core.metrics.features import Extractor
from image_core.metrics.intervals import HALVES, interval, standard_errors
from image_core.metrics.manifold import nearest_distances
from image_core.metrics.scores import Score
from image_core.recipes.image.cache import References, fingerprint, read_cache, write_cache
from image_core.recipes.image.measure import (
    EXTRACTORS,
    MANY,
    RulerOptions,
    Seen,
    class_shares,
    make_extractor,
    place_scores,
    some,
)
from image_core.runs import options
from image_core.runs.folder import RunFolder, as_json, write_text
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.run_page import write_page
from image_core.runs.table import print_table

SAMPLES, AGAIN = "samples", "real again"
FEWEST = 10
"""Fewest pictures in the generator's place."""
SHOWN = 64
"""Most pictures of a grid of the report."""
OVER = (
    f"pictures: of the samples or of the references in their place, and of the other references; "
    f"delete-half jackknife, {HALVES} draws"
)


@dataclass(frozen=True)
class PictureEvaluation:
    """What is evaluated.

    Args:
        samples: Folder, zip, .npz or .npy of the pictures of a model.
        references: The same of real pictures that the model was not trained on.
        train: The same of its training pictures: distances to them, and what --extractor clf learns
            from; None for none.
        count: Most samples to evaluate, drawn by the seed; None for all.
        size: Side that all pictures are scaled to; 0 keeps theirs, which must be one.
        fit: What is done to pictures that are no squares: crop, pad or stretch.
        extractor: Features: auto (clf where --train has classes, else pixels), clf, pixels,
            efflite0 or inception.
        inception: File of FID's own weights, for --extractor inception.
        cache: File of the references' features; None for one beside the references.
        seed: Seed of the draws.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    samples: str
    references: str
    train: str | None = None
    count: int | None = None
    size: int = 0
    fit: str = "crop"
    extractor: str = "auto"
    inception: str | None = None
    cache: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        options.check_least(self, 0, "size")
        options.check_choice("extractor", self.extractor, EXTRACTORS)
        options.check_choice("fit", self.fit, tuple(FITS))
        options.check_seed(self.seed)
        if self.count is not None and self.count < FEWEST:
            raise UserError(f"--count {self.count}: it must be at least {FEWEST}")
        if (self.inception is None) == (self.extractor == "inception"):
            raise UserError("--extractor inception and --inception FILE belong together")


def evaluate(c: PictureEvaluation, out: Path) -> None:
    """Measure, print the table, write result.json and report.html.

    The references are parted by the seed: some stand in the samples' place, `real again`, and both
    are measured against the others, in equal numbers.

    Args:
        c: What is evaluated.
        out: New folder.

    Raises:
        UserError: Pictures cannot be read, are too few, or are of other sizes.
    """
    folder = RunFolder(out)
    folder.check_unused()
    train = None if c.train is None else _read(c, "--train", c.train)
    net = make_extractor(
        RulerOptions(c.extractor, inception=c.inception), train, torch.device("cpu")
    )
    references = _references(c, net)
    samples = _read(c, "--samples", c.samples)
    _check_alike(c, f"--samples {c.samples}", samples, references)
    if train is not None:
        _check_alike(c, f"--train {c.train}", train, references)
    count = _count(c, len(samples.images), len(references.x))
    draw = torch.Generator().manual_seed(c.seed)
    order = torch.randperm(len(references.x), generator=draw)
    chosen = samples.pick(torch.randperm(len(samples.images), generator=draw)[:count])
    known = None if train is None else net.of(to_images(some(train, 5 * MANY).images))
    real = _with_nearest(known, references.x, references.classes)
    images = to_images(chosen.images)
    classes = None if net.classify is None else net.probabilities(images)
    places = {
        SAMPLES: _with_nearest(known, net.of(images), classes),
        AGAIN: real.pick(order[:count]),
    }
    test, shares = real.pick(order[count:]), None if train is None else class_shares(train)
    table = {name: place_scores(place, test, shares) for name, place in places.items()}
    errors = {name: _errors(place, test, shares) for name, place in places.items()}
    ends = {
        row: {
            n: interval(table[row][n], e, *RANGES.get(n, (0.0, math.inf))) for n, e in own.items()
        }
        for row, own in errors.items()
    }
    resize = "+".join(dict.fromkeys([chosen.resize, references.resize, net.resize]))
    made = net.name, net.digest, resize, len(test.x), count
    scores = {r: [Score(n, v, *made) for n, v in own.items()] for r, own in table.items()}
    short = {score.measure: score.short for score in scores[SAMPLES]}
    result: dict[str, Any] = {
        "table": {r: {s.short: s.value for s in own} for r, own in scores.items()},
        "intervals": {r: {short[n]: list(e) for n, e in own.items()} for r, own in ends.items()},
        "over": OVER,
        "scores": {r: [s.as_dict() for s in own] for r, own in scores.items()},
        "extractor_accuracy": net.accuracy,
        "samples": len(samples.images),
        "references": len(references.x),
        "config": asdict(c),
    }
    _write(folder, result, chosen, references)


POSITIVE = (0.0, math.inf)
RANGES = {
    "kd": (-math.inf, math.inf),
    **dict.fromkeys(("precision", "recall", "coverage", "copied"), (0.0, 1.0)),
}
"""Ends of what a score can be, where these are not 0 and infinity."""


def _with_nearest(
    known: Float[Tensor, "K d"] | None,
    x: Float[Tensor, "N d"],
    classes: Float[Tensor, "N C"] | None,
) -> Seen:
    return Seen(x, None if known is None else nearest_distances(known, x), classes)


def _errors(place: Seen, test: Seen, shares: Tensor | None) -> dict[str, float]:
    """Standard errors; of neighbours only where they are found fast enough."""
    quick = max(len(place.x), len(test.x)) <= MANY
    return standard_errors(
        lambda one, other: place_scores(
            place.pick(one), test.pick(other), shares, neighbours=quick
        ),
        len(place.x),
        len(test.x),
    )


def _count(c: PictureEvaluation, samples: int, references: int) -> int:
    """Number of pictures in the generator's place.

    Raises:
        UserError: There are too few.
    """
    if samples < FEWEST or references < 2 * FEWEST:
        raise UserError(
            f"--samples {c.samples} holds {samples} pictures and --references {c.references} "
            f"{references}; give at least {FEWEST} and {2 * FEWEST}"
        )
    if c.count is not None and c.count > min(samples, references // 2):
        raise UserError(
            f"--count {c.count}: there are {samples} samples, and half of {references} references "
            "stand in their place; name a smaller number"
        )
    return c.count or min(samples, references // 2)


def _read(c: PictureEvaluation, option: str, source: str) -> ImageSet:
    splits = read_splits(source, Reading(option, size=c.size, fit=c.fit))
    found = splits["test" if option == "--references" and "test" in splits else "train"]
    _, colours, side, _ = found.images.shape
    told = f"; {found.told}" if found.told else ""
    print(
        f"{option[2:]}: {source}: {len(found.images):,} pictures of {side}x{side} pixels, "
        f"{colours} colours{told}",
        file=sys.stderr,
    )
    return found


def _references(c: PictureEvaluation, net: Extractor) -> References:
    """The references' features, from their cache where it is of these pictures."""
    source, key, file = Path(c.references), "", None
    if source.exists():
        file = Path(c.cache or f"{source}.{net.name}.safetensors")
        print_of_files = fingerprint("--references", source)
        key = json.dumps([print_of_files, net.name, net.digest, c.size, c.fit])
        if (found := read_cache(file, key)) is not None:
            print(f"references: {len(found.x):,} pictures, features of {file}", file=sys.stderr)
            return found
    elif c.cache is not None:
        raise UserError(f"--cache is of files; --references {c.references} is none")
    read = _read(c, "--references", c.references)
    images = to_images(read.images)
    classes = None if net.classify is None else net.probabilities(images)
    shown = some(read, SHOWN).images
    found = References(net.of(images), classes, shown, read.resize, read.told)
    if file is not None:
        write_cache(file, key, found, asked=c.cache is not None)
    return found


def _check_alike(
    c: PictureEvaluation, option: str, images: ImageSet, references: References
) -> None:
    """Refuse pictures of another form than the references.

    Raises:
        UserError: Sizes or colours differ.
    """
    own, real = images.images.shape[1:], references.shown.shape[1:]
    if own[0] != real[0]:
        raise UserError(
            f"{option} has {own[0]} colours, but --references {c.references} has {real[0]}; "
            "convert one of them"
        )
    if own != real or (images.resize != references.resize and not c.size):
        raise UserError(
            f"{option} are pictures of another size than those of --references {c.references} "
            f"({own[1]} and {real[1]} pixels after reading, resized: {images.resize} and "
            f"{references.resize}); give --size to scale all to one"
        )


def _write(
    folder: RunFolder, result: dict[str, Any], samples: ImageSet, references: References
) -> None:
    """The table on the terminal, result.json, and report.html with both grids."""
    write_text(folder.result, as_json(result, indent=1) + "\n")
    grids = {"Samples": samples.images[:SHOWN], "References": references.shown}
    files = {name: folder.folder / f"{name.lower()}.png" for name in grids}
    for name, images in grids.items():
        write_image_grid(to_colours(to_images(images)), files[name], scale=1)
    count, first = len(samples.images), result["scores"][SAMPLES][0]
    against = (
        f"{count} samples against {first['real']} of {result['references']} references, features "
        f"{first['name'].partition('/')[0].partition('-')[2]}"
    )
    notes = [
        f"{against}.",
        f"{AGAIN}: {count} other references in the samples' place.",
        f"Intervals are of 95 %, over {OVER}.",
        *([f"References: {references.told}."] if references.told else []),
        *([f"Samples: {samples.told}."] if samples.told else []),
    ]
    write_page(
        folder.html,
        "Pictures against references",
        facts=result["config"],
        table=result["table"],
        intervals=result["intervals"],
        notes=notes,
        pictures=files,
    )
    rows: dict[str, dict[str, float | str]] = {}
    for metric in result["table"][SAMPLES]:
        rows[metric] = {}
        for row, own in result["table"].items():
            low, high = result["intervals"][row].get(metric, (math.nan, math.nan))
            rows[metric] |= {row: own[metric], f"{row}, 95 %": f"{low:.3f} to {high:.3f}"}
    print_table(f"{against}; 95 % over {OVER}", rows)
    print(f"{folder.result}  {folder.html}")
