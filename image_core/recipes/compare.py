"""Comparison of finished runs by their tables and logs; the seeds of one configuration are one row.

A recipe names by `Comparison` what must be equal in its runs, which rows are no model, and which
logged numbers are drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.runs import plots
from image_core.runs.folder import RunFolder, as_json, write_text
from image_core.runs.html_report import Picture, write_html
from image_core.runs.run_page import told_facts
from image_core.runs.seeds import Result, check_same, group_by_seed, read_result
from image_core.runs.table import print_table
from image_core.student import seed_interval

if TYPE_CHECKING:
    import matplotlib.figure

NOTE = (
    "Several seeds of one configuration are one row and one curve: the mean, and ± or a band of "
    "the 95 % t interval over seeds. A row marked (one seed) has none."
)
Log = Sequence[Mapping[str, Any]]
Groups = Mapping[str, Sequence[Result]]


def _none(groups: Groups) -> Mapping[tuple[str, str], "matplotlib.figure.Figure"]:
    return {}


class Comparison(NamedTuple):
    """How the runs of a recipe are compared.

    Args:
        title: Title of the page.
        same: Options that decide the measurements; runs that differ in one cannot be compared.
        common: Rows of a result that are no model but real data or a floor: shown once, over all
            runs.
        curves: Title of each logged number that is drawn, by its name.
        shown: Columns on the terminal; empty for all.
        brief: Whether a row stands on the terminal too.
        pictures: Files of `samples/` that the page shows of each configuration, by caption.
        draw: Further figures of the groups by name and caption.
    """

    title: str
    same: Sequence[str]
    common: Callable[[Result], Sequence[str]]
    curves: Mapping[str, str]
    shown: Sequence[str] = ()
    brief: Callable[[str], bool] = bool
    pictures: Mapping[str, str] = {}
    draw: Callable[[Groups], Mapping[tuple[str, str], "matplotlib.figure.Figure"]] = _none


def compare_runs(folders: Sequence[str], out: Path, how: Comparison) -> None:
    """Print the table of several runs, draw their curves together, write both to a folder.

    Args:
        folders: Folders of finished runs of one recipe.
        out: A new or empty folder.
        how: How runs of that recipe are compared.

    Raises:
        UserError: A folder holds no result, or the runs cannot be compared.
    """
    results = [read_result(folder) for folder in folders]
    check_same(results, how.same)
    for result in results:
        if not result.content.get("table"):
            raise UserError(
                f"{result.folder}/result.json holds no table; write one with `seqgan evaluate "
                f"{result.folder}`"
            )
    groups = group_by_seed(results)
    table = _table(groups, how.common)
    logs = {
        label: [plots.read_log(RunFolder(r.folder).log) for r in group]
        for label, group in groups.items()
    }
    figures = {
        ("curves", "Log of the runs"): draw_curves(logs, how.curves),
        **how.draw(groups),
    }
    content = {
        "over": "seeds",
        "level": 0.95,
        "table": table,
        "runs": {label: [str(r.folder) for r in group] for label, group in groups.items()},
        "seeds": {label: [r.content["seed"] for r in group] for label, group in groups.items()},
    }
    write_text(out / "result.json", as_json(content, indent=1) + "\n")
    (out / "plots").mkdir(exist_ok=True)
    for (name, _), figure in figures.items():
        plots.write_figure(figure, out / "plots" / f"{name}.png")
    drawn = [Picture(caption, figure) for (_, caption), figure in figures.items()]
    _write_page(out, how, groups, table, drawn)
    names = how.shown or list(dict.fromkeys(name for row in table.values() for name in row))
    print_table(
        f"{how.title} (more: {out / 'report.html'})",
        {
            label: {n: row[n] for n in names if n in row}
            for label, row in table.items()
            if how.brief(label)
        },
    )
    print(NOTE)


def _table(groups: Groups, common: Callable[[Result], Sequence[str]]) -> dict[str, dict[str, str]]:
    """Each group's models; then, once, the rows that are no model, over all runs."""
    rows = {}
    for label, group in groups.items():
        for name in group[0].content["table"]:
            if name not in common(group[0]):
                rows[f"{label}: {name}"] = _spread(group, name)
    everything = [result for group in groups.values() for result in group]
    for name in common(everything[0]):
        if all(name in result.content["table"] for result in everything):
            rows[name] = _spread(everything, name)
    return rows


def _spread(group: Sequence[Result], name: str) -> dict[str, str]:
    """The mean of each figure of a row and, of several seeds, half of its interval over them."""
    found = [result.content["table"].get(name, {}) for result in group]
    spread = {}
    for key in found[0]:
        values = [row.get(key) for row in found]
        if all(isinstance(value, int | float) for value in values):
            middle, half = seed_interval([float(value) for value in values])
            spread[key] = f"{middle:.3f}" + ("" if half is None else f" ±{half:.3f}")
    return spread


def draw_curves(
    logs: Mapping[str, Sequence[Log]], curves: Mapping[str, str]
) -> "matplotlib.figure.Figure":
    """Logged numbers of each group over its rounds, one panel each.

    Args:
        logs: Logs of the runs of each group.
        curves: Title of each number by its name.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(curves), 4))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (key, title) in zip(panels, curves.items(), strict=True):
        for i, (label, runs) in enumerate(logs.items()):
            colour = plots.COLOURS[i % len(plots.COLOURS)]
            series = [{row["round"]: row[key] for row in log if key in row} for log in runs]
            rounds = sorted(set.intersection(*(set(one) for one in series)))
            points = [seed_interval([one[r] for one in series]) for r in rounds]
            axes.plot(rounds, [p[0] for p in points], color=colour, label=label)
            if points and points[0][1] is not None:
                low, high = ([m + s * (h or 0) for m, h in points] for s in (-1, 1))
                axes.fill_between(rounds, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel("round")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def _write_page(
    out: Path,
    how: Comparison,
    groups: Groups,
    table: Mapping[str, Mapping[str, str]],
    drawn: Sequence[Picture],
) -> None:
    first = next(iter(groups.values()))[0].content
    columns = list(dict.fromkeys(name for row in table.values() for name in row))
    files = {
        f"{label}: {caption}": RunFolder(group[0].folder).samples / file
        for label, group in groups.items()
        for caption, file in how.pictures.items()
    }
    write_html(
        out / "report.html",
        title=how.title,
        facts={label: ", ".join(str(r.folder) for r in group) for label, group in groups.items()},
        columns=columns,
        table={name: [row.get(column, "") for column in columns] for name, row in table.items()},
        notes=[NOTE, *told_facts(first.get("data", {}))],
        pictures=[
            *drawn,
            *(Picture(caption, file) for caption, file in files.items() if file.is_file()),
        ],
        samples=(),
    )
