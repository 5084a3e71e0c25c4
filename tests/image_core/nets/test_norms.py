"""Norms of layers: exact laws of spectral norm and of the others."""

import copy
import math

import pytest
import torch
from torch import nn

from image_core.adversarial.errors import UserError
from image_core.nets import (
    dcgan,
    discriminators,
    layers,
)
from image_core.nets.resnet import spectral_norms
from image_core.nets.spectral import SpectralNorm, spectral_norm

# ------------------------------------------------------------------------------- spectral norm


def norm_of(layer) -> SpectralNorm:
    return layer.parametrizations.weight[0]


def learn(layer, x, rate=0.0):
    """One optimizer step, of a fused optimizer, which counts no version of the weight."""
    optimizer = torch.optim.Adam(layer.parameters(), lr=rate, fused=True)
    layer(x).square().sum().backward()
    optimizer.step()


def test_power_iterations_of_a_diagonal_matrix():
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data.copy_(torch.diag(torch.tensor([3.0, 1.0])))
    spectral_norm(layer)
    norm = norm_of(layer)
    norm.u.copy_(torch.ones(2) / math.sqrt(2))
    seen = []
    for _ in range(3):
        norm.due = True
        seen.append(3 / float(layer.weight.detach()[0, 0]))
    assert seen == pytest.approx([2.8636, 2.9982, 2.99998], abs=1e-4)


@pytest.mark.parametrize("kind", ["linear", "conv", "transposed", "embedding"])
def test_spectral_norm_is_one_after_training_and_exactly_one_in_evaluation(kind):
    layer, x = {
        "linear": (nn.Linear(7, 5), torch.randn(4, 7)),
        "conv": (nn.Conv2d(3, 6, 3), torch.randn(2, 3, 5, 5)),
        "transposed": (nn.ConvTranspose2d(3, 6, 4, 2), torch.randn(2, 3, 5, 5)),
        "embedding": (nn.Embedding(6, 4), torch.arange(6)),
    }[kind]
    spectral_norm(layer)
    for _ in range(50):
        learn(layer, x, rate=1e-4)
    out = 1 if kind == "transposed" else 0

    def greatest():
        return torch.linalg.svdvals(layer.weight.detach().movedim(out, 0).flatten(1))[0].item()

    assert greatest() == pytest.approx(1, abs=1e-3)
    layer.eval()
    assert greatest() == pytest.approx(1, abs=1e-6)
    with torch.no_grad():
        layer.parametrizations.weight.original.mul_(7).add_(0.3)
    assert greatest() == pytest.approx(1, abs=1e-6)


def test_one_iteration_a_step_however_many_forwards():
    layer = spectral_norm(nn.Linear(30, 20))
    with torch.no_grad():
        layer.parametrizations.weight.original.normal_()
    x, norm = torch.randn(4, 30), norm_of(layer)
    learn(layer, x)
    before = norm.u.clone()
    layer(x)
    after = norm.u.clone()
    assert not torch.equal(before, after)
    for _ in range(3):
        layer(x)
        with torch.no_grad():
            layer(x)
    assert torch.equal(norm.u, after)
    # A step of another player goes through the layer and leaves it alone
    layer.requires_grad_(False)
    layer(x.requires_grad_()).sum().backward()
    layer(x)
    assert torch.equal(norm.u, after)


def test_two_forwards_before_one_backward():
    layer = spectral_norm(nn.Linear(6, 4).double())
    one, two = torch.randn(3, 6).double(), torch.randn(3, 6).double()
    learn(layer, one, 0.01)
    raw = layer.parametrizations.weight.original
    raw.grad = None
    (layer(one).square().sum() - layer(two).square().sum()).backward()
    found = raw.grad.clone()
    raw.grad = None
    norm_of(layer).due = False  # the same u and v
    apart = layer(one).square().sum()
    apart.backward()
    first = raw.grad.clone()
    raw.grad = None
    norm_of(layer).due = False
    layer(two).square().sum().backward()
    assert torch.allclose(found, first - raw.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_of_the_raw_weight(training):
    """W / sigma does not see the scale of W; sigma's own gradient is u v^T."""
    layer = spectral_norm(nn.Linear(5, 4, bias=False).double())
    norm = norm_of(layer)
    for _ in range(300):
        norm._iterate(layer.parametrizations.weight.original.detach())
    layer.train(training)
    x, target = torch.randn(3, 5).double(), torch.randn(3, 4).double()
    (layer(x) - target).square().sum().backward()
    raw = layer.parametrizations.weight.original
    assert abs(float((raw * raw.grad).sum().detach())) < 1e-9
    step = torch.zeros_like(raw)
    step[1, 2] = 1e-6
    values = []
    for sign in (1, -1):
        w = raw.detach() + sign * step
        normed = w / torch.linalg.matrix_norm(w, 2)
        values.append(float((x @ normed.T - target).square().sum()))
    assert raw.grad[1, 2].item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)


@pytest.mark.bf16
@pytest.mark.parametrize("training", [True, False])
def test_spectral_norm_is_of_float32_under_autocast(training):
    """In bfloat16 u^T W v is off by up to a hundredth, and u and v with it."""
    one, other = spectral_norm(nn.Linear(40, 30)), spectral_norm(nn.Linear(40, 30))
    x = torch.randn(4, 40)
    learn(one, x, 0.1)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    one.train(training)
    other.train(training)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        weight, out = one.weight, one(x)
    assert out.dtype == torch.bfloat16
    assert torch.equal(weight, other.weight)
    assert torch.equal(norm_of(one).u, norm_of(other).u)
    norm_of(one).due = False
    out.float().sum().backward()
    assert norm_of(one).due is training


def test_a_saved_layer_knows_whether_its_iteration_is_due():
    layer = spectral_norm(nn.Linear(9, 8))
    x = torch.randn(2, 9)
    for settled in (False, True):
        learn(layer, x, 0.1)
        if settled:
            layer(x)
        twin = spectral_norm(nn.Linear(9, 8))
        twin.load_state_dict(copy.deepcopy(layer.state_dict()))
        assert torch.equal(twin(x), layer(x))
        assert torch.equal(norm_of(twin).u, norm_of(layer).u)


def referenced():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), layers.VirtualBatchNorm(3), nn.ReLU())
    return layers.Referenced(net, torch.randn(5, 2, 6, 6)), torch.randn(4, 2, 6, 6)


def test_a_referenced_net_normalises_by_its_own_reference_whatever_the_weights():
    net, x = referenced()
    for _ in range(2):
        conv = net.net[0]
        mean, square = (
            conv(net.reference).mean((0, 2, 3)),
            conv(net.reference).square().mean((0, 2, 3)),
        )
        own, owns = conv(x).mean((2, 3)), conv(x).square().mean((2, 3))
        m, s = (own + 5 * mean) / 6, (owns + 5 * square) / 6
        by_hand = (conv(x) - m[..., None, None]) / (1e-5 + s - m.square()).sqrt()[..., None, None]
        assert torch.allclose(net(x), by_hand.relu(), atol=1e-5)
        assert torch.equal(net.eval()(x), net.train()(x))
        with torch.no_grad():
            conv.weight.mul_(-2).add_(0.1)  # as a step, or an average, would
    alone = torch.cat([net(row[None]) for row in x])
    assert torch.allclose(alone, net(x), atol=1e-6)
    assert "reference" in net.state_dict()


# --------------------------------------------------------------------------------- other norms


def test_weight_norm_sets_the_length_of_each_row():
    for layer, axis in ((nn.Conv2d(3, 5, 3), 0), (nn.ConvTranspose2d(3, 5, 3), 1)):
        layers.weighted("weight", layer)
        scale = layer.parametrizations.weight.original0
        with torch.no_grad():
            scale.uniform_(1, 2)
        rows = layer.weight.detach().movedim(axis, 0).flatten(1).norm(dim=1)
        assert torch.allclose(rows, scale.detach().flatten(), rtol=1e-5)


@pytest.mark.parametrize(
    ("norm", "meets"), [("batch", True), ("layer", False), ("instance", False)]
)
def test_samples_meet_in_batch_norm_only(norm, meets):
    layer = layers.channel_norm(norm, 3)
    x = torch.randn(4, 3, 5, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[0].square().sum(), x)
    assert bool(gradient[1:].abs().max() > 1e-6) is meets
    assert bool(layers.mixes_samples(layer)) is meets


def test_layer_norm_is_over_all_of_a_sample():
    out = layers.channel_norm("layer", 3)(2 + 5 * torch.randn(2, 3, 8, 8)).flatten(1).detach()
    assert out.mean(1).abs().max() < 1e-5
    assert out.std(1, correction=0).tolist() == pytest.approx([1, 1], abs=1e-3)


def test_conditional_batch_norm_starts_as_batch_norm_and_then_follows_the_label():
    layer, x = layers.ConditionalBatchNorm(3, 4), torch.randn(6, 3, 5, 5)
    assert torch.allclose(layer(x, torch.arange(6) % 4), nn.BatchNorm2d(3)(x), atol=1e-6)
    with torch.no_grad():
        layer.scale.weight[2], layer.shift.weight[2] = 3.0, -1.0
    plain = nn.BatchNorm2d(3)(x)
    out = layer(x, torch.tensor([2, 0, 2, 1, 3, 0]))
    assert torch.allclose(out[0], 3 * plain[0] - 1, atol=1e-5)
    assert torch.allclose(out[1], plain[1], atol=1e-5)
    with pytest.raises(UserError, match="label"):
        layer(x, None)


def test_virtual_batch_norm_has_moments_of_reference_and_sample():
    layer, reference, x = (
        layers.VirtualBatchNorm(3, eps=0.0),
        torch.randn(7, 3, 4, 4),
        torch.randn(2, 3, 4, 4),
    )
    layer.set_reference = True
    layer(reference)
    layer.set_reference = False
    for i in range(2):
        both = torch.cat([reference, x[i : i + 1]])
        mean, var = both.mean((0, 2, 3)), both.var((0, 2, 3), correction=0)
        expected = (x[i] - mean[:, None, None]) / var.sqrt()[:, None, None]
        assert torch.allclose(layer(x)[i], expected, atol=1e-5)
    assert torch.allclose(layer(x)[0], layer(x[:1])[0], atol=1e-6)


def test_pixel_norm_has_unit_mean_square_at_each_place():
    out = layers.PixelNorm()(5 * torch.randn(2, 6, 3, 3))
    assert torch.allclose(out.square().mean(1), torch.ones(2, 3, 3), atol=1e-6)


@pytest.mark.parametrize("kind", ["std", "discrimination"])
def test_a_discriminator_that_sees_how_much_its_batch_differs(kind):
    _, D = dcgan(8, 1, 4, width=0.1, norm="none")
    discriminator = discriminators.with_minibatch(D, kind, "spectral", kernels=7)
    added = {"std": 1, "discrimination": 7}[kind]
    assert discriminator.features == D.features + added
    assert spectral_norms(nn.Sequential(discriminator.head).eval()) == pytest.approx([1.0])
    x = torch.randn(4, 1, 8, 8)
    features = discriminator.trunk(x)
    assert torch.equal(features[:, : D.features], D.trunk(x))
    assert discriminator(x).shape == (4,)
    same = discriminator.trunk(x[:1].expand(4, -1, -1, -1))[:, D.features :]
    wanted = torch.full_like(same, 1e-4 if kind == "std" else 3.0)
    assert torch.allclose(same, wanted, atol=1e-5)
    assert layers.mixes_samples(discriminator)
    assert discriminators.with_minibatch(D, "none", "spectral") is D


def test_minibatch_std():
    layer = layers.MinibatchStd()
    assert layer(torch.ones(4, 2, 3, 3))[:, 2].flatten().tolist() == pytest.approx([1e-4] * 36)
    half = layer(torch.tensor([0.0, 0, 1, 1]).view(4, 1, 1, 1))
    assert half[:, 1].flatten().tolist() == pytest.approx([0.5] * 4, rel=1e-4)
    one = torch.zeros(8, 1, 1, 1)
    one[0] = 1
    strided = layer(one)[:, 1].flatten().tolist()
    assert strided == pytest.approx([0.4330127, 1e-4] * 4, rel=1e-4)


@pytest.mark.parametrize("include_self", [True, False])
def test_minibatch_discrimination(include_self):
    layer = layers.MinibatchDiscrimination(3, 4, 2, include_self=include_self)
    one = float(include_self)
    same = layer(torch.randn(1, 3).repeat(5, 1))[:, 3:]
    assert torch.allclose(same, torch.full((5, 4), 4 + one), atol=1e-5)
    far = layer(1e6 * torch.randn(5, 3))[:, 3:]
    assert torch.allclose(far, torch.full((5, 4), one), atol=1e-5)
    x, order = torch.randn(6, 3), torch.randperm(6)
    assert torch.allclose(layer(x)[order], layer(x[order]), atol=1e-5)
    m = torch.einsum("na,abc->nbc", x, layer.T.detach())
    by_hand = sum(math.exp(-float((m[1, 2] - m[j, 2]).abs().sum())) for j in range(6) if j != 1)
    assert layer(x)[1, 3 + 2].item() == pytest.approx(by_hand + one, rel=1e-4)


def test_equalised_rates_keep_the_scale_of_what_flows_up_and_down():
    torch.manual_seed(0)
    x = torch.randn(2, 64, 16, 16)
    for layer in (nn.Conv2d(64, 64, 3), nn.ConvTranspose2d(64, 64, 4, 2, 1)):
        out = layers.equalised(layer, gain=1.0)(x)
        inner = out[:, :, 4:-4, 4:-4]
        assert float(inner.std().detach()) == pytest.approx(1.0, rel=0.03)


def test_equalised_rate_scales_the_output_and_not_adams_step():
    torch.manual_seed(1)
    layer = layers.equalised(nn.Conv2d(8, 64, 3))
    raw = layer.parametrizations.weight.original
    assert raw.std().item() == pytest.approx(1, rel=0.05)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 72), rel=0.05)
    before = raw.detach().clone()
    learn(layer, torch.randn(2, 8, 4, 4), rate=0.01)
    moved = (raw.detach() - before).abs()
    assert moved.median().item() == pytest.approx(0.01, rel=1e-2)
