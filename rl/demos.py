"""Demonstrations: an expert's trajectories, checked, subsampled, drawn from by a discriminator."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from image_core.adversarial.errors import UserError
from rl.discriminators import Transitions, with_absorbing
from rl.envs import Envs
from rl.envs.spaces import Actions
from rl.policies import Actor

FEWEST = 2
"""Transitions that a mean and a deviation need."""


class Trajectory(NamedTuple):
    """One episode, encoded.

    Args:
        obs: Observation of each step, (T, ...).
        act: (T,) choices counted from 0, or (T, components); empty where only states are known.
        last_obs: Observation after the last step, (...).
        terminated: Whether that was a terminal state, and not only a time limit.
        rewards: Rewards of the environment, (T,); empty where they are not known.
        missed: Rewards of steps of the episode that are not among these.
    """

    obs: np.ndarray
    act: np.ndarray
    last_obs: np.ndarray
    terminated: bool
    rewards: np.ndarray
    missed: float = 0.0

    @property
    def ret(self) -> float:
        """Sum of the environment's rewards; not a number where they are not known."""
        return float(self.rewards.sum()) + self.missed if len(self.rewards) else float("nan")


class Expert(NamedTuple):
    """Rows to be imitated, and how often each is drawn.

    A terminated trajectory adds one row "absorbing to absorbing". Subsampling keeps every k-th step
    and weighs it k-fold, so that the absorbing state is met as often as in whole trajectories.

    Args:
        rows: All transitions, and the absorbing rows.
        weight: Weight of each row, cumulative and ending at 1, (R,).
        returns: Returns of the trajectories.
    """

    rows: Transitions
    weight: Float[Tensor, " rows"]
    returns: tuple[float, ...]

    def pick(self, uniform: Float[Tensor, " batch"]) -> Transitions:
        """Rows by numbers from [0, 1): with replacement, each as often as its weight says."""
        return self.rows.pick(self.places(uniform))

    def places(self, uniform: Float[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Which rows `pick` takes."""
        found = torch.searchsorted(self.weight, uniform, right=True)
        return found.clamp(max=len(self.weight) - 1)

    def steps(self) -> Transitions:
        """The transitions alone: what behavioural cloning learns from."""
        return self.rows.pick(~self.rows.absorbing)

    def to(self, device: torch.device) -> "Expert":
        """The same on another device."""
        return self._replace(rows=self.rows.to(device), weight=self.weight.to(device))


def expert(
    trajectories: Sequence[Trajectory], *, subsample: int = 1, seed: int = 0, absorbing: bool = True
) -> Expert:
    """Rows of trajectories, every `subsample`-th step from a random first one (Ho & Ermon 2016).

    Args:
        trajectories: Whole episodes.
        subsample: Distance between kept steps.
        seed: Seed of the first steps, which are drawn below `subsample`.
        absorbing: Whether terminal states lead to the absorbing state, whose rows are added.

    Raises:
        UserError: Fewer than two transitions are left.
    """
    draw = np.random.default_rng(seed)
    parts: list[Transitions] = []
    weights: list[Tensor] = []
    for t in trajectories:
        first = int(draw.integers(min(subsample, len(t.obs))))
        kept = torch.arange(first, len(t.obs), subsample)
        rows = _transitions(t, absorbing).pick(kept)
        parts.append(rows)
        weights.append(
            torch.full((len(kept),), len(t.obs) / max(1, len(kept)), dtype=torch.float64)
        )
        if absorbing and t.terminated:
            last, yes = rows.pick(torch.tensor([-1])), torch.ones(1, dtype=torch.bool)
            parts.append(last._replace(absorbing=yes, next_absorbing=yes))
            weights.append(torch.ones(1, dtype=torch.float64))
    kept_rows = sum(len(part.obs) for part in parts if not part.absorbing.all())
    if kept_rows < FEWEST:
        raise UserError(
            f"too few demonstrations: {kept_rows} transitions are left with --subsample "
            f"{subsample}; give at least {FEWEST}, by more trajectories or a smaller --subsample"
        )
    cumulative = torch.cat(weights).cumsum(0)
    rows = Transitions(*(torch.cat(column) for column in zip(*parts)))
    returns = tuple(t.ret for t in trajectories)
    return Expert(rows, (cumulative / cumulative[-1]).float(), returns)


def whole(trajectories: Sequence[Trajectory], *, absorbing: bool = True) -> Transitions:
    """Every transition of episodes, and a row of the absorbing state for each terminal one.

    Args:
        trajectories: Whole episodes.
        absorbing: Whether terminal states lead to the absorbing state.
    """
    parts = [_transitions(t, absorbing) for t in trajectories]
    return with_absorbing(Transitions(*(torch.cat(column) for column in zip(*parts))))


def _transitions(t: Trajectory, absorbing: bool) -> Transitions:
    following = np.concatenate([t.obs[1:], t.last_obs[None]])
    no = torch.zeros(len(t.obs), dtype=torch.bool)
    ends = no.clone()
    ends[-1] = t.terminated and absorbing
    # States alone: actions that nobody reads
    done = t.act if len(t.act) else np.zeros((len(t.obs), *t.act.shape[1:]), t.act.dtype)
    obs, act, after = (torch.from_numpy(np.ascontiguousarray(x)) for x in (t.obs, done, following))
    return Transitions(obs, act, after, no, ends)


def record(
    envs: Envs, policy: Actor | None, episodes: int, *, deterministic: bool = False
) -> list[Trajectory]:
    """Whole episodes of a policy, or of uniformly random actions; each environment in its turn.

    Environments play equally many episodes or one less, in fixed turns: taking the first that end
    would favour short ones.

    Args:
        envs: Fresh environments.
        policy: Policy to record; None stands for random actions.
        episodes: Number of episodes.
        deterministic: Whether the likeliest action is taken instead of a draw.
    """
    count = min(envs.count, episodes)
    wanted = [episodes // count + (i < episodes % count) for i in range(count)]
    open_: list[list[tuple[np.ndarray, np.ndarray, float]]] = [[] for _ in range(count)]
    done: list[list[Trajectory]] = [[] for _ in range(count)]
    while any(len(d) < w for d, w in zip(done, wanted)):
        obs = envs.current()
        act = (
            random_actions(envs.actions, envs.count)
            if policy is None
            else _act(policy, obs, deterministic)
        )
        kept = envs.actions.clip(act).cpu().numpy()
        step = envs.step(envs.actions.to_env(act))
        for i in range(count):
            if not step.valid[i] or len(done[i]) == wanted[i]:
                continue
            open_[i].append((obs[i].copy(), kept[i], float(step.reward[i])))
            if step.terminated[i] or step.truncated[i]:
                seen, acts, earned = zip(*open_[i])
                open_[i] = []
                done[i].append(
                    Trajectory(
                        np.stack(seen),
                        np.stack(acts),
                        step.obs[i].copy(),
                        bool(step.terminated[i]),
                        np.array(earned, np.float32),
                    )
                )
    return [t for of_one in done for t in of_one]


def random_actions(actions: Actions, count: int) -> Tensor:
    """Actions that are uniform over the choices or the box.

    Components of an open box are Gaussian, as a policy's are at its start.

    Args:
        actions: Actions of the environment.
        count: Number of actions.
    """
    if actions.parts:
        return torch.stack([torch.randint(n, (count,)) for n in actions.parts], 1)
    if actions.discrete:
        return torch.randint(actions.choices, (count,))
    scaled = 2 * torch.rand(count, actions.features) - 1
    if not actions.closed.all():
        scaled = torch.where(actions.closed, scaled, torch.randn_like(scaled))
    return actions.middle + actions.half_width * scaled


def _act(policy: Actor, obs: np.ndarray, deterministic: bool) -> Tensor:
    weight = next(policy.parameters(), None)
    device = torch.device("cpu") if weight is None else weight.device
    return policy.act(torch.from_numpy(obs).to(device), deterministic)
