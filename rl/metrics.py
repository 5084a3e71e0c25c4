"""How good a policy is: whole episodes, their returns, and figures over episodes and seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from image_core.adversarial.discrimination import qualities
from image_core.adversarial.errors import UserError
from rl.demos import Trajectory, record
from rl.discriminators import Transitions
from rl.envs import Envs
from rl.imitator import AdversarialImitator
from rl.policies import Actor


def episodes_of(
    policy: Actor | None, envs: Envs, episodes: int, *, seed: int, deterministic: bool = False
) -> list[Trajectory]:
    """Whole episodes of a policy; takes no part in torch's random numbers.

    Args:
        policy: Policy to measure; None stands for random actions.
        envs: Fresh environments.
        episodes: Number of episodes.
        seed: Seed of the first states and the actions.
        deterministic: Whether the likeliest action is taken instead of a draw.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return record(envs, policy, episodes, deterministic=deterministic)


def returns_of(
    policy: Actor | None, envs: Envs, episodes: int, *, seed: int, deterministic: bool = False
) -> np.ndarray:
    """Undiscounted returns of `episodes_of` a policy.

    Args:
        policy: Policy to play; None for random actions.
        envs: Environments to play in.
        episodes: Number of episodes.
        seed: Seed of the environments and of the actions.
        deterministic: Whether the policy takes its most likely action.
    """
    found = episodes_of(policy, envs, episodes, seed=seed, deterministic=deterministic)
    return np.array([t.ret for t in found])


def discrimination(
    game: AdversarialImitator, real: Transitions, fake: Transitions, *, diagnose: bool = False
) -> dict[str, float]:
    """AUC and accuracy of the discriminator on the expert's and the policy's transitions.

    Args:
        game: Game whose discriminator is judged.
        real: Transitions of demonstrations.
        fake: Transitions that the policy has just made.
        diagnose: Whether the mean distance of D from 1/2 is wanted too.
    """
    d_real, d_fake = game.discriminate(real), game.discriminate(fake)
    return qualities(d_real, d_fake, diagnose=diagnose)


def mean_interval(
    values: Sequence[float] | np.ndarray, *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean; None of one value, or of unknown ones.

    Args:
        values: One figure an episode.
        resamples: Number of resamples.
        seed: Seed of the draws.
    """
    array = np.asarray(values, float)
    if len(array) < 2 or np.isnan(array).any():
        return None
    drawn = np.random.default_rng(seed).choice(array, (resamples, len(array)))
    low, high = np.quantile(drawn.mean(1), [0.025, 0.975])
    return float(low), float(high)


class Interval(NamedTuple):
    """A figure over seeds.

    Args:
        value: Inter-quartile mean.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end of its 95 % bootstrap interval.
    """

    value: float
    low: float
    high: float


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean of the middle half; what is cut by a quartile counts in part.

    With n values, weights are those of n equal pieces of [0, 1] inside [1/4, 3/4], so that any n is
    exact: one value is itself, four are the mean of the middle two.

    Args:
        values: Values, in any order.

    Raises:
        UserError: There is no value.

    Source: Agarwal et al. 2021 ("Deep RL at the edge of the statistical precipice").
    """
    if len(values) == 0:
        raise UserError("an inter-quartile mean needs at least one value: got none")
    return float(_middle(np.sort(np.asarray(values, dtype=np.float64))[None])[0])


def bootstrap(
    values: Sequence[float] | np.ndarray, *, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Inter-quartile mean over seeds, with the percentile interval of seeds drawn anew.

    Args:
        values: One figure a seed.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Raises:
        UserError: There is no value.
    """
    value = interquartile_mean(values)
    drawn = np.random.default_rng(seed).choice(np.asarray(values, float), (resamples, len(values)))
    low, high = np.quantile(_middle(np.sort(drawn, axis=1)), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def stratified_bootstrap(
    scores: Sequence[Sequence[float]], *, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Inter-quartile mean over all runs of all tasks; runs are drawn anew within each task.

    Args:
        scores: Normalised scores, a sequence of runs a task; tasks may have other numbers of runs.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Raises:
        UserError: There is no run.

    Source: Agarwal et al. 2021, section 4.2.
    """
    runs = [np.asarray(task, float) for task in scores]
    value = interquartile_mean(np.concatenate(runs) if runs else [])
    draw = np.random.default_rng(seed)
    drawn = np.hstack([draw.choice(task, (resamples, len(task))) for task in runs])
    low, high = np.quantile(_middle(np.sort(drawn, axis=1)), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _middle(rows: np.ndarray) -> np.ndarray:
    count = rows.shape[1]
    edges = np.arange(count + 1) / count
    inside = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0, None)
    return rows @ inside / inside.sum()
