"""Layers and networks: exact laws, sizes of the papers' tables."""

from itertools import product

import pytest
import torch
from torch import nn

from image_core.adversarial.errors import UserError
from image_core.nets import (
    AutoEncoder,
    augment,
    dcgan,
    layers,
    resnet19,
    resnet_cifar,
    sndcgan,
)
from image_core.nets.resnet import Ablation, parameters, spectral_norms, unpool

# ------------------------------------------------------------------------------------ networks

TABLES = [  # millions of parameters of G and D in the study's own nets
    (sndcgan, 32, 3.81, 5.86),
    (sndcgan, 128, 19.7, 6.0),
    (resnet_cifar, 32, 5.85, 1.48),
    (resnet19, 128, 13.8, 15.1),
]


@pytest.mark.parametrize(("arch", "size", "g", "d"), TABLES)
def test_sizes_of_the_published_nets(arch, size, g, d):
    with torch.device("meta"):
        G, D = arch(size, 3, 128, norm="none")
    assert parameters(G) / 1e6 == pytest.approx(g, rel=0.01)
    assert parameters(D) / 1e6 == pytest.approx(d, rel=0.01)


@pytest.mark.parametrize(
    ("arch", "norm"), list(product([dcgan, sndcgan, resnet_cifar, resnet19], layers.NORMS))
)
def test_every_architecture_with_every_norm(arch, norm):
    own = arch(16, 2, 5, width=0.04, generator=norm)[0](torch.randn(4, 5))
    assert own.shape == (4, 2, 16, 16)
    assert own.isfinite().all()
    G, D = arch(16, 2, 5, width=0.04, norm=norm, classes=3, planes=1)
    made = G(torch.randn(4, 5), torch.arange(4) % 3)
    assert made.shape == (4, 2, 16, 16)
    assert made.abs().max() <= 1
    logits = D(torch.cat([made, made[:, :1]], 1))
    assert logits.shape == (4,)
    weights = [p for p in D.parameters() if p.dim() > 1]
    gradients = torch.autograd.grad(logits.square().sum(), weights)
    assert all(bool(g.abs().sum() > 0) for g in gradients)
    if norm == "spectral":
        assert spectral_norms(D.eval()) == pytest.approx([1.0] * len(spectral_norms(D)), abs=1e-5)


@pytest.mark.parametrize("field", list(Ablation.__dataclass_fields__))
def test_every_ablation_changes_the_net_and_nothing_else(field):
    torch.manual_seed(0)
    plain_g, plain_d = resnet_cifar(32, 3, 4, width=0.05, norm="none")
    torch.manual_seed(0)
    G, D = resnet_cifar(32, 3, 4, width=0.05, norm="none", how=Ablation(**{field: True}))
    sizes = {
        "skip": (0, -2 * (6 * 6 * 9 + 6)),  # the last two shortcuts; the others change channels
        "narrow": (0, None),
        "optimised": (0, -(3 * 6 * 8)),
    }.get(field, (0, 0))
    if field == "skip":
        sizes = (0, -3 * (6 * 6 * 9 + 6))
    assert parameters(G) - parameters(plain_g) == sizes[0]
    if sizes[1] is not None:
        assert parameters(D) - parameters(plain_d) == sizes[1]
    else:  # hidden width 3 in the block that reads the image
        assert parameters(D) - parameters(plain_d) == -3 * (3 * 9 + 1) - 3 * 6 * 9
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    changed = not torch.equal(D(x), plain_d(x))
    z = torch.randn(2, 4)
    changed |= not torch.equal(G(z), plain_g(z))
    assert changed
    if field == "sum_pool":
        gap = D(x) - plain_d(x)
        assert torch.allclose(gap, 63 * plain_d(x), rtol=1e-4)  # 8 x 8 places, head bias 0


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_leaky_is_torchs_own_without_a_second_derivative(slope):
    x = torch.randn(50, dtype=torch.float64, requires_grad=True)
    out = layers.Leaky(slope)(x)
    assert torch.equal(out, nn.functional.leaky_relu(x, slope))
    (first,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    assert first.tolist() == [1.0 if value > 0 else slope for value in x.tolist()]
    assert not first.requires_grad  # a tensor of zeros would go back through all before


def test_unpooling_puts_zeros_between():
    x = torch.arange(1.0, 5).view(1, 1, 2, 2)
    expected = torch.tensor([[1.0, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])
    assert torch.equal(unpool(x)[0, 0], expected)


@pytest.mark.parametrize("distance", ["l1", "mean_square", "sum_square"])
def test_energy_is_the_distance_of_the_redrawing(distance):
    D, x = AutoEncoder(8, 2, code=5, width=4, distance=distance), torch.randn(3, 2, 8, 8)
    gap = (D.decoder(D.encoder(x)) - x)[1]
    by_hand = {
        "l1": gap.abs().mean(),
        "mean_square": gap.square().mean(),
        "sum_square": gap.square().sum(),
    }[distance]
    assert D(x)[1].item() == pytest.approx(by_hand.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("arch", "size", "says"),
    [
        (dcgan, 4, "at least 8 pixels"),
        (dcgan, 9, "give 8 or 10"),
        (resnet_cifar, 25, "give 24 or 28"),
        (resnet19, 31, "give 28 or 32"),
        (sndcgan, 33, "give 32 or 40"),
        (sndcgan, 8, "give 16"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(arch, size, says):
    with pytest.raises(UserError, match=f"--size {size}: .*{says}"):
        arch(size, 1, 4)


@pytest.mark.parametrize("arch", [dcgan, sndcgan, resnet_cifar, resnet19])
@pytest.mark.parametrize("size", [24, 40, 48, 56])
def test_sizes_that_are_no_power_of_two(arch, size):
    G, D = arch(size, 3, 5, width=0.04)
    made = G(torch.randn(2, 5))
    assert made.shape == (2, 3, size, size)
    far = torch.autograd.grad(D(made).sum(), made)[0]
    assert bool((far != 0).any(dim=1).all())  # no pixel is out of sight


@pytest.mark.parametrize(
    ("size", "says"), [(4, "give 8$"), (12, "give 8 or 16"), (33, "give 32 or 64")]
)
def test_autoencoders_are_of_powers_of_two(size, says):
    with pytest.raises(UserError, match=f"--size {size}: .* power of two of at least 8; {says}"):
        AutoEncoder(size, 1, 4)


# -------------------------------------------------------------------------------- augmentation


@pytest.mark.parametrize("name", augment.__all__)
def test_augmentation_is_random_by_sample_and_differentiable(name):
    x = torch.randn(1, 3, 16, 16).repeat(8, 1, 1, 1).requires_grad_()
    out = getattr(augment, name)(x)
    assert out.shape == x.shape
    assert len({tuple(row.flatten().tolist()) for row in out.detach()}) > 4
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    assert (gradient.flatten(1).abs().sum(1) > 0).all()


def test_translation_moves_whole_pixels_and_cutout_blanks_a_quarter():
    x = torch.zeros(64, 1, 16, 16)
    x[:, :, 8, 8] = 1
    moved = augment.translation(x)
    assert moved.flatten(1).sum(1).tolist() == [1.0] * 64
    rows, columns = moved[:, 0].sum(2).argmax(1), moved[:, 0].sum(1).argmax(1)
    assert set(rows.tolist()) == set(columns.tolist()) == {6, 7, 8, 9, 10}
    holes = (augment.cutout(torch.ones(200, 1, 16, 16)) == 0).flatten(1).sum(1)
    assert holes.max() == 64
    assert holes.min() >= 16
    with pytest.raises(UserError, match="mirror"):
        augment.augment(x, "colour,mirror")


def conv(norm):
    return layers.weighted(norm, nn.Conv2d(2, 3, 3, 1, 1), 0.5)


LAYERS = {
    **{norm: lambda norm=norm: layers.channel_norm(norm, 2) for norm in layers.FLOWING},
    **{norm: lambda norm=norm: conv(norm) for norm in ("weight", "equalised")},
    "conditional": lambda: Told(layers.ConditionalBatchNorm(2, 3)),
    "std": lambda: layers.MinibatchStd(2),
    "discrimination": lambda: nn.Sequential(nn.Flatten(1), layers.MinibatchDiscrimination(8, 3, 2)),
    "leaky": lambda: layers.Leaky(0.1),
}


class Told(nn.Module):
    """A layer with its labels given."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x, torch.arange(len(x)) % 3)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_every_layer_by_differences(name):
    layer = LAYERS[name]().double()
    x = torch.randn(4, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    if isinstance(layer, layers.VirtualBatchNorm):
        layer.set_reference = True
        layer(torch.randn(5, 2, 2, 2, dtype=torch.float64))
        layer.set_reference = False
    weights = [p for p in layer.parameters() if p.requires_grad]

    def out(x, *given):
        names = [n for n, p in layer.named_parameters() if p.requires_grad]
        return torch.func.functional_call(layer, dict(zip(names, given, strict=True)), (x,))

    assert torch.autograd.gradcheck(out, (x, *weights), atol=1e-4)
