"""The convolutional critic: its formula, its fast scorer, and what padding may not change."""

import pytest
import torch
import torch.nn.functional as F

from image_core.adversarial import penalties
from seqgan.text.discriminators import SEQGAN_FILTERS, CNNDiscriminator

FILTERS = ((1, 3), (2, 4), (4, 3))


def critic(end=2, filters=FILTERS, **options):
    """Every parameter random, biases too, so that none can be left out unnoticed."""
    net = CNNDiscriminator(12, 3, filters, end=end, **options)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.7)
    return net


def ragged(rows, length=7):
    """Sequences that end anywhere, at the last place too, padded with 0."""
    tokens = torch.randint(3, 12, (rows, length))
    ends = torch.randint(0, length, (rows,))
    tokens[torch.arange(rows), ends] = 2
    return torch.where(torch.arange(length) > ends[:, None], 0, tokens), ends + 1


def by_hand(net, tokens):
    """One sequence at a time: windows, maximum, highway, two outputs."""
    logits = []
    for row in tokens.tolist():
        own = row[: row.index(net.end) + 1] if net.end in row else row
        x = torch.stack([net.embedding[token] for token in own])
        features = []
        for weight, bias in zip(net.conv_weight, net.conv_bias):
            width = len(weight)
            filled = F.pad(x, (0, 0, 0, max(0, width - len(x))))
            windows = filled.unfold(0, width, 1)  # (n, E, w)
            features.append((torch.einsum("new,wef->nf", windows, weight) + bias).relu().amax(0))
        x = torch.cat(features)
        n = len(x)
        plain = (x @ net.highway_weight[:, :n] + net.highway_bias[:n]).relu()
        gate = (x @ net.highway_weight[:, n:] + net.highway_bias[n:]).sigmoid()
        x = gate * plain + (1 - gate) * x
        fake, real = x @ net.output_weight + net.output_bias
        logits.append(real - fake)
    return torch.stack(logits)


@pytest.mark.parametrize("end", [2, None])
def test_the_formula_by_hand(end):
    net = critic(end).eval()
    tokens, _ = ragged(20)
    assert torch.allclose(net(tokens), by_hand(net, tokens), atol=1e-4)


def test_one_logit_is_the_softmax_over_two_classes():
    net = critic().eval()
    tokens, _ = ragged(5)
    features = torch.rand(5, 10)
    seen = []
    net._highway = lambda x: seen.append(x) or CNNDiscriminator._highway(net, features)
    logit = net(tokens)
    assert seen[0].shape == (5, 10)
    plain, gate = (features @ net.highway_weight + net.highway_bias).chunk(2, 1)
    x = gate.sigmoid() * plain.relu() + (1 - gate.sigmoid()) * features
    classes = (x @ net.output_weight + net.output_bias).softmax(1)
    assert torch.allclose(logit.sigmoid(), classes[:, 1], atol=1e-5)


def test_sizes_of_the_released_critic():
    net = CNNDiscriminator(5000)
    assert sum(number for _, number in SEQGAN_FILTERS) == 1720
    assert net.highway_weight.shape == (1720, 3440)
    assert net.embedding.shape == (5000, 64)
    assert net.embedding.abs().max() <= 1
    assert [tuple(w.shape) for w in net.conv_weight][-1] == (20, 64, 160)
    assert all((bias == 0.1).all() for bias in (*net.conv_bias, net.output_bias))
    assert net.output_weight.abs().max() <= 0.2


# ---------------------------------------------------------------------------------- many sequences


@pytest.mark.parametrize("end", [2, None])
@pytest.mark.parametrize(("rows", "length"), [(1, 7), (256, 7), (257, 7), (1100, 7), (300, 2)])
def test_scorer_equals_the_forward_pass(rows, length, end):
    """Below and above the sizes where it changes its ways, and shorter than the widest window."""
    net = critic(end, dropout=0.5)
    tokens, _ = ragged(rows, length)
    scores = net.train().scorer()(tokens)
    assert not scores.requires_grad
    assert scores.shape == (rows,)
    expected = net.eval()(tokens)
    assert rows == 1 or expected.std() > 0.1
    assert torch.allclose(scores, expected, atol=2e-5)


@pytest.mark.parametrize("training", [True, False])
def test_scorer_restores_the_mode(training):
    net = critic().train(training)
    score = net.scorer()
    score(ragged(300)[0])
    assert net.training is training
    with pytest.raises((IndexError, RuntimeError)):
        score(torch.full((300, 7), 99))
    assert net.training is training


def test_dropout_in_training_only():
    net = critic(dropout=0.5)
    tokens, _ = ragged(30)
    one, other = net.train()(tokens), net(tokens)
    assert (one - other).abs().max() > 0.01
    assert torch.equal(net.eval()(tokens), net(tokens))


# ------------------------------------------------------------------------------------------ padding


@pytest.mark.parametrize("rows", [20, 300])
def test_logits_do_not_depend_on_padding_or_on_what_stands_in_it(rows):
    net = critic().eval()
    tokens, lengths = ragged(rows)
    longer = F.pad(tokens, (0, 9), value=5)
    past = torch.arange(16) >= lengths[:, None]
    junk = torch.where(past, torch.randint(0, 12, longer.shape), longer)
    for function in (net, net.scorer()):
        for variant in (longer, junk):
            assert torch.allclose(function(tokens), function(variant), atol=2e-5)


def test_lengths_count_the_first_end():
    tokens = torch.tensor([[5, 2, 0], [5, 6, 7], [2, 2, 2], [4, 6, 2]])
    assert critic().lengths(tokens).tolist() == [2, 3, 1, 3]
    assert critic(None).lengths(tokens) is None


def test_embedding_is_zero_past_the_end():
    net = critic()
    embedded = net.embed(torch.tensor([[5, 2, 7, 2]]))
    expected = torch.stack([net.embedding[5], net.embedding[2], *torch.zeros(2, 3)])
    assert torch.equal(embedded[0], expected)
    assert (critic(None).embed(torch.tensor([[5, 2, 7, 2]])) != 0).all()


# ------------------------------------------------------------------------- penalties, regularizer


def test_regularizer():
    net = critic(l2=0.3)
    squares = sum(x**2 for p in (net.output_weight, net.output_bias) for x in p.flatten().tolist())
    assert net.regularizer().item() == pytest.approx(0.3 * squares / 2, rel=1e-6)


def test_score_of_embedded_is_the_forward_pass_and_differentiable_twice():
    net = critic().double().eval()
    tokens, lengths = ragged(4)
    embedded = net.embed(tokens)
    assert torch.allclose(net.score(embedded, lengths), net(tokens), atol=1e-12)
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 3])
    assert torch.autograd.gradgradcheck(lambda x: net.score(x, lengths), (x,))
    net.zero_grad()
    penalties.r1(1.0)(lambda x: net.score(x, lengths), x, x).backward()
    assert all((p.grad.abs().sum() > 0) for p in net.conv_weight)
    assert net.highway_weight.grad.abs().sum() > 0


def test_penalty_does_not_depend_on_padding():
    """The same short sentence, alone and beside a longer one in the batch."""
    net = critic(filters=((4, 5),)).eval()
    tokens = torch.tensor([[5, 2]])

    def penalty(tokens):
        lengths = net.lengths(tokens)
        embedded = net.embed(tokens)
        return penalties.r1(1.0)(lambda x: net.score(x, lengths), embedded, embedded).item()

    assert penalty(tokens) > 0
    assert penalty(F.pad(tokens, (0, 5))) == pytest.approx(penalty(tokens))


def test_gradients_of_the_forward_pass_equal_those_of_score():
    """The fast path with its own backward against autograd's, from tokens to every parameter."""
    net = critic().double().eval()
    tokens, lengths = ragged(30)
    upstream = torch.randn(30, dtype=torch.float64)
    parameters = list(net.parameters())
    fast = torch.autograd.grad(net(tokens), parameters, upstream)
    slow = torch.autograd.grad(net.score(net.embed(tokens), lengths), parameters, upstream)
    for one, other in zip(fast, slow):
        assert other.abs().max() > 1e-3
        assert torch.allclose(one, other, atol=1e-10)
