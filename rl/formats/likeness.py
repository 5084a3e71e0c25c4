"""Demonstrations beside what their environment does: numbers that are far off, in words.

Nothing here refuses: an expert may go where random actions never come. Compared are spaces, time
limits, first observations, and how each component of an observation changes within a step.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from gymnasium import spaces

from rl.demos import Trajectory
from rl.envs import Envs

ROWS = 4000
"""Most steps of either side that are compared."""
OUTSIDE = 0.01
"""Share of numbers outside of a box from which it is said."""
EXACT = 0.99
"""Share of a component's changes that steps of the environment must explain, to be compared."""
ALWAYS = 0.9999
"""Share from which a component's changes follow from the steps of the environment by a rule."""
FACTOR, ALONG = 1.3, 0.9
"""By how much changes must differ, and their least correlation with what is expected."""
FEWEST = 30
"""Steps near those of the environment that a comparison needs."""


def unlike(shown: Sequence[Trajectory], random: Sequence[Trajectory], envs: Envs) -> list[str]:
    """Sentences about what does not fit.

    Args:
        shown: Episodes of an expert.
        random: Episodes of random actions in the environment, whole.
        envs: Environments that both are of.
    """
    said = [*_long(shown, envs), *_scaled(shown, envs)]
    if not envs.observations.image:
        said += [*_outside(shown, envs), *_beginnings(shown, random), *_steps(shown, random, envs)]
    return said


def _long(shown: Sequence[Trajectory], envs: Envs) -> Iterator[str]:
    longest = max(len(t.obs) for t in shown)
    if longest > envs.max_episode_steps:
        yield (
            f"an episode of {longest} steps is longer than the environment's time limit of "
            f"{envs.max_episode_steps}; --max_episode_steps sets another"
        )


def _scaled(shown: Sequence[Trajectory], envs: Envs) -> Iterator[str]:
    """Actions that end at -1 and 1 in a wider box: off-policy agents keep them so."""
    actions = envs.actions
    acts = [t.act for t in shown if len(t.act)]
    if actions.discrete or not acts:
        return
    half = float(actions.half_width.max())
    values = np.abs(np.concatenate(acts))
    at_edge = float((np.abs(values - 1) < 1e-6).mean())
    if half > 1 + 1e-6 and values.max() <= 1 + 1e-6 and at_edge >= OUTSIDE:
        yield (
            f"{at_edge:.1%} of the actions are exactly -1 or 1 and none is beyond, in a box of "
            f"+-{half:g}: they may be scaled to [-1, 1]; multiply them"
        )


def _outside(shown: Sequence[Trajectory], envs: Envs) -> Iterator[str]:
    space = envs.observations.space
    if not isinstance(space, spaces.Box):
        return
    low, high = np.ravel(space.low).astype(float), np.ravel(space.high).astype(float)
    obs = np.concatenate([t.obs for t in shown]).astype(float)
    slack = 1e-3 * np.where(np.isfinite(high - low), high - low, 0)
    share = ((obs < low - slack) | (obs > high + slack)).mean(0)
    worst = int(share.argmax())
    if share[worst] > OUTSIDE:
        yield (
            f"component {worst} of {share[worst]:.1%} of the observations is outside of the "
            f"environment's {low[worst]:g} to {high[worst]:g}: it goes from "
            f"{obs[:, worst].min():.4g} to {obs[:, worst].max():.4g}"
        )


def _beginnings(shown: Sequence[Trajectory], random: Sequence[Trajectory]) -> Iterator[str]:
    """First observations, none of which the environment would begin with."""
    own, theirs = (np.stack([t.obs[0] for t in ts]).astype(float) for ts in (random, shown))
    if len(own) < 5:
        return
    low, high = own.min(0), own.max(0)
    far = 3 * (high - low) + 1e-3 * np.abs(own).max(0) + 1e-6
    away = ((theirs < low - far) | (theirs > high + far)).mean(0)
    worst = int(away.argmax())
    if away[worst] > 0.9:
        yield (
            f"episodes begin with component {worst} from {theirs[:, worst].min():.4g} to "
            f"{theirs[:, worst].max():.4g}, those of the environment from {low[worst]:.4g} to "
            f"{high[worst]:.4g}; they may be normalised, or not begin where episodes do"
        )


def _steps(shown: Sequence[Trajectory], random: Sequence[Trajectory], envs: Envs) -> Iterator[str]:
    """Changes within a step, by a linear model of the environment's own steps.

    A component that changes k times as much as the same speeds and actions would change it there,
    or does not follow the environment's rule at all, was recorded with another time step, frame
    skip or setting. Only steps are compared that begin near those of random actions.
    """
    if not all(len(t.act) for t in shown):
        return
    before, after, given = _table(random, envs)
    earlier, later, done = _table(shown, envs)
    low, high = before.min(0), before.max(0)
    near = ((earlier >= 2 * low - high) & (earlier <= 2 * high - low)).all(1)
    if near.sum() < FEWEST:
        return
    earlier, later, done = earlier[near], later[near], done[near]
    for i in range(before.shape[1]):
        own = _features(before, after, given, i)
        change = after[:, i] - before[:, i]
        half = len(own) // 2
        if half <= 2 * own.shape[1]:
            return
        weights = np.linalg.lstsq(own[:half], change[:half], rcond=1e-8)[0]
        exact = _explained(own[half:] @ weights, change[half:])
        if exact < EXACT:
            continue
        expected = _features(earlier, later, done, i) @ weights
        found = later[:, i] - earlier[:, i]
        if not expected.std() or not found.std():
            continue
        along = float(np.corrcoef(expected, found)[0, 1])
        factor = float(expected @ found / (expected @ expected))
        other = not 1 / FACTOR < factor < FACTOR
        if (along >= ALONG and other) or (exact >= ALWAYS and along < ALONG):
            yield (
                f"component {i} changes in a step by {factor:.2f} times what it does in the "
                f"environment (correlation {along:.2f}); the frame skip, the time step or "
                "--env_kwargs may differ"
            )
            return


def _table(
    trajectories: Sequence[Trajectory], envs: Envs
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations before and after some steps, and the actions, encoded."""
    import torch

    before = np.concatenate([t.obs for t in trajectories])
    after = np.concatenate([np.concatenate([t.obs[1:], t.last_obs[None]]) for t in trajectories])
    act = np.concatenate([t.act for t in trajectories])
    rows = np.random.default_rng(0).permutation(len(before))[:ROWS]
    given = envs.actions.encode(torch.from_numpy(act[rows])).numpy()
    return before[rows].astype(float), after[rows].astype(float), given.astype(float)


def _features(before: np.ndarray, after: np.ndarray, given: np.ndarray, own: int) -> np.ndarray:
    """What a change may depend on: all but the component's own next value."""
    others = np.delete(after, own, axis=1)
    return np.hstack([before, others, given, np.ones((len(before), 1))])


def _explained(expected: np.ndarray, found: np.ndarray) -> float:
    spread = float(((found - found.mean()) ** 2).sum())
    return 1 - float(((expected - found) ** 2).sum()) / spread if spread else 0.0
