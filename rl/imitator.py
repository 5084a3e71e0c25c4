"""What every game of imitation has: a policy, and the normaliser of what it sees."""

from abc import abstractmethod

from image_core.adversarial.game import Game
from rl.nets import Normaliser
from rl.policies import Actor


class Imitator(Game):
    """A game in which a policy learns to act as an expert does."""

    normaliser: Normaliser

    @property
    @abstractmethod
    def policy(self) -> Actor:
        """The policy that learns."""
