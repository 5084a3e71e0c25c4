"""How good answers to held-out questions are, and what stands beside them."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from image_core.adversarial.discrimination import accuracy, auc
from image_core.metrics.intervals import REACH, wilson
from image_core.runs import options
from seqgan.vqa.data import Asked
from seqgan.vqa.game import QuestionGame
from seqgan.vqa.questions import KINDS

LIKELIHOOD = "maximum likelihood"
BLIND, SHUFFLED, REAL_AGAIN = "question alone", "pictures shuffled", "real again"
"""Rows beside a game's; `pictures shuffled` is the game's own answerer on other pictures."""


class ScoredAnswers(NamedTuple):
    """Scores of answers.

    Args:
        scores: Measures by name.
        ends: 95 % intervals over questions, of the same names.
        kinds: Share of right answers by kind of question.
    """

    scores: dict[str, float]
    ends: dict[str, tuple[float, float]]
    kinds: dict[str, float]


def judge(probability: Float[Tensor, "N A"], asked: Asked) -> ScoredAnswers:
    """How often the likeliest answer is true, and how far the distribution is from people's.

    tv = (1/2) mean_n sum_a |q(a) - p(a)|, p even over the true answers

    Args:
        probability: Probability q of each answer.
        asked: Held-out questions.
    """
    right = asked.true.gather(1, probability.argmax(1, keepdim=True))[:, 0].double()
    each = (probability.double() - people(asked.true)).abs().sum(1) / 2
    share, tv, error = float(right.mean()), float(each.mean()), float(each.std())
    reach = REACH * error / len(each) ** 0.5
    kinds = {
        name: float(right[asked.kinds == k].mean())
        for k, name in enumerate(KINDS)
        if bool((asked.kinds == k).any())
    }
    ends = {"accuracy": wilson(share, len(right)), "tv": (max(0.0, tv - reach), tv + reach)}
    return ScoredAnswers({"accuracy": share, "tv": tv}, ends, kinds)


def people(true: Bool[Tensor, "N A"]) -> Float[Tensor, "N A"]:
    """Distribution of people's answers: even over the true ones.

    Args:
        true: True = an answer that people gave, (N, A).
    """
    return true.double() / true.sum(1, keepdim=True)


def rows(game: QuestionGame, asked: Asked, title: str) -> dict[str, ScoredAnswers]:
    """Scores of the game's answerer and of all that stands beside it.

    Args:
        game: Game of a run.
        asked: Held-out questions.
        title: Title of the paper.
    """
    # No picture stays in its place
    other = asked._replace(pictures=asked.pictures.roll(1, 0))
    made = {
        title: game.logits(game.G, asked.batch()),
        SHUFFLED: game.logits(game.G, other.batch()),
        LIKELIHOOD: game.logits(game.rival, asked.batch()),
        BLIND: game.logits(game.blind, asked.batch()),
    }
    scored = {name: judge(logits.softmax(1), asked) for name, logits in made.items()}
    return {**scored, REAL_AGAIN: judge(people(asked.true), asked)}


def discrimination(game: QuestionGame, asked: Asked, seed: int) -> dict[str, float]:
    """How well the discriminator tells people's answers from the answerer's, to other questions.

    Args:
        game: Game of a run.
        asked: Held-out questions; the first half keeps its answers.
        seed: Seed of the answers.
    """
    half = len(asked.words) // 2
    real, fake = asked.rows(0, half).batch(), asked.rows(half, 2 * half).batch()
    with options.seeded(seed):
        drawn = torch.multinomial(game.logits(game.G, fake).softmax(1), 1)[:, 0]
    scores = game.scores(real, real["answers"]), game.scores(fake, drawn)
    return {"d_auc": float(auc(*scores)), "d_accuracy": float(accuracy(*scores))}


def curves(scored: Mapping[str, ScoredAnswers], title: str) -> dict[str, float]:
    """What of the scores stands in the log.

    Args:
        scored: Scores by row.
        title: Title of the paper.
    """
    return {
        **scored[title].scores,
        "mle_accuracy": scored[LIKELIHOOD].scores["accuracy"],
        "mle_tv": scored[LIKELIHOOD].scores["tv"],
    }
