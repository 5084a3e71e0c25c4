"""The maximum mean discrepancy, against a sum over pairs; its gradient and its zero."""

import math

import jaxtyping
import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.adversarial.mmd import squared_mmd


def by_pairs(one, other):
    """The same with loops over pairs, in numbers."""
    both = [*one.tolist(), *other.tolist()]

    def apart(a, b):
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))

    every = sorted(apart(a, b) for i, a in enumerate(both) for b in both[:i])
    width = every[(len(every) - 1) // 2]

    def k(a, b):
        return math.exp(-apart(a, b) / width)

    def mean(xs, ys, same):
        pairs = [k(x, y) for i, x in enumerate(xs) for j, y in enumerate(ys) if not same or i != j]
        return sum(pairs) / len(pairs)

    xs, ys = one.tolist(), other.tolist()
    return mean(xs, xs, True) + mean(ys, ys, True) - 2 * mean(xs, ys, False)


def test_the_discrepancy_by_pairs():
    draw = torch.Generator().manual_seed(0)
    one = torch.randn(5, 3, generator=draw, dtype=torch.float64)
    other = 1 + 2 * torch.randn(4, 3, generator=draw, dtype=torch.float64)
    expected = by_pairs(one, other)
    assert float(squared_mmd(one, other)) == pytest.approx(expected, abs=1e-12)
    # The width follows the features
    assert float(squared_mmd(100 * one, 100 * other)) == pytest.approx(expected, abs=1e-12)


def test_it_is_unbiased_and_sees_more_than_means():
    draw = torch.Generator().manual_seed(1)
    same, wider = [], []
    for _ in range(200):
        x = torch.randn(12, 2, generator=draw)
        y = torch.randn(12, 2, generator=draw)
        same.append(float(squared_mmd(x, y)))
        wider.append(float(squared_mmd(x, 3 * y)))  # the means agree
    mean = torch.tensor(same)
    assert abs(float(mean.mean())) < 3 * float(mean.std()) / math.sqrt(200)
    assert min(same) < 0
    assert sum(wider) / 200 > 0.1


def test_its_gradient_holds_the_width():
    one = torch.randn(4, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    other = (one + 1).requires_grad_()
    (slope,) = torch.autograd.grad(squared_mmd(one, other), other)
    with torch.no_grad():
        both = torch.cat([one, other])
        squares = torch.pdist(both).square()
        width = squares.sort().values[(len(squares) - 1) // 2]
        gap = other[:, None] - other
        inner = torch.exp(-gap.square().sum(2) / width)[:, :, None] * gap * -2 / width * 2 / 12
        gap = other[:, None] - one
        across = torch.exp(-gap.square().sum(2) / width)[:, :, None] * gap * -2 / width * 2 / 16
        torch.testing.assert_close(slope, inner.sum(1) - across.sum(1))


def test_one_vector_has_no_distribution():
    with pytest.raises(UserError, match="two vectors a batch, not 1 and 3"):
        squared_mmd(torch.zeros(1, 2), torch.zeros(3, 2))
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(UserError, match=r"features \(2, 2\) and \(2, 3\); give both"):
            squared_mmd(torch.zeros(2, 2), torch.zeros(2, 3))
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    assert float(squared_mmd(torch.zeros(2, 2), torch.zeros(2, 2))) == 0.0
