"""Presets of retrieval, what is selected, and runs that stop and go on."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from image_core.runs.run import play
from seqgan.cli import main
from seqgan.retrieval import recipe
from seqgan.retrieval.recipe import PRESETS
from seqgan.retrieval.task_options import DEFAULTS
from tests.recipes.made import built, read_log, read_result, refusal
from tests.recipes.outside import killed
from tests.seqgan.retrieval.made import write_pairs
from tests.seqgan.retrieval.runs import files, opened, tiny

# ---------------------------------------------------------------------------- presets and selection


@pytest.fixture
def start(tmp_path):
    """A model of 40 users and 40 items with names that are numbers, and pairs to go with it."""
    random = np.random.default_rng(0)
    arrays = {"dns_user": (40, 5), "dns_item": (40, 5), "dns_bias": (40,)}
    np.savez(tmp_path / "m.npz", **{n: random.normal(size=s) for n, s in arrays.items()})
    pairs = [f"{u}\t{i}\t5" for u in range(40) for i in random.choice(40, 9, replace=False)]
    (tmp_path / "train.tsv").write_text("\n".join(pairs[::2]), encoding="utf-8")
    (tmp_path / "test.tsv").write_text("\n".join(pairs[1::2]), encoding="utf-8")
    return ["--start", str(tmp_path / "m.npz"), "--data", str(tmp_path / "train.tsv"),
            "--test", str(tmp_path / "test.tsv"), "--out", str(tmp_path / "run")]  # fmt: skip


def test_the_authors_code_selects_on_the_test_set_and_says_so(tmp_path, start, capsys):
    sizes = ["--rounds", "2", "--d_steps", "5", "--g_steps", "2", "--baselines", "none"]
    assert main(["train", "retrieve", "--paper", "irgan_authors", *start, *sizes]) == 0
    assert "TEST set" in capsys.readouterr().out
    result = read_result(tmp_path / "run")
    assert "TEST set" in result["selected"]
    assert [row["phase"] for row in read_log(tmp_path / "run")] == ["adversarial"] * 2
    log = [row["p@5"] for row in read_log(tmp_path / "run")]
    table = result["table"]
    best = max([table["start (no adversary)"]["p@5"], *log])
    assert table["IRGAN as released"]["p@5"] == pytest.approx(best, abs=1e-6)
    assert (result["ties"], result["config"]["relevant"]) == ("last", 4.0)
    optimizers = opened(tmp_path / "run").engine.optimizers
    assert {type(one).__name__ for one in optimizers.values()} == {"SGD"}


def test_a_start_alone_is_evaluated(tmp_path, start):
    words = ["--paper", "irgan_authors", "--rounds", "0", "--baselines", "none"]
    assert main(["train", "retrieve", *words, *start]) == 0
    table = read_result(tmp_path / "run")["table"]
    assert table["IRGAN as released"] == table["start (no adversary)"]


def test_the_large_preset(tmp_path):
    sizes = [
        "--rounds",
        "2",
        "--pretrain_epochs",
        "4",
        "--evaluate_every",
        "2",
        "--baselines",
        "none",
    ]
    words = ["--preset", "large", *files(tmp_path), *sizes, "--out", str(tmp_path / "run")]
    assert main(["train", "retrieve", *words]) == 0
    config = read_result(tmp_path / "run")["config"]
    assert {name: config[name] for name in PRESETS["large"]} == PRESETS["large"]


def test_the_default_preset_is_the_tasks_own(tmp_path):
    assert not PRESETS["default"]
    for task, defaults in DEFAULTS.items():
        config = built(recipe, "default", "irgan", out="run", data="a", test="b", task=task)
        assert {name: getattr(config, name) for name in defaults} == defaults


def test_selecting_nothing_plays_each_phase_once_on_all_data(tmp_path):
    run = tiny(tmp_path, "--select", "last", "--baselines", "none")
    assert [row["phase"] for row in read_log(run)] == ["start"] * 6 + ["adversarial"] * 3
    assert read_result(run)["best"] == {}


# ------------------------------------------------------------------------------------------- resume


def same(run, other):
    name = "checkpoint/game.safetensors"
    weights, wanted = load_file(run / name), load_file(other / name)
    assert all(torch.equal(weights[key], wanted[key]) for key in wanted | weights)
    assert (run / "log.jsonl").read_bytes() == (other / "log.jsonl").read_bytes()
    assert read_result(run)["table"] == read_result(other)["table"]


LONG = ("--baselines", "none", "--rounds", "8", "--pretrain_epochs", "8", "--patience", "9",
        "--evaluate_every", "1", "--estimator", "reinforce")  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("undisturbed"), *LONG)


@pytest.mark.parametrize("stop", [3, 11, 17])
def test_a_run_stopped_in_any_phase_goes_on(tmp_path, monkeypatch, undisturbed, stop):
    """Stopped in the start, among the adversarial rounds, and in what is played again."""
    played = []

    def interrupt(*args, **kwargs):
        from image_core.runs.folder import RunFolder

        write = RunFolder.write_log

        def writing(self, record):
            write(self, record)
            played.append(record)
            if len(played) == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(RunFolder, "write_log", writing)
        try:
            return play(*args, **kwargs)
        finally:
            monkeypatch.setattr(RunFolder, "write_log", write)

    with monkeypatch.context() as patched:
        patched.setattr("seqgan.retrieval.recipe.play", interrupt)
        options = ["--preset", "tiny", *files(tmp_path), "--out", str(tmp_path / "cut"), *LONG]
        assert main(["train", "retrieve", *options]) == 130
    assert len(played) == stop
    assert main(["resume", str(tmp_path / "cut")]) == 0
    same(tmp_path / "cut", undisturbed)


def test_a_killed_process_is_resumed(tmp_path, undisturbed):
    cut = tmp_path / "cut"
    options = ["--preset", "tiny", *files(tmp_path), "--out", str(cut), *LONG]
    killed(["train", "retrieve", *options], cut, 4)
    assert main(["resume", str(cut)]) == 0
    same(cut, undisturbed)


def test_other_data_are_not_resumed(tmp_path, capsys):
    run = tiny(tmp_path, "--baselines", "none")
    write_pairs(tmp_path / "pairs.tsv", users=40, each=12, seed=5)
    assert "is not what" in refusal(capsys, "resume", str(run))
