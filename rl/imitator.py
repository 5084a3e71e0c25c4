"""What games of imitation have: a policy, the normaliser of what it sees, and a discriminator."""

from abc import abstractmethod

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
    """A game whose policy learns from a discriminator D."""

    D: Discriminator

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
