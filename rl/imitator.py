"""What games of imitation have: a policy, the normaliser of what it sees, and a discriminator."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.game import Game
from rl.discriminators import Discriminator, Transitions
from rl.nets import Normaliser
from rl.policies import Actor


class Imitator(Game):
    """A game in which a policy learns to act as an expert does."""

    normaliser: Normaliser

    @property
    @abstractmethod
    def policy(self) -> Actor:
        """The policy that learns."""


class AdversarialImitator(Imitator):
    """A game whose policy learns from a discriminator D: its logit, made a reward.

    With `absorbing`, terminal states lead to an absorbing state that the discriminator sees, and
    `gamma` discounts what is earned there for ever.
    """

    D: Discriminator
    reward: Callable[[Tensor], Tensor]
    gamma: float
    absorbing: bool

    @torch.no_grad()
    def discriminate(self, rows: Transitions) -> Float[Tensor, " batch"]:
        """Logit of each transition, high = of the expert; the discriminator in eval mode."""
        training = self.D.training
        self.D.eval()
        try:
            return self.logit(rows)
        finally:
            self.D.train(training)

    @abstractmethod
    def logit(self, rows: Transitions) -> Float[Tensor, " batch"]:
        """Logit of each transition, as rewards read it."""

    @torch.no_grad()
    def reward_of(self, rows: Transitions) -> Float[Tensor, " batch"]:
        """Reward r(l) of each transition by the discriminator as it is, in one pass.

        One that leads to the absorbing state also earns gamma r_abs / (1 - gamma).
        """
        return self.with_absorbing_reward(rows, lambda some: self.reward(self.logit(some)))

    def with_absorbing_reward(
        self, rows: Transitions, reward: Callable[[Transitions], Tensor]
    ) -> Float[Tensor, " batch"]:
        """A reward of each transition, and where it leads to the absorbing state what follows.

        Args:
            rows: Transitions.
            reward: Reward of each transition by itself.
        """
        earned = reward(rows)
        if not self.absorbing:
            return earned
        one = rows.pick(torch.zeros(1, dtype=torch.int64, device=rows.obs.device))
        yes = torch.ones_like(one.absorbing)
        forever = reward(one._replace(absorbing=yes, next_absorbing=yes))
        return earned + rows.next_absorbing * (self.gamma / (1 - self.gamma) * forever)
