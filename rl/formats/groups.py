"""HDF5 files with a group a demonstration: robomimic's `data/demo_0`, ManiSkill's `traj_0`."""

import json
from typing import Any

import numpy as np
from gymnasium import spaces

from image_core.adversarial.errors import UserError
from rl.envs import Envs
from rl.formats.arrays import whole
from rl.formats.flat import DONES
from rl.formats.raw import BadEpisode, Raw, Source
from rl.formats.steps import whole_episode

GYM = 2
"""robomimic's number of environments that are gymnasium's."""


def demonstrations_of_groups(file: Any, where: str, envs: Envs) -> Source | None:
    """Episodes of a group each; None where there are no such groups.

    Args:
        file: Open HDF5 file.
        where: Name of the file, for complaints.
        envs: Environments that they are of.

    Raises:
        UserError: Observations are made of parts whose order is not said.
    """
    held = file["data"] if isinstance(file.get("data"), type(file["/"])) else file
    names = [n for n in held if n.startswith(("demo_", "traj_"))]
    if not names:
        return None
    notes: list[str] = []
    found: list[Raw | BadEpisode] = []
    for name in sorted(names, key=lambda n: int(n.rpartition("_")[2])):
        place = f"{where}, {name}"
        group = held[name]
        missing = {"obs", "actions"} - set(group)
        if missing:
            found.append(BadEpisode(f"{place} lacks {', '.join(sorted(missing))}"))
            continue
        obs = _observations(group["obs"], place, envs)
        acts = whole(group["actions"], place)
        if "next_obs" in group and len(obs) == len(acts):
            after = _observations(group["next_obs"], place, envs)
            obs = np.concatenate([obs, after[-1:]])
        rewards = whole(group["rewards"], place) if "rewards" in group else np.empty(0)
        raw, note = whole_episode(obs, acts, _terminated(group, len(acts), envs, notes), rewards)
        notes += [note] * bool(note)
        found.append(raw)
    kind = "ManiSkill" if names[0].startswith("traj_") else "robomimic"
    notes = list(dict.fromkeys(notes))
    return Source(kind, found, _environment(held.attrs.get("env_args")), notes=notes)


def _terminated(group: Any, steps: int, envs: Envs, notes: list[str]) -> bool:
    if "terminated" in group:
        return bool(group["terminated"][-1])
    if "dones" not in group:
        return False
    notes.append(DONES)
    return bool(group["dones"][-1]) and steps < envs.max_episode_steps


def _observations(node: Any, place: str, envs: Envs) -> np.ndarray:
    import h5py

    if isinstance(node, h5py.Dataset):
        return whole(node, place)
    parts = {name: node[name] for name in node}
    if len(parts) == 1:
        return _observations(next(iter(parts.values())), place, envs)
    space = envs.observations.space
    if isinstance(space, spaces.Dict) and set(parts) == set(space.spaces):
        columns = {name: whole(part, place) for name, part in parts.items()}
        rows = len(next(iter(columns.values())))
        return envs.observations.encode(
            [{n: c[t] for n, c in columns.items()} for t in range(rows)]
        )
    raise UserError(
        f"{place} has observations made of {', '.join(parts)}, and nothing says in which order the "
        "environment shows them; give an --env with a Dict space of these names, or put them "
        "together yourself and write them by np.savez(FILE, obs=..., acts=..., next_obs=..., "
        "terminations=..., truncations=...)"
    )


def _environment(told: Any) -> str:
    """Id of gymnasium's environment that robomimic names; empty for those of others."""
    try:
        about = json.loads(told or "{}")
    except (TypeError, ValueError):
        return ""
    return str(about.get("env_name", "")) if about.get("type") == GYM else ""
