"""The bench of theory: every figure it prints has an analytic value."""

import importlib.util
import math
import sys
from pathlib import Path

import pytest
import torch

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "theory.py"
sys.path.append(str(FILE.parent))  # as where the script is called
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


# ------------------------------------------------------------------------------------- theorems


def test_a_logistic_game_spirals_in_and_a_wasserstein_game_turns():
    found = {name: bench.stability.eigenvalues(name) for name in bench.stability.GAMES}
    side = math.sqrt(1 / 9 - 1 / 400)
    assert found["minimax"] == pytest.approx([-0.05 - side * 1j, -0.05 + side * 1j], abs=1e-6)
    assert found["Wasserstein"] == pytest.approx([-2j / 3, 2j / 3], abs=1e-6)
    ahead = -4 / 9 * 0.3, math.sqrt(4 / 9 - (4 / 9 * 0.3) ** 2)
    assert found["Wasserstein, look ahead 0.3"] == pytest.approx(
        [complex(ahead[0], -ahead[1]), complex(*ahead)], abs=1e-6
    )


def test_the_flow_loses_distance_at_the_rate_of_its_eigenvalue():
    way = bench.stability.distances("minimax", 80.0)
    turn = round(math.pi / math.sqrt(1 / 9 - 1 / 400) / 0.05)  # half a turn: the same phase
    rate = math.log(float(way[-1] / way[-1 - 2 * turn])) / (2 * turn * 0.05)
    assert rate == pytest.approx(-0.05, abs=2e-3)


def test_a_restricted_discriminator_is_bounded_by_twice_the_jensen_shannon_divergence():
    laws = bench.approximation
    p, q = laws.normal(), laws.normal(1.0)
    # log p/q is linear in x, so that moments to 1 see all of it
    twice = 2 * laws.jensen_shannon(p, q)
    assert twice == pytest.approx(2 * bench.jensen_shannon(1.0, 1.0), abs=1e-9)
    assert laws.by_moments(p, q, 1) == pytest.approx(twice, abs=1e-9)
    assert laws.by_moments(p, q, 0) == pytest.approx(0.0, abs=1e-12)
    assert laws.by_moments(p, q, 4) == pytest.approx(twice, abs=1e-9)


def test_two_points_with_the_moments_of_a_normal_law_are_not_told_from_it():
    near, other = bench.approximation.two_points(2, [1.0, 1.2])
    assert near == pytest.approx(0.0, abs=1e-12)
    assert other > 0.01
    assert bench.approximation.two_points(4, [1.0])[0] > 1.0


def test_whatever_divergence_vanishes_the_distance_does_and_not_the_other_way_round():
    rows = bench.approximation.hierarchy([8, 64])
    for name in ("atoms: W1", "contamination 1/n: JS", "contamination 1/n: W1"):
        assert rows[name][1] < rows[name][0] / 4
    assert rows["contamination 1/n: W1"] == pytest.approx([1.0, 1 / 8], rel=1e-4)
    assert rows["atoms: JS"][1] == math.log(2)


def test_every_second_mode_is_seen_from_the_order_of_half_of_them():
    seen = [bench.generalisation.half_of_the_modes(order) for order in (1, 7, 8)]
    assert seen[:2] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert seen[2] == pytest.approx(bench.generalisation.HALF_OF_THEM, abs=1e-6)


def test_few_points_are_as_far_from_the_circle_as_their_number_says():
    found = bench.generalisation.small_support(8, 200)
    assert found == pytest.approx(math.sqrt(8 / 200), rel=0.05)


def test_a_network_sees_more_the_wider_it_is(monkeypatch):
    monkeypatch.setattr(bench.generalisation, "STEPS", 150)
    torch.set_num_threads(1)
    narrow, wide = (bench.generalisation.seen_by_a_network(width, 0) for width in (2, 256))
    assert narrow < 0.005
    assert narrow < wide <= bench.generalisation.HALF_OF_THEM
