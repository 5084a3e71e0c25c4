"""Soft values: of choices, whose policy is their softmax, and of boxes, with a policy beside them.

Q(s, a) is what a move is worth, V(s) = E_a[Q(s, a) - T log pi(a | s)] what a state is. States are
rows of a normalised observation and the flag of the absorbing state, which has no choices and whose
value is found elsewhere.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss
from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser, mlp
from rl.policies import Actor
from rl.sac import SquashedPolicy, TwinValues


class SoftValues(nn.Module, ABC):
    """Soft values and the policy that they are of; every Q has a slow copy.

    Args:
        quick: Networks that learn.
        tau: Share of the way that the slow copy follows in a step.
    """

    policy: Actor

    def __init__(self, quick: nn.Module, tau: float):
        super().__init__()
        self.quick, self.tau = quick, tau
        self.slow = copy.deepcopy(quick).requires_grad_(False)

    @abstractmethod
    def q(self, now: Float[Tensor, "batch inputs"]) -> Float[Tensor, "heads batch"]:
        """Q of each row of state and action, by each of the networks that learn."""

    @abstractmethod
    def v(
        self, state: Float[Tensor, "batch state"], *, slow: bool = False
    ) -> Float[Tensor, " batch"]:
        """V of each state, by the networks that learn or by their slow copy."""

    def policy_loss(self, state: Float[Tensor, "batch state"]) -> Loss | None:
        """What the policy minimises, the values standing still; None where they are the policy."""
        return None

    @torch.no_grad()
    def follow(self) -> None:
        """The slow copy goes a share of its way."""
        mine: list[Tensor] = list(self.quick.parameters())
        slow: list[Tensor] = list(self.slow.parameters())
        torch._foreach_lerp_(slow, mine, self.tau)


@final
class SoftmaxPolicy(Actor):
    """pi(a | s) = softmax(Q(s, .) / T).

    Args:
        normaliser: Normaliser of observations.
        net: Network from a state, the flag of the absorbing one included, to Q of each choice.
        temperature: T.
    """

    def __init__(self, normaliser: Normaliser, net: nn.Module, temperature: float):
        super().__init__()
        self.normaliser, self.net, self.temperature = normaliser, net, temperature

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        seen = self.normaliser(obs)
        said = self.net(pad(seen, (0, 1))) / self.temperature
        if not deterministic:
            said = said - torch.empty_like(said).exponential_().log_()
        return said.argmax(1)


@final
class SoftChoices(SoftValues):
    """Soft values of choices: V(s) = T log sum_a exp(Q(s, a) / T).

    Args:
        observations: Observations that are seen; vectors only.
        actions: A single choice.
        normaliser: Normaliser of observations.
        hidden: Widths of the layers.
        temperature: T.
        tau: Share of the way that the slow copy follows in a step.

    Raises:
        UserError: Observations are images, or actions are several choices at once.
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        hidden: Sequence[int],
        *,
        temperature: float,
        tau: float = 0.005,
    ):
        if actions.parts or not actions.discrete:
            raise UserError("soft values of choices need one choice at a time; use another --paper")
        if observations.image:
            raise UserError("soft values read vectors, not images; use another --paper")
        state = observations.shape[0] + 1
        # Values that begin at 0: others drown the margins, a few T, that the few shown rows ask for
        super().__init__(mlp([state, *hidden, actions.choices], 0.01, nn.ReLU), tau)
        self.state, self.temperature = state, temperature
        self.policy = SoftmaxPolicy(normaliser, self.quick, temperature)

    def q(self, now: Float[Tensor, "batch inputs"]) -> Float[Tensor, "heads batch"]:
        return (self.quick(now[:, : self.state]) * now[:, self.state :]).sum(1)[None]

    def v(
        self, state: Float[Tensor, "batch state"], *, slow: bool = False
    ) -> Float[Tensor, " batch"]:
        return self._soft((self.slow if slow else self.quick)(state))

    def _soft(self, found: Tensor) -> Tensor:
        return self.temperature * (found / self.temperature).logsumexp(1)


@final
class SoftBox(SoftValues):
    """Soft values of actions in a box: V(s) = min Q(s, a) - alpha log pi(a | s), a drawn by pi.

    alpha rises while the policy is surer than wanted, and falls otherwise (Haarnoja et al. 2018).

    Args:
        observations: Observations that are seen; vectors only.
        actions: Box of actions with two ends.
        normaliser: Normaliser of observations.
        hidden: Widths of the layers.
        temperature: alpha at the start.
        target_entropy: Entropy of the squashed action, in nats per component.
        tau: Share of the way that the slow copy follows in a step.

    Raises:
        UserError: The policy cannot act in this environment.
    """

    def __init__(
        self,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        hidden: Sequence[int],
        *,
        temperature: float,
        target_entropy: float,
        tau: float = 0.005,
    ):
        policy = SquashedPolicy(observations, actions, normaliser, hidden)
        inputs = observations.shape[0] + 1 + actions.features
        super().__init__(TwinValues(inputs, hidden), tau)
        self.policy = policy
        self.log_alpha = nn.Parameter(torch.tensor(math.log(temperature)))
        self.wanted = target_entropy * actions.features

    def q(self, now: Float[Tensor, "batch inputs"]) -> Float[Tensor, "heads batch"]:
        return self.quick(now)

    def v(
        self, state: Float[Tensor, "batch state"], *, slow: bool = False
    ) -> Float[Tensor, " batch"]:
        with torch.no_grad():
            act, log_prob, _ = self._draw(state)
            bonus = -self.log_alpha.exp() * log_prob
        found = (self.slow if slow else self.quick)(torch.cat([state, act], 1))
        return torch.minimum(*found) + bonus

    def policy_loss(self, state: Float[Tensor, "batch state"]) -> Loss:
        act, log_prob, lives = self._draw(state)
        value = torch.minimum(*self.quick(torch.cat([state, act], 1), frozen=True))
        living = lives.sum().clamp(min=1)
        alpha = self.log_alpha.exp().detach()
        cost = ((alpha * log_prob - value) * lives).sum() / living
        entropy = -(log_prob.detach() * lives).sum() / living
        total = cost + self.log_alpha * (entropy - self.wanted)
        return Loss(total, {"entropy": entropy, "alpha": alpha})

    def _draw(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        policy = self.policy
        assert isinstance(policy, SquashedPolicy)
        act, log_prob = policy.draw(state[:, :-1])
        return act, log_prob, (state[:, -1] == 0).float()
