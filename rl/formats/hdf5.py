"""HDF5 files: data sets of Minari, and of D4RL."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from image_core.adversarial.errors import UserError
from rl.envs import Envs
from rl.formats.arrays import check_own, whole
from rl.formats.flat import d4rl_episodes
from rl.formats.groups import demonstrations_of_groups
from rl.formats.raw import BadEpisode, Raw, Source

D4RL = ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations")


def read_minari(path: Path, where: str, envs: Envs) -> Source:
    """A data set of Minari in its folder, without Minari's own folder of data sets.

    Args:
        path: File or folder to read.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: The data set is broken, or h5py is missing.
    """
    return read_hdf5(path / "data" / "main_data.hdf5", where, envs)


def read_hdf5(path: Path, where: str, envs: Envs) -> Source:
    """A file of Minari, one group an episode, or of D4RL, flat arrays.

    Args:
        path: File or folder to read.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: The file is broken or of another layout, or h5py is missing.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{where}: reading it needs h5py: pip install h5py") from error
    try:
        with h5py.File(path) as file:
            check_own(file, where)
            groups = sorted((n for n in file if n.startswith("episode_")), key=_number)
            if groups:
                about = dict(file.attrs)
                episodes = [
                    _episode(file[name], f"{where}, trajectory {i}")
                    for i, name in enumerate(groups)
                ]
                env, kwargs = environment_of(path.parent, about)
                return Source("Minari", episodes, env, env_kwargs=kwargs)
            if (grouped := demonstrations_of_groups(file, where, envs)) is not None:
                return grouped
            arrays = {name: whole(file[name], where) for name in D4RL if name in file}
    except (OSError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{where} is no readable data set of Minari or D4RL ({error}); save it anew"
        ) from error
    missing = [name for name in ("observations", "terminals") if name not in arrays]
    if missing:
        raise UserError(
            f"{where} lacks {', '.join(missing)}, and groups episode_0 (Minari), data/demo_0 "
            "(robomimic) or traj_0 (ManiSkill); write the arrays of D4RL, or by np.savez: "
            "docs/demonstrations.md says how"
        )
    return d4rl_episodes(arrays, where, envs)


def environment_of(folder: Path, about: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Id and keyword arguments of the environment that a Minari data set says it was made in.

    They stand beside the data, or before Minari 0.5 in them.

    Args:
        folder: Folder of the data.
        about: Attributes of the data themselves.

    Raises:
        UserError: What stands beside the data is broken.
    """
    beside = folder / "metadata.json"
    try:
        if beside.exists():
            about = json.loads(beside.read_text(encoding="utf-8"))
        told = about.get("env_spec") or "{}"
        spec = json.loads(told) if isinstance(told, str) else told
        return str(spec.get("id", "")), spec.get("kwargs")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{beside} does not say what environment its data are of") from error


def _episode(group: Any, where: str) -> Raw | BadEpisode:
    missing = {"observations", "actions", "terminations"} - set(group)
    if missing:
        return BadEpisode(f"{where} lacks {', '.join(sorted(missing))}")
    ends = whole(group["terminations"], where)
    if not len(ends):
        return BadEpisode(f"{where} is empty; leave it out")
    rewards = whole(group["rewards"], where) if "rewards" in group else np.empty(0)
    acts = _parts(group["actions"], where)
    if not isinstance(acts, np.ndarray):
        raise UserError(f"{where} has actions made of parts; no policy here takes such")
    obs = _steps(_parts(group["observations"], where), len(acts))
    return Raw(obs, acts, bool(ends[-1]), rewards)


def _steps(found: Any, steps: int) -> Any:
    """An array, or one dict or tuple a step where the space is made of parts."""
    if isinstance(found, np.ndarray):
        return found
    return [step_of(found, t) for t in range(steps + 1)]


def _parts(node: Any, where: str) -> Any:
    """Groups of Tuple spaces name their members _index_0, _index_1, ..."""
    import h5py

    if isinstance(node, h5py.Dataset):
        return whole(node, f"{where}, {node.name}")
    if all(key.startswith("_index_") for key in node):
        return tuple(_parts(node[f"_index_{i}"], where) for i in range(len(node)))
    return {key: _parts(node[key], where) for key in node}


def step_of(found: Any, t: int) -> Any:
    """One step of arrays, or of dicts and tuples of them.

    Args:
        found: Array, or dicts and tuples of arrays, time first.
        t: Number of the step.
    """
    if isinstance(found, dict):
        return {key: step_of(part, t) for key, part in found.items()}
    if isinstance(found, tuple):
        return tuple(step_of(part, t) for part in found)
    return found[t]


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])
