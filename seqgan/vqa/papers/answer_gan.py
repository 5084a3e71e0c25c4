"""Answer GAN (after Wu et al. 2018): answers to questions about a picture, told from people's.

The discriminator reads picture, question and answer, as theirs; the answer is one word about a
picture and no turn of a dialogue, attention is left out, and the likelihood of people's answers is
a term of the loss where theirs alternates with the reward.
"""

from dataclasses import dataclass

from image_core.runs.players import Player, adam
from seqgan.vqa.config import GameOptions
from seqgan.vqa.game import QuestionGame
from seqgan.vqa.nets import AnswerDiscriminator, Answerer, Reader
from seqgan.vqa.questions import ANSWERS, WORDS

__all__ = ["Options", "game", "players"]


@dataclass(kw_only=True)
class Options(GameOptions):
    """Answer GAN."""


def game(o: Options) -> QuestionGame:
    """The game of a run's options."""

    def reader(blind: bool = False) -> Reader:
        return Reader(o.side, len(WORDS), o.width, dropout=o.dropout, blind=blind)

    return QuestionGame(
        Answerer(reader(), o.width, len(ANSWERS)),
        AnswerDiscriminator(reader(), o.width, len(ANSWERS)),
        Answerer(reader(), o.width, len(ANSWERS)),
        Answerer(reader(blind=True), o.width, len(ANSWERS)),
        **o.adversarial(),
    )


def players(o: Options) -> list[Player]:
    """The answerer, the discriminator, and the answerers by likelihood."""
    rates = {"G": o.g_lr, "D": o.d_lr, "L": o.mle_lr}
    return [Player(name, adam(lr, (o.beta1, o.beta2))) for name, lr in rates.items()]
