"""Calls from Python: what is refused by a function's hints, and messages in its words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.errors import ArgumentError, UserError


@python_call(prompt="prompts")
def draw(
    n: int | None = None,
    prompts: Sequence[str] = (),
    *more: float,
    greedy: bool = False,
    pairs: Sequence[tuple[str, str]] = (),
    weights: Mapping[str, float] = {},
    side: Literal["left", "right"] = "left",
    made: Callable[[int], int] | None = None,
    ids: Int64[Tensor, "B T"] | None = None,
    pixels: Float[np.ndarray, " N"] | None = None,
) -> int | None:
    if n == 0:
        raise UserError(
            "--n 0: it must be at least 1; --greedy goes with no --n, so leave --n and --prompt "
            "away, or train with --paper cgan"
        )
    if n == 1:
        raise UserError("--n 1 and --prompt a b: leave one of them out")
    if n == 4:
        raise UserError("--n 4 and --greedy: leave one out")
    if n == 5:
        raise UserError("--prompt has words outside the vocabulary: zebra")
    if n == 2:
        raise KeyError("other errors pass")
    return n


WRONG = {
    "a number in words": (("3",), {}, "draw: n is '3'; give a whole number or None"),
    "half": ((2.5,), {}, "draw: n is 2.5; give a whole number or None"),
    "a flag": ((True,), {}, "draw: n is True; give a whole number or None"),
    "one string": ((3, "abc"), {}, "draw: prompts is one string, 'abc'; put it in [ ]"),
    "a number in a list": ((3, ["a", 1]), {}, "prompts is ['a', 1]; give a list of strings"),
    "numbers in an array": ((3, np.ones(2)), {}, "an array of float64 of shape (2,); give a list"),
    "the second of the rest": ((3, [], 1, "x"), {}, "draw: more is 'x'; give a number"),
    "one for a flag": ((), {"greedy": 1}, "draw: greedy is 1; give True or False"),
    "half a pair": ((), {"pairs": [("a", "b"), ("a",)]}, "list of pairs (a string, a string)"),
    "words for weights": ((), {"weights": {"a": "b"}}, "give a mapping from names to numbers"),
    "another word": ((), {"side": "up"}, "side is 'up'; give 'left' or 'right'"),
    "no function": ((), {"made": 3}, "made is 3; give a function of one argument or None"),
    "a class": ((), {"made": None, "ids": Tensor}, "ids is a class, Tensor; give a tensor, Int64["),
    "floats": ((), {"ids": torch.ones(2, 3)}, "a tensor of torch.float32 of shape (2, 3); give a"),
}


@pytest.mark.parametrize(("given", "named", "says"), WRONG.values(), ids=WRONG)
def test_an_argument_of_another_kind(given, named, says):
    with pytest.raises(ArgumentError) as refused:
        draw(*given, **named)
    assert says in str(refused.value)
    assert refused.value.options == str(refused.value)


def test_what_is_plain_is_taken():
    assert draw(np.int64(3), np.array(["a"]), 1, np.float32(2), greedy=np.bool_(True)) == 3
    assert draw(3, ("a",), pairs=[["a", "b"]], ids=torch.ones(2, 3).long(), pixels=[1.0]) == 3
    with pytest.raises(ArgumentError, match=r"draw: got an unexpected keyword .* it takes n, pro"):
        draw(count=3)
    with pytest.raises(KeyError, match="other errors pass"):
        draw(2)


def test_messages_name_arguments_in_python_and_options_on_the_command_line():
    with pytest.raises(ArgumentError) as refused:
        draw(0)
    assert str(refused.value) == (
        "n=0: it must be at least 1; greedy goes with no n, so leave n and prompts away, or train "
        "with --paper cgan"
    )
    assert refused.value.options.startswith("--n 0: it must be at least 1; --greedy goes with no")
    with pytest.raises(ArgumentError, match=r"^n=1 and prompts=a b: leave one of them out$"):
        draw(1)
    with pytest.raises(ArgumentError, match=r"^n=4 and greedy: leave one out$"):
        draw(4)
    with pytest.raises(ArgumentError, match=r"^prompts has words outside the vocabulary: zebra$"):
        draw(5)


def test_numbers_outside_of_a_range():
    check_within(0, 1, rate=1, share=0.0)
    for call, says in (
        (lambda: check_within(1, vocab=0), "^vocab=0: give a number of at least 1$"),
        (lambda: check_within(0, 1, rate=1.5), "^rate=1.5: give a number from 0 to 1$"),
        (lambda: check_within(0, rate=float("nan")), "^rate=nan: "),
    ):
        with pytest.raises(UserError, match=says):
            call()
