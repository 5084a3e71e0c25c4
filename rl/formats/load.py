"""Demonstrations of any format: read, checked, bad episodes left out and counted."""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from image_core.adversarial.errors import UserError
from image_core.packed import bare
from rl.demos import Trajectory
from rl.envs import Envs
from rl.formats.hdf5 import read_hdf5, read_minari
from rl.formats.npz import read_npz
from rl.formats.raw import BadEpisode, Source, encode
from rl.formats.rows import read_arrow, read_dataset

MINARI_ID = re.compile(r"([-\w.]+/)*[-\w.]+-v\d+")
TABLES = (".jsonl", ".json", ".parquet", ".csv")
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".zip")


class Demonstrations(NamedTuple):
    """Episodes of a file, and what was understood of it.

    Args:
        trajectories: Episodes that are of use.
        told: One line: format, episodes, steps, ends, returns, what was left out and decided.
        skipped: Number of episodes that were left out.
    """

    trajectories: list[Trajectory]
    told: str
    skipped: int


def load_demonstrations(path: str, envs: Envs, env: str) -> list[Trajectory]:
    """Whole episodes of a file or folder; see `read_demonstrations`.

    Args:
        path: File or folder to read.
        envs: Environments that the data are of.
        env: Id of the environment.

    Raises:
        UserError: The file cannot be read, or is of another environment.
    """
    return read_demonstrations(path, envs, env).trajectories


def read_demonstrations(
    path: str,
    envs: Envs,
    env: str,
    *,
    option: str = "--demos",
    needs_actions: bool = True,
    env_kwargs: Mapping[str, Any] | None = None,
) -> Demonstrations:
    """Whole episodes of a file or folder, checked against the environment.

    Args:
        path: Path of a file or folder, or id of a Minari data set on this machine.
        envs: Environments that they must fit.
        env: Id of the environment.
        option: Option that named the file, for complaints.
        needs_actions: Whether episodes without actions are of no use.
        env_kwargs: Keyword arguments of the environments, to compare; None compares none.

    Raises:
        UserError: The file cannot be read, holds no sound episode, or is not of this environment.
    """
    where = f"{option} {path}"
    place = _place(path, where)
    try:
        source = _reader(place, where)(place, where, envs)
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror or error}") from error
    if source.env and _name(source.env) != _name(env):
        raise UserError(f"{where} were recorded in {source.env}, not in --env {env}; give others")
    if not source.episodes:
        raise UserError(f"{where} hold no trajectory; record some with `seqgan demos`")
    found: list[Trajectory] = []
    skipped: list[BadEpisode] = []
    for i, one in enumerate(source.episodes):
        try:
            if isinstance(one, BadEpisode):
                raise one
            name = f"{where}, trajectory {i}"
            found.append(encode(one, envs, name, needs_actions=needs_actions))
        except BadEpisode as error:
            skipped.append(error)
    if not found:
        raise UserError(str(skipped[0])) from skipped[0]
    if env_kwargs is not None and source.env_kwargs not in (None, env_kwargs):
        note = (
            f"they were recorded with --env_kwargs '{json.dumps(source.env_kwargs)}' and not "
            f"'{json.dumps(env_kwargs)}'"
        )
        source = source._replace(notes=[*source.notes, note])
    return Demonstrations(found, _told(where, source, found, skipped), len(skipped))


def _name(env: str) -> str:
    """An environment's id without the module that registers it, as its own specification has it."""
    return env.rpartition(":")[2]


def _told(where: str, source: Source, found: list[Trajectory], skipped: list[BadEpisode]) -> str:
    lengths, returns = [len(t.obs) for t in found], np.array([t.ret for t in found])
    ends = sum(t.terminated for t in found)
    parts = [
        f"{source.kind}, {len(found)} episodes of {_span(lengths)} steps ({sum(lengths)} in all), "
        f"{ends} ended in a terminal state",
        "return unknown"
        if np.isnan(returns).any()
        else f"return {returns.mean():.2f} ± {returns.std():.2f}",
    ]
    if not any(len(t.act) for t in found):
        parts.append("states alone, no actions")
    if skipped:
        why = str(skipped[0]).removeprefix(f"{where}, ")
        parts.append(f"{len(skipped)} skipped, the first because {why}")
    return f"{where}: " + "; ".join([*parts, *source.notes])


def _span(lengths: list[int]) -> str:
    low, high = min(lengths), max(lengths)
    return f"{low}" if low == high else f"{low} to {high}"


# ------------------------------------------------------------------------------------------ readers

Reader = Callable[[Path, str, Envs], Source]
"""Path, name for complaints, environments -> what is there."""


def _place(path: str, where: str) -> Path:
    """The path itself, or the folder where Minari keeps the data set of that id."""
    if Path(path).exists():
        return Path(path)
    if not MINARI_ID.fullmatch(path):
        raise UserError(f"{where}: there is no such file or folder; check the path")
    home = os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets"
    kept = Path(home) / path
    if not kept.exists():
        raise UserError(
            f"{where}: there is no such file or folder, nor a Minari data set of that id in "
            f"{home}; get it by `minari download {path}`"
        )
    return kept


def _reader(path: Path, where: str) -> Reader:
    if path.is_dir() and (path / "data" / "main_data.hdf5").exists():
        return read_minari
    if path.is_dir() and (path / "data" / "metadata.json").exists():
        return read_arrow
    if path.is_dir() or Path(bare(path.name)).suffix in TABLES:
        return read_dataset
    if path.suffix in (".hdf5", ".h5"):
        return read_hdf5
    if path.suffix == ".npz":
        return read_npz
    if path.suffix in PICKLES:
        raise UserError(
            f"{where} is a pickle, which would run whatever it says; load it yourself if you trust "
            "it and write an .npz by rl.formats.save_npz: docs/demonstrations.md shows how"
        )
    raise UserError(
        f"{where}: give an .npz, .hdf5, .jsonl, .csv or .parquet file, a Minari folder or id, or "
        "a saved Hugging Face data set"
    )
