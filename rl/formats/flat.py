"""Episodes one after another in flat arrays that say where they end or begin."""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from image_core.adversarial.errors import UserError
from rl.envs import Envs
from rl.formats.raw import BadEpisode, Raw, Source

LAST = "what followed an episode's last step is not in the file: that step is left out"
ENDS = "what followed a terminal step is not in the file: its own observation stands there"
DONES = (
    "dones do not tell terminal states from time limits: an episode as long as the environment's "
    "limit is taken as cut there"
)
CUT = "the file does not say how episodes ended: taken as cut by a time limit"


def d4rl_episodes(arrays: Mapping[str, np.ndarray], where: str, envs: Envs) -> Source:
    """Rows with `terminals` and perhaps `timeouts`, as D4RL has them.

    Without timeouts an episode is cut at the environment's time limit. What is left at the end
    without having ended is an episode that was interrupted, and is skipped.

    Args:
        arrays: Arrays of the file by name, a row a step.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: Arrays are missing or not as long as one another.
    """
    obs, rewards = arrays["observations"], arrays.get("rewards")
    ends = _flags(arrays, "terminals", where)
    cuts = _flags(arrays, "timeouts", where) if "timeouts" in arrays else None
    for name in {"actions", "rewards", "next_observations"} & arrays.keys():
        _check_rows(arrays, name, len(obs), where)
    after = arrays.get("next_observations")
    found: list[Raw | BadEpisode] = []
    cut_offs = 0
    for start, stop in _spans(ends, cuts, envs.max_episode_steps):
        last = stop - 1
        over = ends[last] or (cuts is not None and cuts[last])
        if not over and stop - start < envs.max_episode_steps:
            found.append(
                BadEpisode(f"{where}, trajectory {len(found)} breaks off before it has ended")
            )
            continue
        cut_off = after is None and not ends[last]
        cut_offs += cut_off
        kept, missed = slice(start, last if cut_off else stop), 0.0
        if after is not None:
            seen = np.concatenate([obs[start:stop], after[last:stop]])
        else:
            seen = obs[start:stop] if cut_off else np.concatenate([obs[start:stop], obs[last:stop]])
        if cut_off and rewards is not None:
            missed = float(np.sum(rewards[last]))
        found.append(
            Raw(
                seen,
                arrays["actions"][kept] if "actions" in arrays else None,
                bool(ends[last]),
                np.empty(0) if rewards is None else rewards[kept],
                missed,
            )
        )
    notes = [ENDS] if after is None and ends.any() else []
    notes += [LAST] if cut_offs else []
    return Source("D4RL", found, notes=notes)


def dones_episodes(arrays: Mapping[str, np.ndarray], where: str, envs: Envs) -> Source:
    """The same of rows whose ends are terminal states or time limits, which is not told.

    Args:
        arrays: Arrays of the file by name, a row a step.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: Arrays are missing or not as long as one another.
    """
    ends = _flags(arrays, "terminals", where)
    starts = np.concatenate([[0], np.flatnonzero(ends)[:-1] + 1])
    if ends.any():
        last = np.flatnonzero(ends)
        ends[last[last + 1 - starts >= envs.max_episode_steps]] = False
    found = d4rl_episodes({**arrays, "terminals": ends}, where, envs)
    return found._replace(kind="npz, a row a step", notes=[*found.notes, DONES])


def stable_baselines_episodes(arrays: Mapping[str, np.ndarray], where: str, envs: Envs) -> Source:
    """Rows with `episode_starts`: an ExpertDataset of stable-baselines 2.

    Args:
        arrays: Arrays of the file by name, a row a step.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: Arrays are not as long as one another, or hold names of files.
    """
    obs, starts = arrays["obs"], _flags(arrays, "episode_starts", where)
    if obs.dtype.kind in "US":
        raise UserError(f"{where} names pictures by their files; put their pixels into obs instead")
    for name in {"obs", "actions", "rewards"} & arrays.keys():
        _check_rows(arrays, name, len(starts), where)
    if len(starts) and not starts[0]:
        raise UserError(f"{where}: episode_starts is False in row 0, where an episode starts")
    edges = [*np.flatnonzero(starts).tolist(), len(starts)]
    rewards = arrays.get("rewards")
    found = [
        Raw(
            obs[start:stop],
            arrays["actions"][start : stop - 1],
            False,
            np.empty(0) if rewards is None else rewards[start : stop - 1],
            0.0 if rewards is None else float(np.sum(rewards[stop - 1])),
        )
        for start, stop in itertools.pairwise(edges)
    ]
    return Source("ExpertDataset of stable-baselines", found, notes=[LAST, CUT])


def imitation_episodes(arrays: Mapping[str, np.ndarray], where: str, envs: Envs) -> Source:
    """Trajectories of the `imitation` package's old npz: `indices` are where `acts` are split.

    Args:
        arrays: Arrays of the file by name, a row a step.
        where: Name of the file, for messages.
        envs: Environments that the data are of.

    Raises:
        UserError: The arrays do not belong together.
    """
    obs, acts, terminal = arrays["obs"], arrays["acts"], arrays["terminal"]
    edges = np.array([0, *arrays["indices"].tolist(), len(acts)])
    lengths = np.diff(edges)
    if (lengths < 1).any() or len(lengths) != len(terminal) or len(obs) != len(acts) + len(lengths):
        raise UserError(
            f"{where}: indices, terminal, obs and acts do not belong together: {len(lengths)} "
            f"trajectories, {len(terminal)} ends, {len(obs)} observations, {len(acts)} actions"
        )
    if "rews" in arrays:
        _check_rows(arrays, "rews", len(acts), where)
    rewards, found = arrays.get("rews"), []
    for i, (start, stop) in enumerate(itertools.pairwise(edges)):
        seen = obs[start + i : stop + i + 1]
        earned = np.empty(0) if rewards is None else rewards[start:stop]
        found.append(Raw(seen, acts[start:stop], bool(terminal[i]), earned))
    return Source("npz of imitation", found)


def states_episodes(arrays: Mapping[str, np.ndarray], where: str) -> Source:
    """Observations and `traj_len`: states alone, of which it is not told how they end.

    An episode's last observation is in `last_obs`, or is its last row: `traj_len` then counts
    either all of its rows, or its steps, which are one fewer.

    Args:
        arrays: Arrays of the file by name.
        where: Name of the file, for messages.

    Raises:
        UserError: The arrays do not belong together.
    """
    obs, counted, last = arrays["obs"], arrays["traj_len"], arrays.get("last_obs")
    if counted.ndim != 1 or counted.dtype.kind not in "iu" or (counted < 1).any():
        raise UserError(f"{where}: traj_len is not one whole number for each trajectory")
    rows = counted
    if last is None and counted.sum() + len(counted) == len(obs):
        rows = counted + 1
    if rows.sum() != len(obs) or (last is not None and len(last) != len(counted)):
        raise UserError(
            f"{where}: traj_len does not add up to the {len(obs)} rows of obs; write how many rows "
            "each trajectory has, in their order"
        )
    edges = [0, *rows.cumsum().tolist()]
    found = []
    for i, (start, stop) in enumerate(itertools.pairwise(edges)):
        seen = (
            obs[start:stop] if last is None else np.concatenate([obs[start:stop], last[i : i + 1]])
        )
        found.append(Raw(seen, None, False, np.empty(0)))
    return Source("npz, states and traj_len", found, notes=[CUT])


def _spans(ends: np.ndarray, cuts: np.ndarray | None, limit: int) -> Iterator[tuple[int, int]]:
    start = 0
    for i in range(len(ends)):
        cut = i + 1 - start >= limit if cuts is None else cuts[i]
        if ends[i] or cut:
            yield start, i + 1
            start = i + 1
    if start < len(ends):
        yield start, len(ends)


def _flags(arrays: Mapping[str, np.ndarray], name: str, where: str) -> np.ndarray:
    flags = np.ravel(arrays[name])
    if not np.isin(flags, (0, 1)).all():
        raise UserError(f"{where}: {name} are not True or False, one a row")
    return flags.astype(bool)


def _check_rows(arrays: Mapping[str, np.ndarray], name: str, rows: int, where: str) -> None:
    shape = arrays[name].shape
    if shape[:1] != (rows,):
        raise UserError(f"{where}: {name} has {shape[0] if shape else 1} rows, not {rows}")
