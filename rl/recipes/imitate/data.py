"""Demonstrations of a run: what is learned from, and what the discriminator is judged by."""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from image_core.adversarial.errors import UserError
from rl.demos import Trajectory
from rl.envs import Envs, keywords
from rl.formats import read_demonstrations
from rl.formats.likeness import unlike

COMPARED, AMONG = 500, 5_000
"""Held-out rows whose nearest training row is looked for, and training rows among which."""
WIDEST = 1_000
"""Numbers of a row up to which near ones are looked for: not of images."""
NEAR = 0.01
"""Rows are near where no component differs by more standard deviations than this."""


class DemonstrationSplit(NamedTuple):
    """Episodes of a run.

    Args:
        learned: Episodes that are learned from.
        held_out: Episodes that nothing learns from; perhaps none.
        source: Where the held-out ones are from, empty where there are none.
        skipped: Number of episodes of --demos that were of no use.
        told: What was understood of each file, a line each.
    """

    learned: list[Trajectory]
    held_out: list[Trajectory]
    source: str
    skipped: int
    told: list[str]


def read(
    envs: Envs,
    env: str,
    demos: str,
    *,
    valid: str = "",
    trajectories: int = 0,
    fixed_horizon: bool = False,
    needs_actions: bool = True,
    env_kwargs: str = "",
) -> DemonstrationSplit:
    """Read the files that the options name.

    Held out are the episodes of --valid; without it those of --demos beyond --trajectories. None of
    those that are asked for is ever taken away. Which ones are learned from is drawn, always alike:
    files are often sorted by return or by time.

    Args:
        envs: Environments that they must fit.
        env: Id of the environment.
        demos: Value of --demos.
        valid: Value of --valid, perhaps empty.
        trajectories: Number of episodes to learn from; 0 takes all.
        fixed_horizon: Whether all must be as long as the time limit.
        needs_actions: Whether episodes without actions are of no use.
        env_kwargs: Value of --env_kwargs.

    Raises:
        UserError: A file is of no use, holds too few episodes, or the sets are the same.
    """
    given = keywords(env_kwargs)
    found = read_demonstrations(demos, envs, env, needs_actions=needs_actions, env_kwargs=given)
    told, shown = [found.told], found.trajectories
    if trajectories > len(shown):
        raise UserError(f"--trajectories {trajectories}: --demos {demos} hold only {len(shown)}")
    count = trajectories or len(shown)
    places = set(random.Random(0).sample(range(len(shown)), count))
    learned = [episode for place, episode in enumerate(shown) if place in places]
    if valid:
        more = read_demonstrations(
            valid, envs, env, option="--valid", needs_actions=needs_actions, env_kwargs=given
        )
        told.append(more.told)
        held_out, source = more.trajectories, f"--valid {valid}"
    else:
        held_out = [episode for place, episode in enumerate(shown) if place not in places]
        source = f"--demos beyond the {count} episodes drawn to learn from" if held_out else ""
    wanted = envs.max_episode_steps
    if fixed_horizon and any(len(t.obs) != wanted for t in [*learned, *held_out]):
        raise UserError(
            f"--demos {demos} hold episodes that are not {wanted} steps long; record "
            "them by `seqgan demos --fixed_horizon`"
        )
    if held_out and all(any(_same(t, other) for other in learned) for t in held_out):
        raise UserError(f"every episode of {source} is one of those learned from; name others")
    return DemonstrationSplit(learned, held_out, source, found.skipped, told)


def stand_in(envs: Envs) -> DemonstrationSplit:
    """Two steps of zeros where demonstrations are not read: games are built, and then loaded.

    Args:
        envs: Environments that they fit.
    """
    seen, actions = envs.observations, envs.actions
    obs = np.zeros((1, *seen.shape), np.uint8 if seen.image else np.float32)
    act = np.zeros(
        (1, actions.components) if actions.components else 1,
        np.int64 if actions.discrete else np.float32,
    )
    one = Trajectory(obs, act, obs[0], False, np.zeros(0, np.float32))
    return DemonstrationSplit([one, one], [], "", 0, [])


def _same(one: Trajectory, other: Trajectory) -> bool:
    return np.array_equal(one.obs, other.obs) and np.array_equal(one.act, other.act)


def facts_of(shown: DemonstrationSplit, train_rows: int, seed: int) -> dict[str, float | str]:
    """Sizes of both sets, and the share of held-out rows that are, or nearly are, training rows.

    Args:
        shown: Episodes of the run.
        train_rows: Rows of the training episodes that subsampling left.
        seed: Seed of the rows that are compared.
    """
    facts: dict[str, float | str] = {
        "train_episodes": float(len(shown.learned)),
        "train_steps": float(sum(len(t.obs) for t in shown.learned)),
        "train_rows": float(train_rows),
        "skipped_episodes": float(shown.skipped),
        "valid_episodes": float(len(shown.held_out)),
        "valid_rows": float(sum(len(t.obs) for t in shown.held_out)),
        "valid_source": shown.source or "none",
    }
    if not shown.held_out:
        return facts
    acts = all(len(t.act) for t in [*shown.learned, *shown.held_out])
    train, valid = (_rows(ts, acts) for ts in (shown.learned, shown.held_out))
    known = {row.tobytes() for row in train}
    facts["valid_in_train"] = sum(row.tobytes() in known for row in valid) / len(valid)
    if train.shape[1] <= WIDEST:
        draw, scale = np.random.default_rng(seed), train.std(0) + 1e-8
        among = train[draw.permutation(len(train))[:AMONG]]
        some = valid[draw.permutation(len(valid))[:COMPARED]]
        near = [float(np.abs((among - row) / scale).max(1).min()) <= NEAR for row in some]
        facts["valid_near_train"] = sum(near) / len(near)
    return facts


def told_of(
    shown: DemonstrationSplit, facts: Mapping[str, float | str], *, judged: bool
) -> list[str]:
    """What was read and what is held out, a line each.

    Args:
        shown: Episodes of the run.
        facts: Sizes and overlaps, see `facts_of`.
        judged: Whether there is a discriminator to be judged.
    """
    if not shown.held_out:
        none = (
            "no demonstrations are held out: the discriminator is judged on those that it learns "
            "from (d_auc_train); name others by --valid"
        )
        return [*shown.told, none] if judged else list(shown.told)
    near = facts.get("valid_near_train")
    told = f", {near:.1%} are near one of them" if isinstance(near, float) else ""
    return [
        *shown.told,
        f"held out: {len(shown.held_out)} episodes, {shown.source}; "
        f"{facts['valid_in_train']:.1%} of their steps are training steps too{told}",
    ]


def told_unlike(shown: Sequence[Trajectory], random: Sequence[Trajectory], envs: Envs) -> list[str]:
    """Warnings about demonstrations that do not fit the environment, a line each.

    Args:
        shown: Episodes that are learned from.
        random: Episodes of random actions.
        envs: Environments that both are of.
    """
    return [f"warning: --demos: {said}" for said in unlike(shown, random, envs)]


def _rows(trajectories: Sequence[Trajectory], acts: bool) -> np.ndarray:
    """Observation, and action where all have some, of each step: one row a step."""
    obs = np.concatenate([t.obs.reshape(len(t.obs), -1) for t in trajectories])
    if not acts:
        return obs.astype(np.float32)
    done = np.concatenate([t.act.reshape(len(t.obs), -1) for t in trajectories])
    return np.hstack([obs, done]).astype(np.float32)
