"""`--track`: every logged number also goes to TensorBoard, Weights & Biases or trackio.

They are accelerate's trackers. A step is a round, and names and values are those of log.jsonl.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError

TRACKERS = ("tensorboard", "wandb", "trackio")
PROJECT = "seqgan"
"""Project of wandb and trackio; a run has the name of its folder."""

RUN_ID = "run_id.txt"
"""File in the folder `wandb` that holds the run's id there, by which a resumed run goes on."""

Log = Callable[[Mapping[str, Any]], None]


def names(track: str) -> list[str]:
    """The trackers of an option.

    Args:
        track: Value of --track, names separated by commas; empty for none.

    Raises:
        UserError: There is no such tracker.
    """
    found = track.replace(",", " ").split()
    for name in found:
        if name not in TRACKERS:
            raise UserError(f"--track {name}: choose among {', '.join(TRACKERS)}")
    return found


def check_installed(track: str) -> None:
    """Check that the packages of the trackers are installed.

    Args:
        track: Value of --track.

    Raises:
        UserError: A package is missing.
    """
    for name in names(track):
        if find_spec(name) is None:
            raise UserError(
                f"--track {name}: the package {name} is not installed; `pip install {name}` or "
                "leave it out"
            )


@contextmanager
def tracked(track: str, folder: Path, config: Mapping[str, Any], round_: int) -> Iterator[Log]:
    """Context with a function that sends the record of a round to the trackers.

    Args:
        track: Value of --track.
        folder: Folder of the run; TensorBoard's files are in `tensorboard/` of it.
        config: Options of the run.
        round_: Rounds played before; TensorBoard forgets what was logged after them, and the other
            trackers go on with their run.
    """
    started = []
    kept = folder / "wandb" / RUN_ID
    if track and parallel.first():
        from accelerate import PartialState
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        PartialState()  # accelerate's trackers speak through its logger, which needs it
        run = {"name": folder.resolve().name, "config": dict(config)}
        arguments: dict[str, dict[str, Any]] = {
            "tensorboard": {
                "run_name": "tensorboard", "logging_dir": folder, "purge_step": round_ + 1
            },
            "wandb": {"run_name": PROJECT, "dir": str(folder), **run},
            "trackio": {"run_name": PROJECT, "resume": "allow" if round_ else "never", **run},
        }  # fmt: skip
        if kept.is_file():
            arguments["wandb"] |= {"id": kept.read_text(encoding="utf-8"), "resume": "allow"}
        started = [LOGGER_TYPE_TO_CLASS[name](**arguments[name]) for name in names(track)]

    def log(record: Mapping[str, Any]) -> None:
        values = {
            name: value
            for name, value in record.items()
            if name != "round" and isinstance(value, int | float) and math.isfinite(value)
        }
        for tracker in started:
            tracker.log(values, step=record["round"])

    for tracker in started:
        tracker.start()
        if tracker.name == "wandb":
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(tracker.run.id, encoding="utf-8")
    try:
        yield log
    finally:
        for tracker in started:
            tracker.finish()
