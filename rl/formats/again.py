"""Demonstrated steps done again: the environment is put where each began and takes its action.

Possible where an observation tells the whole state: classic control, and the bodies of MuJoCo whose
observations begin with positions and speeds, or with sines and cosines in place of angles. Whether
it does is seen by the environment's own steps, which must come out as they did.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from rl.demos import Trajectory
from rl.envs import ClassicEnvs, Envs, MujocoEnvs, SyncEnvs

ROWS = 60
"""Most steps that are done again."""
FEWEST = 5
"""Steps below which nothing is said."""
SURE = 0.02
"""Error of the environment's own steps up to which the method is trusted."""
FITS = 0.1
"""Error up to which demonstrations are of this environment."""
HIDDEN = 3
"""Most first positions that observations leave out: a body's place, on which nothing depends."""


class Simulation(NamedTuple):
    """How steps are done again.

    Args:
        width: Number w of the first components of an observation that are simulated.
        run: Observations (N, d), actions (N, ...) and most frames K -> the components after 1 to K
            frames, (K, N, w).
    """

    width: int
    run: Callable[[np.ndarray, np.ndarray, int], np.ndarray]


class Body(NamedTuple):
    """How observations (d,) show a body of MuJoCo.

    Args:
        width: Number w of their components that do.
        state: Observation -> positions and speeds; what is not shown is 0.
        shown: Positions and speeds -> the components, (w,).
    """

    width: int
    state: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    shown: Callable[[np.ndarray, np.ndarray], np.ndarray]


def again(
    shown: Sequence[Trajectory], random: Sequence[Trajectory], envs: Envs
) -> list[str] | None:
    """What is to be said of steps that come out otherwise; None where it cannot be known.

    Args:
        shown: Episodes of an expert.
        random: Episodes of random actions in the environment.
        envs: Environments that both are of.
    """
    if not all(len(t.act) for t in shown):
        return None
    own, simulations = _simulations(envs)
    for simulation in simulations:
        errors, _ = _errors(random, envs, simulation, own)
        if len(errors) and errors[own - 1] <= SURE:
            break
    else:
        return None
    most = max(8, 4 * own)
    errors, count = _errors(shown, envs, simulation, most)
    if not len(errors):
        return None
    if errors[own - 1] <= FITS:
        return []
    best = 1 + int(errors.argmin())
    if errors[best - 1] > 0.5 * errors[own - 1]:
        other = f"and at least {errors.min():.0%} with any frame skip from 1 to {most}"
    else:
        other = f"but {errors[best - 1]:.0%} with a frame skip of {best} instead of {own}"
    return [
        "put where a step of theirs begins and given its action, the environment misses "
        f"{errors[own - 1]:.0%} of what changes (median of {count} steps), {other}; the frame "
        "skip, the time step or --env_kwargs may differ"
    ]


def _errors(
    trajectories: Sequence[Trajectory], envs: Envs, simulation: Simulation, most: int
) -> tuple[np.ndarray, int]:
    """Median share of a step's change that is missed, after 1 to `most` frames; number of steps."""
    before = np.concatenate([t.obs for t in trajectories]).astype(float)
    after = np.concatenate([np.concatenate([t.obs[1:], t.last_obs[None]]) for t in trajectories])
    acts = np.concatenate([t.act for t in trajectories])
    width = simulation.width
    if before.shape[1] < width:
        return np.empty(0), 0
    before, after = before[:, :width], after[:, :width]
    whole = np.flatnonzero(~(_at_edge(before) | _at_edge(after)))
    rows = np.random.default_rng(0).permutation(whole)[:ROWS]
    if len(rows) < FEWEST:
        return np.empty(0), 0
    before, after = before[rows], after[rows].astype(float)
    found = simulation.run(before, envs.actions.to_env(torch.from_numpy(acts[rows])), most)
    spread = np.abs(after - before).mean(0)
    unit = np.where(spread > 0, spread, 1.0)
    change = np.linalg.norm((after - before) / unit, axis=1)
    moved = change > 0
    if moved.sum() < FEWEST:
        return np.empty(0), 0
    missed = np.linalg.norm((found - after) / unit, axis=2)[:, moved] / change[moved]
    return np.nan_to_num(np.median(missed, axis=1), nan=np.inf), int(moved.sum())


def _at_edge(obs: np.ndarray) -> np.ndarray:
    """Observations that may be cut: a component has its highest or lowest value, others have it."""
    found = np.zeros(len(obs), np.bool_)
    for edge in (obs.max(0), obs.min(0)):
        there = obs == edge
        found |= (there & (there.sum(0) > 1)).any(1)
    return found


def _simulations(envs: Envs) -> tuple[int, Iterator[Simulation]]:
    """Frames of a step of the environment, and what may simulate it."""
    if isinstance(envs, ClassicEnvs):
        return 1, iter([_classic(envs)])
    if isinstance(envs, MujocoEnvs):
        return envs.skip, _of_body(envs.model)
    # An environment of MuJoCo has imported its class; others need none, and it may be broken
    bodies = sys.modules.get("gymnasium.envs.mujoco.mujoco_env")
    if isinstance(envs, SyncEnvs) and bodies is not None:
        body = envs.envs[0].unwrapped
        if isinstance(body, bodies.MujocoEnv):
            return int(body.frame_skip), _of_body(body.model)
    return 1, iter(())


def _classic(envs: ClassicEnvs) -> Simulation:
    def simulated(obs: np.ndarray, acts: np.ndarray, most: int) -> np.ndarray:
        state, found = envs.dynamics.state(obs), []
        for _ in range(most):
            state = envs.advance(state, acts)[0]
            found.append(envs.observe(state))
        return np.stack(found)

    return Simulation(envs.observations.shape[0], simulated)


def _of_body(model: Any) -> Iterator[Simulation]:
    """Ways in which observations may show a body of MuJoCo."""
    shapes = [_plain(model, n) for n in range(HIDDEN + 1)]
    if model.nq == model.nv > 1:  # no joint has a quaternion
        shapes.append(_turned(model))
    return (_simulation(model, shape) for shape in shapes)


def _plain(model: Any, hidden: int) -> Body:
    """Positions without the first `hidden`, and speeds."""
    stop = model.nq - hidden

    def state(obs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate([np.zeros(hidden), obs[:stop]]), obs[stop : stop + model.nv]

    def shown(positions: np.ndarray, speeds: np.ndarray) -> np.ndarray:
        return np.concatenate([positions[hidden:], speeds])

    return Body(stop + model.nv, state, shown)


def _turned(model: Any) -> Body:
    """The first position, sines and cosines of the others, and speeds: the double pendulum."""
    angles = model.nq - 1

    def state(obs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sines, cosines, rest = obs[1 : 1 + angles], obs[1 + angles :][:angles], 1 + 2 * angles
        turned = np.arctan2(sines, cosines)
        return np.concatenate([obs[:1], turned]), obs[rest : rest + model.nv]

    def shown(positions: np.ndarray, speeds: np.ndarray) -> np.ndarray:
        turned = positions[1:]
        return np.concatenate([positions[:1], np.sin(turned), np.cos(turned), speeds])

    return Body(1 + 2 * angles + model.nv, state, shown)


def _simulation(model: Any, body: Body) -> Simulation:
    import mujoco

    def simulated(obs: np.ndarray, acts: np.ndarray, most: int) -> np.ndarray:
        found = np.full((most, len(obs), body.width), np.nan)
        if acts.shape[1:] != (model.nu,):
            return found
        data = mujoco.MjData(model)
        for row in range(len(obs)):
            mujoco.mj_resetData(model, data)
            data.qpos[:], data.qvel[:] = body.state(obs[row])
            data.ctrl[:] = acts[row]
            for frame in range(most):
                mujoco.mj_step(model, data)
                found[frame, row] = body.shown(data.qpos, data.qvel)
        return found

    return Simulation(body.width, simulated)
