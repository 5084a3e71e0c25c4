"""LAPGAN: the pyramid's round trip, chained samples, and levels that know nothing of another."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.games.pyramid import tiny
from image_core.nets.laplacian import expanded, halved, pyramid
from image_core.recipes.image.papers.lapgan import Options, number_of_bands, phases

adam = partial(torch.optim.Adam, lr=1e-2)


@pytest.mark.parametrize("bands", [0, 1, 3])
def test_a_pyramid_gives_its_image_back(bands):
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    small, found = pyramid(images, bands)
    assert small.shape[-1] == 16 >> bands
    for band in found:
        small = expanded(small) + band
    torch.testing.assert_close(small, images, atol=1e-12, rtol=0)


def test_a_band_of_a_flat_image_is_zero():
    small, (band,) = pyramid(torch.full((1, 1, 8, 8), 0.3), 1)
    torch.testing.assert_close(small, torch.full((1, 1, 4, 4), 0.3))
    torch.testing.assert_close(band, torch.zeros(1, 1, 8, 8))


def test_samples_are_chained_and_begin_as_blurred_small_ones():
    game, _ = tiny()
    game.eval()
    z, plane = game.inputs(3)
    small = game.G.coarse(z)
    torch.testing.assert_close(game.G(z, plane), expanded(small))
    with torch.no_grad():
        game.G.bands[0].net[-1].weight.normal_()
    band = game.G.bands[0](plane, expanded(small))
    torch.testing.assert_close(game.G(z, plane), expanded(small) + band)
    assert band.abs().max() > 0.01


@pytest.mark.parametrize("name", ["non_saturating", "relativistic"])
def test_moves_of_a_level(name):
    game, real = tiny()
    game.loss = getattr(losses, name)
    game.D[1].net[4].p = 0.0  # dropout
    with torch.no_grad():
        game.G.bands[0].net[-1].weight.normal_()
    (d, g) = game.turns_of(1)
    blurred = expanded(halved(real))
    for turn, side in ((d, "d"), (g, "g")):
        torch.manual_seed(4)
        found = next(iter(turn.move(iter([real]))))
        torch.manual_seed(4)
        fake = blurred + game.G.bands[0](torch.randn(6, 1, 16, 16), blurred)
        d_real, d_fake = game.D[1](real, blurred), game.D[1](fake, blurred)
        expected = getattr(game.loss, side)(d_real, d_fake)
        torch.testing.assert_close(found.total, expected)


def trained(order):
    torch.manual_seed(0)
    game, data = tiny()
    engine = Engine(game, {"G": adam, "D": adam})
    for level in order:
        torch.manual_seed(level)
        engine.run(lambda i: data, 2, turns=game.turns_of(level))
    return game.state_dict()


def test_levels_may_be_trained_in_any_order():
    one, other = trained([0, 1]), trained([1, 0])
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_fewer_rounds_than_levels():
    game, _ = tiny()
    with pytest.raises(UserError, match="--rounds 1: there are 2 levels"):
        phases(SimpleNamespace(game=game, config=options(rounds=1)))


def options(**given):
    return Options(out="x", paper="lapgan", **given)


def test_number_of_bands():
    assert [number_of_bands(options(first_size=s), 32) for s in (8, 16, 32)] == [2, 1, 0]


@pytest.mark.parametrize(
    ("given", "size", "named"),
    [
        ({"first_size": 12}, 32, "--first_size 12"),
        ({"first_size": 64}, 32, "--first_size 64"),
    ],
)
def test_levels_that_do_not_fit(given, size, named):
    with pytest.raises(UserError, match=named):
        number_of_bands(options(**given), size)
