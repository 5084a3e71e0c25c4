"""`seqgan train discrete`: its three kinds of data, its presets, resuming, and mistakes."""

import bz2
import gzip
import json
import lzma
import math

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import seqgan as sg
from image_core.adversarial.errors import UserError
from image_core.runs.folder import RunFolder
from seqgan.cli import main
from seqgan.discrete import gradients
from seqgan.discrete import recipe as discrete
from seqgan.discrete.config import LOSSES
from seqgan.discrete.data import DiscreteData, read_discrete
from seqgan.discrete.recipe import PRESETS, binarised
from seqgan.discrete.splits import RowSplits, read_splits, split_facts
from tests.data_folder import data_folder
from tests.recipes.made import built


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.tobytes()


@pytest.fixture
def digits(tmp_path):
    """Bars that stand or lie, 8 x 8, and which of the two each is."""
    draw = np.random.RandomState(0)
    images, labels = np.zeros((300, 8, 8), np.uint8), np.arange(300, dtype=np.uint8) % 2
    for image, label in zip(images, labels, strict=True):
        at = draw.randint(8)
        image[(at, slice(None)) if label else (slice(None), at)] = 255
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "labels").write_bytes(idx(labels))
    return tmp_path


@pytest.fixture
def draws():
    """Asks for curves."""


@pytest.fixture(autouse=True)
def _without_plots(request, monkeypatch):
    """Drawing curves takes most of a tiny run; one test does."""
    if "draws" not in request.fixturenames:
        monkeypatch.setattr(discrete.plots, "learning_curves", lambda *given: None)


def train(folder, *words):
    out = folder / "run"
    assert main(["train", "discrete", "--preset", "tiny", "--out", str(out), *words]) == 0
    return out, json.loads((out / "result.json").read_text())


@pytest.mark.usefixtures("draws")
def test_digits_are_judged_beside_real_ones_and_independent_pixels(digits, capsys):
    words = ("--data", str(digits / "images.gz"), "--labels", str(digits / "labels"))
    out, result = train(digits, *words)
    assert list(result["table"]) == ["GAN", "real again", "independent variables"]
    assert result["game"] == {
        "loss": "jensen_shannon", "estimator": "taylor", "samples": 4, "penalty": "r1=0.1"
    }  # fmt: skip
    assert all(0 <= result[name] <= 1 for name in ("d_auc", "d_accuracy"))
    for name in ("jsd_bound", "judge_accuracy"):
        low, high = result["intervals_95_over_samples"]["GAN"][name]
        assert low <= result["table"]["GAN"][name] <= high
    for row in result["table"].values():
        assert {"jsd_bound", "judge_accuracy", "classifier_score", "mean_gap"} <= set(row)
        assert row["jsd_bound"] <= 0.6932
    assert (out / "samples/samples.png").read_bytes()[:4] == b"\x89PNG"
    assert (out / "plots/learning.png").exists()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3
    low, high = result["intervals_95_over_samples"]["GAN"]["jsd_bound"]
    assert f'<span class="band">{low:.3f} to {high:.3f}</span>' in page
    assert f"Data, test: {result['data']['test_rows']} rows" in page
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert len(logged) == 6
    assert {"D/ess", "D/log_weight_variance", "D/log_z", "d_auc", "d_accuracy"} <= set(logged[0])
    assert "d_auc" not in logged[1]
    assert 1 <= logged[0]["D/ess"] <= 4
    assert "judged by fresh networks" in capsys.readouterr().out


def test_splits_are_drawn_by_label_and_said(digits, capsys):
    """Labels in blocks and in turn alike: a sixth of each is held out, at random places."""
    words = ("--data", str(digits / "images.gz"), "--labels", str(digits / "labels"))
    _, result = train(digits, *words)
    said = capsys.readouterr().err
    assert "images.gz, 300 images of 8 x 8 pixels of grey levels\n" in said
    assert "splits: train_rows 250, test_rows 50, test_in_train 100.0%" in said
    assert "test_classes {0: 25, 1: 25}" in said
    assert result["data"] == {
        "train_rows": 250, "test_rows": 50, "test_in_train": 1, "test_near_train": 1,
        "train_classes": {"0": 125, "1": 125}, "test_classes": {"0": 25, "1": 25},
    }  # fmt: skip
    sets = [
        discrete.Run(built(discrete, "tiny", "gan", out="run", data=words[1], split_seed=seed))
        for seed in (0, 0, 1)
    ]
    one, same, other = (run.splits.test.rows for run in sets)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_test_file_is_compared_with_training(tmp_path):
    """One line as in training, one that differs by a word, one of its own; a letter is unknown."""
    lines = [f"a man rides bus number {i} to the sea" for i in range(200)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    held = [lines[3], lines[3].replace("sea", "man"), "sea sea the the a a bus to bus"] * 20
    (tmp_path / "b.txt").write_text("\n".join([*held, "Q"]))
    (tmp_path / "c.txt").write_text("\n".join(lines[:50]))
    files = [str(tmp_path / f"{name}.txt") for name in "acb"]
    splits = read_splits(files[0], None, *files[1:], length=40, seed=0)
    assert splits.test.told.endswith("b.txt, 60 lines of 24 different characters, "
                              "1 with characters that --data lacks left out")  # fmt: skip
    facts = split_facts(splits)
    assert (facts["valid_rows"], facts["valid_in_train"]) == (50, 1.0)
    assert (facts["test_rows"], facts["test_in_train"]) == (60, pytest.approx(1 / 3))
    assert facts["test_near_train"] == pytest.approx(2 / 3)


def facts_of(train, test):
    return split_facts(RowSplits(train, test, test))


def test_the_log_measures_with_the_validation_rows(tmp_path):
    """Half of the rows are of one letter; those of --valid are, and the samples."""
    both = ["aaaa", "bbbb"] * 60
    for name, lines in (("data", both), ("test", both), ("valid", ["aaaa"] * 60)):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    gaps = []
    for names in (("data", "test"), ("data", "test", "valid")):
        files = {name: str(tmp_path / f"{name}.txt") for name in names}
        run = discrete.Run(built(discrete, "tiny", "gan", out="run", length=4, **files))
        ones = run.read_batch(torch.full((400, 4), run.form.alphabet.index("a"), dtype=torch.uint8))
        run.draw = lambda count, ones=ones: ones[:count]
        gaps.append(run._look()["mean_gap"])
    assert gaps[0] > 0.2
    assert gaps[1] == 0


def test_near_duplicates_of_pictures():
    """Grey: the same picture a little darker is near, another one is not. Colours: one pixel."""
    grey = torch.zeros(2, 8, 8, dtype=torch.uint8)
    grey[0, 2], grey[1, :, 5] = 200, 200
    darker = (grey[:1].float() * 0.95).byte()
    held = torch.cat([grey[:1], darker, grey[1:].roll(1, 2)])
    facts = facts_of(DiscreteData(grey, None), DiscreteData(held, None))
    assert facts["test_in_train"] == facts["test_near_train"] / 2 == pytest.approx(1 / 3)
    colours = torch.arange(64, dtype=torch.uint8).view(1, 8, 8) % 4
    one, many = colours.clone(), colours.clone()
    one[0, 0, 0], many[0, :2] = 3, 3
    facts = facts_of(DiscreteData(colours, 4), DiscreteData(torch.cat([one, many]), 4))
    assert (facts["test_in_train"], facts["test_near_train"]) == (0, 0.5)


def test_a_judge_that_tells_real_from_real_is_not_shown(digits, capsys):
    """The test file holds other pictures than training: no figure of the judge means anything."""
    other = np.zeros((300, 8, 8), np.uint8)
    other[:, ::2, ::2] = 255
    (digits / "other").write_bytes(idx(other))
    words = ("--data", str(digits / "images.gz"), "--judge_steps", "60", "--eval_samples", "100")
    _, result = train(digits, *words, "--test", str(digits / "other"))
    assert set(result["withheld"]) == {"jsd_bound", "judge_accuracy"}
    assert not any({"jsd_bound", "judge_accuracy"} & set(row) for row in result["table"].values())
    assert "jsd_bound is not shown: real samples in the generator's" in capsys.readouterr().err
    (digits / "run").rename(digits / "first")
    _, result = train(digits, *words)
    assert result["withheld"] == {}
    assert result["table"]["real again"]["judge_accuracy"] == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("estimator", gradients.__all__)
def test_every_estimator_trains_on_digits(digits, estimator):
    words = ("--data", str(digits / "images.gz"), "--estimator", estimator)
    _, result = train(digits, *words, "--rounds", "2", "--judge_steps", "1")
    assert result["config"]["estimator"] == estimator


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_with_a_reward_moves_the_generator_and_logs_its_weights(digits, loss):
    words = {"data": str(digits / "images.gz"), "estimator": "bgan"}
    run = discrete.Run(built(discrete, "tiny", "gan", out="run", loss=loss, **words))
    before = [p.clone() for p in run.game.G.parameters()]
    for logs in run.engine.rounds(run.data, 2):
        assert all(math.isfinite(float(value)) for value in logs.values())
        assert 1 <= float(logs["D/ess"]) <= 4
        assert {"D/log_weight_variance", "D/log_z"} <= set(logs)
    assert not any(torch.equal(a, b) for a, b in zip(before, run.game.G.parameters(), strict=True))


@pytest.mark.parametrize("net", ["dense", "conv"])
def test_palette_images(tmp_path, net):
    images = np.random.RandomState(0).randint(0, 4, (300, 4, 8)).astype(np.uint8)
    palette = np.arange(12, dtype=np.uint8).reshape(4, 3)
    np.savez(tmp_path / "a.npz", images=images, palette=palette)
    out, _ = train(tmp_path, "--data", str(tmp_path / "a.npz"), "--net", net)
    assert (out / "samples/samples.png").exists()


def test_convolutions_are_as_wide_as_asked(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.arange(9600, dtype=np.uint8).reshape(300, 4, 8) % 4)
    words = {"data": str(tmp_path / "a.npz"), "net": "conv", "out": "run"}
    found = [
        discrete.Run(built(discrete, "tiny", "gan", channels=channels, **words)).game
        for channels in (0, 4)
    ]
    assert [game.D.get_parameter("1.weight").shape[0] for game in found] == [64, 4]
    assert [game.G.get_parameter("7.weight").shape[:2] for game in found] == [(128, 64), (8, 4)]


@pytest.mark.bf16
def test_half_precision_is_close_to_float32_and_not_the_same(digits):
    words = ("--data", str(digits / "images.gz"), "--ema_decay", "0")
    rounds = []
    for precision in ("no", "bf16"):
        out, _ = train(digits, *words, "--precision", precision)
        rounds.append([json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()])
        out.rename(digits / precision)
    whole, half = (logged[0]["D/d_fake"] for logged in rounds)
    assert whole != half
    assert whole == pytest.approx(half, abs=0.02)


def test_two_pixels_a_byte(tmp_path):
    packed = np.array([[[0x1F, 0x20]]], np.uint8)
    np.savez(tmp_path / "a.npz", packed_train=packed, palette=np.zeros((16, 3), np.uint8))
    data = read_discrete("--data", tmp_path / "a.npz", 32)
    assert data.rows.tolist() == [[[1, 15, 2, 0]]]
    assert data.classes == 16


@pytest.mark.parametrize(
    "content",
    [
        b"ab\n\nba\n",
        b"\xef\xbb\xbfab\r\nba\r\n",
        "ab\nba".encode("utf-16"),
        gzip.compress(b"ab\nba\n"),
        bz2.compress(b"ab\nba\n"),
        lzma.compress(b"ab\nba\n"),
    ],
)
def test_lines_of_text_of_any_encoding_and_packing(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    data = read_discrete("--data", tmp_path / "a", 2)
    assert (data.alphabet, data.rows.tolist()) == (" ab", [[1, 2], [2, 1]])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"ab\ncaf\xe9\n", r"nor UTF-8 text \(see row 2\); save text as UTF-8, for"),
        (b"ab\n\na\0\n", "row 3 holds a NUL character; save it without"),
        (b"\n \n", "is empty; name a file with rows in it"),
    ],
)
def test_lines_that_are_no_text_are_refused(tmp_path, content, says):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match=rf"--data {tmp_path}/a.*{says}"):
        read_discrete("--data", tmp_path / "a", 2)


@pytest.mark.parametrize("net", ["dense", "conv"])
def test_lines_of_text(tmp_path, net):
    (tmp_path / "a.txt").write_text("\n".join(f"a man rides bus {i}" for i in range(300)))
    words = ("--data", str(tmp_path / "a.txt"), "--length", "12", "--net", net, "--rounds", "2")
    out, result = train(tmp_path, *words, "--paper", "bgan")
    assert result["table"]["real again"]["known_words"] == 1  # a, man, rides
    assert result["table"]["BGAN"]["known_words"] < 0.2
    lines = (out / "samples/samples.txt").read_text().splitlines()
    assert lines
    assert max(map(len, lines)) <= 12


def test_a_stopped_run_goes_on_exactly(digits, monkeypatch):
    """Interrupted in its fifth round; estimator, average and random numbers carry on."""
    train_words = ("--data", str(digits / "images.gz"), "--estimator", "relax", "--samples", "2")
    whole, expected = train(digits, *train_words)
    whole = whole.rename(digits / "whole")
    write_log = RunFolder.write_log

    def stop(folder, record):
        if record["round"] == 5:
            raise KeyboardInterrupt
        write_log(folder, record)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_log", stop)
        out = str(digits / "run")
        words = ["train", "discrete", "--preset", "tiny", "--out", out, *train_words]
        assert main(words) == 130
    assert main(["resume", out]) == 0
    one, other = (load_file(f / "checkpoint/game.safetensors") for f in (whole, digits / "run"))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert (whole / "log.jsonl").read_bytes() == (digits / "run" / "log.jsonl").read_bytes()
    assert json.loads((digits / "run" / "result.json").read_text())["table"] == expected["table"]


def test_binarised_pixels_are_ones_as_often_as_they_are_bright():
    torch.manual_seed(0)
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(20_000, 3)
    assert (binarised(levels).mean(0) - torch.tensor([0.0, 0.2, 1.0])).abs().max() < 0.01


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_its_configuration(preset):
    config = built(discrete, preset, "gan", out="run", data="digits")
    assert {name: getattr(config, name) for name in PRESETS[preset]} == PRESETS[preset]


@pytest.mark.parametrize("preset", [p for p in PRESETS if p != "tiny"])
def test_every_preset_runs_when_it_is_shrunk(digits, preset):
    sizes = ["--rounds", "2", "--batch", "4", "--eval_samples", "40", "--judge_steps", "2"]
    words = ["train", "discrete", "--preset", preset, "--data", str(digits / "images.gz")]
    assert main([*words, "--out", str(digits / "run"), "--samples", "2", *sizes]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--estimator", "magic"], "--estimator magic"),
        (["--loss", "relativistic"], "--loss relativistic"),
        (["--estimator", "disarm", "--samples", "3"], "--samples 3 is odd"),
        (["--estimator", "bgan", "--samples", "1"], "--samples of at least 2"),
        (["--ema_decay", "1"], "--ema_decay"),
        (["--precision", "fp16"], "--precision fp16"),
        (["--channels", "8"], "--channels 8 is of --net conv"),
        (["--labels", "{folder}/images.gz"], "labels"),
        (["--test", "{folder}/other"], "--test"),
        (["--data", "{folder}/none"], "--data"),
        (["--data", "{folder}/short"], "truncated IDX"),
        (["--data", "{folder}/cut.gz"], "is not a whole gzip file"),
        (["--data", "{folder}/noise"], "neither IDX"),
        (["--data", "{folder}/few"], "at least 40"),
        (["--data", "{folder}/one"], "0 rows to judge with are too few; give at least"),
    ],
)
def test_mistakes_are_refused_in_one_sentence(digits, capsys, words, says):
    (digits / "other").write_bytes(idx(np.zeros((50, 3, 3), np.uint8)))
    (digits / "short").write_bytes(idx(np.zeros((50, 3, 3), np.uint8))[:-1])
    (digits / "few").write_bytes(idx(np.zeros((50, 3, 3), np.uint8)))
    (digits / "cut.gz").write_bytes(gzip.compress(b"abc")[:-3])
    (digits / "noise").write_bytes(b"\xff\xfd\x00abc")
    (digits / "one").write_bytes(b"a line\n")
    given = ["--data", str(digits / "images.gz"), "--out", str(digits / "run")]
    words = [word.format(folder=digits) for word in words]
    assert main(["train", "discrete", "--preset", "tiny", *given, *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
    assert not (digits / "run").exists()


def test_other_data_on_resuming_are_refused(digits, capsys):
    out, _ = train(digits, "--data", str(digits / "images.gz"))
    (digits / "images.gz").write_bytes(gzip.compress(idx(np.ones((300, 8, 8), np.uint8))))
    assert main(["resume", str(out)]) == 2
    assert "--data" in capsys.readouterr().err


def test_a_run_draws_without_its_data(tmp_path, capsys):
    """Grey of four classes, a palette of colours, and lines."""
    images = np.random.RandomState(0).randint(0, 4, (300, 4, 8)).astype(np.uint8)
    palette = np.arange(12, dtype=np.uint8).reshape(4, 3) * 20
    np.savez(tmp_path / "a.npz", images=images, palette=palette)
    out, _ = train(tmp_path, "--data", str(tmp_path / "a.npz"), "--judge_steps", "1")
    (tmp_path / "a.npz").unlink()
    loaded = sg.load(out)
    found = loaded.sample(5, seed=2)
    torch.manual_seed(2)
    ids = loaded._run.game.sample(5, generator=loaded._run.engine.ema["G"].module).argmax(-1)
    assert found.dtype == np.uint8
    assert np.array_equal(found, palette[ids.numpy()].transpose(0, 3, 1, 2))
    assert [picture.size for picture in loaded.pictures(2, seed=1)] == [(8, 4), (8, 4)]
    assert main(["sample", str(out), "--n", "5", "--seed", "2", "--out", str(out / "new")]) == 0
    files = sorted((out / "new").iterdir())
    drawn = [np.array(Image.open(file)).transpose(2, 0, 1) for file in files]
    assert np.array_equal(np.stack(drawn), found)
    for words in (["--prompt", "a digit"], ["--labels", "3"], ["--gif", "a.gif"]):
        assert main(["sample", str(out), *words]) == 2
        assert words[0] in capsys.readouterr().err


def test_a_run_of_lines_writes_them_without_its_data(tmp_path, capsys):
    file = tmp_path / "lines.txt"
    file.write_text("ab ba\n" * 150 + "b\n" * 150)
    out, _ = train(tmp_path, "--data", str(file), "--length", "6", "--judge_steps", "1")
    file.unlink()
    capsys.readouterr()
    assert main(["sample", str(out), "--n", "7", "--seed", "1"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines == [*sg.load(out).sample(7, seed=1), ""]
    assert len(lines) == 8
    assert all(set(line) <= set("ab ") and line == line.rstrip() for line in lines)


def test_a_palette_out_of_range_is_refused(tmp_path):
    images = np.full((3, 2, 2), 5, np.uint8)
    np.savez(tmp_path / "a.npz", images=images, palette=np.zeros((4, 3), np.uint8))
    with pytest.raises(UserError, match="colour 5 of 4"):
        read_discrete("--data", tmp_path / "a.npz", 32)
    np.savez(tmp_path / "b.npz", pictures=images)
    with pytest.raises(UserError, match="images"):
        read_discrete("--data", tmp_path / "b.npz", 32)


def test_real_digits_and_palette_images_are_read():
    folder = data_folder("image")
    digits = read_discrete("--data", next(folder.glob("mnist/t10k-images*")), 32)
    assert digits.rows.shape == (10_000, 28, 28)
    assert 30 < float(digits.rows.float().mean()) < 37
    colours = read_discrete("--data", folder / "cifar10_16color.npz", 32)
    assert colours.rows.shape == (8_000, 32, 32)
    assert colours.classes == 16
    assert int(colours.rows.max()) == 15
    assert colours.labels is not None
    assert colours.labels.bincount().tolist() == [800] * 10
