"""Which estimator serves which game, and why another does not: one table that every recipe asks.

| game               | score functions         | relaxations     | control variates |
|--------------------|-------------------------|-----------------|------------------|
| discrete (BGAN)    | all but clipped         | all             | all              |
| sequence (SeqGAN)  | all                     | in relaxed      | no               |
| relaxed (RelGAN)   | in sequence             | all             | no               |
| retrieve (IRGAN)   | reinforce, importance   | exact instead   | exact instead    |
| dialogue           | all                     | no              | no               |

Score functions weigh the likelihood of what was drawn and are called alike everywhere; what they
read of the critic differs: a reward, the ratio D / (1 - D) or the logit, see `ratio` and
`sequence_reward`. The other two families want a critic that reads soft samples; control variates
want sites that are independent given what the generator read, besides. `seqgan.directions` gives
the discrete game all three in one form.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from image_core.adversarial import estimators
from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import Estimator
from image_core.adversarial.losses import RATIO_BOUND as BOUND  # noqa: F401
from image_core.adversarial.losses import density_ratio as ratio
from image_core.adversarial.relaxations import with_gumbel
from seqgan import directions
from seqgan.games.relaxed import Relaxation, concrete
from seqgan.rewards import Reward, rollout_reward, sentence_reward

SCORE_FUNCTIONS = ("reinforce", "importance", "boundary_seeking", "clipped")
RELAXATIONS = ("gumbel_softmax", "gumbel_hard", "straight_through", "reinmax")
CONTROL_VARIATES = ("rebar", "relax", "taylor", "disarm")

SERVED: dict[str, tuple[str, ...]] = {
    "discrete": tuple(directions.__all__),
    "sequence": SCORE_FUNCTIONS,
    "relaxed": RELAXATIONS,
    "retrieve": ("reinforce", "importance"),
    "dialogue": SCORE_FUNCTIONS,
}
"""Names that --estimator takes, by game."""

_DEPENDENT = (
    "it wants sites that are independent of one another, and a token depends on those before"
)
_LISTED = (
    "the candidates of a query can be listed, so their expectation is exact: pass --exact true"
)

REASONS: dict[tuple[str, tuple[str, ...]], str] = {
    ("discrete", ("clipped",)): "it is for several steps on the same samples; here each takes one",
    ("discrete", ("importance",)): "over a batch it is called maligan here",
    ("discrete", ("boundary_seeking",)): "it is called bgan here, over the batch bgan_batch",
    ("sequence", RELAXATIONS): "it differentiates through the sample, which --alias relgan does",
    ("sequence", CONTROL_VARIATES): _DEPENDENT,
    ("relaxed", SCORE_FUNCTIONS): "it weighs drawn samples, which --alias seqgan does",
    ("relaxed", CONTROL_VARIATES): _DEPENDENT,
    ("retrieve", ("clipped",)): "it is for several steps on the same samples; here each takes one",
    ("retrieve", ("boundary_seeking",)): "documents of all queries are one batch; pass importance",
    ("retrieve", RELAXATIONS): _LISTED,
    ("retrieve", CONTROL_VARIATES): _LISTED,
    ("dialogue", RELAXATIONS): "the critic reads words, which cannot be differentiated",
    ("dialogue", CONTROL_VARIATES): _DEPENDENT,
}


def check(game: str, name: str) -> None:
    """Refuse an estimator that makes no sense in a game.

    Args:
        game: a key of `SERVED`.
        name: of the estimator.

    Raises:
        UserError: says why, or names the choices.
    """
    if name in SERVED[game]:
        return
    for (refusing, names), reason in REASONS.items():
        if refusing == game and name in names:
            raise UserError(f"--estimator {name}: {reason}")
    raise UserError(f"--estimator {name}: choose one of {', '.join(SERVED[game])}")


def of_sequences(
    name: str, baseline: str = "none", reduction: str = "mean", *, length: int = 1
) -> Estimator:
    """The score function of a sequence game's options.

    Args:
        name: of the estimator.
        baseline: of reinforce; learned is a value for each position.
        reduction: of reinforce over batch and time, mean or sum.
        length: positions of a sample.

    Raises:
        UserError: the name is unknown or out of place, or an option does not go with it.
    """
    check("sequence", name)
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


def of_documents(name: str) -> Estimator:
    """The score function of a retrieval game, whose rewards are shares of a mean.

    Importance is not centred: documents come from a proposal that holds positives, which centred
    weights would push away.
    """
    check("retrieve", name)
    if name == "importance":
        return estimators.importance(baseline=0.0)
    return estimators.reinforce(reduction="sum")


def of_replies(name: str, samples: int) -> Estimator:
    """The score function of a dialogue game; weights are normalised among a context's replies.

    Args:
        name: of the estimator.
        samples: replies to a context.
    """
    check("dialogue", name)
    match name:
        case "importance":
            return estimators.importance(samples)
        case "boundary_seeking":
            return estimators.boundary_seeking(samples)
        case _:
            return getattr(estimators, name)()


def identity(logit: Tensor) -> Tensor:
    """The logit itself, which `boundary_seeking` reads."""
    return logit


def sequence_reward(name: str, rollouts: int) -> Reward:
    """What a token earns, in the form that an estimator reads.

    reinforce, clipped: the mean D over completions of its prefix. importance: the mean of D/(1-D)
    over them. boundary_seeking: the logit of the whole sequence.

    Args:
        name: of the score function.
        rollouts: completions of each prefix.
    """
    if name == "boundary_seeking":
        return sentence_reward(identity)
    transform: Callable[[Tensor], Tensor] = ratio if name == "importance" else torch.sigmoid
    return rollout_reward(rollouts, transform)


def relaxation(name: str) -> Relaxation:
    """A relaxation of tokens at an inverse temperature, which the straight ones do not read."""
    check("relaxed", name)
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
    """(B, T) positions -> (B, T), one number learned for each.

    Args:
        length: positions there are.
    """

    def __init__(self, length: int):
        table = nn.Embedding(length, 1)
        nn.init.zeros_(table.weight)
        super().__init__(table, nn.Flatten(1))
