"""Drawing follows the softmax; its log-probabilities and gradients are those of plain torch."""

import math

import pytest
import torch

from seqgan.lm import softmax

FORBIDDEN = -1e9


def too_far(tokens, probability):
    """Chi-square of draws, in standard deviations above its mean; rare tokens are pooled."""
    counts = torch.bincount(tokens, minlength=len(probability)).double()
    assert len(counts) == len(probability)
    expected = probability.double() * len(tokens)
    rare = expected < 5
    assert counts[expected == 0].sum() == 0
    counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
    expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    cells = expected > 0
    square = ((counts - expected).square() / expected)[cells].sum()
    freedom = int(cells.sum()) - 1
    return float(square - freedom) / math.sqrt(2 * max(freedom, 1))


def output_layer(vocab, hidden=3):
    return torch.randn(hidden, vocab), torch.randn(vocab)


# -------------------------------------------------------------------------------------------- draws


@pytest.mark.parametrize("temperature", [1.0, 0.4, 2.5])
@pytest.mark.parametrize("vocab", [2, 5, 128, 129, 300])
def test_draws_follow_the_softmax(vocab, temperature):
    """Sizes below, at and above a block, and over several chunks of rows."""
    weight, bias = output_layer(vocab)
    hidden = torch.randn(1, 3)
    tokens = softmax.draw(hidden.expand(40_000, 3), weight, bias, temperature)
    probability = torch.softmax((hidden @ weight + bias)[0].double() / temperature, 0)
    assert abs(too_far(tokens, probability)) < 4


def test_each_row_has_its_own_distribution():
    weight, bias = output_layer(200)
    hidden = torch.randn(3, 3)
    rows = torch.arange(30_000) % 3
    tokens = softmax.draw(hidden[rows], weight, bias)
    for row in range(3):
        probability = torch.softmax(hidden[row] @ weight + bias, 0)
        assert abs(too_far(tokens[rows == row], probability)) < 4
        assert too_far(tokens[rows == (row + 1) % 3], probability) > 100


def test_rows_are_drawn_independently():
    weight, bias = torch.zeros(1, 2), torch.zeros(2)
    tokens = softmax.draw(torch.zeros(20_000, 1), weight, bias)
    pairs = tokens[:-1] * 2 + tokens[1:]
    assert abs(too_far(pairs, torch.full((4,), 0.25))) < 5


@pytest.mark.parametrize("temperature", [0.3, 1.0, 50.0])
def test_forbidden_tokens_are_never_drawn(temperature):
    """The first and the last of blocks among them."""
    weight, bias = output_layer(300)
    banned = torch.tensor([0, 1, 127, 128, 255, 256, 299])
    bias[banned] = FORBIDDEN
    tokens = softmax.draw(torch.randn(20_000, 3), weight, bias, temperature)
    assert not torch.isin(tokens, banned).any()
    assert tokens.min() >= 0
    assert tokens.max() < 300
    assert len(tokens.unique()) > 100


def test_extreme_logits():
    bias = torch.full((300,), FORBIDDEN)
    bias[141] = -5.0
    weight = torch.zeros(1, 300)
    assert (softmax.draw(torch.ones(1000, 1), weight, bias) == 141).all()
    weight[0, 7] = 1e4
    assert (softmax.draw(torch.ones(1000, 1), weight, torch.zeros(300)) == 7).all()
    tokens = softmax.draw(torch.full((4000, 1), 3e4), torch.ones(1, 300), torch.zeros(300))
    assert abs(too_far(tokens, torch.full((300,), 1 / 300))) < 4


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24, 1.0])
def test_the_ends_of_the_uniform_draw(uniform):
    """Neither end falls on a token without mass, in whole blocks of them or at the end of one."""
    mass = torch.rand(64, 4, softmax.BLOCK)
    mass[:, 0, 0] = 0
    mass[:32, 0] = 0
    mass[:, 1:3, 100:] = 0
    mass[:, 3] = 0
    tokens = softmax._invert(mass, torch.full((64, 1), uniform))
    assert (mass.flatten(1).gather(1, tokens[:, None]) > 0).all()


def test_a_target_at_the_edge_of_a_block_finds_no_forbidden_token():
    mass = torch.rand(512, 40, softmax.BLOCK)
    mass[:, :, 0] = 0
    up_to = mass.sum(2).cumsum(1)
    for block in range(39):
        edge = up_to[:, block, None] / up_to[:, -1:]
        tokens = softmax._invert(mass, edge)
        assert (mass.flatten(1).gather(1, tokens[:, None]) > 0).all()


def test_temperature_towards_zero_is_the_argmax():
    weight, bias = output_layer(150)
    hidden = torch.randn(500, 3)
    tokens = softmax.draw(hidden, weight, bias, 1e-4)
    assert (tokens == (hidden @ weight + bias).argmax(1)).float().mean() > 0.99


@pytest.mark.parametrize(("top_p", "kept"), [(0.3, 1), (0.5, 1), (0.51, 2), (0.8, 2), (0.9, 3)])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_a_nucleus_is_the_fewest_tokens_with_that_much_mass(top_p, kept, temperature):
    """Probabilities 0.5, 0.3, 0.15, 0.05 at the temperature, out of order."""
    probability = torch.tensor([0.15, 0.5, 0.05, 0.3])
    bias = temperature * probability.log()
    draw = softmax.drawer(torch.zeros(1, 4), bias, temperature, top_p)
    tokens = draw(torch.zeros(20_000, 1))
    inside = probability >= probability.sort(descending=True).values[kept - 1]
    share = torch.where(inside, probability, 0.0) / probability[inside].sum()
    assert abs(too_far(tokens, share)) < 4


def test_a_nucleus_keeps_what_is_equally_likely_and_never_what_is_forbidden():
    bias = torch.tensor([FORBIDDEN, 0.0, 0.0, 0.0])
    tokens = softmax.drawer(torch.zeros(1, 4), bias, 1.0, 0.1)(torch.zeros(3_000, 1))
    assert sorted(set(tokens.tolist())) == [1, 2, 3]


@pytest.mark.parametrize(("rows", "vocab"), [(1, 5), (16, 5000), (17, 10**6), (5000, 300)])
def test_chunks_cover_every_row_once(rows, vocab):
    parts = list(softmax._chunks(torch.zeros(rows, 2), torch.zeros(2, vocab)))
    covered = torch.cat([torch.arange(rows)[part] for part, _ in parts])
    assert covered.tolist() == list(range(rows))
    assert all(len(covered[part]) == len(buffer) for part, buffer in parts)
    if rows > 16 and vocab >= 300:
        assert len(parts) > 1


# -------------------------------------------------------------------------- values and gradients


@pytest.fixture
def problem(monkeypatch):
    """Float64 inputs, tokens, a mask; and rows in chunks of three, the last one short."""
    monkeypatch.setattr(softmax, "CPU_LOGITS", 0)
    monkeypatch.setattr(softmax, "LEAST_ROWS", 3)
    hidden = torch.randn(11, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(7, dtype=torch.float64, requires_grad=True)
    tokens = torch.randint(1, 7, (11,))
    mask = torch.arange(11) % 3 > 0
    return (hidden, weight, bias), tokens, mask


def plain(hidden, weight, bias, tokens):
    logits = hidden @ weight + bias
    return torch.log_softmax(logits, 1).gather(1, tokens[:, None])[:, 0]


def assert_equal_with_gradients(one, other, inputs, upstream, tolerance=1e-12):
    assert torch.allclose(one, other, rtol=0, atol=tolerance)
    for a, b in zip(
        torch.autograd.grad(one, inputs, upstream), torch.autograd.grad(other, inputs, upstream)
    ):
        assert a.shape == b.shape
        assert b.abs().max() > 1e-3
        assert torch.allclose(a, b, rtol=0, atol=tolerance)


def test_log_prob_equals_plain_torch(problem):
    inputs, tokens, _ = problem
    upstream = torch.randn(11, dtype=torch.float64)
    one, other = softmax.log_prob(*inputs, tokens), plain(*inputs, tokens)
    assert_equal_with_gradients(one, other, inputs, upstream)


def test_mean_nll_equals_plain_torch(problem):
    """To 1e-7: the share of a token in the mean is a float32, whatever the rest is."""
    inputs, tokens, mask = problem
    one = softmax.mean_nll(*inputs, tokens, mask)
    other = -plain(*inputs, tokens)[mask].mean()
    assert_equal_with_gradients(one, other, inputs, torch.tensor(-2.5, dtype=torch.float64), 1e-12)


def test_a_forbidden_token_changes_nothing(problem):
    """Its logit of -1e9 takes no mass and gets no gradient, counted nowhere or masked."""
    (hidden, weight, bias), tokens, mask = problem
    bias = bias.detach().clone()
    bias[0] = FORBIDDEN
    masked = torch.where(mask, tokens, 0)
    loss = softmax.mean_nll(hidden, weight, bias, masked, mask)
    without = -plain(hidden, weight[:, 1:], bias[1:], tokens - 1)[mask].mean()
    assert_equal_with_gradients(loss, without, (hidden, weight), None, 1e-6)
    values = softmax.log_prob(hidden, weight, bias, tokens)
    without = plain(hidden, weight[:, 1:], bias[1:], tokens - 1)
    assert_equal_with_gradients(values, without, (hidden, weight), torch.ones_like(values))


def test_nothing_counts(problem):
    inputs, tokens, mask = problem
    loss = softmax.mean_nll(*inputs, tokens, torch.zeros_like(mask))
    assert loss == 0
    assert all((g == 0).all() for g in torch.autograd.grad(loss, inputs))


def test_gradients_by_differences(problem):
    inputs, tokens, mask = problem
    assert torch.autograd.gradcheck(lambda *x: softmax.log_prob(*x, tokens), inputs)
    assert torch.autograd.gradcheck(lambda *x: softmax.mean_nll(*x, tokens, mask), inputs)


def test_huge_logits_are_exact():
    """Logits of +-1e4 in float32: differences survive, nothing overflows."""
    hidden, tokens = torch.ones(2, 1, requires_grad=True), torch.tensor([0, 1])
    weight, bias = torch.tensor([[1e4, -1e4, 1e4 - 2]]), torch.zeros(3)
    values = softmax.log_prob(hidden, weight, bias, tokens)
    rest = math.log1p(math.exp(-2))
    assert values.tolist() == pytest.approx([-rest, -2e4 - rest], abs=1e-3)
    loss = softmax.mean_nll(hidden, weight, bias, tokens, torch.tensor([True, False]))
    assert loss.item() == pytest.approx(rest, abs=1e-3)
    loss.backward()
    assert hidden.grad.isfinite().all()


def test_second_derivatives_are_refused(problem):
    inputs, tokens, mask = problem
    for result in (softmax.log_prob(*inputs, tokens), softmax.mean_nll(*inputs, tokens, mask)):
        value = result.square().sum()
        (gradient,) = torch.autograd.grad(value, inputs[0], create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            gradient.sum().backward()
