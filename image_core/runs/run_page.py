"""The report.html of a run: figures, facts of the data, grids, curves and samples."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from image_core.runs.html_report import Picture, Shown, write_html
from image_core.runs.table import cell

Interval = Sequence[float]


def write_page(
    file: Path,
    title: str,
    *,
    facts: Mapping[str, object],
    table: Mapping[str, Mapping[str, float | str]],
    intervals: Mapping[str, Mapping[str, Interval]],
    notes: Sequence[str],
    pictures: Mapping[str, Path],
    samples: Sequence[Shown] = (),
) -> None:
    """Write a page with a row a metric and a column a model.

    Args:
        file: Path of the page.
        title: Title of the page.
        facts: Options by name; those that are None are left out.
        table: Figures by metric, for each model.
        intervals: 95 % intervals by metric, for the models that have them.
        notes: Sentences below the table.
        pictures: PNG files by caption; files that are not there are left out.
        samples: Sentences to show.
    """
    metrics = dict.fromkeys(metric for row in table.values() for metric in row)
    write_html(
        file,
        title=title,
        facts={name: str(value) for name, value in facts.items() if value is not None},
        columns=list(table),
        table={
            metric: [
                _cell(row.get(metric), intervals.get(model, {}).get(metric))
                for model, row in table.items()
            ]
            for metric in metrics
        },
        notes=notes,
        pictures=[
            Picture(caption, picture) for caption, picture in pictures.items() if picture.is_file()
        ],
        samples=samples,
    )


def _cell(value: float | str | None, interval: Interval | None) -> str:
    if value is None:
        return ""
    return cell(value) + (f" {interval[0]:.3f} to {interval[1]:.3f}" if interval else "")


def told_facts(data: Mapping[str, object]) -> list[str]:
    """Sizes, classes and overlaps of the splits, a sentence each.

    Args:
        data: `data` of a result.
    """
    roles = [name.removesuffix("_rows") for name in data if name.endswith("_rows")]
    told = []
    for role in roles:
        line = f"Data, {role}: {data[f'{role}_rows']:,.0f} rows"
        same, near = data.get(f"{role}_in_train"), data.get(f"{role}_near_train")
        if isinstance(same, float) and isinstance(near, float):
            line += f", {same:.1%} of them training rows too and {near:.1%} nearly so"
        counts = data.get(f"{role}_classes")
        if isinstance(counts, Mapping):
            each = [f"{name} {count}" for name, count in counts.items()]
            more = f", and {len(each) - 20} more classes" if len(each) > 20 else ""
            line += f"; {', '.join(each[:20])}{more}"
        told.append(f"{line}.")
    return told
