"""The recipe of questions about pictures: a tiny run, its files, questions asked, refusals."""

import numpy as np
import pytest
import torch
from PIL import Image

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.vqa import recipe as vqa
from seqgan.vqa.data import ask
from seqgan.vqa.measures import BLIND, LIKELIHOOD, REAL_AGAIN, SHUFFLED, rows
from seqgan.vqa.questions import ANSWERS
from seqgan.vqa.recipe import Run
from tests.recipes.made import built, content, read_log, read_result, refusal

TINY = ("train", "vqa", "--preset", "tiny")


def made(**changes):
    return built(vqa, "tiny", "answer_gan", **{"out": "run", **changes})


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    monkeypatch.setattr(vqa.plots, "learning_curves", lambda *_: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("vqa") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vqa.plots, "learning_curves", lambda *_: None)
        assert main([*TINY, "--out", str(out)]) == 0
    return out


def test_a_run_leaves_its_table_beside_rivals(run):
    result = read_result(run)
    assert list(result["table"]) == ["Answer GAN", SHUFFLED, LIKELIHOOD, BLIND, REAL_AGAIN]
    assert result["table"][REAL_AGAIN] == {"accuracy": 1.0, "tv": 0.0}
    assert set(result["discriminator"]) == {"d_auc", "d_accuracy"}
    assert result["objective"] == {
        "loss": "non_saturating",
        "estimator": "leave_one_out",
        "samples": 8,
        "likelihood": 1.0,
    }
    assert result["data"]["train_rows"] == 24
    assert result["steps"] == {"G": 3, "D": 4, "L": 5}
    phases = ["likelihood"] * 2 + ["discriminator"] + ["adversarial"] * 3
    assert [row["phase"] for row in read_log(run)] == phases
    assert result["alarms"] == []
    assert (run / "samples" / "answers.png").exists()


def test_the_answerer_begins_where_likelihood_ends(tmp_path):
    own = Run(made(out=str(tmp_path / "run")))
    assert not torch.equal(own.game.G.answers.weight, own.game.rival.answers.weight)
    own.phases()[0].leave()
    assert [limit.metric for limit in own.phases()[-1].limits] == ["d_auc", "d_accuracy"]
    assert torch.equal(own.game.G.answers.weight, own.game.rival.answers.weight)


def test_rows_are_of_the_nets_that_they_name():
    """A rival that knows everything is right, pictures that are shuffled are others' pictures."""
    game, asked = Run(made(eval_samples=40)).game, ask(40, 16, seed=2)
    with torch.no_grad():
        for net, answer in ((game.G, "yes"), (game.rival, "red"), (game.blind, "left")):
            net.answers.weight.zero_()
            net.answers.bias.zero_()
            net.answers.bias[ANSWERS.index(answer)] = 50
    scored = rows(game, asked, "G")
    for row, answer in (("G", "yes"), (LIKELIHOOD, "red"), (BLIND, "left"), (SHUFFLED, "yes")):
        right = asked.true[:, ANSWERS.index(answer)].double().mean().item()
        assert scored[row].scores["accuracy"] == pytest.approx(right)


def test_a_stopped_run_goes_on_as_if_it_had_not(run, tmp_path, monkeypatch):
    plain, calls, cut = Run.look, [], tmp_path / "cut"

    def stopped(self):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(self)

    monkeypatch.setattr(Run, "look", stopped)
    assert main([*TINY, "--out", str(cut)]) == 130
    monkeypatch.setattr(Run, "look", plain)
    assert main(["resume", str(cut)]) == 0
    one, other = (content(folder / "checkpoint") for folder in (run, cut))
    weights = [name for name in one if name.endswith(".safetensors")]
    assert weights
    assert all(one[name] == other[name] for name in weights)
    assert read_result(run)["table"] == read_result(cut)["table"]


def test_questions_are_asked_from_the_command_line(run, tmp_path, capsys):
    pictures = ask(2, 16, seed=9).pictures
    for i, pixels in enumerate(pictures):
        folder = tmp_path / "pictures"
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{i}.png")
    words = ("sample", str(run), "--input", str(folder))
    asked = ("--prompt", "where is the disc", "--prompt", "Name a colour?")
    assert main([*words, *asked]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["0.png", "0.png", "1.png", "1.png"]
    loaded = sg.load(run)
    (found,) = loaded.answer(pictures[1:].numpy(), ["name a colour"])
    best = next(iter(found))
    assert lines[3] == f"1.png: Name a colour? {best} {found[best]:.2f}"
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert "name pictures by --input" in refusal(capsys, "sample", str(run), *asked[:2])
    assert "by --prompt or --prompts" in refusal(capsys, *words)
    assert "leave --direction out" in refusal(capsys, *words, *asked, "--direction", "ab")
    assert "'cat' is unknown" in refusal(capsys, *words, "--prompt", "where is the cat")
    (asking := tmp_path / "asked.txt").write_text("name a colour\nwhere is the cat\n")
    assert f"--prompts {asking}: line 2" in refusal(capsys, *words, "--prompts", str(asking))
    assert "no such folder" in refusal(capsys, *words[:3], str(tmp_path / "none"), *asked)
    Image.new("RGB", (7, 5)).save(folder / "2.png")
    assert "three colours of 16x32 pixels" in refusal(capsys, *words, *asked)
    with pytest.raises(UserError, match="1 pictures, 2 questions"):
        loaded.answer(np.zeros((1, 3, 16, 32), np.uint8), ["name a colour"] * 2)


def test_runs_on_the_same_questions_are_compared(run, tmp_path, capsys):
    other, out = tmp_path / "other", tmp_path / "both"
    assert main([*TINY, "--seed", "1", "--out", str(other)]) == 0
    assert main(["compare", str(run), str(other), "--out", str(out)]) == 0
    assert REAL_AGAIN in read_result(out)["table"]
    third = tmp_path / "third"
    assert main([*TINY, "--report", "none", "--split_seed", "1", "--out", str(third)]) == 0
    assert main(["evaluate", str(third)]) == 0
    words = ("compare", str(run), str(third), "--out", str(tmp_path / "no"))
    assert "--split_seed" in refusal(capsys, *words)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"side": 18}, "--side 18: give a multiple of 4"),
        ({"questions": 5}, "do not fill one batch"),
        ({"samples": 1}, "--samples 1"),
        ({"dropout": 1.0}, "--dropout 1"),
        ({"loss": "relativistic"}, "compares a sample"),
        ({"loss": "hope"}, "hope"),
        ({"penalty": "hope=1"}, "hope"),
        ({"estimator": "taylor"}, "--estimator taylor: answers are drawn"),
        ({"estimator": "hope"}, "choose one of leave_one_out"),
    ],
)
def test_wrong_options_are_refused_in_words(changes, says):
    with pytest.raises(UserError, match=says):
        made(**changes)


@pytest.mark.parametrize("preset", [name for name in vqa.PRESETS if name != "tiny"])
def test_every_preset_makes_its_configuration(preset):
    config = built(vqa, preset, "answer_gan", out="run")
    own = vqa.PRESETS[preset]
    assert {name: getattr(config, name) for name in own} == own
