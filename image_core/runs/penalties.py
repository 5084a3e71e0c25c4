"""What --penalty names: terms on the slope, the weights, altered samples, the game's gradients."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from image_core.adversarial import penalties, regularizers
from image_core.adversarial.errors import UserError
from image_core.adversarial.penalties import Penalty
from image_core.runs.options import check_choice

WEIGHT = 10.0
"""Of a name without a number."""
ACTS_ON = {
    **dict.fromkeys(regularizers.__all__, "the discriminator's weights"),
    "consistency": "augmented images",
    "look_ahead": "the gradients of both players",
    "consensus": "the gradients of both players",
}
"""What each term acts on that is no gradient penalty."""
PENALTIES = (*penalties.__all__, *ACTS_ON)

Coupling = tuple[Literal["look_ahead", "consensus"], float]


@dataclass(frozen=True)
class Terms:
    """Terms of --penalty, by what they act on.

    Args:
        slopes: Names and weights of gradient penalties.
        weights: Names and weights of regularizers of the discriminator's weights.
        coupling: Name and weight of the term on the game's gradients.
        consistency: Weight of the augmentation's term.
    """

    slopes: tuple[tuple[str, float], ...]
    weights: tuple[tuple[str, float], ...]
    coupling: Coupling | None
    consistency: float

    def slope_penalty(self) -> Penalty | None:
        """The gradient penalties, added up."""
        found = [getattr(penalties, name)(weight) for name, weight in self.slopes]
        return penalties.total(*found) if found else None


def parse_penalties(text: str) -> Terms:
    """Read "NAME=WEIGHT,NAME=WEIGHT".

    Raises:
        UserError: A name is unknown, a weight is no positive number, or two couplings are named.
    """
    slopes: list[tuple[str, float]] = []
    weights: list[tuple[str, float]] = []
    couplings: list[Coupling] = []
    consistency = 0.0
    for name, weight in _named_weights(text, PENALTIES):
        match name:
            case "look_ahead" | "consensus":
                couplings.append((name, weight))
            case "consistency":
                consistency = weight
            case _:
                (slopes if name in penalties.__all__ else weights).append((name, weight))
    if len(couplings) > 1:
        raise UserError("--penalty names look_ahead and consensus; both steer the game, choose one")
    return Terms(tuple(slopes), tuple(weights), couplings[0] if couplings else None, consistency)


def make_penalty(text: str) -> Penalty | None:
    """The sum of the gradient penalties named, for games that take no other term.

    Raises:
        UserError: As `parse_penalties`, or a term is no gradient penalty.
    """
    found = tuple(_named_weights(text, penalties.__all__))
    return Terms(found, (), None, 0.0).slope_penalty()


def _named_weights(text: str, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    for part in filter(None, text.replace(" ", ",").split(",")):
        name, _, number = part.partition("=")
        if name in ACTS_ON and name not in names:
            raise UserError(
                f"--penalty {name} acts on {ACTS_ON[name]}, and the games of this recipe take "
                f"gradient penalties alone: {', '.join(names)}"
            )
        check_choice("penalty", name, names)
        yield name, _weight(part, number)


def _weight(part: str, number: str) -> float:
    try:
        weight = float(number) if number else WEIGHT
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise UserError(f"--penalty {part}: the weight must be a positive number, as in r1=10")
    return weight
