"""Parts of soft actor-critic: a squashed policy, twin values and a replay buffer."""

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from image_core.adversarial.errors import UserError
from rl.discriminators import Transitions
from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser, linear, mlp
from rl.policies import Actor
from rl.rollout import Rollout


@final
class SquashedPolicy(Actor):
    """tanh of a Gaussian whose width depends on the state, scaled to the box.

    Args:
        observations: Observations that it sees; vectors only.
        actions: Box of actions with two ends.
        normaliser: Normaliser of observations.
        hidden: Widths of the network's layers.

    Raises:
        UserError: Actions are choices, or their box is open.

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
        if actions.discrete or not bool(actions.closed.all()):
            raise UserError("a squashed policy needs continuous actions in a box with two ends")
        self.actions = actions
        if observations.image:
            raise UserError("a squashed policy reads vectors, not images; use another --paper")
        sizes = [observations.shape[0], *hidden, 2 * actions.features]
        self.normaliser, self.dense = normaliser, mlp(sizes, 0.01, nn.ReLU)
        self.register_buffer("low", actions.low.clone())
        self.register_buffer("high", actions.high.clone())

    low: Tensor
    high: Tensor

    def draw(
        self, seen: Float[Tensor, "batch features"]
    ) -> tuple[Float[Tensor, "batch components"], Float[Tensor, " batch"]]:
        """Differentiable actions in [-1, 1], and their log density there.

        Args:
            seen: Normalised observations.
        """
        mean, log_std = self.dense(seen).chunk(2, dim=1)
        log_std = log_std.clamp(-5, 2)
        noise = torch.randn_like(mean)
        u = mean + log_std.exp() * noise
        gaussian = -(noise.square() + 2 * log_std + math.log(2 * math.pi)) / 2
        # log(1 - tanh^2 u) without its cancellation
        squash = 2 * (math.log(2) - u - softplus(-2 * u))
        return u.tanh(), (gaussian - squash).sum(1)

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        seen = self.normaliser(obs)
        if deterministic:
            inside = self.dense(seen).chunk(2, dim=1)[0].tanh()
        else:
            inside, _ = self.draw(seen)
        return self.low + (inside + 1) / 2 * (self.high - self.low)


@final
class TwinValues(nn.Module):
    """Two networks Q(x), their layers stacked so that each product serves both.

    Args:
        features: Inputs of x: a state, the flag of the absorbing one, an action in [-1, 1].
        hidden: Widths of the layers.
    """

    def __init__(self, features: int, hidden: Sequence[int]):
        super().__init__()
        sizes = [features, *hidden, 1]
        gains = [math.sqrt(2)] * len(hidden) + [1.0]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs, gain in zip(sizes[:-1], sizes[1:], gains):
            pair = [linear(inputs, outputs, gain).weight.detach().T for _ in range(2)]
            self.weights.append(nn.Parameter(torch.stack(pair)))
            self.biases.append(nn.Parameter(torch.zeros(2, 1, outputs)))

    def forward(
        self, x: Float[Tensor, "batch features"], *, frozen: bool = False
    ) -> Float[Tensor, "2 batch"]:
        """Both values; frozen, their gradients reach x and none of the weights."""
        h = x.expand(2, *x.shape)
        for i, pair in enumerate(zip(self.weights, self.biases)):
            weight, bias = (p.detach() for p in pair) if frozen else pair
            h = torch.baddbmm(bias, h.relu() if i else h, weight)
        return h.squeeze(2)


class Rows(NamedTuple):
    """Transitions as the networks read them.

    Args:
        now: Normalised observation, flag of the absorbing state, action in [-1, 1].
        after: Normalised observation that followed, and its flag.
        own: What a reward of the user's own pays beside the discriminator's; 0 without one.
    """

    now: Float[Tensor, "batch inputs"]
    after: Float[Tensor, "batch state"]
    own: Float[Tensor, " batch"]


class TransitionBuffer(nn.Module):
    """Transitions done so far, the oldest overwritten; buffers, so saved with a game.

    Args:
        inputs: Width of `Rows.now`.
        state: Width of `Rows.after`.
        buffer_size: Rows that are kept, the oldest overwritten.
    """

    now: Tensor
    after: Tensor
    own: Tensor
    count: Tensor

    def __init__(self, inputs: int, state: int, buffer_size: int):
        super().__init__()
        self.buffer_size = buffer_size
        self.register_buffer("now", torch.zeros(buffer_size, inputs))
        self.register_buffer("after", torch.zeros(buffer_size, state))
        self.register_buffer("own", torch.zeros(buffer_size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def add(self, rows: Rows) -> None:
        """Keep more rows."""
        new = len(rows.now)
        place = (int(self.count) + torch.arange(new, device=self.now.device)) % self.buffer_size
        self.now[place], self.after[place], self.own[place] = rows
        self.count += new

    def draw(self, size: int) -> Rows:
        """Rows at random, with replacement."""
        rows = torch.randint(
            min(int(self.count), self.buffer_size), (size,), device=self.now.device
        )
        return Rows(self.now[rows], self.after[rows], self.own[rows])


def transitions(roll: Rollout, absorbing: bool) -> Transitions:
    """A rollout's rows that are transitions; terminal states lead to the absorbing state.

    Args:
        roll: Rollout that was sampled.
        absorbing: Whether terminal states lead to the absorbing state; False keeps them as they are
            seen.
    """
    rows = roll.valid.flatten()
    obs, act, after = (x.flatten(0, 1)[rows] for x in (roll.obs, roll.act, roll.next_obs))
    ends = roll.terminated.flatten()[rows] & absorbing
    return Transitions(obs, act, after, torch.zeros_like(ends), ends)
