"""--track sends what log.jsonl holds; --report shortens the report or leaves it out."""

import importlib.machinery
import json
import sys
import types

import pytest

from image_core.adversarial.errors import UserError
from image_core.runs import track
from seqgan.cli import main
from seqgan.text.config import TEMPERATURES
from tests.recipes.made import TINY_ORACLE, read_log, read_result, refusal
from tests.recipes.made import no_pictures as no_pictures

RUN = (*TINY_ORACLE, "--mle_epochs", "1", "--rounds", "1", "--test_size", "16")


class Trackio(types.ModuleType):
    """In the place of trackio: keeps what it is given."""

    def __init__(self):
        super().__init__("trackio")
        self.__spec__ = importlib.machinery.ModuleSpec("trackio", None)
        self.began: list[dict] = []
        self.logged: dict[int, dict] = {}
        self.finished = 0

    def init(self, **arguments):
        self.began.append(arguments)
        return self

    def log(self, values, step):
        self.logged[step] = values

    def finish(self):
        self.finished += 1


def numbers(folder) -> dict[int, dict]:
    """The values of a log by round."""
    return {
        row["round"]: {n: v for n, v in row.items() if n not in ("round", "phase")}
        for row in read_log(folder)
    }


@pytest.mark.usefixtures("no_pictures")
def test_a_tracked_run_whose_report_is_left_for_later(tmp_path, monkeypatch, capsys):
    trackio = Trackio()
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    run = tmp_path / "run"
    assert main([*RUN, "--out", str(run), "--track", "trackio", "--report", "none"]) == 0
    assert trackio.logged == numbers(run)
    assert any("nll_oracle" in values for values in trackio.logged.values())
    (began,) = trackio.began
    assert (began["project"], began["name"], trackio.finished) == ("seqgan", "run", 1)
    assert began["config"]["batch"] == 16

    assert not (run / "result.json").exists()
    assert f"no report; `seqgan evaluate {run}` writes it" in capsys.readouterr().err
    assert main(["evaluate", str(run)]) == 0
    assert len(read_result(run)["sweep"]["MLE"]) == len(TEMPERATURES)


@pytest.mark.usefixtures("no_pictures")
def test_a_short_report_is_at_temperature_one_alone(tmp_path):
    assert main([*RUN, "--out", str(tmp_path / "run"), "--report", "short"]) == 0
    result = read_result(tmp_path / "run")
    assert {name: [p["temperature"] for p in curve] for name, curve in result["sweep"].items()} == {
        "MLE": [1.0],
        "SeqGAN": [1.0],
    }
    assert result["table"]["SeqGAN"]["nll_oracle"] == result["sweep"]["SeqGAN"][0]["nll_oracle"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--track", "tensorboard,comet"), "--track comet: choose among tensorboard, wandb, tra"),
        (("--track", "wandb"), "--track wandb: the package wandb is not installed; `pip install"),
        (("--report", "long"), "--report long: choose one of full, short, none"),
    ],
)
def test_what_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.setattr(track, "find_spec", lambda name: None)
    assert says in refusal(capsys, *RUN, "--out", str(tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()


def test_only_recipes_with_a_long_report_have_a_short_one():
    from rl.recipes.expert import Config

    with pytest.raises(UserError, match="--report short: choose one of full, none"):
        Config(out="x", env="CartPole-v1", report="short")


def test_tensorboard_holds_the_log_and_forgets_rounds_that_are_played_again(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for before, rounds in ((0, (1, 2, 3)), (2, (3, 4))):  # killed after the checkpoint of round 2
        with track.tracked("tensorboard", tmp_path, {}, before) as log:
            for round_ in rounds:
                log({"round": round_, "phase": "x", "G/loss": round_ + before / 10})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = {event.step: round(event.value, 5) for event in events.Scalars("G/loss")}
    assert found == {1: 1.0, 2: 2.0, 3: 3.2, 4: 4.2}
    assert events.Tags()["scalars"] == ["G/loss"]


def test_numbers_that_are_not_finite_are_sent_nowhere(monkeypatch, tmp_path):
    trackio = Trackio()
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    with track.tracked("trackio", tmp_path, {}, 0) as log:
        log({"round": 1, "phase": "x", "a": 1.5, "b": float("nan"), "c": 2})
    assert json.dumps(trackio.logged[1]) == '{"a": 1.5, "c": 2}'


def test_a_resumed_run_goes_on_in_the_run_of_each_tracker(tmp_path, monkeypatch):
    class Wandb(Trackio):
        """In the place of wandb: a run has an id."""

        id = "abc"

    found = {"trackio": Trackio(), "wandb": Wandb()}
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("accelerate.tracking.is_wandb_available", lambda: True)
    for before in (0, 3):
        with track.tracked("trackio,wandb", tmp_path, {}, before):
            pass
    assert [began["resume"] for began in found["trackio"].began] == ["never", "allow"]
    first, second = found["wandb"].began
    assert "id" not in first
    assert (second["id"], second["resume"]) == ("abc", "allow")
