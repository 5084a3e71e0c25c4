"""Replay buffers of stable-baselines3, loaded by the caller: their files are pickles."""

from typing import Any

import numpy as np

from image_core.adversarial.errors import UserError
from rl.demos import Trajectory
from rl.envs import Envs
from rl.formats.raw import Raw, encode


def replay_episodes(buffer: Any, envs: Envs) -> list[Trajectory]:
    """Whole episodes of a replay buffer, oldest first in each of its environments.

    Vectors are scaled back from [-1, 1], in which off-policy agents keep them. Episodes of which
    the buffer has lost the beginning, or that have not ended, are left out.

    Args:
        buffer: ReplayBuffer or DictReplayBuffer of stable-baselines3.
        envs: Environments that they must fit.

    Raises:
        UserError: They are of another environment, none is whole, or memory was saved at their
            ends.
    """
    if buffer.optimize_memory_usage:
        raise UserError(
            "a replay buffer with optimize_memory_usage keeps neither what followed an episode's "
            "last step nor whether it was a time limit; collect one without it"
        )
    size, full = buffer.buffer_size, bool(buffer.full)
    order = np.roll(np.arange(size), -buffer.pos) if full else np.arange(buffer.pos)
    found: list[Trajectory] = []
    for n in range(buffer.n_envs):
        done = buffer.dones[order, n].astype(bool)
        stops = (np.flatnonzero(done) + 1).tolist()
        # A full buffer begins wherever it was overwritten
        starts = [*([] if full else [0]), *stops]
        for start, stop in zip(starts, stops[1:] if full else stops):
            raw = _episode(buffer, envs, order[start:stop], n)
            found.append(encode(raw, envs, f"the buffer's episode {len(found)}"))
    if not found:
        raise UserError("the replay buffer holds no whole episode; collect more steps into it")
    return found


def _episode(buffer: Any, envs: Envs, rows: np.ndarray, n: int) -> Raw:
    last = rows[-1]
    acts, actions = buffer.actions[rows, n], envs.actions
    if not actions.discrete:
        acts = actions.middle.numpy() + actions.half_width.numpy() * acts.astype(np.float64)
    if isinstance(buffer.observations, dict):
        seen: Any = [{k: v[row, n] for k, v in buffer.observations.items()} for row in rows]
        seen.append({k: v[last, n] for k, v in buffer.next_observations.items()})
    else:
        following = buffer.next_observations[last, n]
        seen = np.concatenate([buffer.observations[rows, n], following[None]])
    terminated = not bool(buffer.timeouts[last, n])
    return Raw(seen, acts, terminated, buffer.rewards[rows, n])
