"""The check of types and shapes that stands before every function of ours: what it lets through."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pytest
import torch
from jaxtyping import Bool, Float, Float32, Int, Int64, Num, Shaped, TypeCheckError
from jaxtyping._storage import get_shape_memo
from torch import Tensor

from image_core.adversarial.estimators import reinforce
from seqgan.lm.policies import LSTMPolicy
from tests.typecheck import KNOWN, PLAIN, axes_of, checked

ROW, TABLE = torch.zeros(3), torch.zeros(2, 3)


@checked
def product(x: Float[Tensor, "N d"], y: Float[Tensor, " d"]) -> Float[Tensor, " N"]:
    return x @ y if y[0] == 0 else y


@checked
def anything(first: int, /, x: "float | None" = None, *rest: str, key: Any = 0, **others: bool):
    return first


@checked
def containers(x: list[int], y: Mapping[str, float], z: Callable[[int], int]) -> tuple[int, ...]:
    return tuple(x) if y else ("no",)  # type: ignore[return-value]


@checked
def forward(x: "Later") -> "Missing":  # type: ignore[name-defined]  # noqa: F821
    return x


@checked
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@checked
def several(count: int) -> Float[Tensor, "{count} d"]:
    return TABLE


@runtime_checkable
class Named(Protocol):
    name: str


@checked
def protocol(x: Named) -> None: ...


class Later:
    name = "later"


@checked
@dataclass
class Options:
    size: int = 1

    @staticmethod
    @checked
    def double(x: int) -> int:
        return 2 * x

    @classmethod
    @checked
    def of(cls, x: int) -> "Options":
        return cls(x) if x else None  # type: ignore[return-value]

    @property
    @checked
    def text(self) -> str:
        return "one" if self.size == 1 else self.size  # type: ignore[return-value]


@checked
@dataclass
class Titles:
    size: str = "1"


SOUND: list[Callable[[], object]] = [
    lambda: product(TABLE, y=ROW),
    lambda: anything(1),
    lambda: anything(1, 2.0, "a", "b", key=object(), more=True),
    lambda: anything(1, None),
    lambda: containers([1], {"a": 1.0}, abs),
    lambda: forward(Later()),
    lambda: list(numbers(3)),
    lambda: several(2),
    lambda: protocol(Later()),
    lambda: Options(2),
    lambda: Titles("2"),
    lambda: Options.double(2),
    lambda: Options.of(3),
    lambda: Options().text,
]
WRONG: list[Callable[[], object]] = [
    lambda: product(TABLE, torch.zeros(2)),  # another length of the same axis
    lambda: product(TABLE, y=torch.zeros(2)),
    lambda: product(ROW, ROW),
    lambda: product(TABLE, torch.zeros(3, dtype=torch.int64)),
    lambda: product(TABLE, torch.ones(3)),  # the result has its length
    lambda: anything("1"),
    lambda: anything(1, "x"),
    lambda: anything(1, x=2),
    lambda: anything(1, 2.0, "a", 3),
    lambda: anything(1, more="yes"),
    lambda: containers(["a"], {"a": 1.0}, abs),
    lambda: containers([1], {"a": "b"}, abs),
    lambda: containers([1], {"a": 1.0}, 3),
    lambda: containers([1], {}, abs),
    lambda: forward(3),
    lambda: numbers("3"),
    lambda: several(4),
    lambda: protocol(3),
    lambda: Options("2"),
    lambda: Titles(2),  # its source equals that of Options
    lambda: Options.double("2"),
    lambda: Options.of(0),
    lambda: Options(2).text,
]


@pytest.mark.parametrize("call", range(len(SOUND)))
def test_what_the_hints_say_passes(call):
    SOUND[call]()


@pytest.mark.parametrize("call", range(len(WRONG)))
def test_what_they_do_not_say_is_refused(call):
    with pytest.raises(TypeCheckError):
        WRONG[call]()


AXES = ("N", "N N", "N M", "*S N", "N *S", "N *S M", "*S", "...", "N ... 3", "2 N", "", "N *S N")
SHAPES = ((), (3,), (2, 3), (3, 3), (2, 3, 3), (3, 2, 3), (2, 2, 3, 3))


@pytest.mark.parametrize("first", AXES)
def test_axes_are_bound_as_by_jaxtyping(first):
    """Every pair of hints on every pair of shapes; what does not fit binds nothing."""
    for second, *shapes in itertools.product(AXES, SHAPES, SHAPES):
        hints = [Float[Tensor, first], Float[Tensor, second]]
        ours = [axes_of(hint) for hint in hints]
        values = [torch.empty(shape, device="meta") for shape in shapes]
        with PLAIN("context"):
            theirs = [isinstance(v, hint) for v, hint in zip(values, hints, strict=True)]
            left = get_shape_memo()[:2]
        with PLAIN("context"):
            assert [fits(v) for v, fits in zip(values, ours, strict=True)] == theirs, (
                second,
                shapes,
            )
            assert get_shape_memo()[:2] == left


@pytest.mark.parametrize("axes", ["#N", "N #M", "*#S", "{n} d", "N+1", "N=3", "?N", "_"])
def test_other_axes_are_left_to_jaxtyping(axes):
    assert axes_of(Float[Tensor, axes]) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.int64, torch.bool])
def test_elements_are_those_of_the_hint(dtype):
    value = torch.empty(2, device="meta", dtype=dtype)
    for kind in (Bool, Float, Float32, Int, Int64, Num, Shaped):
        assert axes_of(kind[Tensor, "N"])(value) == isinstance(value, kind[Tensor, "N"]), kind


def test_axes_of_one_call_are_not_those_of_another():
    assert len(product(TABLE, ROW)) == 2
    assert len(product(torch.zeros(5, 4), torch.zeros(4))) == 5


def test_closures_of_one_source_share_their_checks_and_keep_their_own_values():
    def made(step):
        def add(x: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
            return x + step

        return checked(add)

    ones = torch.ones(2, dtype=torch.int64)
    one, two = made(1), made(2)
    assert (int(one(ones)[0]), int(two(ones)[0])) == (2, 3)
    assert one.__wrapped__.__code__ is two.__wrapped__.__code__
    assert id(one.__wrapped__.__code__) in KNOWN
    with pytest.raises(TypeCheckError):
        two(torch.ones(2))


def test_functions_and_closures_of_the_packages_are_checked():
    log_prob, mask = torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)
    estimator = reinforce()
    estimator(log_prob, log_prob, mask)
    with pytest.raises(TypeCheckError):
        estimator(log_prob, torch.zeros(2, 4), mask)
    with pytest.raises(TypeCheckError):
        LSTMPolicy(12, 4, 4).begin("3")
    with pytest.raises(TypeCheckError):
        LSTMPolicy(12, 4, 4).trim("tokens")
