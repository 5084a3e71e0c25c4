"""Terms of --penalty: on slopes, weights, altered samples, and the game's gradients."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from image_core.adversarial import penalties, regularizers
from image_core.adversarial.errors import UserError
from image_core.adversarial.penalties import Penalty
from image_core.runs import outside
from image_core.runs.options import check_choice

WEIGHT = 10.0
"""Weight of a term given without a number."""
ACTS_ON = {
    **dict.fromkeys(regularizers.__all__, "the discriminator's weights"),
    "consistency": "augmented images",
    "look_ahead": "the gradients of both players",
    "consensus": "the gradients of both players",
}
"""What each term that is not a gradient penalty acts on."""
PENALTIES = (*penalties.__all__, *ACTS_ON)

PENALTY = "(discriminator, real, fake) -> scalar"
FACTORY = f"weight -> penalty, which is {PENALTY}"
"""What a penalty of the user's own is."""

Coupling = tuple[Literal["look_ahead", "consensus"], float]


@dataclass(frozen=True)
class Terms:
    """Terms of --penalty, by what they act on.

    Args:
        slopes: Names and weights of gradient penalties.
        weights: Names and weights of regularizers of the discriminator's weights.
        coupling: Name and weight of the term on the game's gradients.
        consistency: Weight of the consistency term, 0 for none.
    """

    slopes: tuple[tuple[str, float], ...]
    weights: tuple[tuple[str, float], ...]
    coupling: Coupling | None
    consistency: float

    def slope_penalty(self) -> Penalty | None:
        """Sum of the gradient penalties; None if there are none.

        Raises:
            UserError: A penalty of the user's own returns no function.
        """
        found = [_made(name, weight) for name, weight in self.slopes]
        return penalties.total(*found) if found else None


def parse_penalties(text: str) -> Terms:
    """Read "NAME=WEIGHT,NAME=WEIGHT".

    A name `module:name` is a function of the user's own, from the weight to a gradient penalty.

    Args:
        text: Value of --penalty.

    Raises:
        UserError: A name is unknown, a weight is not a positive number, or two couplings are given.
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
                (weights if name in regularizers.__all__ else slopes).append((name, weight))
    if len(couplings) > 1:
        raise UserError("--penalty names look_ahead and consensus; choose one")
    return Terms(tuple(slopes), tuple(weights), couplings[0] if couplings else None, consistency)


def _made(name: str, weight: float) -> Penalty:
    if not outside.is_outside(name):
        return getattr(penalties, name)(weight)
    made = outside.load_function("penalty", name, FACTORY)(weight)
    if not callable(made):
        raise UserError(
            f"--penalty {name}: called with its weight it gave a {type(made).__name__}; return a "
            f"function {PENALTY}"
        )
    outside.check_takes("penalty", f"{name}: what it returns", made, PENALTY, 3)
    return made


def make_penalty(text: str) -> Penalty | None:
    """Sum of the named gradient penalties, for games that support no other term.

    Args:
        text: Value of --penalty.

    Raises:
        UserError: The text is invalid (see `parse_penalties`), or a term is not a gradient penalty.
    """
    found = tuple(_named_weights(text, penalties.__all__))
    return Terms(found, (), None, 0.0).slope_penalty()


def _named_weights(text: str, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    for part in filter(None, text.replace(" ", ",").split(",")):
        name, _, number = part.partition("=")
        if name in ACTS_ON and name not in names:
            raise UserError(
                f"--penalty {name} acts on {ACTS_ON[name]}, but the games of this recipe support "
                f"gradient penalties only: {', '.join(names)}"
            )
        if outside.is_outside(name):
            outside.load_function("penalty", name, FACTORY)
        else:
            check_choice("penalty", name, (*names, "module:name of your own"))
        yield name, _weight(part, number)


def _weight(part: str, number: str) -> float:
    try:
        weight = float(number) if number else WEIGHT
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise UserError(
            f"--penalty {part}: the weight must be a positive number, for example r1=10"
        )
    return weight
