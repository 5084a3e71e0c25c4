"""The result of imitation: returns between random and expert, and what they prove."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from image_core.runs import plots
from image_core.runs.folder import RunFolder
from image_core.runs.html_report import Picture, write_html
from image_core.runs.table import Row, cell, print_table
from rl.recipes.curves import Curve, curves_of, draw_returns
from rl.recipes.occupancy import Occupancy, draw_occupancy

PASSED = 0.9
"""A control that comes this far from the random policy to the expert proves the task too easy."""
TITLES = {"untrained": "discriminator never trained", "random": "random demonstrations"}
"""Rows of the controls, by the names of their games."""
AGAIN = "real again"
"""Row of the demonstrations that nothing learned from, in the policy's place."""
CURVES = ("return", "G/return", "D/accuracy", "d_auc", "D/d_real", "D/d_fake", "G/kl", "G/entropy")


OVER = "95 % over episodes"
"""Column of the intervals."""
CLONED = "behavioural cloning before it"
"""Level of the policy that cloning left to the paper."""
JUDGED = ("d_auc", "d_accuracy", "d_auc_train", "d_accuracy_train", "d_auc_real_again")
RETURNS = "Returns over training, and those of the expert, of random actions and of cloning"
LEARNING = "Logged numbers over the rounds"
VISITED = "States that were visited, and the total variation from the expert's"


class Learning(NamedTuple):
    """Returns over training.

    Args:
        curves: Returns of the paper's policy and of the controls', by row of the table.
        levels: Returns that do not change: the expert's, random actions', and cloning's.
        x_label: What the steps of the curves are.
    """

    curves: dict[str, Curve]
    levels: dict[str, float]
    x_label: str


class Returns(NamedTuple):
    """Returns of whole episodes, one number an episode; not a number where they are not known.

    Args:
        expert: Returns of the demonstrations that were learned from.
        held_out: Returns of the demonstrations that were held out; perhaps none.
        random: Returns of uniformly random actions.
        sampled: Returns of sampled actions, by the name of the game.
        likeliest: Returns of the likeliest actions in the first game.
    """

    expert: Sequence[float]
    held_out: Sequence[float]
    random: Sequence[float]
    sampled: Mapping[str, np.ndarray]
    likeliest: np.ndarray


def write_report(
    folder: RunFolder,
    title: str,
    found: Returns,
    round_steps: int,
    facts: Mapping[str, Any],
    visited: Occupancy | None,
) -> None:
    """Write result.json, the curves and report.html, and print the table and its conclusion.

    Args:
        folder: Files of the run.
        title: Title of the paper.
        found: What was measured.
        round_steps: Environment steps of a round; 0 where a round is an optimizer step.
        facts: Further entries of result.json, among them the options as "config", and what the
            paper learns from as "objective".
        visited: States that were visited, the expert's first; None where they cannot be drawn.
    """
    from rl.metrics import mean_interval

    returns, table = returns_by_row(title, found), table_of(title, found)
    titles = [TITLES.get(name, title) for name in found.sampled]
    conclusion = conclusion_of(
        {name: table[name].get("share", math.nan) for name in titles},
        known=table["expert"]["return"] is not None,
    )
    intervals = {name: mean_interval(values) for name, values in returns.items()}
    rows = plots.read_log(folder.log)
    learning = learning_of(title, rows, round_steps, table)
    folder.write_result(
        {
            "title": title,
            "table": table,
            "intervals": {
                "level": 0.95,
                "over": "episodes",
                "return": {name: i and list(i) for name, i in intervals.items()},
            },
            "conclusion": conclusion,
            "returns": {name: values.tolist() for name, values in found.sampled.items()},
            "learning": {
                "x": learning.x_label,
                "curves": {
                    name: {"steps": list(c.steps), "return": list(c.returns)}
                    for name, c in learning.curves.items()
                },
                "levels": learning.levels,
            },
            **({} if visited is None else {"occupancy": visited.distances()}),
            **facts,
            "versions": {"torch": torch.__version__},
        }
    )
    shown = _shown(table, intervals)
    pictures = {
        "returns.png": (RETURNS, draw_returns(*learning)),
        "learning.png": (LEARNING, plots.draw_learning_curves(rows, CURVES)),
    }
    if visited is not None:
        pictures["occupancy.png"] = VISITED, draw_occupancy(visited)
    folder.plots.mkdir(parents=True, exist_ok=True)
    for name, (_, figure) in pictures.items():
        plots.write_figure(figure, folder.plots / name)
    columns = [c for c in dict.fromkeys(n for row in shown.values() for n in row) if c != OVER]
    write_html(
        folder.html,
        title=f"{title} in {facts['config']['env']}",
        facts={**facts["objective"], **{k: str(v) for k, v in facts["config"].items()}},
        columns=columns,
        table={name: [_cell(row, c) for c in columns] for name, row in shown.items()},
        notes=[f"{_heading(folder, facts)}; in brackets {OVER}.", conclusion, *_judged(facts)],
        pictures=[Picture(*picture) for picture in pictures.values()],
        samples=(),
    )
    print_table(_heading(folder, facts), shown)
    print(conclusion)


def _cell(row: Row, column: str) -> str:
    """A figure, and beside the return its interval."""
    band = f" ({row[OVER]})" if column == "return" and row[OVER] else ""
    return cell(row.get(column, "")) + band


def learning_of(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    round_steps: int,
    table: Mapping[str, Mapping[str, float | None]],
) -> Learning:
    """Returns over training: where something follows cloning, its end is a level.

    Args:
        title: Title of the paper.
        rows: Rows of the log.
        round_steps: Environment steps of a round; 0 where a round is an optimizer step.
        table: Table of the run.
    """
    found = curves_of(rows, round_steps or 1)
    known = {name: table[name]["return"] for name in ("expert", "random policy")}
    levels = {name: level for name, level in known.items() if level is not None}
    if "clone" in found and len(found) > 1:
        levels[CLONED] = found.pop("clone").returns[-1]
    names = {**TITLES, "imitation": title, "clone": title}
    return Learning(
        {names.get(phase, phase): curve for phase, curve in found.items()},
        levels,
        "environment steps" if round_steps else "optimizer steps",
    )


def _judged(facts: Mapping[str, Any]) -> list[str]:
    """The discriminator's quality as a sentence, where there is one."""
    told = [f"{name} {facts[name]:.3f}" for name in JUDGED if name in facts]
    return [f"Discriminator on whole episodes: {', '.join(told)}."] if told else []


def _heading(folder: RunFolder, facts: Mapping[str, Any]) -> str:
    config = facts["config"]
    told = "; ".join(f"{name} {value}" for name, value in facts["objective"].items())
    return (
        f"{folder.folder}: returns of {config['eval_episodes']} episodes in {config['env']}, one "
        f"seed{'; ' if told else ''}{told}"
    )


def _shown(
    table: Mapping[str, Mapping[str, float | None]],
    intervals: Mapping[str, tuple[float, float] | None],
) -> dict[str, dict[str, float | str]]:
    shown: dict[str, dict[str, float | str]] = {}
    for name, row in table.items():
        cells = {k: "unknown" if v is None else v for k, v in row.items()}
        interval = intervals[name]
        text = "" if interval is None else f"{interval[0]:.1f} .. {interval[1]:.1f}"
        shown[name] = {"return": cells.pop("return"), OVER: text, **cells}
    return shown


def returns_by_row(title: str, found: Returns) -> dict[str, np.ndarray]:
    """Returns of each row: the expert, the paper, its controls, likeliest and random actions."""
    again = {AGAIN: np.array(found.held_out)} if len(found.held_out) else {}
    return {
        "expert": np.array(found.expert),
        **again,
        **{TITLES.get(name, title): returns for name, returns in found.sampled.items()},
        f"{title}, likeliest action": found.likeliest,
        "random policy": np.array(found.random),
    }


def table_of(title: str, found: Returns) -> dict[str, dict[str, float | None]]:
    """Mean and deviation over episodes of each row, and its way from the random to the expert."""
    low, high = float(np.mean(found.random)), float(np.mean(found.expert))
    return {
        name: _row(returns, low, high) for name, returns in returns_by_row(title, found).items()
    }


def _row(returns: np.ndarray, low: float, high: float) -> dict[str, float | None]:
    """Mean and deviation, and how far it is from the random policy's 0 to the expert's 1."""
    mean, episodes = float(returns.mean()), len(returns)
    if math.isnan(mean):
        return {"return": None, "sd": None, "episodes": episodes}
    row: dict[str, float | None] = {"return": mean, "sd": float(returns.std())}
    row["episodes"] = episodes
    return {**row, "share": (mean - low) / (high - low)} if high > low else row


def conclusion_of(shares: Mapping[str, float | None], *, known: bool = True) -> str:
    """What the controls say of the result.

    Args:
        shares: Way from the random policy to the expert, the paper's first, then the controls'.
        known: Whether the demonstrations' return is known.
    """
    name, *controls = shares
    far = {title: math.nan if share is None else share for title, share in shares.items()}
    if not known:
        return (
            "The expert's return is unknown, for the demonstrations hold no rewards: compare the "
            "returns with the random policy's."
        )
    if math.isnan(far[name]):
        return "The demonstrations earn no more than random actions: nothing can be proved by them."
    if not controls:
        return "No control was played: this result alone proves nothing."
    passed = [control for control in controls if far[control] >= PASSED]
    if passed:
        return (
            f"This proves nothing: {' and '.join(passed)} also came {PASSED:.0%} of the way from "
            "the random policy to the expert."
        )
    reached = "reached" if far[name] >= PASSED else "did not reach"
    none = "neither control did" if len(controls) > 1 else f"{controls[0]} did not"
    return f"{name} {reached} {PASSED:.0%} of the way to the expert; {none}."
