"""MaliGAN with mixed training: real prefixes that shrink, their completions weighed by prefix.

The first K tokens of a sample are real and learned by likelihood, the rest by `maligan`'s weights,
normalised among the completions of one prefix. K falls from all but one token to none.
"""

from typing import TYPE_CHECKING

from image_core.adversarial import estimators
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.discriminators import SequenceCritic
from seqgan.text.games.sequence import SequenceGame
from seqgan.text.papers import RealRows
from seqgan.text.papers.maligan import GAME, METHOD, PAPER, RATES, UNREAD, maligan
from seqgan.text.teacher import Teacher

if TYPE_CHECKING:
    from seqgan.text.config import SequenceConfig

__all__ = [
    "GAME",
    "METHOD",
    "NAME",
    "PAPER",
    "RATES",
    "UNREAD",
    "game",
    "maligan_mixed",
    "policy",
]

NAME = "MaliGAN-mixed"
COPIES = 4
"""Completions of a real prefix; the options' samples are a multiple of it."""
policy = LSTMPolicy


def maligan_mixed(
    G: SequencePolicy,
    D: SequenceCritic,
    length: int,
    *,
    moves: int,
    copies: int = COPIES,
    **options: object,
) -> SequenceGame:
    """MaliGAN from teacher forcing to free running.

    Args:
        G: the policy.
        D: the critic.
        length: tokens of a sequence.
        moves: policy moves until the policy writes alone.
        copies: completions of each real prefix.
        options: of `SequenceGame`.

    Source: Che et al. 2017, section 3.3.
    """
    teacher = Teacher(length, moves, copies)
    mixed = {"teacher": teacher, "estimator": estimators.importance(copies)}
    return maligan(G, D, length, **{**options, **mixed})


def game(policy: LSTMPolicy, length: int, real: RealRows, options: "SequenceConfig") -> Game:
    """The game of a run's options."""
    if options.samples % COPIES or not 0 < options.samples // COPIES <= options.batch:
        raise UserError(
            f"--samples {options.samples}: maligan_mixed completes a prefix {COPIES} times, "
            f"so give a multiple of {COPIES}, at most {COPIES} times --batch {options.batch}"
        )
    moves = max(1, options.rounds * options.policy_steps)
    critic, others = options.make_critic(policy), options.game_options(length)
    return maligan_mixed(policy, critic, length, moves=moves, **others)
