"""Demonstrations beside what their environment does: numbers that are far off, in words.

Nothing here refuses: an expert may go where random actions never come. Compared are spaces, time
limits, first observations, and what a step changes: by doing it again, or where that cannot be done
by how each component of an observation changes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from rl.demos import Trajectory
from rl.envs import Envs
from rl.formats.again import again

ROWS = 4000
"""Most steps of either side that are compared."""
OUTSIDE = 0.01
"""Share of numbers outside of a box from which it is said."""
EXACT = 0.99
"""Share of a component's changes that steps of the environment must explain, to be compared."""
ALWAYS = 0.9999
"""Share from which a component's changes follow from the steps of the environment by a rule."""
RULE = 1 - 1e-7
"""Share from which changes are taken to follow that rule wherever the environment goes."""
FACTOR, ALONG = 1.3, 0.9
"""By how much changes must differ, and their least correlation with what is expected."""
MOST_FEATURES = 400
"""Most numbers that a change is explained by."""
ASTRAY = 0.75
"""Correlation below which they do not follow a rule that holds for most of a change alone."""
FEWEST = 30
"""Steps near those of the environment that a comparison needs."""


def unlike(shown: Sequence[Trajectory], random: Sequence[Trajectory], envs: Envs) -> list[str]:
    """Sentences about what does not fit.

    Args:
        shown: Episodes of an expert.
        random: Episodes of random actions in the environment, whole.
        envs: Environments that both are of.
    """
    scaled = list(_scaled(shown, envs))
    said = [*_long(shown, envs), *scaled]
    if not envs.observations.image:
        said += [*_outside(shown, envs), *_beginnings(shown, random)]
        if not scaled:  # other actions, other steps
            told = again(shown, random, envs)
            said += _steps(shown, random, envs) if told is None else told
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
    """Changes within a step, by models of the environment's own steps: linear, then quadratic.

    A component that changes k times as much as the same speeds and actions would change it there,
    or does not follow the environment's rule at all, was recorded with another time step, frame
    skip or setting. Only steps are compared that begin near those of random actions.
    """
    if not all(len(t.act) for t in shown):
        return
    own, theirs = _table(random, envs), _table(shown, envs)
    low, high = own.before.min(0), own.before.max(0)
    # Only a rule holds far from the steps that it was found from: contacts, say, are met there
    for features, reach, least in (
        (_linear, 1.0, RULE),
        (_linear, 0.1, EXACT),
        (_quadratic, 0.1, ALWAYS),
    ):
        slack = reach * (high - low)
        near = ((theirs.before >= low - slack) & (theirs.before <= high + slack)).all(1)
        if near.sum() < FEWEST:
            continue
        compared = _Steps(*(column[near] for column in theirs))
        for i in range(own.before.shape[1]):
            if told := _changes(i, own, compared, features, least):
                yield told
                return


def _changes(i: int, own: "_Steps", theirs: "_Steps", features: "Features", least: float) -> str:
    """What is said of one component, by a model of its changes; "" where nothing is."""
    given = features(own, i)
    change = own.after[:, i] - own.before[:, i]
    half = len(given) // 2
    if half <= 2 * given.shape[1] or given.shape[1] > MOST_FEATURES:
        return ""
    weights = np.linalg.lstsq(given[:half], change[:half], rcond=1e-8)[0]
    exact = _explained(given[half:] @ weights, change[half:])
    expected = features(theirs, i) @ weights
    found = theirs.after[:, i] - theirs.before[:, i]
    if exact < least or not expected.std() or not found.std():
        return ""
    along = float(np.corrcoef(expected, found)[0, 1])
    factor = float(expected @ found / (expected @ expected))
    other = not 1 / FACTOR < factor < FACTOR
    astray = along < (ALONG if exact >= ALWAYS else ASTRAY)
    if not astray and not (along >= ALONG and other):
        return ""
    changes = (
        f"changes in a step by {factor:.2f} times what it does in the environment"
        if along >= ALONG
        else "does not change in a step as the environment changes it"
    )
    return (
        f"component {i} {changes} (correlation {along:.2f}); the frame skip, the time step or "
        "--env_kwargs may differ"
    )


class _Steps(NamedTuple):
    """Observations before and after some steps, and the actions, encoded; a row a step."""

    before: np.ndarray
    after: np.ndarray
    given: np.ndarray


Features = Callable[[_Steps, int], np.ndarray]
"""Steps and a component -> what its change may depend on."""


def _table(trajectories: Sequence[Trajectory], envs: Envs) -> _Steps:
    import torch

    before = np.concatenate([t.obs for t in trajectories])
    after = np.concatenate([np.concatenate([t.obs[1:], t.last_obs[None]]) for t in trajectories])
    act = np.concatenate([t.act for t in trajectories])
    rows = np.random.default_rng(0).permutation(len(before))[:ROWS]
    given = envs.actions.encode(torch.from_numpy(act[rows])).numpy()
    return _Steps(before[rows].astype(float), after[rows].astype(float), given.astype(float))


def _linear(steps: _Steps, own: int) -> np.ndarray:
    """All but the component's own next value."""
    others = np.delete(steps.after, own, axis=1)
    return np.hstack([steps.before, others, steps.given, np.ones((len(steps.before), 1))])


def _quadratic(steps: _Steps, own: int) -> np.ndarray:
    """These and their products, as where angles are given by sine and cosine."""
    linear = _linear(steps, own)
    one, other = np.triu_indices(linear.shape[1])  # the last column is 1
    if len(one) > MOST_FEATURES:
        return np.empty((len(linear), MOST_FEATURES + 1))
    return linear[:, one] * linear[:, other]


def _explained(expected: np.ndarray, found: np.ndarray) -> float:
    spread = float(((found - found.mean()) ** 2).sum())
    return 1 - float(((expected - found) ** 2).sum()) / spread if spread else 0.0
