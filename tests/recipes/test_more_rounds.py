"""A run that has ended goes on past its end, as if it had been asked for more from the start."""

import shutil

import pytest
import yaml

from seqgan.cli import main
from tests.recipes.made import TINY_ORACLE, content, read_log, read_result, refusal
from tests.recipes.made import short_report as short_report
from tests.recipes.outside import assert_same_weights

ORACLE = (*TINY_ORACLE, "--mle_epochs", "1", "--test_size", "16")
IMAGE = ("train", "image", "--preset", "tiny", "--data", "shapes")
SELDOM = ("--evaluate_every", "3")  # after rounds 1 and 4, and at the end
DF = ("train", "text2image", "--preset", "tiny", "--data", "shapes", "--paper", "dfgan")


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize("words", [ORACLE, IMAGE], ids=["oracle", "image"])
def test_two_rounds_and_two_more_are_four(words, tmp_path):
    """Although samples that are measured after round 2 are random, and a longer run has none."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([*words, *SELDOM, "--rounds", "4", "--out", str(whole)]) == 0
    assert main([*words, *SELDOM, "--rounds", "2", "--out", str(run)]) == 0
    with pytest.raises(AssertionError):
        assert_same_weights(run, whole)
    assert main(["resume", str(run), "--rounds", "4"]) == 0
    assert_same_weights(run, whole)
    found, wanted = read_log(run), read_log(whole)
    ended = found[-3]  # which was measured
    assert found == [*wanted[:-3], ended, *wanted[-2:]]
    assert ended.items() > wanted[-3].items()
    assert yaml.safe_load((run / "config.yaml").read_text())["rounds"] == 4
    assert read_result(run)["rounds"] == read_result(whole)["rounds"]
    # And it stays so long
    assert main(["resume", str(run)]) == 0
    assert_same_weights(run, whole)


def test_average_weights_in_place_of_the_trained_ones_are_no_start(tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*DF, "--rounds", "1", "--report", "none", "--out", str(run)]) == 0
    said = refusal(capsys, "resume", str(run), "--rounds", "2")
    assert f"--rounds 2: {run} has ended and keeps average or selected weights" in said


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    run = tmp_path_factory.mktemp("ended") / "run"
    assert main([*ORACLE, "--rounds", "1", "--out", str(run)]) == 0
    return run


@pytest.fixture
def run(ended, tmp_path):
    shutil.copytree(ended, tmp_path / "run")
    return tmp_path / "run"


def test_fewer_rounds_are_refused(run, capsys):
    before = content(run)
    said = refusal(capsys, "resume", str(run), "--rounds", "0")
    assert "--rounds 0: the run has 1 already" in said
    assert content(run) == before


@pytest.mark.usefixtures("short_report")
def test_as_many_rounds_change_nothing(run, ended):
    assert main(["resume", str(run), "--rounds", "1"]) == 0
    assert_same_weights(run, ended)


def test_the_results_of_fewer_rounds_do_not_stand_beside_more(run, capsys):
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "report": "none"}))
    (run / "report.html").write_text("of one round")
    assert main(["resume", str(run), "--rounds", "1"]) == 0
    assert (run / "result.json").exists()
    capsys.readouterr()
    assert main(["resume", str(run), "--rounds", "2"]) == 0
    assert "removed, since they are of --rounds 1" in capsys.readouterr().err
    assert not (run / "result.json").exists()
    assert not (run / "report.html").exists()


@pytest.mark.usefixtures("short_report")
def test_killed_before_its_next_checkpoint_it_still_goes_on(run, tmp_path, monkeypatch):
    """The options are written first: the checkpoint learns of them when it is next saved."""
    from image_core.adversarial.engine import Engine

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(["resume", str(run), "--rounds", "2"]) == 130
    assert yaml.safe_load((run / "config.yaml").read_text())["rounds"] == 2
    assert main(["resume", str(run)]) == 0
    assert [row["phase"] for row in read_log(run)].count("adversarial") == 2
