"""Demonstrations from files: npz, Minari folders, Hugging Face data sets; all checked alike.

docs/demonstrations.md describes the formats.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from image_core.adversarial.errors import UserError
from rl.demos import Trajectory
from rl.envs import Envs

NEEDED = ("obs", "acts", "terminals", "last_obs", "traj_len")
MAYBE = ("rews", "env_id")
NUMBERS = "iuf"
"""Kinds of numpy's types that are numbers here."""


class Raw(NamedTuple):
    """One episode as its file has it, not yet encoded.

    Args:
        obs: T + 1 observations, the last after the last action.
        acts: T actions as the environment takes them.
        terminated: Whether it ended in a terminal state.
        rewards: Reward of each step; empty where they are not given.
    """

    obs: Any
    acts: np.ndarray
    terminated: bool
    rewards: np.ndarray


def load_demonstrations(path: str, envs: Envs, env: str) -> list[Trajectory]:
    """Whole episodes of a file or folder, checked against the environment.

    Args:
        path: Path of an .npz file, a Minari folder (data/main_data.hdf5), a folder of `datasets`,
            or a JSON-lines or parquet file with the columns obs, acts, terminal and perhaps rews.
        envs: Environments that they must fit.
        env: Id of the environment.

    Raises:
        UserError: The file cannot be read, is empty, or is not of this environment.
    """
    reader = _reader(Path(path))
    raw, made_for = reader(Path(path))
    if made_for and _name(made_for) != _name(env):
        raise UserError(
            f"--demos {path} were recorded in {made_for}, not in --env {env}; give others"
        )
    if not raw:
        raise UserError(f"--demos {path} hold no trajectory; record some with `seqgan demos`")
    return [encode(one, envs, f"--demos {path}, trajectory {i}") for i, one in enumerate(raw)]


def _name(env: str) -> str:
    """An environment's id without the module that registers it, as its own specification has it."""
    return env.rpartition(":")[2]


def encode(raw: Raw, envs: Envs, where: str) -> Trajectory:
    """Check one episode and encode it.

    Args:
        raw: Episode as it was read.
        envs: Environments that it must fit.
        where: Name of the file and the trajectory, for complaints.

    Raises:
        UserError: Its shapes or values do not fit the environment.
    """
    steps = len(raw.acts) if raw.acts.ndim else 0
    if steps < 1:
        raise UserError(f"{where} is empty; leave it out")
    obs = _observations(raw.obs, envs, where)
    if len(obs) != steps + 1:
        raise UserError(
            f"{where} has {len(obs)} observations for {steps} actions; one more than actions is "
            "needed, what followed the last action included"
        )
    acts, rewards = _actions(raw.acts, envs, where), np.asarray(raw.rewards)
    if rewards.shape not in ((0,), (steps,)):
        raise UserError(f"{where} has rewards of shape {rewards.shape} for {steps} actions")
    if rewards.dtype.kind not in NUMBERS or not np.isfinite(rewards).all():
        raise UserError(f"{where} has rewards that are no finite numbers; leave rews out")
    rewards = rewards.astype(np.float32)
    return Trajectory(obs[:-1], acts, obs[-1], bool(raw.terminated), rewards)


def _observations(raw: Any, envs: Envs, where: str) -> np.ndarray:
    wanted = envs.observations
    try:
        parts = isinstance(raw, list) and bool(raw) and isinstance(raw[0], dict | tuple)
        rows = wanted.encode(raw) if parts else np.asarray(raw)
        if rows.dtype.kind not in NUMBERS:
            raise ValueError
        if rows.shape[1:] != wanted.shape and rows.shape[1:] == wanted.space.shape:
            rows = wanted.encode(rows)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise UserError(
            f"{where}: its observations are no array of numbers, nor parts of the environment's"
        ) from error
    if rows.shape[1:] != wanted.shape:
        raise UserError(
            f"{where} has observations of shape {np.asarray(raw).shape[1:]}, but the environment "
            f"shows {wanted.space.shape or wanted.shape}; they are of another environment"
        )
    if wanted.image and rows.dtype != np.uint8 and not np.isin(rows, np.arange(256)).all():
        raise UserError(f"{where} has images whose pixels are no whole numbers from 0 to 255")
    with np.errstate(over="ignore"):  # what float32 cannot hold is not finite there
        rows = rows.astype(np.uint8 if wanted.image else np.float32)
    if not np.isfinite(rows).all():
        raise UserError(f"{where} has observations that are not finite; leave it out")
    return rows


def _actions(raw: np.ndarray, envs: Envs, where: str) -> np.ndarray:
    actions, acts = envs.actions, np.asarray(raw)
    if acts.dtype.kind not in (NUMBERS + "b" if actions.discrete else NUMBERS):
        raise UserError(f"{where}: its actions are no numbers")
    if not np.isfinite(acts).all():
        raise UserError(f"{where} has actions that are not finite; leave it out")
    if actions.discrete:
        if acts.ndim == 2 and acts.shape[1] == 1:
            acts = acts[:, 0]
        if acts.ndim != 1 or not np.array_equal(acts, np.round(acts)):
            raise UserError(
                f"{where} has actions of shape {acts.shape[1:]} and type {acts.dtype}, but the "
                "environment takes whole numbers; they are of another environment"
            )
        low, high = int(acts.min()), int(acts.max())
        least, most = actions.start, actions.start + actions.choices - 1
        if low < least or high > most:
            raise UserError(
                f"{where} has actions from {low} to {high}, but the environment takes {least} to "
                f"{most}"
            )
        return acts.astype(np.int64) - actions.start
    acts = acts.reshape(len(acts), -1)
    if acts.shape[1] != actions.features:
        raise UserError(
            f"{where} has actions of {acts.shape[1]} components, but the environment takes "
            f"{actions.features}; they are of another environment"
        )
    acts, slack = acts.astype(np.float64), 1e-4
    if (acts < actions.low.numpy() - slack).any() or (acts > actions.high.numpy() + slack).any():
        raise UserError(
            f"{where} has actions from {acts.min():.4g} to {acts.max():.4g}, outside the "
            f"environment's box {actions.low.min():.4g} to {actions.high.max():.4g}; clip or "
            "rescale them"
        )
    return acts.astype(np.float32)


# ------------------------------------------------------------------------------------------ readers

Reader = Callable[[Path], tuple[list[Raw], str]]
"""File -> its episodes, and the environment it names, empty where it names none."""


def _reader(path: Path) -> Reader:
    if not path.exists():
        raise UserError(f"--demos {path}: there is no such file or folder")
    if path.suffix == ".npz":
        return read_npz
    if path.is_dir() and (path / "data" / "main_data.hdf5").exists():
        return read_minari
    if path.is_dir() or path.suffix in (".jsonl", ".json", ".parquet"):
        return read_dataset
    raise UserError(
        f"--demos {path}: give an .npz, .jsonl or .parquet file, a Minari folder or a saved "
        "Hugging Face data set"
    )


def read_npz(path: Path) -> tuple[list[Raw], str]:
    """Episodes one after another in flat arrays, cut by `traj_len`."""
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, NpzFile):
                raise ValueError("one array, not an archive")
            with file:
                found = {name: file[name] for name in file.files if name in (*NEEDED, *MAYBE)}
        if not all(isinstance(array, np.ndarray) for array in found.values()):
            raise ValueError("an archive of something else")
    except (OSError, ValueError, BadZipFile, EOFError, KeyError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"--demos {path} is no readable npz file; record it again") from error
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise UserError(
            f"--demos {path} lacks {', '.join(missing)}; see docs/demonstrations.md for the format"
        )
    _check_npz(found, path)
    return _of_npz(found), str(found.get("env_id", ""))


def _check_npz(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Refuse arrays that do not belong together."""
    for name in ("obs", "acts", "terminals", "last_obs", "traj_len"):
        if not arrays[name].ndim:
            raise UserError(f"--demos {path}: {name} is one value, not one a row")
    lengths, rows = arrays["traj_len"], len(arrays["acts"])
    whole = lengths.ndim == 1 and lengths.dtype.kind in ("iu" if len(lengths) else "iuf")
    if not whole or lengths.sum() != rows or (lengths < 1).any():
        raise UserError(f"--demos {path}: traj_len does not add up to the {rows} rows of acts")
    for name in {"obs", "terminals", "rews"} & arrays.keys():
        shape = arrays[name].shape
        if shape[:1] != (rows,):
            raise UserError(
                f"--demos {path}: {name} has {shape[0] if shape else 1} rows, but acts has {rows}"
            )
    ends = arrays["terminals"]
    if ends.shape != (rows,) or not np.isin(ends, (False, True)).all():
        raise UserError(f"--demos {path}: terminals are not True or False, one a row")
    if np.delete(ends, lengths.cumsum().astype(int) - 1).any():
        raise UserError(
            f"--demos {path}: terminals is True inside a trajectory; traj_len should end it there"
        )
    if arrays["last_obs"].shape != (len(lengths), *arrays["obs"].shape[1:]):
        raise UserError(
            f"--demos {path}: last_obs has shape {arrays['last_obs'].shape}, not one observation "
            f"for each of the {len(lengths)} trajectories"
        )


def _of_npz(arrays: Mapping[str, np.ndarray]) -> list[Raw]:
    rewards = arrays.get("rews", np.empty(0, np.float32))
    raw, start = [], 0
    for i, length in enumerate(arrays["traj_len"]):
        at = slice(start, start + int(length))
        obs = np.concatenate([arrays["obs"][at], arrays["last_obs"][i : i + 1]])
        ends = bool(arrays["terminals"][at][-1])
        raw.append(Raw(obs, arrays["acts"][at], ends, rewards[at]))
        start += int(length)
    return raw


def read_minari(path: Path) -> tuple[list[Raw], str]:
    """A data set of Minari on this disk, without Minari's own folder of data sets."""
    try:
        import h5py
    except ImportError as error:
        raise UserError(
            f"--demos {path} is a Minari data set; reading it needs h5py: pip install h5py"
        ) from error
    try:
        with h5py.File(path / "data" / "main_data.hdf5") as file:
            about = dict(file.attrs)
            names = sorted((n for n in file if n.startswith("episode_")), key=_number)
            raw = []
            for name in names:
                episode = file[name]
                raw.append(
                    Raw(
                        _minari_observations(episode["observations"], len(episode["actions"])),
                        episode["actions"][()],
                        bool(episode["terminations"][-1]),
                        episode["rewards"][()],
                    )
                )
    except (OSError, KeyError, IndexError, TypeError) as error:
        raise UserError(f"--demos {path} is no readable Minari data set") from error
    return raw, _minari_environment(path, about)


def _minari_environment(path: Path, about: dict[str, Any]) -> str:
    """What the data set says it was made in: beside the data, and before Minari 0.5 among them."""
    beside = path / "data" / "metadata.json"
    try:
        if beside.exists():
            about = json.loads(beside.read_text(encoding="utf-8"))
        spec = about.get("env_spec") or "{}"
        return str((json.loads(spec) if isinstance(spec, str) else spec).get("id", ""))
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{beside} does not say what environment its data are of") from error


def _minari_observations(node: Any, steps: int) -> Any:
    """An array, or one dict or tuple a step where the space is made of parts."""
    found = _minari_parts(node)
    if isinstance(found, np.ndarray):
        return found
    return [_minari_step(found, t) for t in range(steps + 1)]


def _minari_parts(node: Any) -> Any:
    """Groups of Tuple spaces name their members _index_0, _index_1, ..."""
    import h5py

    if isinstance(node, h5py.Dataset):
        return node[()]
    if all(key.startswith("_index_") for key in node):
        return tuple(_minari_parts(node[f"_index_{i}"]) for i in range(len(node)))
    return {key: _minari_parts(node[key]) for key in node}


def _minari_step(found: Any, t: int) -> Any:
    if isinstance(found, dict):
        return {key: _minari_step(part, t) for key, part in found.items()}
    if isinstance(found, tuple):
        return tuple(_minari_step(part, t) for part in found)
    return found[t]


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def read_dataset(path: Path) -> tuple[list[Raw], str]:
    """One trajectory a row: obs (T + 1), acts (T), terminal, and perhaps rews; of splits, train."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        if path.is_dir():
            rows = datasets.load_from_disk(str(path))
        else:
            kind = "parquet" if path.suffix == ".parquet" else "json"
            rows = (
                datasets.Dataset.from_parquet(str(path))
                if kind == "parquet"
                else (datasets.Dataset.from_json(str(path)))
            )
    except Exception as error:  # whatever the reader below raises, the file is what is wrong
        raise UserError(f"--demos {path} is no readable data set of trajectories") from error
    finally:
        if shown:
            datasets.enable_progress_bars()
    if isinstance(rows, datasets.DatasetDict):
        if "train" not in rows:
            raise UserError(f"--demos {path} has no split named train; save the one you mean")
        rows = rows["train"]
    missing = {"obs", "acts", "terminal"} - set(rows.column_names)
    if missing:
        raise UserError(
            f"--demos {path} lacks the columns {', '.join(sorted(missing))}; see "
            "docs/demonstrations.md for the format"
        )
    return [_of_row(row, f"--demos {path}, trajectory {i}") for i, row in enumerate(rows)], ""


def _of_row(row: Mapping[str, Any], where: str) -> Raw:
    if not isinstance(row["terminal"], bool):
        raise UserError(f"{where}: terminal is {row['terminal']!r}, not true or false")
    acts, rewards = np.asarray(row["acts"]), np.asarray(row.get("rews") or [])
    return Raw(row["obs"], acts, row["terminal"], rewards)


def save_npz(path: Path, trajectories: Sequence[Trajectory], envs: Envs, env: str) -> None:
    """Write episodes in the format that `read_npz` reads.

    Args:
        path: Path of the new file.
        trajectories: Episodes to write.
        envs: Environments that they are of.
        env: Id of the environment.

    Raises:
        UserError: The file exists, or cannot be written.
    """
    ends = [np.zeros(len(t.obs), np.bool_) for t in trajectories]
    for t, end in zip(trajectories, ends):
        end[-1] = t.terminated
    arrays = {
        "obs": np.concatenate([t.obs for t in trajectories]),
        "acts": np.concatenate([t.act for t in trajectories]) + envs.actions.start,
        "rews": np.concatenate([t.rewards for t in trajectories]),
        "terminals": np.concatenate(ends),
        "last_obs": np.stack([t.last_obs for t in trajectories]),
        "traj_len": np.array([len(t.obs) for t in trajectories]),
        "env_id": np.array(env),
    }
    try:
        with path.open("xb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    except FileExistsError as error:
        raise UserError(f"--out {path} exists and nothing is overwritten") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
