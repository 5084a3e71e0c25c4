"""The translation recipe: papers from the command line, resumed, sampled, refused in words."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

import seqgan as sg
from image_core.adversarial.errors import UserError
from image_core.recipes.image import measure as image_measure
from image_core.recipes.translate import recipe as translate
from image_core.recipes.translate import report as translate_report
from image_core.recipes.translate.recipe import PAPERS, PRESETS, Run
from seqgan.cli import main
from tests.image_core.recipes.translated import NAMES, TINY, made
from tests.recipes.made import read_log, read_result, refusal

LARGE = "the same classifier on large pictures"


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    monkeypatch.setattr(translate_report.plots, "learning_curves", lambda *_: None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A tiny run of every paper."""
    top, plain, known = tmp_path_factory.mktemp("translate"), translate.read_sets, {}

    def read_once(o):
        key = o.domains, o.paired
        known[key] = known[key] if key in known else plain(o)
        return known[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(translate, "read_sets", read_once)
        patched.setattr(translate_report.plots, "learning_curves", lambda *_: None)
        for paper in NAMES:
            assert main([*TINY, "--paper", paper, "--out", str(top / paper)]) == 0
    return {paper: top / paper for paper in NAMES}


@pytest.mark.parametrize("paper", NAMES)
def test_every_paper_runs_and_leaves_its_files(runs, paper):
    run, title = runs[paper], PAPERS.load(paper).title
    rows = read_log(run)
    assert all(math.isfinite(v) for row in rows for k, v in row.items() if k != "phase")
    result = read_result(run)
    assert result["config"]["paper"] == paper
    names = set(result["table"])
    assert any(name.startswith(title) for name in names)
    assert len(names) > 1  # a control stands beside it
    assert set(result["discriminator"]) <= {"ab", "ba"}
    assert result["data"]["a_train_rows"] >= 359
    assert isinstance(result["alarms"], list)
    assert (run / "report.html").exists()


def test_the_rows_of_a_table_are_the_model_and_its_controls(runs):
    table = read_result(runs["pix2pix"])["table"]
    assert list(table) == ["pix2pix", "copy of the input", "mean picture", "real again"]
    sets = Run(made()).sets
    held = sets.test.b.images[image_rows(sets)].float() / 127.5 - 1
    copies = sets.test.a.images[image_rows(sets)].float() / 127.5 - 1
    l1 = float((copies - held).abs().mean())
    assert table["copy of the input"]["l1"] == pytest.approx(l1, abs=1e-5)
    mean = (sets.train.b.images.float() / 127.5 - 1).mean(0)
    assert table["mean picture"]["mse"] == pytest.approx(
        float((held - mean).square().mean()), abs=1e-5
    )
    assert "l1" not in table["real again"]
    low, high = read_result(runs["pix2pix"])["intervals"]["pix2pix"]["l1"]
    assert low < table["pix2pix"]["l1"] < high


def image_rows(sets):
    order = torch.randperm(len(sets.test.a.images), generator=torch.Generator().manual_seed(0))
    return order[:20]


def test_unpaired_papers_see_no_pair(runs):
    table = read_result(runs["cyclegan"])["table"]
    assert {"CycleGAN, A to B", "CycleGAN, B to A", "real again, B to A"} <= set(table)
    assert table["CycleGAN, A to B"]["cycle_l1"] > 0
    run = Run(made("cyclegan", domains="negative"))
    rows = {bytes((255 - x).flatten().tolist()) for x in run.sets.train.b.images}
    own = {bytes(x.flatten().tolist()) for x in run.sets.train.a.images}
    assert [len(x.images) for x in (run.sets.train.a, run.sets.train.b)] == [719, 720]
    assert not own & rows
    assert run.sets.test.paired
    batch = run.data(0)
    assert {name: len(x) for name, x in batch.items()} == {"a": 6, "b": 6}


def test_pairs_stay_together_in_batches():
    run = Run(made("pix2pix", domains="negative"))
    for index in range(2):
        batch = run.data(index)
        assert torch.equal(batch["a"], 255 - batch["b"])


def test_a_judge_tells_whether_translations_show_the_same(tmp_path, monkeypatch):
    plain = image_measure.features.classifier
    monkeypatch.setattr(
        image_measure.features, "classifier", lambda *a, **o: plain(*a, **{**o, "steps": 60})
    )
    run = tmp_path / "run"
    words = ["--domains", "same", "--extractor", "auto", "--rounds", "1", "--eval_samples", "100"]
    assert main([*TINY, *words, "--out", str(run)]) == 0
    result = read_result(run)
    copies, mean = (result["table"][n]["accuracy"] for n in ("copy of the input", "mean picture"))
    assert copies > mean + 0.2
    assert result["extractors"]["b"]["accuracy"] == pytest.approx(copies, abs=0.25)
    assert result["table"]["copy of the input"]["psnr"] == 100.0


@pytest.mark.parametrize("paper", ["pix2pix", "cyclegan"])
def test_a_stopped_run_goes_on_bit_for_bit(runs, tmp_path, monkeypatch, paper):
    plain, calls, cut = translate_report.look, [], tmp_path / "cut"

    def stopped(subject):
        calls.append(subject.rounds)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(subject)

    monkeypatch.setattr(translate_report, "look", stopped)
    assert main([*TINY, "--paper", paper, "--out", str(cut)]) == 130
    assert calls == [1, 3]  # saved after the second round, stopped in the third
    monkeypatch.setattr(translate_report, "look", plain)
    assert main(["resume", str(cut)]) == 0
    assert read_log(cut) == read_log(runs[paper])
    states = [sg.load(folder)._run.game.state_dict() for folder in (cut, runs[paper])]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert read_result(cut)["table"] == read_result(runs[paper])["table"]


def test_evaluation_writes_the_same_table(runs):
    before = read_result(runs["pix2pix"])
    assert main(["evaluate", str(runs["pix2pix"])]) == 0
    assert read_result(runs["pix2pix"])["table"] == before["table"]


def opened(file):
    with Image.open(file) as picture:
        return np.array(picture)


def test_folders_of_any_size_are_translated(runs, tmp_path, capsys):
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "sub").mkdir(parents=True)
    grey = np.arange(21 * 34, dtype=np.uint16).reshape(21, 34) % 256
    Image.fromarray(grey.astype(np.uint8)).save(source / "one.png")
    Image.new("RGB", (16, 9), (200, 30, 90)).save(source / "sub" / "two.jpg")
    run = runs["cyclegan"]
    words = ["--input", str(source), "--out", str(out), "--direction", "ba"]
    assert main(["sample", str(run), *words]) == 0
    assert opened(out / "one.png").shape == (21, 34)
    assert opened(out / "sub" / "two.png").shape == (9, 16)
    loaded = sg.load(run)
    assert loaded.directions == ["ab", "ba"]
    expected = loaded.translate(grey[None, None].astype(np.uint8), "ba")
    assert np.array_equal(opened(out / "one.png"), expected[0, 0])
    game = loaded._run.game.eval()
    with torch.no_grad():
        plain = game.ba(torch.from_numpy(grey[None, None, :20]).float() / 127.5 - 1)
    levels = ((plain + 1) * 127.5).round().clamp(0, 255)
    whole = loaded.translate(grey[None, None, :20].astype(np.uint8), "ba")
    assert np.abs(whole - levels.numpy()).max() <= 1
    (picture,) = loaded.pictures([Image.fromarray(grey.astype(np.uint8))], "ba")
    assert np.array_equal(np.array(picture), expected[0, 0])
    for words, says in (
        ([], "a new one by --out"),
        (["--input", str(source)], "by --out"),
        (["--input", str(source), "--out", str(out)], "nothing is overwritten"),
        (["--input", str(tmp_path / "no"), "--out", str(tmp_path / "x")], "no such folder"),
        (["--input", str(source), "--out", str(tmp_path / "x"), "--n", "3"], "--n"),
    ):
        assert says in refusal(capsys, "sample", str(run), *words)
    words = ["--input", str(source), "--out", str(tmp_path / "y"), "--direction", "ba"]
    assert "has learned ab" in refusal(capsys, "sample", str(runs["pix2pix"]), *words)


def test_super_resolution_learns_alone_first_and_reads_any_size(runs):
    phases = [row["phase"] for row in read_log(runs["srgan"])]
    assert phases == ["pretrain"] + ["adversarial"] * 3
    assert read_result(runs["srgan"])["steps"] == {"G": 4, "D": 3}
    table = read_result(runs["srgan"])["table"]
    assert table["copy of the input"]["psnr"] > table["mean picture"]["psnr"]  # bicubic
    made = sg.load(runs["srgan"]).translate(np.zeros((2, 3, 5, 7), np.uint8))
    assert made.shape == (2, 1, 20, 28)


def test_what_is_drawn_from_the_prior_is_a_row_of_its_own(runs):
    table = read_result(runs["cvae_gan"])["table"]
    assert list(table)[:2] == ["CVAE-GAN, drawn", "CVAE-GAN"]
    assert set(table["CVAE-GAN, drawn"]) == {"fd", "sharpness"}
    assert (runs["cvae_gan"] / "samples" / "drawn.png").exists()


def test_a_classifier_stands_beside_one_of_the_labels_alone(runs):
    table = read_result(runs["triple_gan"])["table"]
    assert list(table) == ["Triple-GAN", "labels alone", "Triple-GAN, drawn", "real again"]
    assert all(0 <= table[n]["test_accuracy"] <= 1 for n in ("Triple-GAN", "labels alone"))
    assert sg.load(runs["triple_gan"]).directions == []
    run = Run(made("triple_gan", labelled=20))
    known = {bytes(x.flatten().tolist()) for i in range(9) for x in run.data(i)["labelled"]}
    assert len(known) == 20
    with pytest.raises(UserError, match=r"--labelled 9: give at least one .* 10 classes"):
        Run(made("triple_gan", labelled=9))


def test_drawn_pairs_are_measured_in_both_domains(runs):
    table = read_result(runs["cogan"])["table"]
    assert list(table) == ["CoGAN, A drawn", "real again, A", "CoGAN, B drawn", "real again, B"]
    assert table["CoGAN, A drawn"]["coupling"] == table["CoGAN, B drawn"]["coupling"] > 0
    with Image.open(runs["cogan"] / "samples" / "pairs.png") as picture:
        assert picture.size == (10 * 100 + 4, 4 * 100 + 4)
    run = Run(made("cogan", sharing=False))
    assert run.game.G.trunk_b is not None


def test_few_pairs_are_seen_and_the_other_pictures_apart():
    run = Run(made("triangle_gan", domains="negative"))
    seen, a, b = set(), set(), set()
    for index in range(60):
        batch = {name: x.flatten(1).tolist() for name, x in run.data(index).items()}
        assert [[255 - v for v in x] for x in batch["pair_a"]] == batch["pair_b"]
        seen |= {tuple(x) for x in batch["pair_a"]}
        a |= {tuple(x) for x in batch["a"]}
        b |= {tuple(255 - v for v in x) for x in batch["b"]}
    assert len(seen) == 20
    assert not any((a & b, a & seen, b & seen))
    with pytest.raises(UserError, match="--pairs_seen 1430"):
        Run(made("triangle_gan", pairs_seen=1430))


def test_small_objects_are_named_beside_the_same_classifier(runs):
    phases = [row["phase"] for row in read_log(runs["perceptual_gan"])]
    assert phases == ["pretrain"] + ["adversarial"] * 3
    assert read_result(runs["perceptual_gan"])["steps"] == {"B": 1, "G": 3, "D": 3}
    table = read_result(runs["perceptual_gan"])["table"]
    assert list(table) == ["Perceptual GAN", "the same classifier without it", LARGE]
    assert all(0 <= row["test_accuracy"] <= 1 for row in table.values())


def test_small_objects_are_found_beside_the_same_detector(runs):
    assert read_result(runs["perceptual_detector"])["steps"] == {"B": 1, "G": 3, "D": 3}
    table = read_result(runs["perceptual_detector"])["table"]
    title = PAPERS.load("perceptual_detector").title
    assert list(table) == [
        title,
        "the same detector without it",
        "the same detector on large objects",
    ]
    assert all(set(row) == {"test_accuracy", "found", "overlap"} for row in table.values())


def test_priors_are_drawn_from(runs, tmp_path, capsys):
    out = tmp_path / "drawn"
    words = ["--labels", "3,5", "--n", "2", "--seed", "1", "--out", str(out)]
    assert main(["sample", str(runs["cvae_gan"]), *words]) == 0
    names = sorted(file.relative_to(out).as_posix() for file in out.rglob("*.png"))
    assert names == ["3/0000.png", "3/0001.png", "5/0000.png", "5/0001.png"]
    loaded = sg.load(runs["cvae_gan"])
    drawn = loaded.draw(2, labels=["3", "5"], seed=1)
    assert np.array_equal(opened(out / "5" / "0001.png"), drawn[3, 0])
    assert loaded.draw(1).shape == (10, 1, 16, 16)
    pairs = tmp_path / "pairs"
    words = ["--n", "3", "--seed", "1", "--out", str(pairs)]
    assert main(["sample", str(runs["cogan"]), *words]) == 0
    a, b = sg.load(runs["cogan"]).draw_pairs(3, seed=1)
    assert np.array_equal(opened(pairs / "a" / "0002.png")[..., 0], a[2, 0])
    assert np.array_equal(opened(pairs / "b" / "0000.png")[..., 1], b[0, 0])
    for paper, words, says in (
        ("cvae_gan", ["--labels", "x", "--out", str(tmp_path / "x")], "label 'x' is none"),
        ("cvae_gan", ["--n", "0", "--out", str(tmp_path / "x")], "--n 0"),
        ("cogan", ["--labels", "3", "--out", str(tmp_path / "x")], "leave --labels out"),
        ("cyclegan", ["--out", str(tmp_path / "x")], "by --input"),
    ):
        assert says in refusal(capsys, "sample", str(runs[paper]), *words)


def test_pictures_are_turned_into_another_class(runs, tmp_path, capsys):
    table = read_result(runs["contrast_gan"])["table"]
    rows = ["Contrast-GAN, edited", "copy of the input, edited", "real again, edited"]
    assert list(table) == rows
    assert table["copy of the input, edited"]["fd"] == pytest.approx(0, abs=1e-3)
    run = Run(made("contrast_gan", batch=20))
    for index in (0, 100):
        batch = run.data(index)
        known = {x.numpy().tobytes(): int(k) for x, k in zip(*run.sets.train.a[:2])}
        assert [known[x.numpy().tobytes()] for x in batch["a"]] == [*range(10)] * 2
    source, masks, out = tmp_path / "in", tmp_path / "masks", tmp_path / "out"
    grey = np.random.default_rng(0).integers(0, 256, (2, 1, 18, 22)).astype(np.uint8)
    mask = np.zeros((1, 1, 18, 22), np.uint8)
    mask[..., 4:14, 4:14] = 255
    for folder, images in ((source, grey), (masks, [mask[0]] * 2)):
        folder.mkdir()
        for name, image in zip("xy", images):
            Image.fromarray(image[0]).save(folder / f"{name}.png")
    words = ["sample", str(runs["contrast_gan"]), "--input", str(source), "--labels", "5"]
    assert main([*words, "--masks", str(masks), "--out", str(out)]) == 0
    found = opened(out / "y.png")
    assert np.array_equal(found, sg.load(runs["contrast_gan"]).edit(grey[1:], "5", mask)[0, 0])
    assert np.array_equal(found[mask[0, 0] == 0], grey[1, 0][mask[0, 0] == 0])
    assert not np.array_equal(found, grey[1, 0])
    (masks / "y.png").unlink()
    for more, says in (
        (["--masks", str(masks), "--out", str(tmp_path / "x")], "no mask of the name of y.png"),
        (["--out", str(tmp_path / "y")], "name their folder by --masks"),
        (["--labels", "dog", "--out", str(tmp_path / "y")], "label 'dog' is none"),
        (["--masks", str(tmp_path / "no"), "--out", str(tmp_path / "y")], "no such folder"),
    ):
        assert says in refusal(capsys, *words, *more)
    words[1] = str(runs["pix2pix"])
    assert "turns no pictures" in refusal(capsys, *words, "--out", str(tmp_path / "y"))
    words = [*words[:4], "--masks", str(masks), "--out", str(tmp_path / "y")]
    assert "leave --masks out" in refusal(capsys, *words)


def test_coarse_to_fine_plays_three_phases(runs, capsys):
    phases = [row["phase"] for row in read_log(runs["pix2pixhd"])]
    assert phases == ["coarse", "enhancer"] + ["adversarial"] * 3
    steps = read_result(runs["pix2pixhd"])["steps"]
    assert steps == {"G1": 1, "D1": 1, "E": 1, "G": 3, "D": 4}
    with pytest.raises(UserError, match="name class 10, and --classes 5 ends at 4"):
        Run(made("pix2pixhd", classes=5))
    with pytest.raises(UserError, match="reads label maps in A"):
        Run(made("pix2pixhd", domains="edges"))


def test_tags_are_exchanged(runs):
    table = read_result(runs["td_gan"])["table"]
    assert {"TD-GAN", "TD-GAN, edited", "copy of the input, edited"} <= set(table)
    game, x = sg.load(runs["td_gan"])._run.game, torch.zeros(1, 1, 16, 16)
    three, eight = (game.edit(x, x, torch.tensor([k])) for k in (3, 8))
    assert not torch.equal(three, eight)


def test_codes_are_measured_by_their_neighbours(runs):
    for paper, title in (("bigan", "BiGAN"), ("ali", "ALI")):
        row = read_result(runs[paper])["table"][title]
        assert 0 <= row["knn"] <= 1
        assert row["knn_pixels"] > 0.7
        assert "knn" not in read_result(runs["pix2pix"])["table"]["pix2pix"]


def test_runs_on_the_same_domains_are_compared(runs, tmp_path, capsys):
    out = tmp_path / "both"
    folders = [str(runs[paper]) for paper in ("cyclegan", "dualgan")]
    assert main(["compare", *folders, "--out", str(out)]) == 0
    table = read_result(out)["table"]
    own = read_result(runs["cyclegan"])["table"]
    assert next(iter(table)).endswith(": CycleGAN, A to B")
    l1 = own["copy of the input, B to A"]["l1"]
    assert float(table["copy of the input, B to A"]["l1"].split()[0]) == pytest.approx(l1, abs=1e-3)
    assert len(table) == 4 + 6  # either model both ways; the controls once
    folders = [str(runs[paper]) for paper in ("cyclegan", "bigan")]
    assert "domains" in refusal(capsys, "compare", *folders, "--out", str(tmp_path / "no"))


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "tiny"])
def test_every_preset_makes_its_configuration(preset):
    config = made("pix2pix", preset)
    assert {n: getattr(config, n) for n in PRESETS[preset]} == PRESETS[preset]
