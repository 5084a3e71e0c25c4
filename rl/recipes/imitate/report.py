"""The result of imitation: returns between random and expert, and what they prove."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from image_core.runs import plots
from image_core.runs.folder import RunFolder
from image_core.runs.table import print_table

PASSED = 0.9
"""A control that comes this far from the random policy to the expert proves the task too easy."""
TITLES = {"untrained": "discriminator never trained", "random": "random demonstrations"}
"""Rows of the controls, by the names of their games."""
CURVES = ("return", "G/return", "D/accuracy", "D/d_real", "D/d_fake", "G/kl", "G/entropy")


class Returns(NamedTuple):
    """Returns of whole episodes, one number an episode.

    Args:
        expert: Returns of the demonstrations.
        random: Returns of uniformly random actions.
        sampled: Returns of sampled actions, by the name of the game.
        likeliest: Returns of the likeliest actions in the first game.
    """

    expert: Sequence[float]
    random: Sequence[float]
    sampled: Mapping[str, np.ndarray]
    likeliest: np.ndarray


def write_report(folder: RunFolder, title: str, found: Returns, facts: Mapping[str, Any]) -> None:
    """Write result.json and the curves, and print the table and its conclusion.

    Args:
        folder: Files of the run.
        title: Title of the paper.
        found: What was measured.
        facts: Further entries of result.json, among them the options as "config".
    """
    table = table_of(title, found)
    titles = [TITLES.get(name, title) for name in found.sampled]
    conclusion = conclusion_of({name: table[name].get("share", math.nan) for name in titles})
    folder.write_result(
        {
            "title": title,
            "table": table,
            "conclusion": conclusion,
            "returns": {name: values.tolist() for name, values in found.sampled.items()},
            **facts,
            "versions": {"torch": torch.__version__},
        }
    )
    folder.plots.mkdir(parents=True, exist_ok=True)
    plots.learning_curves(folder.log, folder.plots / "learning.png", CURVES)
    config = facts["config"]
    heading = f"returns of {config['eval_episodes']} episodes in {config['env']}"
    print_table(f"{folder.folder}: {heading}", table)
    print(conclusion)


def table_of(title: str, found: Returns) -> dict[str, dict[str, float]]:
    """One row each for the expert, the paper, its controls, likeliest actions and random ones."""
    low, high = float(np.mean(found.random)), float(np.mean(found.expert))
    rows = {
        "expert": np.array(found.expert),
        **{TITLES.get(name, title): returns for name, returns in found.sampled.items()},
        f"{title}, likeliest action": found.likeliest,
        "random policy": np.array(found.random),
    }
    return {name: _row(returns, low, high) for name, returns in rows.items()}


def _row(returns: np.ndarray, low: float, high: float) -> dict[str, float]:
    """Mean and deviation, and how far it is from the random policy's 0 to the expert's 1."""
    mean = float(returns.mean())
    share = (mean - low) / (high - low) if high > low else math.nan
    row = {"return": mean, "sd": float(returns.std()), "episodes": float(len(returns))}
    return {**row, "share": share} if math.isfinite(share) else row


def conclusion_of(shares: Mapping[str, float]) -> str:
    """What the controls say of the result.

    Args:
        shares: Way from the random policy to the expert, the paper's first, then the controls'.
    """
    name, *controls = shares
    if math.isnan(shares[name]):
        return "The demonstrations earn no more than random actions: nothing can be proved by them."
    if not controls:
        return "No control was played: this result alone proves nothing."
    passed = [control for control in controls if shares[control] >= PASSED]
    if passed:
        return (
            f"This proves nothing: {' and '.join(passed)} also came {PASSED:.0%} of the way from "
            "the random policy to the expert."
        )
    far = "reached" if shares[name] >= PASSED else "did not reach"
    return f"{name} {far} {PASSED:.0%} of the way to the expert; neither control did."
