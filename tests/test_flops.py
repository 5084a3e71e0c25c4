"""Counted operations: those of a game of dense layers, by hand."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from image_core.adversarial.penalties import gradient_penalty
from image_core.games.plain import PlainGAN

FOLDER = str(Path(__file__).resolve().parents[1] / "benchmarks")


@pytest.fixture(scope="module")
def flops():
    """The module of the benchmark."""
    sys.path.insert(0, FOLDER)
    try:
        import flops

        yield flops
    finally:
        sys.path.remove(FOLDER)


class Flat(nn.Module):
    """A discriminator of one dense layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 1)

    def forward(self, x):
        return self.layer(x.flatten(1)).squeeze(1)


@pytest.mark.parametrize("penalised", [False, True])
def test_operations_of_dense_layers(flops, penalised):
    """A product of (N, a) and (a, b) is 2 N a b operations, forward and for either gradient."""
    G = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, (1, 4, 4)))
    penalty = gradient_penalty(1.0) if penalised else None
    game = PlainGAN(G, Flat(), 3, batch=5, d_steps=2, penalty=penalty)
    g, d = 2 * 5 * 3 * 16, 2 * 5 * 16
    # D: fakes forward; both forward; weights backward for both
    d_step = g + 2 * d + 2 * d
    # G: forward through both; the images' gradient; the weights'
    g_step = g + d + d + g
    part = flops.Part(game, game.turns(), torch.zeros(5, 1, 4, 4), 7)
    found = flops.operations(part)
    if penalised:  # forward, slope in x, and that slope's gradient by the weights, at least
        assert found - 7 * (2 * d_step + g_step) == pytest.approx(7 * 2 * 3 * d)
    else:
        assert found == 7 * (2 * d_step + g_step)


def test_presets_of_papers_are_complete(flops):
    c = flops.config_of(flops.image, "progressive")
    assert (c.size, c.latent, c.batch) == (1024, 512, 16)
    rounds = [rounds for *_, rounds in flops.stages(c, c.size)]
    assert len(rounds) == 17
    assert {n * c.batch for n in rounds} == {600_000}
    assert flops.config_of(flops.image, "dcgan").width == 2.0
    assert flops.config_of(flops.image, "sngan", size=32).arch == "resnet_cifar"
