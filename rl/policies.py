"""Policies: distributions over actions given an observation. All abstract or final."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.special import log_ndtr

from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser, ObsNet

HIDDEN = (64, 64)


class Actor(nn.Module, ABC):
    """Whatever chooses actions: a policy here, an expert of another library, a rule."""

    @abstractmethod
    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        """Actions for encoded observations, without gradients.

        Choices are counted from 0. Vectors are in the environment's units and may lie outside of
        its box: whoever hands them to the environment clips them.

        Args:
            obs: (B, ...).
            deterministic: Whether the likeliest action is taken instead of a draw.
        """


class Policy(Actor):
    """A policy; what a state says about actions is its `parameters_of`, a matrix.

    Args:
        observations: Observations that it sees.
        actions: Actions that it takes.
        normaliser: Normaliser of observations, shared by all networks.
        outputs: Number of the network's outputs.
        hidden: Widths of the network's layers.
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        outputs: int,
        hidden: Sequence[int] = HIDDEN,
    ):
        super().__init__()
        self.observations, self.actions = observations, actions
        self.net = ObsNet(observations, normaliser, hidden, outputs, head_gain=0.01)

    def parameters_of(self, obs: Tensor) -> Float[Tensor, "batch outputs"]:
        """Parameters of the distribution at each observation."""
        return self.net(obs)

    @abstractmethod
    def draw(self, said: Tensor) -> Tensor:
        """Actions at random, (B,) or (B, components), of what the network said."""

    @abstractmethod
    def best(self, said: Tensor) -> Tensor:
        """The likeliest actions."""

    @abstractmethod
    def log_prob_of(self, said: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        """Log density of actions as they were drawn, before any clipping."""

    @abstractmethod
    def log_prob_received_of(self, said: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        """Log probability of what the environment received: the edge of a box stands for all that
        is clipped to it.
        """

    @abstractmethod
    def entropy_of(self, said: Tensor) -> Float[Tensor, " batch"]:
        """Entropy at each state, nats."""

    @abstractmethod
    def kl_of(self, old: Tensor, said: Tensor) -> Float[Tensor, " batch"]:
        """KL(old, new) at each state; `old` is what `said` was."""

    @abstractmethod
    def snapshot(self, said: Tensor) -> Tensor:
        """All parameters of the distribution, detached: what `kl_of` takes for old."""

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        said = self.parameters_of(obs)
        return self.best(said) if deterministic else self.draw(said)

    def log_prob(self, obs: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        """Log density of actions at observations."""
        return self.log_prob_of(self.parameters_of(obs), act)


@final
class CategoricalPolicy(Policy):
    """One choice of several.

    Args:
        observations: Observations that it sees.
        actions: Choices.
        normaliser: Normaliser of observations.
        hidden: Widths of the network's layers.
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        hidden: Sequence[int] = HIDDEN,
    ):
        super().__init__(observations, actions, normaliser, actions.choices, hidden)

    def draw(self, said: Tensor) -> Tensor:
        # argmax of logit minus log of an exponential draw, which is a Gumbel draw
        return (said - torch.empty_like(said).exponential_().log_()).argmax(1)

    def best(self, said: Tensor) -> Tensor:
        return said.argmax(1)

    def log_prob_of(self, said: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        return said.log_softmax(1).gather(1, act[:, None]).squeeze(1)

    def log_prob_received_of(self, said: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        return self.log_prob_of(said, act)

    def entropy_of(self, said: Tensor) -> Float[Tensor, " batch"]:
        log_prob = said.log_softmax(1)
        return -(log_prob.exp() * log_prob).sum(1)

    def kl_of(self, old: Tensor, said: Tensor) -> Float[Tensor, " batch"]:
        before = old.log_softmax(1)
        return (before.exp() * (before - said.log_softmax(1))).sum(1)

    def snapshot(self, said: Tensor) -> Tensor:
        return said.detach()


@final
class FactoredPolicy(Policy):
    """Several choices at once, independent of each other given the observation.

    Args:
        observations: Observations that it sees.
        actions: Choices of several components.
        normaliser: Normaliser of observations.
        hidden: Widths of the network's layers.
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        hidden: Sequence[int] = HIDDEN,
    ):
        super().__init__(observations, actions, normaliser, actions.choices, hidden)

    def draw(self, said: Tensor) -> Tensor:
        return self.best(said - torch.empty_like(said).exponential_().log_())

    def best(self, said: Tensor) -> Tensor:
        return torch.stack([part.argmax(1) for part in self._split(said)], 1)

    def log_prob_of(self, said: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        taken = [p.gather(1, a[:, None]) for p, a in zip(self._log_probs(said), act.unbind(1))]
        return torch.cat(taken, 1).sum(1)

    def log_prob_received_of(self, said: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        return self.log_prob_of(said, act)

    def entropy_of(self, said: Tensor) -> Float[Tensor, " batch"]:
        log_prob = torch.cat(self._log_probs(said), 1)
        return -(log_prob.exp() * log_prob).sum(1)

    def kl_of(self, old: Tensor, said: Tensor) -> Float[Tensor, " batch"]:
        before, now = (torch.cat(self._log_probs(x), 1) for x in (old, said))
        return (before.exp() * (before - now)).sum(1)

    def snapshot(self, said: Tensor) -> Tensor:
        return said.detach()

    def _split(self, said: Tensor) -> Sequence[Tensor]:
        return said.split(self.actions.parts, 1)

    def _log_probs(self, said: Tensor) -> list[Tensor]:
        return [part.log_softmax(1) for part in self._split(said)]


@final
class GaussianPolicy(Policy):
    """Independent Gaussians whose width does not depend on the state, in units of the box.

    u ~ N(mean(s), std^2), and the action is middle + half_width u, of which the environment
    receives what is clipped to its box [-1, 1] of u. Densities, entropies and divergences are those
    of u, so that none of them depends on the environment's units.

    Args:
        observations: Observations that it sees.
        actions: Box of actions.
        normaliser: Normaliser of observations.
        hidden: Widths of the network's layers.
        log_std: Logarithm of each component's deviation at the start, in half widths of the box.
    """

    middle: Tensor
    half_width: Tensor

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        hidden: Sequence[int] = HIDDEN,
        log_std: float = 0.0,
    ):
        super().__init__(observations, actions, normaliser, actions.features, hidden)
        self.log_std = nn.Parameter(torch.full((actions.features,), log_std))
        # Saved with the weights, which mean nothing in another box
        self.register_buffer("middle", actions.middle)
        self.register_buffer("half_width", actions.half_width)

    def draw(self, said: Tensor) -> Tensor:
        return self.best(said + self.log_std.exp() * torch.randn_like(said))

    def best(self, said: Tensor) -> Tensor:
        return self.middle + self.half_width * said

    def log_prob_of(self, said: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        return self._log_density(said, self.scaled(act)).sum(1)

    def log_prob_received_of(self, said: Tensor, act: Tensor) -> Float[Tensor, " batch"]:
        """As `log_prob_of` inside the box, and the mass beyond its edge at the edge.

        Without that a policy would look ever less likely, and AIRL's reward f - log pi grow
        without bound, the further beyond the edge its mean lies.
        """
        low, high = self.actions.low.to(act), self.actions.high.to(act)
        narrow = (-self.log_std).exp()
        below = log_ndtr((self.scaled(low) - said) * narrow)
        above = log_ndtr((said - self.scaled(high)) * narrow)
        inside = self._log_density(said, self.scaled(act))
        # In the environment's units, where clipping is exact
        return torch.where(act <= low, below, torch.where(act >= high, above, inside)).sum(1)

    def entropy_of(self, said: Tensor) -> Float[Tensor, " batch"]:
        nats = self.log_std.sum() + len(self.log_std) * (1 + math.log(2 * math.pi)) / 2
        return nats.expand(len(said))

    def kl_of(self, old: Tensor, said: Tensor) -> Float[Tensor, " batch"]:
        mean, log_std = old.chunk(2, dim=1)
        ratio = (2 * (log_std - self.log_std)).exp()
        apart = ((mean - said) * (-self.log_std).exp()).square()
        return ((ratio + apart - 1) / 2 + self.log_std - log_std).sum(1)

    def snapshot(self, said: Tensor) -> Tensor:
        return torch.cat([said, self.log_std.expand_as(said)], 1).detach()

    def scaled(self, act: Tensor) -> Tensor:
        """Actions u in half widths of the box, from its middle.

        Args:
            act: Actions in the environment's units.
        """
        return (act - self.middle) / self.half_width

    def _log_density(self, said: Tensor, u: Tensor) -> Tensor:
        z = (u - said) * (-self.log_std).exp()
        return -z.square() / 2 - self.log_std - math.log(2 * math.pi) / 2


def make_policy(
    observations: Observations,
    actions: Actions,
    normaliser: Normaliser,
    hidden: Sequence[int] = HIDDEN,
) -> Policy:
    """The policy that fits the actions.

    Args:
        observations: Observations of the environment.
        actions: Actions of the environment.
        normaliser: Normaliser of observations, shared by all networks.
        hidden: Units of each hidden layer.
    """
    if actions.parts:
        return FactoredPolicy(observations, actions, normaliser, hidden)
    kind = CategoricalPolicy if actions.discrete else GaussianPolicy
    return kind(observations, actions, normaliser, hidden)


def value_net(
    observations: Observations, normaliser: Normaliser, hidden: Sequence[int] = HIDDEN
) -> ObsNet:
    """A network from observations to (B, 1) values.

    Args:
        observations: Observations of the environment.
        normaliser: Normaliser of observations, shared by all networks.
        hidden: Units of each hidden layer.
    """
    return ObsNet(observations, normaliser, hidden, 1, head_gain=1.0)
