"""A self-contained HTML report: no script, and no external resource."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import matplotlib.figure


LONGEST = 500
"""Maximum number of characters shown of a sample."""


class Shown(NamedTuple):
    """A sample shown in the report.

    Args:
        model: Name of the model that produced it.
        text: Text of the sample.
        neighbour: Training sentence nearest to it; None if no training text is given.
        overlap: Dice coefficient of the words and word pairs of both, from 0 to 1.
    """

    model: str
    text: str
    neighbour: str | None = None
    overlap: float = 0.0


class Picture(NamedTuple):
    """A plot.

    Args:
        caption: Text that says what the plot shows.
        figure: Figure, embedded in the file as SVG; or path of a PNG file, embedded as it is.
    """

    caption: str
    figure: "matplotlib.figure.Figure | Path"


def write_html(
    file: Path,
    *,
    title: str,
    facts: Mapping[str, str],
    columns: Sequence[str],
    table: Mapping[str, Sequence[str]],
    notes: Sequence[str],
    pictures: Sequence[Picture],
    samples: Sequence[Shown],
) -> None:
    """Write a report that opens without a network connection.

    Args:
        file: Destination file, written atomically.
        title: Title of the page.
        facts: Settings of the run or evaluation, by name.
        columns: Column headers of the table.
        table: Cells of each row, by the row's name.
        notes: Notes needed to read the table.
        pictures: Plots.
        samples: Sentences, with their nearest training sentences if known.

    Raises:
        UserError: The file cannot be written.
    """
    from jinja2 import Environment

    from image_core.runs.folder import write_text

    images = [(picture.caption, data_uri(picture.figure)) for picture in pictures]
    page = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    write_text(
        file,
        page.render(
            style=STYLE,
            title=title,
            facts=facts,
            columns=columns,
            table=table,
            notes=notes,
            images=images,
            samples=[sample._replace(text=_cut(sample.text)) for sample in samples],
            neighbours=any(sample.neighbour is not None for sample in samples),
        ),
    )


def _cut(text: str) -> str:
    """The text, shortened to `LONGEST` characters."""
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def data_uri(figure: "matplotlib.figure.Figure | Path") -> str:
    """A figure as an address that holds it: SVG, or the PNG file of a path.

    Args:
        figure: Figure, or path of a PNG file.
    """
    if isinstance(figure, Path):
        return "data:image/png;base64," + base64.b64encode(figure.read_bytes()).decode()
    import matplotlib

    stream = BytesIO()
    # No date and no random names: two reports of one evaluation are identical
    with matplotlib.rc_context({"svg.hashsalt": "seqgan"}):
        figure.savefig(stream, format="svg", facecolor="white", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()


STYLE = """\
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto;
 max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top;
 border-bottom: 1px solid #ddd; }
#figures td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
#figures thead th + th { text-align: right; }
.band { color: #777; font-size: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; }
dt, summary { color: #666; } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0 2rem; } img { max-width: 100%; height: auto; }
figcaption, .notes { color: #555; font-size: .9rem; }
#samples td { overflow-wrap: anywhere; } #samples td:first-child { white-space: nowrap; }
.overlap { font-variant-numeric: tabular-nums; }
.copied { background: #fdecea; }
"""
"""Style sheet of every report; a page that has one opens without a network connection."""
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>
{{ style|safe }}</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if facts|length > 12 %}
<details><summary>options</summary>
{% endif %}
<dl>
{% for name, value in facts.items() %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
{% if facts|length > 12 %}
</details>
{% endif %}
<h2>Figures</h2>
<div class="scroll">
<table id="figures">
<thead><tr><th></th>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, cells in table.items() %}
<tr><th>{{ name }}</th>
{%- for cell in cells %}<td>{{ cell.partition(" ")[0] }}
{%- if " " in cell %} <span class="band">{{ cell.partition(" ")[2] }}</span>{% endif %}</td>
{%- endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
<ul class="notes">
{% for note in notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
{% if images %}
<h2>Plots</h2>
{% for caption, uri in images %}
<figure><img alt="{{ caption }}" src="{{ uri }}"><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
{% endif %}
{% if samples %}
<h2>Samples{% if neighbours %}, each with its nearest training sentence{% endif %}</h2>
{% if neighbours %}
<p class="notes">Overlap is the Dice coefficient of the words and word pairs of both; marked from
0.8 on.</p>
{% endif %}
<table id="samples">
<thead><tr><th>model</th><th>sample</th>
{%- if neighbours %}<th>nearest training sentence</th><th>overlap</th>{% endif %}</tr></thead>
<tbody>
{% for s in samples %}
<tr{% if s.overlap >= 0.8 %} class="copied"{% endif %}><td>{{ s.model }}</td><td>{{ s.text }}</td>
{%- if neighbours %}<td>{{ s.neighbour or "" }}</td>
<td class="overlap">{{ "%.2f" % s.overlap }}</td>{% endif %}</tr>
{% endfor %}
</tbody>
</table>
{% endif %}
</body>
</html>
"""
