"""Tables: one trajectory a row (Hugging Face `datasets`), or one step a row (Minari's Arrow)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from image_core.adversarial.errors import UserError
from rl.envs import Envs
from rl.formats.hdf5 import environment_of, step_of
from rl.formats.raw import BadEpisode, Raw, Source


def read_dataset(path: Path, where: str, envs: Envs) -> Source:
    """One trajectory a row: obs (T + 1), acts (T), terminal, and perhaps rews; of splits, train.

    The `imitation` package's `infos`, which may hold anything, are never looked at.
    """
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        if path.is_dir():
            rows = datasets.load_from_disk(str(path))
        elif path.suffix == ".parquet":
            rows = datasets.Dataset.from_parquet(str(path))
        else:
            rows = datasets.Dataset.from_json(str(path))
    except Exception as error:  # whatever the reader below raises, the file is what is wrong
        raise UserError(f"{where} is no readable data set of trajectories") from error
    finally:
        if shown:
            datasets.enable_progress_bars()
    if isinstance(rows, datasets.DatasetDict):
        if "train" not in rows:
            raise UserError(f"{where} has no split named train; save the one you mean")
        rows = rows["train"]
    missing = {"obs", "terminal"} - set(rows.column_names)
    if missing:
        raise UserError(
            f"{where} lacks the columns {', '.join(sorted(missing))}; see docs/demonstrations.md "
            "for the formats"
        )
    columns = [name for name in ("obs", "acts", "terminal", "rews") if name in rows.column_names]
    rows = rows.select_columns(columns)
    found = [_of_row(row, f"{where}, trajectory {i}") for i, row in enumerate(rows)]
    return Source("data set of trajectories", found)


def _of_row(row: Mapping[str, Any], where: str) -> Raw | BadEpisode:
    if not isinstance(row["terminal"], bool):
        return BadEpisode(f"{where}: terminal is {row['terminal']!r}, not true or false")
    try:
        rewards = np.asarray(row.get("rews") or [])
        acts = np.asarray(row["acts"]) if row.get("acts") is not None else None
    except ValueError:
        return BadEpisode(f"{where}: its actions or rewards are not of one shape")
    return Raw(row["obs"], acts, row["terminal"], rewards)


def read_arrow(path: Path, where: str, envs: Envs) -> Source:
    """A data set of Minari in Arrow or parquet: a folder an episode, padded by one row."""
    import pyarrow
    from pyarrow import dataset

    data = path / "data"
    folders = sorted((f for f in data.iterdir() if f.name.isdigit()), key=lambda f: int(f.name))
    found: list[Raw | BadEpisode] = []
    for i, folder in enumerate(folders):
        files = [str(f) for f in sorted(folder.iterdir()) if f.suffix in (".arrow", ".parquet")]
        try:
            kind = "parquet" if files and files[0].endswith(".parquet") else "arrow"
            table = dataset.dataset(files, format=kind).to_table().combine_chunks()
            found.append(_of_table(table, f"{where}, trajectory {i}"))
        except (OSError, KeyError, IndexError, pyarrow.ArrowException) as error:
            raise UserError(f"{where} is no readable Minari data set: {folder}") from error
    env, kwargs = environment_of(data, {})
    return Source("Minari", found, env, env_kwargs=kwargs)


def _of_table(table: Any, where: str) -> Raw | BadEpisode:
    if table.num_rows < 2:
        return BadEpisode(f"{where} is empty; leave it out")
    acts = _column(table["actions"].combine_chunks())
    if not isinstance(acts, np.ndarray):
        raise UserError(f"{where} has actions made of parts; no policy here takes such")
    obs = _column(table["observations"].combine_chunks())
    if not isinstance(obs, np.ndarray):
        obs = [step_of(obs, t) for t in range(table.num_rows)]
    ends, rewards = (_column(table[n].combine_chunks()) for n in ("terminations", "rewards"))
    return Raw(obs, acts[:-1], bool(ends[-2]), rewards[:-1])


def _column(array: Any) -> Any:
    """An array, or a dict or a tuple of them; members of a tuple are named 0, 1, ..."""
    import pyarrow

    kind = array.type
    if pyarrow.types.is_struct(kind):
        parts = {field.name: _column(array.field(field.name)) for field in kind}
        if list(parts) == [str(i) for i in range(len(parts))]:
            return tuple(parts.values())
        return parts
    if pyarrow.types.is_fixed_size_list(kind):
        return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), -1)
    return array.to_numpy(zero_copy_only=False)
