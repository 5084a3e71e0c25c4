"""Questions about two toy shapes beside each other, whose true answers are known.

A question is asked where it has an answer: that for the colour of the disc only where there is one
disc. The last kind has two true answers on most pictures, so that an answerer has a distribution to
learn and not a word alone.
"""

import functools
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.toy_shapes import COLOURS, NAMES, SHAPES

SIDES = ("left", "right")
ANSWERS = (*COLOURS, *SHAPES, *SIDES, "yes", "no")
KINDS = (
    "colour there",
    "shape there",
    "colour of",
    "shape of",
    "side of",
    "presence",
    "any colour",
)
QUESTIONS: tuple[tuple[str, str], ...] = (
    *(("colour there", f"what colour is the {side} one") for side in SIDES),
    *(("shape there", f"what shape is the {side} one") for side in SIDES),
    *(("colour of", f"what colour is the {shape}") for shape in SHAPES),
    *(("shape of", f"what shape is {colour}") for colour in COLOURS),
    *(("side of", f"where is the {shape}") for shape in SHAPES),
    *(("presence", f"is there a {name}") for name in NAMES),
    ("any colour", "name a colour"),
)
"""Kind and words of every question."""
BLANK = 0
WORDS = ("", *sorted({word for _, text in QUESTIONS for word in text.split()}))
"""All words; the first fills the places after a question's last word."""
LENGTH = max(len(text.split()) for _, text in QUESTIONS)


class Tables(NamedTuple):
    """What is asked of a scene, and what is true, by the labels of its left and right shape.

    Args:
        asked: Probability of each question.
        true: Which answers are true; none where the question is not asked.
    """

    asked: Float[Tensor, "L L Q"]
    true: Bool[Tensor, "L L Q A"]


def encode(texts: list[str]) -> Int64[Tensor, "N T"]:
    """Numbers of the words of questions.

    Args:
        texts: Questions, of words that the system knows.

    Raises:
        UserError: A word is unknown, or a question has too many.
    """
    number, rows = {word: i for i, word in enumerate(WORDS)}, []
    for text in texts:
        words = text.lower().replace("?", " ").split()
        unknown = [word for word in words if word not in number]
        if unknown or not 0 < len(words) <= LENGTH:
            what = f"the word {unknown[0]!r} is unknown" if unknown else f"{len(words)} words"
            raise UserError(
                f"question {text!r}: {what}; ask in at most {LENGTH} of {', '.join(WORDS[1:])}"
            )
        rows.append([number[word] for word in words] + [BLANK] * (LENGTH - len(words)))
    return torch.tensor(rows)


@functools.cache
def tables() -> Tables:
    """What is asked and what is true of every scene.

    All kinds that can be asked of a scene are as likely, and of presence yes as no.
    """
    count = len(NAMES)
    true = torch.zeros(count, count, len(QUESTIONS), len(ANSWERS), dtype=torch.bool)
    for left in range(count):
        for right in range(count):
            for q, (kind, text) in enumerate(QUESTIONS):
                for answer in answers(kind, text, NAMES[left], NAMES[right]):
                    true[left, right, q, ANSWERS.index(answer)] = True
    kinds = torch.tensor([KINDS.index(kind) for kind, _ in QUESTIONS])
    # Of presence, yes and no are two groups of the same weight
    no = true[..., ANSWERS.index("no")].long()
    group = torch.where(kinds == KINDS.index("presence"), len(KINDS) + no, kinds)
    can = true.any(-1)
    members = torch.zeros(count, count, len(KINDS) + 2).scatter_add_(2, group, can.float())
    weight = can / members.gather(2, group).clamp(min=1)
    weight = torch.where(group >= len(KINDS), weight / 2, weight)
    return Tables(weight / weight.sum(2, keepdim=True), true)


def answers(kind: str, text: str, left: str, right: str) -> set[str]:
    """True answers to a question about a scene; none where it cannot be asked.

    Args:
        kind: Kind of the question.
        text: Words of the question.
        left: Name of the left shape, as in red disc.
        right: Name of the right shape.
    """
    scene = (left.split(), right.split())
    last = text.split()[-1]
    of = [side for side in range(2) if last in scene[side]]
    match kind:
        case "colour there":
            return {scene[SIDES.index(text.split()[-2])][0]}
        case "shape there":
            return {scene[SIDES.index(text.split()[-2])][1]}
        case "presence":
            return {"yes" if text.removeprefix("is there a ") in (left, right) else "no"}
        case "any colour":
            return {scene[0][0], scene[1][0]}
    if len(of) != 1:
        return set()
    (side,) = of
    return {{"colour of": scene[side][0], "shape of": scene[side][1]}.get(kind, SIDES[side])}
