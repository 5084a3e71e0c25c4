"""Features and gradients against torch's own convolution, and what padding may not change."""

import pytest
import torch
import torch.nn.functional as F

from seqgan.text import conv_bank
from seqgan.text.conv_bank import max_over_time

WIDTHS = ((1, 3), (2, 4), (3, 2), (5, 3))


def bank(embedding=3):
    weights = [torch.randn(w, embedding, n, dtype=torch.float64) for w, n in WIDTHS]
    biases = [torch.randn(n, dtype=torch.float64) for _, n in WIDTHS]
    return [p.requires_grad_() for p in weights], [p.requires_grad_() for p in biases]


def sequences(lengths, time, embedding=3):
    """Random vectors (T, B, E), and the same with zeros past the end of each sequence."""
    x = torch.randn(time, len(lengths), embedding, dtype=torch.float64)
    return x.requires_grad_(), x * (torch.arange(time)[:, None] < lengths)[:, :, None]


def reference(x, lengths, weights, biases):
    """One sequence and one width at a time, by `conv1d` on the sequence cut to its length."""
    rows = []
    for b, length in enumerate(lengths.tolist()):
        features = []
        for weight, bias in zip(weights, biases):
            width = len(weight)
            own = x[:length, b].t()
            own = F.pad(own, (0, max(0, width - length)))
            y = F.conv1d(own[None], weight.permute(2, 1, 0), bias)[0]
            features.append(y.relu().amax(1))
        rows.append(torch.cat(features))
    return torch.stack(rows)


def assert_equal_with_gradients(one, other, inputs):
    assert torch.allclose(one, other, rtol=0, atol=1e-12)
    assert (one > 0).float().mean() > 0.4
    upstream = torch.randn_like(one)
    gradients = [torch.autograd.grad(f, inputs, upstream, retain_graph=True) for f in (one, other)]
    for a, b in zip(*gradients):
        assert torch.allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    "lengths",
    [[9, 9, 9], [9, 5, 1, 2, 7], [3, 2, 1, 3], [4]],
    ids=["full", "ragged", "short", "one"],
)
def test_features_and_gradients_equal_conv1d(lengths, twice):
    """Rows shorter than a window among them, and batches that are shorter than every wide one."""
    lengths = torch.tensor(lengths)
    weights, biases = bank()
    whole, x = sequences(lengths, int(lengths.max()))
    one = max_over_time(x, lengths, weights, biases, twice=twice)
    other = reference(x, lengths, weights, biases)
    assert_equal_with_gradients(one, other, (whole, *weights, *biases))


@pytest.mark.parametrize("twice", [False, True])
def test_without_lengths_all_tokens_count(twice):
    weights, biases = bank()
    full = torch.full((4,), 7)
    whole, x = sequences(full, 7)
    one = max_over_time(x, None, weights, biases, twice=twice)
    other = reference(x, full, weights, biases)
    assert_equal_with_gradients(one, other, (whole, *weights, *biases))


@pytest.mark.parametrize("twice", [False, True])
def test_without_lengths_and_shorter_than_the_widest_window(twice):
    """Windows past the end do not count, with lengths or without."""
    weights, biases = bank()
    with torch.no_grad():
        biases[0].fill_(2.0)
    full = torch.full((6,), 3)
    _, x = sequences(full, 3)
    one = max_over_time(x, None, weights, biases, twice=twice)
    assert torch.allclose(one, reference(x, full, weights, biases), rtol=0, atol=1e-12)


@pytest.mark.parametrize("twice", [False, True])
def test_features_do_not_depend_on_padding(twice):
    """Not even where every window inside is below that of zeros, relu(bias)."""
    lengths = torch.tensor([4, 2, 6, 1])
    weights, biases = bank()
    with torch.no_grad():
        for bias in biases:
            bias.fill_(3.0)
    _, x = sequences(lengths, 6)
    short = max_over_time(x, lengths, weights, biases, twice=twice)
    longer = F.pad(x, (0, 0, 0, 0, 0, 9))
    assert torch.allclose(
        short, max_over_time(longer, lengths, weights, biases, twice=twice), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("twice", [False, True])
def test_windows_that_tie_share_the_gradient(twice):
    """The word at 0 and 3 is the same: each gets half of what the maximum earns."""
    word = torch.tensor([1.0, 2.0], dtype=torch.float64)
    x = torch.zeros(4, 1, 2, dtype=torch.float64)
    x[0, 0] = x[3, 0] = word
    x.requires_grad_()
    weight = torch.tensor([[[3.0], [5.0]]], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    feature = max_over_time(x, None, [weight], [bias], twice=twice)
    assert feature.item() == 13.0
    feature.backward()
    half = torch.tensor([1.5, 2.5], dtype=torch.float64)
    assert torch.equal(x.grad[:, 0], torch.stack([half, 0 * half, 0 * half, half]))
    assert torch.equal(weight.grad.flatten(), word)
    assert bias.grad.item() == 1.0


@pytest.mark.parametrize("twice", [False, True])
def test_a_feature_below_zero_is_zero_and_gives_no_gradient(twice):
    lengths = torch.tensor([5, 3])
    weights, biases = bank()
    with torch.no_grad():
        biases[1].fill_(-100.0)
    whole, x = sequences(lengths, 5)
    features = max_over_time(x, lengths, weights, biases, twice=twice)
    assert (features[:, 3:7] == 0).all()
    features[:, 3:7].sum().backward()
    assert all((p.grad is None) or (p.grad == 0).all() for p in (whole, *weights, *biases))


def test_derivatives_by_differences():
    lengths = torch.tensor([4, 2])
    weights, biases = bank(embedding=2)
    x, _ = sequences(lengths, 5, embedding=2)
    k = len(weights)

    def features(twice):
        return lambda x, *p: max_over_time(x, lengths, p[:k], p[k:], twice=twice)

    inputs = (x, *weights, *biases)
    assert torch.autograd.gradcheck(features(False), inputs)
    assert torch.autograd.gradcheck(features(True), inputs)
    assert torch.autograd.gradgradcheck(features(True), inputs)


def test_the_fast_path_refuses_second_derivatives():
    weights, biases = bank()
    x, _ = sequences(torch.tensor([6, 6]), 6)
    features = max_over_time(x, None, weights, biases)
    (gradient,) = torch.autograd.grad(features.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.bf16
@pytest.mark.skipif(conv_bank._conv_bank is None, reason="nothing was compiled: no C compiler")
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("embedding", [1, 5, 16, 40])
def test_the_compiled_gradient_equals_the_products(monkeypatch, embedding, half):
    """Repeated rows tie for the maximum; 40 features fill two blocks of 16 and half a third."""
    lengths = torch.tensor([9, 9, 4, 1])
    x = torch.randn(9, 4, embedding)
    x[3:6, 0] = x[2, 0]
    x = (x * (torch.arange(9)[:, None] < lengths)[:, :, None]).requires_grad_()
    weights = [torch.randn(w, embedding, 40, requires_grad=True) for w in (1, 3, 7)]
    biases = [torch.randn(40, requires_grad=True) for _ in weights]
    upstream = torch.randn(4, 120)

    def gradients():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            features = max_over_time(x, lengths, weights, biases)
        return torch.autograd.grad(features, [x, *weights, *biases], upstream)

    compiled = gradients()
    monkeypatch.setattr(conv_bank, "_conv_bank", None)
    for one, other in zip(compiled, gradients(), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.bf16
def test_half_precision_stays_near_float32():
    x, lengths = torch.randn(12, 6, 16), torch.tensor([12, 12, 9, 5, 3, 1])
    x = (x * (torch.arange(12)[:, None] < lengths)[:, :, None]).requires_grad_()
    weights = [torch.randn(w, 16, 8, requires_grad=True) for w in (1, 3, 5)]
    biases = [torch.randn(8, requires_grad=True) for _ in weights]
    full = max_over_time(x, lengths, weights, biases)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = max_over_time(x, lengths, weights, biases)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    # Eight bits of a sum of up to 80 products, each factor near 1
    assert (half - full).abs().max() < 0.02 * full.abs().max()


def test_without_the_compiled_part_one_sentence_says_so_once(monkeypatch, capsys):
    conv_bank._tell_it_was_left_out.cache_clear()
    x, weight, bias = torch.randn(5, 2, 3), torch.randn(2, 3, 4, requires_grad=True), torch.zeros(4)
    max_over_time(x, None, [weight], [bias]).sum().backward()
    if conv_bank._conv_bank is not None:
        assert capsys.readouterr().err == ""
    monkeypatch.setattr(conv_bank, "_conv_bank", None)
    for _ in range(2):
        max_over_time(x, None, [weight], [bias]).sum().backward()
    (said,) = capsys.readouterr().err.splitlines()
    assert "without its compiled part" in said
    assert "install a C compiler" in said
