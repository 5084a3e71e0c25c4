"""SeqGAN (Yu, Zhang, Wang & Yu 2017): rollout rewards and REINFORCE."""

from typing import TYPE_CHECKING, Any

from image_core.adversarial.game import Game
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.estimation import sequence_reward
from seqgan.text.games.sequence import seqgan
from seqgan.text.papers import RealRows

if TYPE_CHECKING:
    from seqgan.text.config import SequenceConfig

NAME = "SeqGAN"
METHOD: dict[str, Any] = {}
RATES: dict[str, Any] = {}
GAME = "sequence"
PAPER: dict[str, Any] = {}
UNREAD = ("beta_max",)
policy = LSTMPolicy


def game(policy: LSTMPolicy, length: int, real: RealRows, options: "SequenceConfig") -> Game:
    """The game of a run's options."""
    reward = sequence_reward(options.estimator, options.rollouts)
    critic, others = options.make_critic(policy), options.game_options(length)
    return seqgan(policy, critic, length, reward=reward, **others)
