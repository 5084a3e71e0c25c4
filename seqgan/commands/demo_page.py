"""What the demo found, as one picture and one page that opens anywhere."""

import json
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from image_core.runs import plots
from image_core.runs.folder import write_text
from image_core.runs.html_report import STYLE, data_uri
from image_core.runs.table import cell

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

STEPS = 500
"""Steps of a whole episode of CartPole-v1."""
UNKNOWN = "<unk>"
SHOWN, DRAWN = 12, 9
"""Sentences of each model on the page, and in the picture."""
WRAPPED = 50
"""Characters of a line of the picture's sentences."""
GAIL, CLONING = "GAIL", "behavioural cloning"
UNTRAINED, RANDOM = "GAIL, discriminator never trained", "GAIL, shown random moves"
ROWS = {
    "expert, who is imitated": ("gail", "expert"),
    GAIL: ("gail", "GAIL"),
    CLONING: ("bc", "BC"),
    UNTRAINED: ("gail", "discriminator never trained"),
    RANDOM: ("gail", "random demonstrations"),
    "random moves": ("gail", "random policy"),
}
"""Run and row of its table, by what the page calls it."""
EPISODES = {
    GAIL: ("gail", "imitation"),
    CLONING: ("bc", "imitation"),
    UNTRAINED: ("gail", "untrained"),
    RANDOM: ("gail", "random"),
}
"""Run and game whose episodes are drawn, by the same names."""


class Findings(NamedTuple):
    """What the runs of the demo say.

    Args:
        returns: Mean return of each seed's episodes, by row.
        episodes: Return of every episode of every seed, by row.
        text: Table of the text run: metrics by model.
        samples: Sentences of each text model, at temperature 1.
    """

    returns: Mapping[str, Sequence[float]]
    episodes: Mapping[str, np.ndarray]
    text: Mapping[str, Mapping[str, float]]
    samples: Mapping[str, Sequence[str]]

    def told(self) -> str:
        """Both results in two sentences."""
        means = {row: float(np.mean(values)) for row, values in self.returns.items()}
        seeds = len(self.returns[GAIL])
        return (
            f"From one episode of an expert on CartPole, {GAIL} keeps the pole up for "
            f"{means[GAIL]:.0f} of {STEPS} steps and {CLONING} for {means[CLONING]:.0f} (means of "
            f"{seeds} seeds); with a discriminator that is never trained it is "
            f"{means[UNTRAINED]:.0f}, and shown random moves {means[RANDOM]:.0f}. {self.unknown()}"
        )

    def unknown(self) -> str:
        """How many of SeqGAN's sentences hold the unknown word."""
        lines = self.samples["SeqGAN"]
        held = sum(UNKNOWN in line for line in lines)
        return f"{held or 'None'} of {len(lines):,} sentences of SeqGAN holds {UNKNOWN}."


def read_findings(out: Path, seeds: Sequence[int]) -> Findings:
    """Read the results of the demo's runs.

    Args:
        out: Folder of the demo.
        seeds: Seeds of imitation.
    """
    results = {
        (paper, seed): _result(out / f"{paper}{seed}") for paper in ("gail", "bc") for seed in seeds
    }
    text = _result(out / "text")["table"]
    return Findings(
        returns={
            row: [results[paper, seed]["table"][name]["return"] for seed in seeds]
            for row, (paper, name) in ROWS.items()
        },
        episodes={
            row: np.concatenate([results[paper, seed]["returns"][game] for seed in seeds])
            for row, (paper, game) in EPISODES.items()
        },
        text=text,
        samples={
            name: (out / "text" / "samples" / f"{name.lower()}.txt")
            .read_text(encoding="utf-8")
            .splitlines()
            for name in ("MLE", "SeqGAN")
        },
    )


def _result(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def write_page(out: Path, found: Findings, commands: Sequence[str]) -> None:
    """Write `demo.png` and `report.html`.

    Args:
        out: Folder of the demo.
        found: What its runs say.
        commands: Words after `seqgan` of every command.
    """
    from jinja2 import Environment

    plots.write_figure(draw(found), out / "demo.png")
    seeds = range(len(found.returns[GAIL]))
    metrics = dict.fromkeys(name for row in found.text.values() for name in row)
    page = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    write_text(
        out / "report.html",
        page.render(
            style=STYLE,
            told=found.told(),
            picture=data_uri(out / "demo.png"),
            seeds=[f"seed {seed}" for seed in seeds],
            returns={
                row: [cell(float(np.mean(values))), *map(cell, values)]
                for row, values in found.returns.items()
            },
            models=list(found.text),
            text={
                name: [cell(row[name]) if name in row else "" for row in found.text.values()]
                for name in metrics
            },
            samples=[(name, s) for name, lines in found.samples.items() for s in lines[:SHOWN]],
            commands="\n".join(f"seqgan {shlex.join(shlex.split(line))}" for line in commands),
        ),
    )


def draw(found: Findings) -> "matplotlib.figure.Figure":
    """Episodes that still go on over time, mean returns with their seeds, and sentences.

    Args:
        found: What the runs say.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 4.4), layout="constrained")
    upright, dots, sentences = figure.subplots(1, 3, width_ratios=(1, 1.15, 1.15))
    colours = dict(zip(EPISODES, plots.COLOURS))
    _draw_upright(upright, found.episodes, colours)
    _draw_returns(dots, found.returns, colours)
    _write_sentences(sentences, found)
    return figure


def _draw_upright(
    axes: "matplotlib.axes.Axes", episodes: Mapping[str, np.ndarray], colours: Mapping[str, str]
) -> None:
    steps = np.arange(STEPS + 1)
    for row, lengths in episodes.items():
        share = (lengths[:, None] >= steps).mean(0) * 100
        axes.plot(steps, share, color=colours[row], linewidth=2.2, label=row)
    axes.set(
        title="One demonstration of CartPole:\nis the pole still up?",
        xlabel="step of the episode",
        ylabel="episodes still going, %",
        xlim=(0, STEPS),
        ylim=(0, 104),
    )
    plots.soften(axes)


def _draw_returns(
    axes: "matplotlib.axes.Axes", returns: Mapping[str, Sequence[float]], colours: Mapping[str, str]
) -> None:
    for place, (row, values) in enumerate(returns.items()):
        colour, mean = colours.get(row, plots.GREY), float(np.mean(values))
        axes.barh(place + 0.17, mean, color=colour, alpha=0.35, height=0.36)
        axes.plot(values, [place + 0.17] * len(values), "o", color=colour, markersize=5)
        axes.text(4, place - 0.14, f"{row}: {mean:.0f}", va="center", fontsize=9.5)
    axes.set(
        title="Steps until the pole falls:\nmean, and each seed as a dot",
        xlabel="return, at most 500",
        xlim=(0, STEPS * 1.02),
        yticks=[],
    )
    axes.invert_yaxis()
    plots.soften(axes)


def _write_sentences(axes: "matplotlib.axes.Axes", found: Findings) -> None:
    lines = found.samples["SeqGAN"]
    shown = [textwrap.fill(line, WRAPPED, subsequent_indent="   ") for line in lines[:DRAWN]]
    axes.set_title(f"Chat turns: the first {DRAWN} of {len(lines):,} that\nSeqGAN wrote")
    axes.text(
        0, 0.98, "\n".join(f"• {line}" for line in shown), va="top", fontsize=9.5, linespacing=1.35,
        parse_math=False,
    )  # fmt: skip
    axes.text(0, 0.01, found.unknown(), va="bottom", fontsize=9.5, color=plots.GREY)
    axes.set_axis_off()


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>What an adversary does</title>
<style>
{{ style|safe }}
pre { overflow-x: auto; background: #f6f6f6; padding: .6rem; font-size: .8rem; }
.figures td { text-align: right; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<h1>What an adversary does</h1>
<p>{{ told }}</p>
<figure><img alt="{{ told }}" src="{{ picture }}"></figure>
<h2>CartPole from one episode</h2>
<p>An expert balances the pole for 500 steps. Everything else sees every tenth step of one of its
episodes, about 50 pairs of an observation and a move. Behavioural cloning fits these pairs. GAIL
tries moves in the environment instead, and is rewarded where a discriminator cannot tell its steps
from the expert's; it never sees the environment's own reward. Two controls play the same game with
a discriminator that is never trained, and with demonstrations of random moves: were they to
succeed, the task itself would pay, and GAIL's success would prove nothing.</p>
<div class="scroll"><table class="figures">
<thead><tr><th>mean return of 50 episodes</th><th>mean</th>
{%- for seed in seeds %}<th>{{ seed }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row, cells in returns.items() %}
<tr><th>{{ row }}</th>{% for value in cells %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<h2>Chat turns, word by word</h2>
<p>SeqGAN learned from chat turns by maximum likelihood (MLE) and then against a discriminator. Rare
words are one unknown word in training, and no sample may hold it. All rows are at temperature 1,
one seed; the last one is real text. Whether one of the models is better, their curves over
temperatures say, with intervals: text/report.html in the folder of the demo.</p>
<div class="scroll"><table class="figures">
<thead><tr><th></th>{% for model in models %}<th>{{ model }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, cells in text.items() %}
<tr><th>{{ name }}</th>{% for value in cells %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<h2>The first samples of each</h2>
<table id="samples">
{% for model, sentence in samples %}
<tr><td>{{ model }}</td><td>{{ sentence }}</td></tr>
{% endfor %}
</table>
<h2>Every command of this page</h2>
<pre>{{ commands }}</pre>
</body>
</html>
"""
