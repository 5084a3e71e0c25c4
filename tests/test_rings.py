"""Mixtures in the plane: their centres, and what counts as a mode that is covered."""

import argparse

import pytest
import torch

from benchmarks import rings


def test_no_centre_stands_twice():
    for centres in (rings.ring(8), rings.grid(25)):
        apart = torch.cdist(centres, centres) + 9 * torch.eye(len(centres))
        assert apart.min() > 0.5
    torch.testing.assert_close(rings.ring(8).norm(dim=1), torch.full((8,), 2.0))
    with pytest.raises(SystemExit, match="--modes 8"):
        rings.grid(8)


def test_modes_that_are_covered_and_the_share_that_lies_at_one():
    centres = rings.ring(8)
    draw = torch.Generator().manual_seed(0)
    points = rings.mixture(centres, 2_000, draw).flatten(1)
    found = rings.coverage(points, centres)
    assert found["modes"] == 8
    # Within three deviations in the plane: 1 - exp(-9/2)
    assert found["at a mode"] == pytest.approx(0.9889, abs=0.01)
    half = rings.mixture(centres[:4], 2_000, draw).flatten(1)
    half[0] = centres[7]  # a single stray sample covers no mode
    assert rings.coverage(half, centres)["modes"] == 4
    assert rings.coverage(half + 1.0, centres)["at a mode"] < 0.1


@pytest.mark.parametrize("unroll", [0, 2])
def test_a_game_of_eight_rounds_tells_its_figures_at_each(unroll):
    given = argparse.Namespace(g_lr=1e-3, d_lr=1e-3, rounds=8)
    looks = list(rings.play(rings.ring(8), unroll, 0, given))
    assert [found["rounds"] for found, _ in looks] == list(range(1, 9))
    assert set(looks[0][0]) == {"rounds", "modes", "at a mode", "cpu_seconds"}
    again = list(rings.play(rings.ring(8), unroll, 0, given))
    for (found, points), (same, same_points) in zip(looks, again, strict=True):
        assert points.shape == (rings.SAMPLES, 2)
        assert torch.equal(points, same_points)
        assert found["modes"] == same["modes"]
