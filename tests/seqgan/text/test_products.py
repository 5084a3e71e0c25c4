"""Products by oneDNN against float64, gradients, and what is left to torch."""

import pytest
import torch

from seqgan.text import products
from seqgan.text.conv_bank import _by_offsets, _convolve
from seqgan.text.products import affine, is_large, product

LARGE, SMALL = (64, 300, 400), (5, 7, 9)
needs_onednn = pytest.mark.skipif(products._ONEDNN is None, reason="torch has no oneDNN")


def matrices(sizes, dtype=torch.float32):
    rows, inner, columns = sizes
    x, weight = torch.randn(rows, inner, dtype=dtype), torch.randn(inner, columns, dtype=dtype)
    return x, weight, torch.randn(columns, dtype=dtype)


@needs_onednn
def test_only_products_worth_a_call_are_taken_to_onednn():
    assert is_large(*LARGE)
    assert not is_large(*SMALL)


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("sizes", [LARGE, SMALL])
def test_values_and_gradients_equal_those_in_float64(sizes, onednn, monkeypatch):
    if not onednn:
        monkeypatch.setattr(products, "_ONEDNN", None)
    given = [p.requires_grad_() for p in matrices(sizes)]
    exact = [p.detach().double().requires_grad_() for p in given]
    upstream = torch.randn(sizes[0], sizes[2])
    one, other = affine(*given), exact[0] @ exact[1] + exact[2]
    assert torch.allclose(one.double(), other, rtol=0, atol=1e-3)
    found = torch.autograd.grad(one, given, upstream)
    expected = torch.autograd.grad(other, exact, upstream.double())
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a.double(), b, rtol=0, atol=1e-3)


def test_without_a_bias():
    x, weight, _ = matrices(LARGE)
    assert torch.allclose(product(x, weight), x @ weight, rtol=0, atol=1e-3)


def test_frozen_weights_cost_no_product(monkeypatch):
    """As in a policy's step through the discriminator: the input's gradient alone is computed."""
    made, multiply = [], products.product
    monkeypatch.setattr(products, "product", lambda *given: made.append(1) or multiply(*given))
    x, weight, bias = matrices(LARGE)
    affine(x.requires_grad_(), weight, bias).sum().backward()
    assert len(made) == 2
    affine(x.detach(), weight.requires_grad_(), bias).sum().backward()
    assert len(made) == 4
    assert bias.grad is None


def test_float64_is_differentiable_twice_and_half_precision_stays_half():
    given = [p.requires_grad_() for p in matrices(SMALL, torch.float64)]
    assert torch.autograd.gradgradcheck(affine, given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert affine(*matrices(LARGE)).dtype == torch.bfloat16


@needs_onednn
def test_convolutions_of_copied_windows_are_those_by_offsets():
    x, weight = torch.randn(20, 64, 16), torch.randn(4, 16, 100)
    assert is_large(17 * 64, 4 * 16, 100)
    one, other = _convolve(x, weight), _by_offsets(x, weight)
    assert one.shape == other.shape == (17, 64, 100)
    assert torch.allclose(one, other, rtol=0, atol=1e-4)


@needs_onednn
def test_equal_windows_have_equal_outputs():
    """They tie for the maximum, and share its gradient."""
    word = torch.randn(16).expand(20, 64, 16).contiguous()
    y = _convolve(word, torch.randn(4, 16, 100))
    assert torch.equal(y, y[:1, :1].expand_as(y))
