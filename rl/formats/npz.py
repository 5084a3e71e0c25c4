"""Archives of numpy: our own layout, and those of other packages."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from image_core.adversarial.errors import UserError
from image_core.archives import npz_arrays, npz_names
from rl.demos import Trajectory
from rl.envs import Envs
from rl.formats import steps
from rl.formats.flat import (
    d4rl_episodes,
    imitation_episodes,
    stable_baselines_episodes,
    states_episodes,
)
from rl.formats.raw import Raw, Source

NEEDED = ("obs", "terminals", "last_obs", "traj_len")
LAYOUTS: tuple[tuple[set[str], Callable[[Mapping[str, np.ndarray], str, Envs], Source]], ...] = (
    ({"obs", "actions", "episode_starts"}, stable_baselines_episodes),
    ({"obs", "acts", "terminal", "indices"}, imitation_episodes),
    ({"observations", "terminals"}, d4rl_episodes),
)
"""Names that tell other packages' layouts, and what reads them."""
_PICKLES = f"if you trust it, load it yourself and {steps.WAY_OUT}"
_PADDED = ("mask", "masks", "padding_mask", "lengths", "length", "seq_lens", "seq_lengths")
"""What says where padded episodes end."""
NAMES = {"env_id", "env_kwargs", "episode_returns", *NEEDED}
NAMES |= {name for names, _ in LAYOUTS for name in names}
NAMES |= {name for ours, others in steps.NAMES.items() for name in (ours, *others)}


def read_npz(path: Path, where: str, envs: Envs) -> Source:
    """Episodes of any layout that is known by its names.

    Args:
        path: File or folder to read.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: The file is broken, holds pickles, or its names are of no known layout.
    """
    held = npz_names(where, path, _PICKLES)
    wanted = [name for name in held if name.strip().lower() in NAMES]
    found = npz_arrays(where, path, wanted, _as_lines(path, wanted))
    found = _of_one(found, envs)
    for names, read in LAYOUTS:
        if names <= found.keys():
            return read(found, where, envs)
    named = {ours: found[theirs] for ours, theirs in steps.named(list(found)).items()}
    if "observations" in named and not {"traj_len", "last_obs"} & found.keys():
        if _is_stacked(named, envs):
            _check_padding(held, where)
            return steps.stacked_episodes(named, where)
        return steps.episodes_of_steps(named, where, envs, "npz, a row a step")
    if {"obs", "traj_len"} <= found.keys() and not {"acts", "terminals"} & found.keys():
        return states_episodes(found, where)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise UserError(
            f"{where} lacks {', '.join(missing)} and holds {', '.join(held[:12]) or 'nothing'}; "
            f"{steps.WAY_OUT}"
        )
    _check_npz(found, where)
    kwargs = _kwargs(found)
    return Source("npz", _episodes(found), str(found.get("env_id", "")), env_kwargs=kwargs)


def _of_one(arrays: Mapping[str, np.ndarray], envs: Envs) -> dict[str, np.ndarray]:
    """Arrays (N, 1, ...) of a buffer's only environment without that axis, as SB3 keeps them."""
    shown = envs.observations
    wide = {(1, *shown.shape), (1, *(shown.space.shape or ()))}
    if "observations" not in arrays or arrays["observations"].shape[1:] not in wide:
        return dict(arrays)
    return {n: a[:, 0] if a.ndim > 1 and a.shape[1] == 1 else a for n, a in arrays.items()}


def _is_stacked(arrays: Mapping[str, np.ndarray], envs: Envs) -> bool:
    """Whether there is an episode a row, each of equally many steps."""
    ends = {"terminals", "timeouts", "dones", "episode"} & arrays.keys()
    wanted = {len(envs.observations.shape) + 2, len(envs.observations.space.shape or ()) + 2}
    return not ends and arrays["observations"].ndim in wanted


def _check_padding(held: Sequence[str], where: str) -> None:
    """Refuse episodes of one length that are some shorter ones, padded.

    Raises:
        UserError: An array says where they end.
    """
    padded = [name for name in held if name.lower() in _PADDED]
    if padded:
        raise UserError(
            f"{where} holds {padded[0]}, which says that its episodes are padded to one length; "
            f"cut the padding off and {steps.WAY_OUT}"
        )


def _kwargs(arrays: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
    """Keyword arguments of the environment, if the file has them as JSON."""
    try:
        found = json.loads(str(arrays["env_kwargs"]) or "{}")
    except (KeyError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _as_lines(path: Path, names: Sequence[str]) -> str:
    """What is to be done with episodes in arrays of objects: a line of JSON an episode."""
    kept = list(steps.named(names).values())
    rows = f"{{k: np.asarray(f[k][i]).tolist() for k in {kept}}}"
    return (
        'if you trust them, write an episode a line by `python -c "import json, numpy as np; f = '
        f"np.load('{path}', allow_pickle=True); [print(json.dumps({rows})) for i in "
        f"range(len(f['{kept[0] if kept else 'obs'}']))]\" > NEW.jsonl`, and read that, or "
        "`seqgan demos --convert NEW.jsonl --env ID --out NEW.npz`"
    )


def _check_npz(arrays: Mapping[str, np.ndarray], where: str) -> None:
    """Refuse arrays that do not belong together."""
    for name in (*NEEDED, *({"acts"} & arrays.keys())):
        if not arrays[name].ndim:
            raise UserError(f"{where}: {name} is one value, not one a row")
    counted = "acts" if "acts" in arrays else "obs"
    lengths, rows = arrays["traj_len"], len(arrays[counted])
    whole = lengths.ndim == 1 and lengths.dtype.kind in ("iu" if len(lengths) else "iuf")
    if not whole or lengths.sum() != rows or (lengths < 1).any():
        raise UserError(f"{where}: traj_len does not add up to the {rows} rows of {counted}")
    for name in sorted({"obs", "terminals", "rews"} & arrays.keys()):
        shape = arrays[name].shape
        if shape[:1] != (rows,):
            raise UserError(
                f"{where}: {name} has {shape[0] if shape else 1} rows, but {counted} has {rows}"
            )
    ends = arrays["terminals"]
    if ends.shape != (rows,) or not np.isin(ends, (False, True)).all():
        raise UserError(f"{where}: terminals are not True or False, one a row")
    if np.delete(ends, lengths.cumsum().astype(int) - 1).any():
        raise UserError(
            f"{where}: terminals is True inside a trajectory; traj_len should end it there"
        )
    if "episode_returns" in arrays and arrays["episode_returns"].shape != lengths.shape:
        raise UserError(f"{where}: episode_returns is not one number for each trajectory")
    if arrays["last_obs"].shape != (len(lengths), *arrays["obs"].shape[1:]):
        raise UserError(
            f"{where}: last_obs has shape {arrays['last_obs'].shape}, not one observation "
            f"for each of the {len(lengths)} trajectories"
        )


def _episodes(arrays: Mapping[str, np.ndarray]) -> list[Raw]:
    rewards, acts = arrays.get("rews", np.empty(0, np.float32)), arrays.get("acts")
    raw, start = [], 0
    for i, length in enumerate(arrays["traj_len"]):
        at = slice(start, start + int(length))
        obs = np.concatenate([arrays["obs"][at], arrays["last_obs"][i : i + 1]])
        ends = bool(arrays["terminals"][at][-1])
        missed = 0.0
        if "episode_returns" in arrays:
            missed = float(arrays["episode_returns"][i]) - float(rewards[at].sum())
        raw.append(Raw(obs, None if acts is None else acts[at], ends, rewards[at], missed))
        start += int(length)
    return raw


def save_npz(
    path: Path, trajectories: Sequence[Trajectory], envs: Envs, env: str, env_kwargs: str = ""
) -> None:
    """Write episodes in the format that `read_npz` reads.

    Args:
        path: Path of the new file.
        trajectories: Episodes to write.
        envs: Environments that they are of.
        env: Id of the environment.
        env_kwargs: Its keyword arguments as JSON; empty for none.

    Raises:
        UserError: The file exists, or cannot be written.
    """
    ends = [np.zeros(len(t.obs), np.bool_) for t in trajectories]
    for t, end in zip(trajectories, ends):
        end[-1] = t.terminated
    arrays = {
        "obs": np.concatenate([t.obs for t in trajectories]),
        "terminals": np.concatenate(ends),
        "last_obs": np.stack([t.last_obs for t in trajectories]),
        "traj_len": np.array([len(t.obs) for t in trajectories]),
        "env_id": np.array(env),
        "env_kwargs": np.array(env_kwargs or "{}"),
    }
    if all(len(t.act) for t in trajectories):
        arrays["acts"] = np.concatenate([t.act for t in trajectories]) + envs.actions.start
    if all(len(t.rewards) for t in trajectories):
        arrays["rews"] = np.concatenate([t.rewards for t in trajectories])
    if any(t.missed for t in trajectories):
        arrays["episode_returns"] = np.array([t.ret for t in trajectories])
    try:
        with path.open("xb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    except FileExistsError as error:
        raise UserError(f"--out {path} exists and nothing is overwritten") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
