"""SeqGAN (Yu, Zhang, Wang & Yu 2017): rollout rewards and REINFORCE."""

from typing import TYPE_CHECKING, Any

from image_core.adversarial.game import Game
from seqgan.games.sequence import seqgan
from seqgan.papers import RealRows
from seqgan.policies import LSTMPolicy

if TYPE_CHECKING:
    from seqgan.recipes.sequence import SequenceConfig

NAME = "SeqGAN"
METHOD: dict[str, Any] = {}
RATES: dict[str, Any] = {}
PAPER: dict[str, Any] = {}
policy = LSTMPolicy


def game(policy: LSTMPolicy, length: int, real: RealRows, options: "SequenceConfig") -> Game:
    """The game of a run's options."""
    critic = options.make_critic(policy)
    return seqgan(policy, critic, length, rollouts=options.rollouts, **options.game_options())
