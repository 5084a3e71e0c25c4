"""Discriminators of transitions: one logit a row, high = of the expert.

A discriminator reads one matrix, so that every penalty of the core applies to it: normalised
observation, flag of the absorbing state, action, and where it looks ahead the next observation and
its flag.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser, image_net, mlp

SEES = ("state_action", "state_next", "state_action_next")
"""What a discriminator may look at: the action, the next state, or both."""


FLAG = 5.0
"""What marks the absorbing state, in standard deviations of an observation.

A discriminator whose slope is held down tells rows apart by how far apart they lie. With a flag of
1 the absorbing state lies nearer to the expert's mean than most states that a beginner meets, and
earns more than they do: the policy learns to end (seen on Hopper).
"""


class Transitions(NamedTuple):
    """Rows of what somebody did; in an absorbing state nothing is seen and nothing is done.

    Args:
        obs: (B, ...).
        act: (B,) or (B, components), as drawn.
        next_obs: (B, ...).
        absorbing: Whether obs is the absorbing state, (B,).
        next_absorbing: Whether next_obs is the absorbing state, (B,).
    """

    obs: Tensor
    act: Tensor
    next_obs: Tensor
    absorbing: Bool[Tensor, " batch"]
    next_absorbing: Bool[Tensor, " batch"]

    def pick(self, rows: Tensor | slice) -> "Transitions":
        """Some rows, by number, mask or slice."""
        return Transitions(*(x[rows] for x in self))

    def to(self, device: torch.device) -> "Transitions":
        """The same on another device."""
        return Transitions(*(x.to(device) for x in self))


def with_absorbing(t: Transitions) -> Transitions:
    """Append one row "absorbing to absorbing" for each row that leads to the absorbing state.

    Args:
        t: Transitions of whole episodes.
    """
    rows = t.next_absorbing.nonzero().squeeze(1)
    flags = torch.ones_like(rows, dtype=torch.bool)
    extra = Transitions(t.obs[rows], t.act[rows], t.next_obs[rows], flags, flags)
    return Transitions(*(torch.cat(pair) for pair in zip(t, extra)))


class Encoding(nn.Module):
    """How transitions become the rows of a matrix.

    Args:
        observations: Observations that are seen.
        actions: Actions that are seen.
        normaliser: Normaliser of observations, shared by all networks.
        sees: What a row holds, one of `SEES`.

    Raises:
        UserError: What is seen is unknown.
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        sees: str = "state_action",
    ):
        super().__init__()
        if sees not in SEES:
            raise UserError(f"sees = {sees!r}: choose one of {', '.join(SEES)}")
        self.observations, self.actions, self.normaliser = observations, actions, normaliser
        self.sees = sees
        self.state = int(torch.tensor(observations.shape).prod()) + 1
        self.features = self.width(self.state)

    def width(self, state: int) -> int:
        """Numbers of a row whose states have so many."""
        acted = self.actions.features * ("action" in self.sees)
        return state * (1 + ("next" in self.sees)) + acted

    def encode(self, t: Transitions) -> Float[Tensor, "batch inputs"]:
        """The matrix of transitions, without gradients."""
        with torch.no_grad():
            parts = [self.encode_state(t.obs, t.absorbing)]
            if "next" in self.sees:
                parts.append(self.encode_state(t.next_obs, t.next_absorbing))
            if "action" in self.sees:
                parts.append(self.actions.encode(t.act) * ~t.absorbing[:, None])
            return torch.cat(parts, 1)

    def encode_state(
        self, obs: Tensor, absorbing: Bool[Tensor, " batch"]
    ) -> Float[Tensor, "batch inputs"]:
        """Normalised observations, zero in the absorbing state, and its flag behind them."""
        seen = self.normaliser(obs).flatten(1)
        return torch.cat([seen * ~absorbing[:, None], FLAG * absorbing[:, None]], 1)


class Discriminator(Encoding, ABC):
    """A discriminator of transitions.

    Args:
        observations: Observations that it sees.
        actions: Actions that it sees.
        normaliser: Normaliser of observations, shared by all networks.
        sees: What a row holds, one of `SEES`.
        hidden: Widths of the layers; the first is also the size of an image's features.
    """

    reads_policy = False
    """Whether its logit needs the policy's log probability of each action."""

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        sees: str = "state_action",
        hidden: Sequence[int] = (64, 64),
    ):
        super().__init__(observations, actions, normaliser, sees)
        self.hidden = tuple(hidden)
        self.eye = image_net(observations.shape, hidden[0]) if observations.image else None
        if observations.image:
            self.features = self.width(hidden[0] + 1)

    @abstractmethod
    def score(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        """Logits of encoded rows."""

    def training_score(
        self, x: Float[Tensor, "batch inputs"]
    ) -> tuple[Float[Tensor, " batch"], Tensor | None]:
        """Logits in training, and what the discriminator's information costs, if it is bounded."""
        return self.score(x), None

    def after_step(self) -> None:
        """Called after each optimizer step."""

    def _read(self, x: Tensor) -> Tensor:
        """Replace images by features and keep the other inputs."""
        if self.eye is None:
            return x
        parts, rest = [], x
        for _ in range(1 + ("next" in self.sees)):
            pixels, flag, rest = rest.split([self.state - 1, 1, rest.shape[1] - self.state], dim=1)
            parts += [self.eye(pixels.view(-1, *self.observations.shape)), flag]
        return torch.cat([*parts, rest], 1)


@final
class DenseDiscriminator(Discriminator):
    """Dense layers over everything it sees.

    Args:
        observations: Observations that it sees.
        actions: Actions that it sees.
        normaliser: Normaliser of observations.
        sees: What a row holds, one of `SEES`.
        hidden: Widths of the layers.
        spectral: Whether each dense weight is divided by its largest singular value (Miyato et al.
            2018).
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        sees: str = "state_action",
        hidden: Sequence[int] = (64, 64),
        spectral: bool = False,
    ):
        super().__init__(observations, actions, normaliser, sees, hidden)
        self.dense = mlp([self.features, *hidden, 1], 1.0)
        if spectral:
            bound(self.dense)

    def score(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        return self.dense(self._read(x)).squeeze(1)


@final
class ShapedDiscriminator(Discriminator):
    """AIRL's f(s, a, s') = g(s, a) + gamma h(s') - h(s), minus log pi(a | s) outside.

    g is the reward that may be carried to other dynamics; h is the shaping that stays behind. The
    absorbing state has a separate h, learned like any other.     (Fu, Luo & Levine 2018, eq. 4)

    Args:
        observations: Observations that it sees; vectors only.
        actions: Actions that it sees.
        normaliser: Normaliser of observations.
        gamma: Discount per step.
        hidden: Widths of the layers of g and of h.
        state_only: Whether g sees s alone, which is what transfers.
        spectral: Whether each weight of g and h is divided by its largest singular value.

    Raises:
        UserError: Observations are images.
    """

    reads_policy = True

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        gamma: float,
        hidden: Sequence[int] = (64, 64),
        state_only: bool = False,
        spectral: bool = False,
    ):
        super().__init__(observations, actions, normaliser, "state_action_next", hidden)
        if observations.image:
            raise UserError("AIRL reads vectors, not images; use another --paper")
        self.gamma, self.state_only = gamma, state_only
        inputs = self.state + (0 if state_only else actions.features)
        self.g, self.h = mlp([inputs, *hidden, 1], 1.0), mlp([self.state, *hidden, 1], 1.0)
        if spectral:
            bound(self.g, self.h)

    def score(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        now, after = x[:, : self.state], x[:, self.state : 2 * self.state]
        shaping = self.gamma * self.h(after) - self.h(now)
        return (self.g(self._of_reward(x)) + shaping).squeeze(1)

    def transferable(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        """g alone: the reward without its shaping."""
        return self.g(self._of_reward(x)).squeeze(1)

    def _of_reward(self, x: Tensor) -> Tensor:
        now = x[:, : self.state]
        return now if self.state_only else torch.cat([now, x[:, 2 * self.state :]], 1)


@final
class BottleneckDiscriminator(Discriminator):
    """A discriminator that may learn only so much about each row (VAIL).

    z ~ N(mu(x), sigma(x)^2); the logit is linear in z; E[KL(q(z|x), N(0, 1))] is held at or below
    `information` by a multiplier beta >= 0 that rises and falls with the excess.

    Args:
        observations: Observations that it sees.
        actions: Actions that it sees.
        normaliser: Normaliser of observations.
        sees: What a row holds, one of `SEES`.
        hidden: Widths of the encoder's layers.
        information: Bound I_c on the information about a row, in nats.
        beta_rate: Step size of the dual ascent of beta.
        spectral: Whether each dense weight is divided by its largest singular value.

    Source: Peng, Kanazawa, Toyer, Abbeel & Levine 2019, eqs. 7-9.
    """

    beta: Tensor
    excess: Tensor

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        sees: str = "state_action",
        hidden: Sequence[int] = (64, 64),
        information: float = 0.5,
        beta_rate: float = 1e-3,
        spectral: bool = False,
    ):
        super().__init__(observations, actions, normaliser, sees, hidden)
        self.code = hidden[-1] // 2
        # At the prior: a code that starts far from it is first of all unlearned
        self.encoder = mlp([self.features, *hidden[:-1], 2 * self.code], 0.01)
        self.head = nn.Linear(self.code, 1)
        if spectral:
            bound(self.encoder, self.head)
        self.information, self.beta_rate = information, beta_rate
        self.register_buffer("beta", torch.tensor(0.1))
        self.register_buffer("excess", torch.zeros(()))

    def score(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        """Logit of the mean code, which is also what the reward is read from."""
        return self.head(self._codes(x)[0]).squeeze(1)

    def training_score(
        self, x: Float[Tensor, "batch inputs"]
    ) -> tuple[Float[Tensor, " batch"], Tensor | None]:
        mean, log_std = self._codes(x)
        kl = ((2 * log_std).exp() + mean.square() - 1) / 2 - log_std
        excess = kl.sum(1).mean() - self.information
        self.excess.copy_(parallel.average(excess.detach()))
        z = mean + log_std.exp() * torch.randn_like(mean)
        return self.head(z).squeeze(1), self.beta * excess

    def after_step(self) -> None:
        self.beta.add_(self.beta_rate * self.excess).clamp_(min=0)

    def _codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.encoder(self._read(x)).chunk(2, dim=1)
        return mean, log_std.clamp(-5, 2)


def bound(*modules: nn.Module) -> None:
    """Divide each dense weight by its largest singular value, from now on."""
    for module in modules:
        for layer in [*module.modules()]:
            if isinstance(layer, nn.Linear):
                spectral_norm(layer)
