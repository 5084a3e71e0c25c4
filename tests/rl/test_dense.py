"""Dense layers as one node: they are the plain layers, forwards, backwards and twice backwards."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from image_core.adversarial import penalties
from rl import dense
from rl.dense import Dense, Tanh
from rl.nets import mlp

SIZES = [(4, 64, 64, 2), (17, 50, 33, 1), (3, 100, 16), (5, 1), (40, 7, 20, 3)]


def plain(net):
    """The same layers, called one after another by torch alone."""
    kinds = {nn.Linear: lambda layer: layer, Tanh: lambda layer: nn.Tanh()}
    return nn.Sequential(*(kinds[type(layer)](layer) for layer in net))


def made(sizes, dtype=torch.float32):
    net = mlp(sizes, 0.5)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return net.to(dtype)


@pytest.fixture(params=[True, False])
def compiled(request, monkeypatch):
    """With what was compiled and without."""
    if request.param and not dense.COMPILED:
        pytest.skip("nothing was compiled, or the processor lacks what it needs")
    monkeypatch.setattr(dense, "COMPILED", request.param)


@pytest.mark.parametrize("rows", [0, 1, 97, 1024])
@pytest.mark.parametrize("sizes", SIZES)
def test_outputs_and_gradients_are_those_of_the_plain_layers(sizes, rows, compiled):
    torch.manual_seed(0)
    net = made(sizes)
    x = torch.randn(rows, sizes[0], requires_grad=True)
    mine, theirs = net(x), plain(copy.deepcopy(net).double())(x.double())
    torch.testing.assert_close(mine.double(), theirs, rtol=0, atol=2e-5)
    with torch.no_grad():
        assert torch.equal(net(x), mine)
    shares = torch.randn(rows, sizes[-1])
    of = [x, *net.parameters()]
    found = torch.autograd.grad(mine, of, shares)
    expected = torch.autograd.grad(plain(net)(x), of, shares)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_are_those_of_differences_once_and_twice(sizes):
    torch.manual_seed(0)
    net = made([min(n, 6) for n in sizes], torch.float64)
    x = torch.randn(3, min(sizes[0], 6), dtype=torch.float64, requires_grad=True)
    of = (x, *net.parameters())

    def outputs(x, *parameters):
        return dense._Dense.apply(x, *parameters)

    assert torch.autograd.gradcheck(outputs, of)
    assert torch.autograd.gradgradcheck(outputs, of)
    assert torch.autograd.gradgradcheck(Tanh(), (x,))


def test_a_penalty_of_slopes_has_the_plain_layers_gradient(compiled):
    torch.manual_seed(0)
    net = made((6, 64, 64, 1))
    points = torch.randn(8, 6)
    found, expected = (
        torch.autograd.grad(
            penalties.r1(1.0)(lambda x, of=of: of(x).squeeze(1), points, points),
            [p for p in net.parameters() if p.dim() == 2],
        )
        for of in (net, plain(net))
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_gradients_that_are_spread_or_turned_are_read_as_they_are(compiled):
    """That of a sum is one number for all rows."""
    torch.manual_seed(0)
    net = made((6, 64, 64, 16))
    x = torch.randn(50, 6, requires_grad=True)
    of = [x, *net.parameters()]
    for total in (lambda y: y.sum(), lambda y: (y.t() @ torch.linspace(0, 1, 50)).sum()):
        found, expected = (torch.autograd.grad(total(each(x)), of) for each in (net, plain(net)))
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_only_what_learns_gets_a_gradient(compiled):
    net = made((4, 16, 16, 2))
    net[0].weight.requires_grad_(False)
    net(torch.randn(5, 4)).sum().backward()
    assert [p.grad is None for p in net.parameters()] == [True, *[False] * 5]


@pytest.mark.skipif(not dense.COMPILED, reason="nothing was compiled, or the processor lacks it")
def test_the_compiled_tanh_is_near_and_never_beyond_one():
    x = torch.cat(
        [torch.linspace(-12, 12, 200_001), torch.tensor([0.0, -0.0, torch.inf, -torch.inf])]
    )
    layers = [torch.ones(1, 1), torch.zeros(1), torch.ones(1, 1), torch.zeros(1)]
    found = dense._all_layers(x[:, None], layers)[0]
    assert (found.abs() <= 1).all()
    np.testing.assert_allclose(found[:, 0].double(), x.double().tanh(), rtol=0, atol=4e-7)
    assert dense._all_layers(torch.full((1, 1), torch.nan), layers)[0].isnan().all()


def test_layers_of_other_kinds_and_hooked_ones_are_called(monkeypatch):
    """A hook, another layer, another place or precision: all as torch would do it."""
    monkeypatch.setattr(dense._Dense, "apply", None)  # whoever comes here fails
    x = torch.randn(3, 4)
    net = made((4, 16, 2))
    with pytest.raises(TypeError):
        net(x)
    seen = []
    handle = net[0].register_forward_hook(lambda *args: seen.append(args))
    net(x)
    assert seen
    handle.remove()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(x).dtype == torch.bfloat16
    assert net(x[None]).shape == (1, 3, 2)
    assert net.to("meta")(x.to("meta")).device.type == "meta"
    Dense(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))(x)
    Dense(nn.Linear(4, 16, bias=False), Tanh(), nn.Linear(16, 2))(x)
    nn.utils.parametrizations.spectral_norm(made((4, 16, 2))[0])
    bound = made((4, 16, 2))
    nn.utils.parametrizations.spectral_norm(bound[0])
    bound(x)


def test_a_net_of_another_precision_is_refused_as_torch_refuses_it():
    with pytest.raises(RuntimeError, match="dtype"):
        made((4, 16, 2))(torch.randn(3, 4, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="shapes"):
        made((4, 16, 2))(torch.randn(3, 5))


def test_weights_that_a_step_changed_are_told_of():
    net = made((4, 16, 2))
    loss = net(torch.randn(3, 4)).sum()
    with torch.no_grad():
        net[0].weight.add_(1)
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


@pytest.mark.parametrize(("a", "b"), [*itertools.pairwise([1, 7, 95, 96, 1023])])
def test_a_row_does_not_depend_on_its_neighbours(a, b, compiled):
    """Nor, then, on the size of the minibatch in which it is read."""
    if not dense.COMPILED:
        pytest.skip("products of torch do")
    torch.manual_seed(0)
    net, x = made((4, 64, 64, 32)), torch.randn(b, 4)
    with torch.no_grad():
        assert torch.equal(net(x)[:a], net(x[:a]))
