"""A step a row, by whatever names the columns have; and where the episodes of the rows end."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from image_core.adversarial.errors import UserError
from rl.envs import Envs
from rl.formats.flat import CUT, DONES, ENDS, LAST, d4rl_episodes, dones_episodes
from rl.formats.raw import BadEpisode, Raw, Source

NAMES = {
    "observations": ("observation", "obs", "state", "states", "observation.state", "ob", "s"),
    "actions": ("action", "acts", "act", "acs", "ac", "a"),
    "rewards": ("reward", "rews", "rew", "next.reward", "r"),
    "next_observations": ("next_observation", "next_obs", "next_state", "next_states", "obs_next",
                          "new_obs", "s_next"),
    "terminals": ("terminal", "terminated", "terminations"),
    "timeouts": ("timeout", "truncated", "truncations"),
    "dones": ("done", "next.done"),
    "episode": ("episode_id", "episode_index", "episodes", "traj_id", "trajectory_id", "eps_id",
                "traj", "trajectory"),
}  # fmt: skip
"""What the columns of a row a step are called here, and elsewhere."""
WAY_OUT = (
    "write a row a step by np.savez(FILE, obs=..., acts=..., next_obs=..., terminations=..., "
    "truncations=...), or with episode=, the number of each row's episode, for the last two"
)
_NUMBERED = re.compile(r"(.*[^\d_.\[])[_.\[]?(\d+)\]?")


def named(columns: Sequence[str]) -> dict[str, str]:
    """Which columns are which of `NAMES`: from names here to names there.

    Args:
        columns: Names of the columns.
    """
    plain = {name.strip().lower(): name for name in columns}
    found = {}
    for ours, others in NAMES.items():
        theirs = next((name for name in (ours, *others) if name in plain), None)
        if theirs is not None:
            found[ours] = plain[theirs]
    return found


def gathered(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns in which obs_0, obs_1, ... are the components of obs.

    Args:
        columns: Columns of a table of numbers.
    """
    parts: dict[str, dict[int, np.ndarray]] = {}
    for name, values in columns.items():
        if match := _NUMBERED.fullmatch(name):
            parts.setdefault(match[1], {})[int(match[2])] = values
    whole = {name: np.stack([of[i] for i in sorted(of)], 1) for name, of in parts.items()}
    return {**{n: v for n, v in columns.items() if not _NUMBERED.fullmatch(n)}, **whole}


def episodes_of_steps(
    arrays: Mapping[str, np.ndarray], where: str, envs: Envs, kind: str
) -> Source:
    """Episodes of columns under the names of `NAMES`.

    Args:
        arrays: Columns, a row a step.
        where: Name of the file, for complaints.
        envs: Environments that they are of.
        kind: Name of the format.

    Raises:
        UserError: It is not said where episodes end, or the columns do not belong together.
    """
    notes: list[str] = []
    if "episode" in arrays:
        arrays, notes = _ended(arrays, where, envs)
    if "terminals" in arrays:
        found = d4rl_episodes(arrays, where, envs)
    elif "dones" in arrays:
        found = dones_episodes({**arrays, "terminals": arrays["dones"]}, where, envs)
    else:
        raise UserError(f"{where} does not say where an episode ends; {WAY_OUT}")
    return found._replace(kind=kind, notes=[*found.notes, *notes])


def _ended(
    arrays: Mapping[str, np.ndarray], where: str, envs: Envs
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The columns with ends where the number of the episode changes, and what is to be said."""
    number = np.ravel(arrays["episode"])
    last = np.append(number[1:] != number[:-1], True)
    if last.sum() != len(np.unique(number)):
        raise UserError(f"{where}: rows of one episode stand apart; sort the rows by episode")
    told = next((name for name in ("terminals", "dones") if name in arrays), None)
    ends = np.zeros(len(number), np.bool_) if told is None else np.ravel(arrays[told]).astype(bool)
    if ends.shape != number.shape:
        raise UserError(f"{where}: {told} has {len(ends)} rows, and episode {len(number)}")
    if told == "dones":
        steps = np.diff(np.flatnonzero(last), prepend=-1)
        ends[np.flatnonzero(last)[steps >= envs.max_episode_steps]] = False
    left = {name: x for name, x in arrays.items() if name not in ("episode", "dones")}
    notes = {None: [CUT], "dones": [DONES]}.get(told, [])
    return {**left, "terminals": ends, "timeouts": last & ~ends}, notes


def whole_episode(
    obs: np.ndarray, acts: np.ndarray | None, terminated: bool, rewards: np.ndarray
) -> tuple[Raw, str]:
    """One episode, where what followed its last step may not be there; and what is to be said.

    Args:
        obs: T or T + 1 observations.
        acts: T actions; None where there are only states.
        terminated: Whether it ended in a terminal state.
        rewards: Rewards of the steps; empty where they are not known.
    """
    if acts is None or len(obs) != len(acts):
        return Raw(obs, acts, terminated, rewards), ""
    if terminated:
        return Raw(np.concatenate([obs, obs[-1:]]), acts, True, rewards), ENDS
    missed = float(np.sum(rewards[-1:]))
    return Raw(obs, acts[:-1], False, rewards[:-1], missed), LAST


def stacked_episodes(arrays: Mapping[str, np.ndarray], where: str) -> Source:
    """Episodes of one length, (episodes, steps, ...).

    Args:
        arrays: Columns under the names of `NAMES`.
        where: Name of the file, for complaints.

    Raises:
        UserError: An array is of another number of episodes.
    """
    obs, acts, rewards = (arrays.get(n) for n in ("observations", "actions", "rewards"))
    assert obs is not None
    for name, array in arrays.items():
        if array.shape[:1] != obs.shape[:1]:
            raise UserError(f"{where}: {name} is not of {len(obs)} episodes, as observations are")
    found: list[Raw | BadEpisode] = []
    notes = [CUT]
    for i in range(len(obs)):
        if not obs[i, -2:].any():
            found.append(
                BadEpisode(f"{where}, trajectory {i} ends in rows of zeros; cut the padding off")
            )
            continue
        earned = np.empty(0) if rewards is None else rewards[i]
        raw, note = whole_episode(obs[i], None if acts is None else acts[i], False, earned)
        found.append(raw)
        notes += [note] * bool(note)
    return Source("npz, an episode a row", found, notes=list(dict.fromkeys(notes)))
