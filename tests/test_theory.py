"""The bench of theory: every figure it prints has an analytic value."""

import importlib.util
import math
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "theory.py"
spec = importlib.util.spec_from_file_location("theory_bench", FILE)
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


def test_js_saturates_where_supports_are_disjoint_and_w1_does_not():
    pytest.importorskip("scipy")
    rows = bench.disjoint_supports([0.0, 0.1, 0.7, 3.0])
    assert rows["js"] == [0.0] + [math.log(2)] * 3
    assert rows["w1"] == pytest.approx([0.0, 0.1, 0.7, 3.0])
    assert rows["js_with_noise"] == sorted(rows["js_with_noise"])
    assert bench.jensen_shannon(1.0, 0.5) == pytest.approx(0.3368308, abs=1e-7)


@pytest.mark.parametrize("theta", [0.3, 1.0, 2.5])
def test_slopes_of_the_two_generator_losses(theta):
    found = bench.generator_gradients(theta)
    assert found["non_saturating"] == pytest.approx(found["kl_minus_2js"], abs=1e-9)
    assert found["minimax"] == pytest.approx(found["2js"], abs=1e-9)
    if theta == 1.0:
        assert found["minimax"] == pytest.approx(0.3979729, abs=1e-7)


def test_the_saturating_gradient_vanishes_with_the_critics_loss():
    rows = bench.vanishing([1.0, 10.0, 60.0])
    assert rows["d_loss"][-1] < 1e-12
    assert rows["minimax_gradient"][-1] < 1e-10
    assert rows["non_saturating_gradient"][-1] == pytest.approx(60)
    assert rows["wasserstein_gradient"] == [1.0, 1.0, 1.0]


EIGENVALUES = {
    "minimax": (-0.5j, 0.5j),
    "non-saturating": (-0.5j, 0.5j),
    "Wasserstein": (-1j, 1j),
    "Wasserstein, R1 = 1": (-0.5 - math.sqrt(0.75) * 1j, -0.5 + math.sqrt(0.75) * 1j),
    "minimax, noise 1": (-0.25 - math.sqrt(3 / 16) * 1j, -0.25 + math.sqrt(3 / 16) * 1j),
    "Wasserstein, look ahead 0.3": (-0.3 - math.sqrt(0.91) * 1j, -0.3 + math.sqrt(0.91) * 1j),
    "Wasserstein, consensus 0.3": (-0.3 - 1j, -0.3 + 1j),
}


@pytest.mark.parametrize("name", EIGENVALUES)
def test_eigenvalues_of_the_game_of_point_masses(name):
    found = bench.eigenvalues(bench.METHODS[name])
    for one, other in zip(found, EIGENVALUES[name]):
        assert abs(one - other) < 1e-6


def test_a_penalty_with_a_target_has_no_field_at_the_point_of_rest():
    assert bench.eigenvalues(bench.METHODS["WGAN-GP, 10"]) == []
    assert bench.multipliers(bench.METHODS["WGAN-GP, 10"], 0.1, True) == []


@pytest.mark.parametrize(
    ("name", "alternating", "distance"),
    [
        ("minimax", False, 2.179),
        ("minimax", True, 1.399),
        ("non-saturating", True, 0.390),
        ("Wasserstein, R1 = 1", False, 1.4e-10),
    ],
)
def test_where_500_steps_lead(name, alternating, distance):
    way = bench.play(bench.METHODS[name], 500, 0.1, alternating)
    assert float(way[-1].norm()) == pytest.approx(distance, rel=0.02)


def test_multipliers_of_simultaneous_and_alternating_steps():
    method = bench.METHODS["minimax"]
    assert bench.multipliers(method, 0.1, False) == pytest.approx([1.0012492] * 2, abs=1e-7)
    assert bench.multipliers(method, 0.1, True) == pytest.approx([1.0] * 2, abs=1e-12)
