"""The bench of estimators: its truths, its costs, its table, and an objective of one's own."""

import importlib.util
from pathlib import Path

import pytest
import torch

from image_core.adversarial.discrete_variables import Bernoulli
from tests.image_core.adversarial.enumerated import binary_states, exact_gradient

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "estimators.py"
spec = importlib.util.spec_from_file_location("estimators_bench", FILE)
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


def product(x):
    """An objective of one's own: variables agree."""
    return 3 * x[:, 0] * x[:, 1] - x[:, 2]


def test_both_truths_by_automatic_differentiation():
    problem = bench.Problem(4, 1.64, None, seed=0)
    states = binary_states(4)
    expected = exact_gradient(Bernoulli(), problem.logits, states, problem.objective)
    assert torch.allclose(problem.truth, expected, atol=1e-12)
    assert problem.deviation == pytest.approx(1.64)
    logits = problem.logits.clone().requires_grad_()
    log_g = Bernoulli().log_prob(logits[None], states[None])[0]
    tilted = (log_g.detach() + problem.objective(states)).softmax(0)
    (slope,) = torch.autograd.grad((tilted * log_g).sum(), logits)
    assert torch.allclose(problem.tilted, slope, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "samples", "cost"),
    [("leave_one_out", 4, 4), ("disarm", 4, 4), ("straight_through", 2, 6), ("rebar", 2, 8)],
)
def test_what_an_estimate_costs_in_evaluations_of_the_objective(name, samples, cost):
    problem = bench.Problem(3, 1.0, None, seed=0)
    assert bench.estimates(problem, name, samples, 10, batch=10)[1] == cost
    assert bench.affordable(problem, name, cost + 0.5) == samples


def test_the_table_of_an_objective_of_ones_own(monkeypatch, capsys):
    objective = f"{__name__}:product"
    words = ["estimators.py", "--variables", "3", "--objective", objective, "--estimates", "2000"]
    monkeypatch.setattr("sys.path", [*bench.sys.path])
    monkeypatch.setattr("sys.argv", words)
    monkeypatch.setattr(bench, "tune", lambda *given: None)  # unbiased untuned as well
    bench.main()
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if "| " in line][1:]
    bias = {row[1].strip(): [float(v.strip("() ")) for v in row[4].split("(")] for row in rows}
    assert set(bias) == {*bench.gradients.__all__} - {"bgan_batch"}
    unbiased = ("leave_one_out", "reinforce", "rebar", "disarm", "taylor", "relax")
    for name in (*unbiased, "moving_average", "learned_baseline", "bgan_reinforce"):
        assert bias[name][0] < 3.5 * bias[name][1], name
    assert bias["straight_through"][0] < 0.1  # a product of two variables is linear in each


def test_maligan_is_boundary_seeking_with_centred_weights():
    """The same mean, bias and all; with the mean of the scores taken off."""
    problem = bench.Problem(3, 1.64, None, seed=0)
    torch.manual_seed(0)
    plain, _, _ = bench.estimates(problem, "bgan", 4, 20_000)
    centred, cost, _ = bench.estimates(problem, "maligan", 4, 2_000)
    error = (plain.var(0) / len(plain) + centred.var(0) / len(centred)).sqrt()
    assert cost == 4
    assert ((plain.mean(0) - centred.mean(0)) / error).abs().max() < 3.5
    assert (plain.mean(0) - problem.tilted).norm() > 0.1 * problem.tilted.norm()
    assert centred.var(0).sum() < plain.var(0).sum()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--objective", "no_such_module:f"], "no_such_module"),
        (["--objective", f"{__name__}:absent"], "absent"),
        (["--objective", f"{__name__}:product", "--variables", "2"], "--objective"),
        (["--objective", "torch:sum"], "not (3,)"),
        (["--variables", "64"], "--variables 64"),
    ],
)
def test_an_objective_that_is_none_is_refused_in_one_sentence(monkeypatch, capsys, words, says):
    monkeypatch.setattr("sys.argv", ["estimators.py", *words])
    with pytest.raises(SystemExit) as stop:
        bench.main()
    assert stop.value.code == 2
    assert says in capsys.readouterr().err


def test_an_objective_may_be_a_network_in_a_file_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "my_objective.py").write_text(
        "import torch\nnet = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*bench.sys.path])
    objective = bench.given_objective("my_objective:net", 3)
    assert bench.Problem(3, 1.0, objective, seed=0).truth.abs().max() > 0
