"""Soft actor-critic's parts: a squashed policy, twin values, and what was done so far."""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from image_core.adversarial.errors import UserError
from rl.critics import Transitions
from rl.nets import Normaliser, ObsNet, mlp
from rl.policies import Actor
from rl.rollout import Rollout
from rl.spaces import Actions, Observations


@final
class SquashedPolicy(Actor):
    """tanh of a Gaussian whose width depends on the state, scaled to the box.

    Args:
        observations: vectors.
        actions: a box with two ends.
        normaliser: of observations.
        hidden: widths.

    Raises:
        UserError: actions are choices, or their box is open.

    Source: Haarnoja et al. 2018, appendix C.
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        hidden: Sequence[int],
    ):
        super().__init__()
        if actions.discrete or not bool(torch.isfinite(actions.low + actions.high).all()):
            raise UserError("--algorithm dac needs continuous actions in a box with two ends")
        self.actions = actions
        self.net = ObsNet(
            observations, normaliser, hidden, 2 * actions.features, 0.01, activation=nn.ReLU
        )
        self.register_buffer("low", actions.low.clone())
        self.register_buffer("high", actions.high.clone())

    low: Tensor
    high: Tensor

    def draw(
        self, obs: Tensor
    ) -> tuple[Float[Tensor, "batch components"], Float[Tensor, " batch"]]:
        """Differentiable actions in [-1, 1], and their log density there."""
        mean, log_std = self.net(obs).chunk(2, dim=1)
        log_std = log_std.clamp(-5, 2)
        noise = torch.randn_like(mean)
        u = mean + log_std.exp() * noise
        gaussian = -(noise.square() + 2 * log_std + math.log(2 * math.pi)) / 2
        # log(1 - tanh^2 u) without its cancellation
        squash = 2 * (math.log(2) - u - softplus(-2 * u))
        return u.tanh(), (gaussian - squash).sum(1)

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        if deterministic:
            inside = self.net(obs).chunk(2, dim=1)[0].tanh()
        else:
            inside, _ = self.draw(obs)
        return self.low + (inside + 1) / 2 * (self.high - self.low)


@final
class TwinValues(nn.Module):
    """Two networks Q(s, flag of the absorbing state, a).

    Args:
        observations: vectors.
        actions: in [-1, 1] here.
        normaliser: of observations.
        hidden: widths.
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        hidden: Sequence[int],
    ):
        super().__init__()
        self.normaliser = normaliser
        sizes = [observations.shape[0] + 1 + actions.features, *hidden, 1]
        self.one, self.two = mlp(sizes, 1.0, nn.ReLU), mlp(sizes, 1.0, nn.ReLU)

    def forward(self, obs: Tensor, absorbing: Tensor, act: Tensor) -> Float[Tensor, "2 batch"]:
        """Both values; in the absorbing state nothing is seen and nothing done."""
        lives = ~absorbing[:, None]
        parts = [self.normaliser(obs) * lives, absorbing[:, None].float(), act * lives]
        x = torch.cat(parts, 1)
        return torch.stack([self.one(x), self.two(x)]).squeeze(2)


class Replay(nn.Module):
    """Transitions done so far, the oldest overwritten; buffers, so saved with a game.

    Args:
        observations: what is kept.
        actions: what is kept.
        capacity: rows.
    """

    obs: Tensor
    act: Tensor
    next_obs: Tensor
    flags: Tensor
    count: Tensor

    def __init__(self, observations: Observations, actions: Actions, capacity: int):
        super().__init__()
        self.capacity = capacity
        self.register_buffer("obs", torch.zeros(capacity, *observations.shape))
        self.register_buffer("next_obs", torch.zeros(capacity, *observations.shape))
        self.register_buffer("act", torch.zeros(capacity, actions.features))
        self.register_buffer("flags", torch.zeros(capacity, 2, dtype=torch.bool))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def add(self, rows: Transitions) -> None:
        """Keep more rows."""
        new = len(rows.obs)
        place = (int(self.count) + torch.arange(new, device=self.obs.device)) % self.capacity
        self.obs[place], self.next_obs[place] = rows.obs, rows.next_obs
        self.act[place] = rows.act
        self.flags[place] = torch.stack([rows.absorbing, rows.next_absorbing], 1)
        self.count += new

    def draw(self, size: int) -> Transitions:
        """Rows at random, with replacement."""
        rows = torch.randint(min(int(self.count), self.capacity), (size,), device=self.obs.device)
        now, after = self.flags[rows].unbind(1)
        return Transitions(self.obs[rows], self.act[rows], self.next_obs[rows], now, after)


def transitions(roll: Rollout, absorbing: bool) -> Transitions:
    """A rollout's rows that are transitions; terminal states lead to the absorbing state.

    Args:
        roll: what was done.
        absorbing: False = terminal states are kept as they are seen.
    """
    rows = roll.valid.flatten()
    obs, act, after = (x.flatten(0, 1)[rows] for x in (roll.obs, roll.act, roll.next_obs))
    ends = roll.terminated.flatten()[rows] & absorbing
    return Transitions(obs, act, after, torch.zeros_like(ends), ends)
