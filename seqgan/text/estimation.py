"""Estimators of the sequence games, and the reasons why others are refused.

| game               | score functions | relaxations | control variates |
|--------------------|-----------------|-------------|------------------|
| sequence (SeqGAN)  | all             | in relaxed  | no               |
| relaxed (RelGAN)   | in sequence     | all         | no               |

All score functions have the same signature; they differ in the quantity that they read of the
discriminator: a reward, the ratio D / (1 - D) or the logit, see `sequence_reward`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from image_core.adversarial import estimators
from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import (
    CONTROL_VARIATES,
    RELAXATIONS,
    SCORE_FUNCTIONS,
    Estimator,
)
from image_core.adversarial.losses import density_ratio
from image_core.adversarial.relaxations import with_gumbel
from image_core.runs.options import check_estimator, own_estimator
from image_core.runs.outside import is_outside, load_function
from seqgan.text.games.relaxed import Relaxation, concrete
from seqgan.text.rewards import Objective, Reward, rollout_reward, sentence_reward

_DEPENDENT = (
    "it requires variables that are independent of one another, and a token depends on those before"
)
SERVED: dict[str, tuple[str, ...]] = {"sequence": SCORE_FUNCTIONS, "relaxed": RELAXATIONS}
"""Names that --estimator takes, by game."""
REASONS: dict[str, dict[tuple[str, ...], str]] = {
    "sequence": {
        RELAXATIONS: "it differentiates through the sample, which --paper relgan does",
        CONTROL_VARIATES: _DEPENDENT,
    },
    "relaxed": {
        SCORE_FUNCTIONS: "it weighs drawn samples, which --paper seqgan does",
        CONTROL_VARIATES: _DEPENDENT,
    },
}


def check(game: str, name: str) -> None:
    """Refuse an estimator that does not apply to a game.

    Args:
        game: Key of `SERVED`.
        name: Name of the estimator.

    Raises:
        UserError: The estimator does not apply; the message gives the reason or the choices.
    """
    check_estimator(name, SERVED[game], REASONS[game])


def of_sequences(
    name: str, baseline: str = "none", reduction: str = "mean", *, length: int = 1
) -> Estimator:
    """Build the score function from a sequence game's options.

    Args:
        name: Name of the estimator.
        baseline: Baseline of reinforce; "learned" is a value for each position.
        reduction: Reduction of reinforce over batch and time, mean or sum.
        length: Number of positions of a sample.

    Raises:
        UserError: The estimator is unknown or does not apply, or an option is not available for it.
    """
    check("sequence", name)
    if is_outside(name):
        return own_estimator(name)
    for option, value, choices in (
        ("reduction", reduction, estimators.REDUCTIONS),
        ("baseline", baseline, estimators.BASELINES),
    ):
        if value not in choices:
            raise UserError(f"--{option} {value}: choose one of {', '.join(choices)}")
    if name == "reinforce":
        value_net = _PositionValue(length) if baseline == "learned" else None
        return estimators.reinforce(baseline=baseline, reduction=reduction, value=value_net)
    if baseline != "none":
        raise UserError(f"--baseline {baseline} is for --estimator reinforce; pass --baseline none")
    if reduction != "mean":
        raise UserError(
            f"--reduction {reduction} is for --estimator reinforce; pass --reduction mean"
        )
    return getattr(estimators, name)()


def identity(logit: Tensor) -> Tensor:
    """Return the logit itself, which `boundary_seeking` reads.

    Args:
        logit: Output of the discriminator, of any shape.
    """
    return logit


def sequence_reward(
    name: str, rollouts: int, added: Objective | None = None, weight: float = 0.0
) -> Reward:
    """Build the reward of each token in the form that an estimator reads.

    For reinforce and clipped it is the mean D over completions of the token's prefix, for
    importance the mean of D/(1-D) over them, and for boundary_seeking the logit of the whole
    sequence.

    Args:
        name: Name of the score function.
        rollouts: Completions of each prefix.
        added: Value of whole sequences that is mixed with D; not for importance and
            boundary_seeking.
        weight: Share of the added value.
    """
    if name == "boundary_seeking":
        return sentence_reward(identity)
    transform: Callable[[Tensor], Tensor] = density_ratio if name == "importance" else torch.sigmoid
    return rollout_reward(rollouts, transform, added, weight)


def reward_name(name: str, rollouts: int) -> str:
    """Name of the reward that `sequence_reward` builds, for tables.

    Args:
        name: Name of the score function.
        rollouts: Completions of each prefix.
    """
    if name == "boundary_seeking":
        return "logit of the whole sentence"
    return f"mean {'D/(1-D)' if name == 'importance' else 'D'} of {rollouts} completions"


def relaxation(name: str) -> Relaxation:
    """Return a relaxation of tokens; straight_through and reinmax ignore the temperature.

    Args:
        name: Name of the relaxation.
    """
    check("relaxed", name)
    if is_outside(name):
        return load_function("estimator", name, "(logits, beta) -> soft sample")
    return {
        "gumbel_softmax": concrete,
        "gumbel_hard": _gumbel_hard,
        "straight_through": lambda logits, beta: estimators.straight_through(logits),
        "reinmax": lambda logits, beta: estimators.reinmax(logits),
    }[name]


def _gumbel_hard(logits: Tensor, beta: Tensor) -> Tensor:
    soft = (beta * with_gumbel(logits)).softmax(-1)
    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())


class _PositionValue(nn.Sequential):
    """(B, T) positions -> (B, T) values, one learned number for each position.

    Args:
        length: Number of positions.
    """

    def __init__(self, length: int):
        table = nn.Embedding(length, 1)
        nn.init.zeros_(table.weight)
        super().__init__(table, nn.Flatten(1))
