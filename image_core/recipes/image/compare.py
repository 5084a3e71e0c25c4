"""Comparison of image runs on one data set; the seeds of one configuration form one row."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.recipes.compare import draw_curves
from image_core.recipes.image.report import AGAIN
from image_core.runs import plots
from image_core.runs.folder import RunFolder, as_json, write_text
from image_core.runs.html_report import Picture, write_html
from image_core.runs.run_page import told_facts
from image_core.runs.table import print_table
from image_core.student import seed_interval

SAME = (
    *("data", "labels", "valid", "test", "split_seed", "size", "fit", "channels"),
    *("eval_samples", "extractor", "inception"),
)
"""Options that determine the measurements; runs that differ in one cannot be compared."""
APART = ("out", "seed", "device", "threads", "save_seconds", "evaluate_every")
"""Options in which the runs of one group may differ."""
CURVES = {
    "fd": "Frechet distance to held-out images, low = good",
    "d_auc": "AUC of D (0.5: chance)",
}
NOTE = (
    "Several seeds of one configuration are one row and one curve: the mean, and ± or a band of "
    "the 95 % t interval over seeds. A row marked (one seed) has none. The interval of real again "
    "is over draws of held-out images."
)


class ImageResult(NamedTuple):
    """The result of a run.

    Args:
        folder: Folder of the run.
        content: Content of its result.json.
        log: Rows of its log.
    """

    folder: RunFolder
    content: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]


def compare(folders: Sequence[str], out: Path) -> None:
    """Print the table of several runs, draw their curves together, write both to a folder.

    Args:
        folders: Folders of finished image runs on one data set.
        out: A new or empty folder.

    Raises:
        UserError: A folder holds no result, or the runs cannot be compared.
    """
    results = [_read(folder) for folder in folders]
    for other in results[1:]:
        _check_comparable(results[0], other)
    groups = _groups(results)
    rows = {label: _row(group) for label, group in groups.items()}
    real, ends = results[0].content["table"][AGAIN], results[0].content["intervals"][AGAIN]
    rows[AGAIN] = {
        name: f"{value:.3f}"
        + (f" ({ends[name][0]:.3f} to {ends[name][1]:.3f})" if name in ends else "")
        for name, value in real.items()
    }
    logs = {label: [r.log for r in group] for label, group in groups.items()}
    figure = draw_curves(logs, CURVES)
    result = {
        "table": rows,
        "runs": {label: [str(r.folder.folder) for r in g] for label, g in groups.items()},
        "seeds": {label: [r.content["seed"] for r in g] for label, g in groups.items()},
        "data": results[0].content["data"],
    }
    write_text(out / "result.json", as_json(result, indent=1) + "\n")
    (out / "plots").mkdir(exist_ok=True)
    plots.write_figure(figure, out / "plots" / "curves.png")
    grids = {f"{n}: samples": g[0].folder.samples / "grid.png" for n, g in groups.items()}
    write_html(
        out / "report.html",
        title="Comparison of image runs",
        facts={label: ", ".join(paths) for label, paths in result["runs"].items()},
        columns=list(rows),
        table={n: [row.get(n, "") for row in rows.values()] for n in real},
        notes=[NOTE, *told_facts(results[0].content["data"])],
        pictures=[
            Picture("Log of the runs", figure),
            *(Picture(caption, file) for caption, file in grids.items() if file.is_file()),
        ],
        samples=(),
    )
    turned = {n: {label: row.get(n, "") for label, row in rows.items()} for n in real}
    print_table(f"{results[0].content['scores'][AGAIN][0]['name']} (more: {out})", turned)
    print(NOTE)


def _read(folder: str) -> ImageResult:
    run = RunFolder(folder)
    if (recipe := run.read_config()["recipe"]) != "image":
        raise UserError(f"{folder} is a run of {recipe}, not of image; compare runs of one recipe")
    try:
        content = json.loads(run.result.read_text(encoding="utf-8"))
        sound = {"table", "intervals", "scores", "data", "config", "seed"} <= content.keys()
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} has no result.json; end the run with `seqgan resume {folder}`, or "
            f"let `seqgan evaluate {folder}` write it where it has ended"
        ) from error
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{run.result} cannot be read; write it with `seqgan evaluate`") from error
    if not sound:
        raise UserError(f"{run.result} is incomplete; write it with `seqgan evaluate {folder}`")
    return ImageResult(run, content, plots.read_log(run.log))


def _check_comparable(first: ImageResult, other: ImageResult) -> None:
    for name in SAME:
        one, two = (result.content["config"].get(name) for result in (first, other))
        if one != two:
            raise UserError(
                f"--{name} is {one} in {first.folder.folder} and {two} in {other.folder.folder}; "
                "figures of other data or settings do not compare"
            )
    one, two = (r.content["scores"][AGAIN][0]["name"] for r in (first, other))
    if one != two or first.content["data"] != other.content["data"]:
        raise UserError(
            f"{first.folder.folder} and {other.folder.folder} were measured with other images "
            f"({one} and {two}); figures of other data do not compare"
        )


def _groups(results: Sequence[ImageResult]) -> dict[str, list[ImageResult]]:
    """Groups of runs that differ only in their seed, by the folder name of the first run."""
    found: dict[str, list[ImageResult]] = {}
    for result in results:
        settings = {k: v for k, v in result.content["config"].items() if k not in APART}
        group = found.setdefault(json.dumps(settings, sort_keys=True), [])
        if any(r.content["seed"] == result.content["seed"] for r in group):
            raise UserError(
                f"{result.folder.folder} repeats the options and the seed of another run; leave it "
                "out, since it is no further evidence"
            )
        group.append(result)
    names = [group[0].folder.folder.name for group in found.values()]
    return {
        (name if names.count(name) == 1 else str(group[0].folder.folder))
        + (" (one seed)" if len(group) == 1 else f" ({len(group)} seeds)"): group
        for name, group in zip(names, found.values(), strict=True)
    }


def _row(group: Sequence[ImageResult]) -> dict[str, str]:
    """The mean of each score and, for several seeds, half of its interval over them."""
    tables = [next(row for n, row in r.content["table"].items() if n != AGAIN) for r in group]
    found = {}
    for name in tables[0]:
        middle, half = seed_interval([table[name] for table in tables if name in table])
        found[name] = f"{middle:.3f}" + ("" if half is None else f" ±{half:.3f}")
    return found
