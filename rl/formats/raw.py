"""One episode as its file has it: checked against an environment and encoded."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from image_core.adversarial.errors import UserError
from rl.demos import Trajectory
from rl.envs import Envs

NUMBERS = "iuf"
"""Kinds of numpy's types that are numbers here."""
SLACK = 1e-4
"""How far an action may lie outside of its box by rounding, in half widths of the box."""


class BadEpisode(UserError):
    """One episode is of no use; the others of its file may be."""


class Raw(NamedTuple):
    """One episode as its file has it, not yet encoded.

    Args:
        obs: T + 1 observations, the last after the last action.
        acts: T actions as the environment takes them; None where there are only states.
        terminated: Whether it ended in a terminal state.
        rewards: Reward of each step; empty where they are not given.
        missed: Rewards of steps of the episode that are not among these.
    """

    obs: Any
    acts: np.ndarray | None
    terminated: bool
    rewards: np.ndarray
    missed: float = 0.0


class Source(NamedTuple):
    """What a file holds.

    Args:
        kind: Name of its format.
        episodes: Whole episodes; what is wrong with one stands in its place.
        env: Environment that it names, empty where it names none.
        env_kwargs: Keyword arguments of that environment; None where the file does not say.
        notes: What had to be decided to read it.
    """

    kind: str
    episodes: Sequence[Raw | BadEpisode]
    env: str = ""
    notes: Sequence[str] = ()
    env_kwargs: Mapping[str, Any] | None = None


def encode(raw: Raw, envs: Envs, where: str, *, needs_actions: bool = True) -> Trajectory:
    """Check one episode and encode it.

    Args:
        raw: Episode as it was read.
        envs: Environments that it must fit.
        where: Name of the file and the trajectory, for complaints.
        needs_actions: Whether an episode without actions is of no use.

    Raises:
        BadEpisode: It is broken, and nothing is said by that of other episodes.
        UserError: It is of another environment.
    """
    if raw.acts is None and needs_actions:
        raise BadEpisode(f"{where} has no actions; only --paper gaifo learns from states alone")
    obs = encode_observations(raw.obs, envs, where)
    if raw.acts is None:
        steps, acts = len(obs) - 1, _no_actions(envs)
    else:
        steps = len(raw.acts) if raw.acts.ndim else 0
        acts = encode_actions(raw.acts, envs, where) if steps else _no_actions(envs)
    if steps < 1:
        raise BadEpisode(f"{where} is empty; leave it out")
    if len(obs) != steps + 1:
        raise BadEpisode(
            f"{where} has {len(obs)} observations for {steps} actions; one more than actions is "
            "needed, what followed the last action included"
        )
    rewards = np.asarray(raw.rewards)
    if rewards.shape == (steps, 1):
        rewards = rewards[:, 0]
    if rewards.shape not in ((0,), (steps,)):
        raise BadEpisode(f"{where} has rewards of shape {rewards.shape} for {steps} actions")
    if rewards.dtype.kind not in NUMBERS or not np.isfinite(rewards).all():
        raise BadEpisode(f"{where} has rewards that are no finite numbers; leave rews out")
    rewards = rewards.astype(np.float32)
    return Trajectory(obs[:-1], acts, obs[-1], bool(raw.terminated), rewards, raw.missed)


def encode_observations(raw: Any, envs: Envs, where: str) -> np.ndarray:
    """Observations as an environment shows them, or encoded already, (N, ...) -> encoded.

    Args:
        raw: Array, or list of the parts of a Dict or Tuple space.
        envs: Environments that they must fit.
        where: Where they are from, for complaints.

    Raises:
        UserError: They are of another environment, or not finite.
    """
    wanted = envs.observations
    try:
        parts = isinstance(raw, list) and bool(raw) and isinstance(raw[0], dict | tuple)
        rows = wanted.encode(raw) if parts else np.asarray(raw)
        if rows.dtype.kind not in NUMBERS:
            raise ValueError
        if rows.shape[1:] != wanted.shape and rows.shape[1:] == wanted.space.shape:
            rows = wanted.encode(rows)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise BadEpisode(
            f"{where}: its observations are no array of numbers, nor parts of the environment's"
        ) from error
    if rows.shape[1:] != wanted.shape:
        raise UserError(
            f"{where} has observations of shape {np.asarray(raw).shape[1:]}, but the environment "
            f"shows {wanted.space.shape or wanted.shape}; they are of another environment, or of "
            "several, whose rows are to follow one another"
        )
    if wanted.image and rows.dtype != np.uint8 and not np.isin(rows, np.arange(256)).all():
        raise UserError(f"{where} has images whose pixels are no whole numbers from 0 to 255")
    with np.errstate(over="ignore"):  # what float32 cannot hold is not finite there
        rows = rows.astype(np.uint8 if wanted.image else np.float32)
    if not np.isfinite(rows).all():
        raise BadEpisode(f"{where} has observations that are not finite; leave it out")
    return rows


def _no_actions(envs: Envs) -> np.ndarray:
    actions = envs.actions
    kind = np.int64 if actions.discrete else np.float32
    return np.zeros((0, actions.components) if actions.components else 0, kind)


def encode_actions(raw: np.ndarray, envs: Envs, where: str) -> np.ndarray:
    """Actions in the environment's units, (N, ...) -> choices counted from 0, or clipped vectors.

    Args:
        raw: Actions as the environment receives them.
        envs: Environments that they must fit.
        where: Where they are from, for complaints.

    Raises:
        UserError: They are of another environment, or not finite.
    """
    actions, acts = envs.actions, np.asarray(raw)
    if acts.dtype.kind not in (NUMBERS + "b" if actions.discrete else NUMBERS):
        raise BadEpisode(f"{where}: its actions are no numbers")
    if not np.isfinite(acts).all():
        raise BadEpisode(f"{where} has actions that are not finite; leave it out")
    if actions.components:
        acts = acts.reshape(len(acts), -1)
        if acts.shape[1] != actions.components:
            raise UserError(
                f"{where} has actions of {acts.shape[1]} components, but the environment takes "
                f"{actions.components}; they are of another environment"
            )
    return _choices(acts, envs, where) if actions.discrete else _vectors(acts, envs, where)


def _choices(acts: np.ndarray, envs: Envs, where: str) -> np.ndarray:
    """Choices counted from 0; of several at once, a column each."""
    actions = envs.actions
    if not actions.components and acts.ndim == 2 and acts.shape[1] == 1:
        acts = acts[:, 0]
    whole = np.array_equal(acts, np.round(acts.astype(np.float64)))
    if acts.ndim != (2 if actions.components else 1) or not whole:
        raise UserError(
            f"{where} has actions of shape {acts.shape[1:]} and type {acts.dtype}, but the "
            "environment takes whole numbers; give the argmax of rows that are one-hot, or "
            "demonstrations of this environment"
        )
    least = np.asarray(actions.start)
    most = least + np.asarray(actions.parts or actions.choices) - 1
    if (acts < least).any() or (acts > most).any():
        raise UserError(
            f"{where} has actions from {int(acts.min())} to {int(acts.max())}, but the environment "
            f"takes {least.min()} to {most.max()}; number them so, or give other demonstrations"
        )
    return acts.astype(np.int64) - least


def _vectors(acts: np.ndarray, envs: Envs, where: str) -> np.ndarray:
    """Vectors in the environment's units."""
    actions, acts = envs.actions, acts.astype(np.float64)
    low, high = actions.low.double().numpy(), actions.high.double().numpy()
    slack = SLACK * actions.half_width.double().numpy()
    if (acts < low - slack).any() or (acts > high + slack).any():
        raise UserError(
            f"{where} has actions from {acts.min():.4g} to {acts.max():.4g}, outside the "
            f"environment's box {low.min():.4g} to {high.max():.4g}; clip or rescale them"
        )
    return np.clip(acts, low, high).astype(np.float32)
