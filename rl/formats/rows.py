"""Tables: one trajectory a row (Hugging Face `datasets`), or one step a row (Minari's Arrow)."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from image_core.adversarial.errors import UserError
from image_core.packed import BROKEN, bare, broken, check_name, open_unpacked
from rl.envs import Envs
from rl.formats import steps
from rl.formats.flat import CUT
from rl.formats.hdf5 import environment_of, step_of
from rl.formats.raw import BadEpisode, Raw, Source


def read_dataset(path: Path, where: str, envs: Envs) -> Source:
    """One trajectory a row: obs (T + 1), acts (T), terminal, and perhaps rews; or a step a row.

    Of splits, train. Columns have one of the names of `steps.NAMES`. The `imitation` package's
    `infos`, which may hold anything, are never looked at.

    Args:
        path: File or folder to read.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: The file is broken, or its columns are of no known layout.
    """
    import datasets

    if path.is_file() and bare(path.name) != path.name.lower():
        with TemporaryDirectory() as folder:
            return read_dataset(_unpacked(path, Path(folder), where), where, envs)
    if path.is_file() and path.suffix != ".parquet":
        _check_text(path, where)
    shown, said = not datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # the sentence below says it
    try:
        if path.is_dir():
            rows = datasets.load_from_disk(str(path))
        elif path.suffix == ".csv":
            rows = datasets.Dataset.from_csv(str(path), **_separators(path))
        elif path.suffix == ".parquet":
            rows = datasets.Dataset.from_parquet(str(path))
        elif path.suffix == ".jsonl" and _has_commas(path):
            rows = datasets.Dataset.from_list(_values(path, where))
        else:
            rows = datasets.Dataset.from_json(str(path))
    except UserError:
        raise
    except Exception as error:  # whatever the reader below raises, the file is what is wrong
        if path.suffix == ".jsonl":
            _values(path, where)  # which names the row
        raise UserError(
            f"{where} is no readable data set of trajectories ({type(error).__name__}); write one "
            "trajectory or one step a row, as docs/demonstrations.md says"
        ) from error
    finally:
        datasets.logging.set_verbosity(said)
        if shown:
            datasets.enable_progress_bars()
    if isinstance(rows, datasets.DatasetDict):
        if "train" not in rows:
            raise UserError(f"{where} has no split named train; save the one you mean")
        rows = rows["train"]
    if not len(rows):
        raise UserError(f"{where} holds no rows; record some with `seqgan demos`")
    if path.suffix == ".csv":
        columns = {n: np.asarray(rows[n]) for n in rows.column_names}
        numbers = {n: c for n, c in columns.items() if c.dtype.kind in "biuf"}
        words = {n: c for n, c in columns.items() if n not in numbers}
        held = steps.gathered(numbers)
        for name, cells in words.items():
            (role,) = steps.named([re.sub(r"[_.\[]?\d+\]?$", "", name)]) or [""]
            if role == "episode":
                held[name] = cells.astype(str)
            elif role:
                _refuse_words(name, cells, where)
        return _of_steps(held, where, envs)
    known = steps.named(rows.column_names)
    if "observations" not in known:
        raise UserError(
            f"{where} has no column obs, only {', '.join(rows.column_names[:12])}; call the "
            "columns obs, acts, terminal and rews, a trajectory or a step a row"
        )
    rows = rows.select_columns(list(known.values())).rename_columns(
        {theirs: ours for ours, theirs in known.items()}
    )
    flags = any(isinstance(rows[0].get(name), list) for name in ("terminals", "timeouts", "dones"))
    if _is_step(rows[0]["observations"], envs) or flags:
        flat = rows[0] if len(rows) == 1 else rows
        try:
            held = {name: np.asarray(flat[name]) for name in rows.column_names}
        except ValueError as error:
            raise UserError(f"{where}: its rows are not of one shape; mend them") from error
        return _of_steps(held, where, envs)
    notes = [] if "terminals" in known else [CUT]
    equal = all(_steps_of(row) for row in rows)  # nowhere is what followed the last step
    found = [_of_row(row, f"{where}, trajectory {i}", equal, notes) for i, row in enumerate(rows)]
    return Source("data set of trajectories", found, notes=list(dict.fromkeys(notes)))


def _unpacked(path: Path, folder: Path, where: str) -> Path:
    """A packed file, unpacked into a folder.

    Raises:
        UserError: It is broken, or unpacks to very much more.
    """
    with path.open("rb") as file:
        head = file.read(6)
    check_name(path, head)
    plain = folder / bare(path.name)
    try:
        with open_unpacked(path, where) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except (OSError, *BROKEN) as error:
        raise broken(where, head, error) from error
    return plain


def _check_text(path: Path, where: str) -> None:
    """Refuse a text that is empty or not UTF-8, by its row."""
    with path.open("rb") as file:
        row = 0
        for row, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{where}, row {row} is not UTF-8; save it as UTF-8, for example with `iconv "
                    "-f cp1252 -t utf-8`"
                ) from error
    if not row:
        raise UserError(f"{where} is empty; record some with `seqgan demos`")


def _has_commas(path: Path) -> bool:
    """Whether a comma follows the first line of JSON."""
    with path.open(encoding="utf-8-sig") as file:
        return file.readline().rstrip().endswith("},")


def _values(path: Path, where: str) -> list[Any]:
    """Records of lines of JSON.

    Raises:
        UserError: A row is none.
    """
    found = []
    with path.open(encoding="utf-8-sig") as file:
        for row, line in enumerate(file, 1):
            try:
                found += [json.loads(line.rstrip().removesuffix(","))] if line.strip() else []
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{where}, row {row} is no JSON ({error}); mend it, or leave it out"
                ) from error
    return found


def _refuse_words(name: str, cells: np.ndarray, where: str) -> None:
    """Name the first cell of a column of numbers that is none.

    Raises:
        UserError: There is one, as there is in every column that is not read as numbers.
    """
    for row, cell in enumerate(cells.tolist(), 2):
        try:
            float(cell)
        except (TypeError, ValueError):
            what = "nothing" if cell is None else repr(cell)
            raise UserError(
                f"{where}, row {row}: {name} holds {what}, which is no number; mend it, or leave "
                "the episode out"
            ) from None


def _separators(path: Path) -> dict[str, str]:
    """Separator and decimal mark of a table; spreadsheets of many countries write 0,5;1,5."""
    with path.open(encoding="utf-8-sig") as file:
        header, row = file.readline(), file.readline()
    separator = max(",;\t", key=header.count)
    return {"sep": separator, "decimal": "," if separator != "," and "," in row else "."}


def _of_steps(held: Mapping[str, np.ndarray], where: str, envs: Envs) -> Source:
    known = steps.named(list(held))
    if "observations" not in known:
        raise UserError(
            f"{where} has no columns of observations, only {', '.join(list(held)[:12])}; call them "
            "obs_0, obs_1, ..., and the others action_0, ..., reward, terminated, truncated"
        )
    arrays = {ours: held[theirs] for ours, theirs in known.items()}
    return steps.episodes_of_steps(arrays, where, envs, "table, a row a step")


def _is_step(value: Any, envs: Envs) -> bool:
    """Whether a cell is one observation, and not those of a trajectory."""
    if isinstance(value, Mapping):
        return False
    try:
        return np.ndim(value) in (len(envs.observations.space.shape or (0,)),)
    except ValueError:
        return False


def _steps_of(row: Mapping[str, Any]) -> bool:
    """Whether a trajectory has as many observations as actions."""
    obs, acts = row["observations"], row.get("actions")
    return isinstance(obs, list) and isinstance(acts, list) and len(obs) == len(acts) > 0


def _of_row(row: Mapping[str, Any], where: str, equal: bool, notes: list[str]) -> Raw | BadEpisode:
    ended = row.get("terminals", False)
    if not isinstance(ended, bool):
        return BadEpisode(f"{where}: terminal is {ended!r}, not true or false")
    try:
        rewards = np.asarray(row.get("rewards") or [])
        acts = np.asarray(row["actions"]) if row.get("actions") is not None else None
    except ValueError:
        return BadEpisode(f"{where}: its actions or rewards are not of one shape")
    if not equal:
        return Raw(row["observations"], acts, ended, rewards)
    raw, note = steps.whole_episode(np.asarray(row["observations"]), acts, ended, rewards)
    notes.append(note)
    return raw


def read_arrow(path: Path, where: str, envs: Envs) -> Source:
    """A data set of Minari in Arrow or parquet: a folder an episode, padded by one row.

    Args:
        path: File or folder to read.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: The data set is broken.
    """
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
