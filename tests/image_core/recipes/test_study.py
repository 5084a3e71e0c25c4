"""The study: its points, its search, workers that join, die and come back."""

import contextlib
import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna")

from image_core.adversarial.errors import UserError  # noqa: E402
from image_core.recipes.study import work as working  # noqa: E402
from image_core.recipes.study.design import Combination, Design  # noqa: E402
from image_core.recipes.study.report import best_by_budget, best_twentieth  # noqa: E402
from image_core.recipes.study.ucb import BatchUCB  # noqa: E402
from image_core.recipes.study.work import (  # noqa: E402
    open_study,
    outcome,
    search_space,
    work,
)
from image_core.runs.study.storage import open_memory  # noqa: E402
from image_core.student import over_seeds  # noqa: E402
from seqgan.cli import main  # noqa: E402

pytestmark = pytest.mark.usefixtures("unsynced")
NAME = "non_saturating/none/none/dcgan"


def design(out, **changes) -> Design:
    given = {
        "data": "digits",
        "penalties": "none",
        "norms": "none",
        "archs": "dcgan",
        "seeds": 2,
        "rounds": 1,
        "width": 0.06,
        "latent": 2,
        "batch": 4,
        "eval_samples": 20,
        "extractor": "pixels",
        "device": "cpu",
    }
    return Design(out=str(out), **{**given, **changes})


def opened(made):
    return open_memory(made.storage, Path(made.out), made.heartbeat).storage


@pytest.fixture
def bowl(monkeypatch):
    """No training: a score that is known, best at rate 1e-3 and beta1 1/2."""
    from math import log10

    def score(design, combination, point, place):
        return 1 + (log10(point["rate"]) + 3) ** 2 + 4 * (point["beta1"] - 0.5) ** 2

    monkeypatch.setattr(working, "train", score)


def test_the_grid_has_24_points_and_half_without_a_penalty():
    made = design("x", penalties="none,r1")
    plain, penalised = made.combinations()
    assert len(made.grid(penalised)) == 24
    assert len(made.grid(plain)) == 12
    assert len({json.dumps(p) for p in made.grid(penalised)}) == 24
    config = made.config(penalised, made.grid(penalised)[-1], "y")
    assert (config.penalty, config.d_steps, config.beta1) == ("r1=10", 5, 0.9)


def test_impossible_combinations_are_left_out_and_unknown_ones_refused():
    names = [c.name for c in design("x", penalties="none,r1", norms="batch,layer").combinations()]
    assert names == [f"non_saturating/{p}/dcgan" for p in ("none/batch", "none/layer", "r1/layer")]
    with pytest.raises(UserError, match="batch norm"):
        design("x", penalties="r1", norms="batch")
    with pytest.raises(UserError, match="--loss hope"):
        design("x", losses="hope")


@pytest.mark.usefixtures("bowl")
def test_a_grid_is_run_to_its_end_by_two_workers_without_a_run_twice(tmp_path, capsys):
    work(design(tmp_path, most=7))
    work(design(tmp_path))
    result = json.loads((tmp_path / "result.json").read_text())
    assert len(result["scores"][NAME]) == 12
    assert [len(r) for r in result["repeats"][NAME]] == [2] * 12
    assert result["best_points"][NAME]["rate"] == 1e-3
    assert (tmp_path / "plots" / "scores.png").exists()
    assert (tmp_path / "plots" / "expected_best.png").exists()
    work(design(tmp_path))  # nothing is left
    assert json.loads((tmp_path / "result.json").read_text()) == result
    with pytest.raises(UserError, match=r"--rounds is 3, but the study in .* with 1"):
        work(design(tmp_path, rounds=3))


@pytest.mark.usefixtures("bowl")
def test_the_search_finds_the_bowl_and_better_than_chance(tmp_path):
    made = design(tmp_path, design="search", search_rounds=6, points=5)
    work(made)
    result = json.loads((tmp_path / "result.json").read_text())
    scores = result["scores"][NAME]
    assert len(scores) == 30
    early, late = scores[:5], scores[-10:]
    assert min(scores) < 1.1
    assert sorted(late)[5] < sorted(early)[2]


def test_the_best_points_of_a_search_are_run_with_every_seed(tmp_path, monkeypatch):
    seen = []

    def score(design, combination, point, place):
        seen.append((point["rate"], point["repeat"]))
        return 1 + abs(point["beta1"] - 0.5) + point["repeat"]

    monkeypatch.setattr(working, "train", score)
    made = design(tmp_path, design="search", search_rounds=1, points=5, best=2, seeds=3, most=6)
    work(made)  # stops in the middle of the further seeds
    work(design(tmp_path, design="search", search_rounds=1, points=5, best=2, seeds=3))
    result = json.loads((tmp_path / "result.json").read_text())
    repeats = sorted(result["repeats"][NAME], key=min)
    assert [len(r) for r in repeats] == [3, 3, 1, 1, 1]
    assert repeats[0] == pytest.approx([min(repeats[0]) + i for i in range(3)])
    assert len(seen) == len(set(seen)) == 9


@pytest.mark.filterwarnings("ignore:Heartbeat")
def test_a_round_of_the_search_spreads(tmp_path):
    made = design(tmp_path, design="search", points=4)
    tmp_path.mkdir(exist_ok=True)
    combination = made.combinations()[0]
    study = open_study(made, combination, opened(made))
    space = search_space(made, combination)
    for i in range(8):
        trial = study.ask(space)
        study.tell(trial, 1 + abs(trial.params["beta1"] - 0.5) + 0.01 * i)
    pending = [study.ask(space).params for _ in range(4)]
    sampler = BatchUCB(space, 4, 0)
    units = [sampler._unit(p) for p in pending]
    apart = [
        max(abs(a - b) for a, b in zip(one, other))
        for i, one in enumerate(units)
        for other in units[:i]
    ]
    assert min(apart) > 0.05  # without the pending points all four would be one


def test_expected_best_of_a_budget_and_the_best_twentieth():
    assert best_twentieth([float(i) for i in range(40, 0, -1)]) == [1, 2]
    assert best_twentieth([3.0, 1.0, 2.0]) == [1.0]
    mean, low, high = zip(*best_by_budget([1.0, 2.0, 3.0], resamplings=4000))
    assert mean[0] == pytest.approx(2.0, abs=0.05)
    assert mean[1] == pytest.approx(4 / 3, abs=0.05)
    assert mean[2] == 1.0
    assert (low, high) == ((1.0, 1.0, 1.0), (3.0, 2.0, 1.0))


def test_runs_that_diverge_are_scored_and_do_not_stop_the_study(tmp_path, monkeypatch):
    from image_core.adversarial.engine import NonFiniteError

    def fails(self, watch):
        raise NonFiniteError("the loss of 'D' is not finite")

    monkeypatch.setattr("image_core.recipes.image.recipe.Run.train", fails)
    made = design(tmp_path, most=2)
    work(made)
    found = outcome(made.combinations()[0], open_study(made, made.combinations()[0], opened(made)))
    assert found.scores == [working.DIVERGED] * 2


@pytest.mark.slow
def test_a_real_study_by_a_worker_that_dies_and_another(tmp_path, monkeypatch, capsys):
    """The second worker begins the dead one's run again, and ends the study."""
    words = "--data digits --penalties none --norms none --archs dcgan --rounds 1"
    words += " --design search --search_rounds 1 --points 3"
    words += " --width 0.06 --latent 2 --batch 4 --eval_samples 20 --extractor pixels"
    words += " --heartbeat 5 --threads 1 --device cpu"
    command = ["study", "--out", str(tmp_path), *words.split()]
    plain, begun = working.train, []

    def dies(*given):
        begun.append(given)
        if len(begun) == 2:
            raise SystemExit  # as after a SIGKILL, optuna's storage says that it is running
        return plain(*given)

    monkeypatch.setattr(working, "train", dies)
    with pytest.raises(SystemExit):
        main(command)
    monkeypatch.setattr(working, "train", plain)
    made = design(tmp_path, design="search", heartbeat=5)
    study = open_study(made, Combination(*NAME.split("/")), opened(made))
    states = [trial.state.name for trial in study.get_trials()]
    assert states == ["COMPLETE", "RUNNING"]
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as memory, memory:
        memory.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    assert main(command) == 0
    states = Counter(t.state.name for t in study.get_trials())
    assert states["COMPLETE"] == 3
    assert states["FAIL"] == 1
    result = json.loads((tmp_path / "result.json").read_text())
    assert len(result["scores"][NAME]) == 3
    again, row = result["real_again"], result["table"]["real again"]
    assert again["value"] == row["best"] > 0
    assert again["low"] < again["high"]
    assert again["data"]["test_classes"] == again["data"]["valid_classes"]
    assert result["table"][NAME]["best, 95 %"].endswith(" (one seed)")
    assert "real again over held-out images" in " ".join(capsys.readouterr().out.split())


def test_a_points_score_is_the_median_of_its_seeds_and_its_interval_is_over_them(tmp_path):
    made = design(tmp_path)
    tmp_path.mkdir(exist_ok=True)
    combination = made.combinations()[0]
    for seeds, wanted in (((1.0, 4.0), 2.5), ((1.0, 4.0, 9.0), 4.0)):
        study = optuna.create_study()
        for repeat, score in enumerate(seeds):
            space = {"rate": optuna.distributions.FloatDistribution(1e-3, 1e-3)}
            space["repeat"] = optuna.distributions.IntDistribution(repeat, repeat)
            study.tell(study.ask(space), score)
        assert outcome(combination, study).scores == [wanted]
    assert over_seeds([3.0]) == "3 (one seed)"
    # t(2) = 4.3027, sd = 1, n = 3
    assert over_seeds([1.0, 2.0, 3.0]) == "2 ± 2.484 (3 seeds)"


def test_a_study_takes_sets_of_ones_own():
    made = design("x", test="t", valid="v", split_seed=3)
    config = made.config(made.combinations()[0], made.grid(made.combinations()[0])[0], "y")
    assert (config.test, config.valid, config.split_seed) == ("t", "v", 3)
