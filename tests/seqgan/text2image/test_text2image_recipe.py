"""The text-to-image recipe: what it reads, logs, resumes, draws and refuses."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.text2image import recipe
from seqgan.text2image.data import Pairs, Places, read_data
from seqgan.text2image.recipe import PRESETS, Text2ImageRun
from seqgan.text2image.report import judge
from tests.recipes.made import built, is_png, last_sentence, read_log, read_result, refusal
from tests.recipes.outside import died

TINY = ("train", "text2image", "--preset", "tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory, painted):
    folder = tmp_path_factory.mktemp("text2image") / "run"
    with painted():
        assert main([*TINY, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_its_configuration(preset):
    options = PRESETS[preset]
    config = built(recipe, preset, "stackgan", **{"data": "shapes", "out": "run", **options})
    assert {name: getattr(config, name) for name in options} == options


SHRUNK = [
    *(
        "size",
        "eval_samples",
        "batch",
        "match_rounds",
        "rounds",
        "refine_rounds",
        "steps",
        "features",
    ),
    *("width", "d_width", "condition", "noise", "side", "small", "device"),
]
"""Sizes and counts alone: what a preset chooses stays as it is."""


@pytest.mark.slow
@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "tiny"])
def test_every_preset_runs_when_it_is_shrunk(tmp_path, preset):
    sizes = {name: PRESETS["tiny"][name] for name in SHRUNK}
    if "small" not in PRESETS[preset]:
        sizes["small"] = 0
    sizes |= {"data": "shapes", "rounds": 1, "refine_rounds": 1}
    words = [f"--{name}={value}" for name, value in sizes.items()]
    out = tmp_path / "run"
    assert main(["train", "text2image", "--preset", preset, "--out", str(out), *words]) == 0
    config = read_result(out)["config"]
    unsized = PRESETS[preset].keys() - sizes.keys()
    assert all(config[name] == PRESETS[preset][name] for name in unsized)


def test_a_run_plays_matcher_and_both_stages_in_order(run):
    rows = read_log(run)
    assert [row["phase"] for row in rows] == ["match"] + ["stage I"] * 2 + ["stage II"] * 2
    played = {"match": {"match"}, "stage I": {"D1", "G1"}, "stage II": {"D2", "G2"}}
    for row in rows:
        assert {key.split("/")[0] for key in row if "/" in key} == played[row["phase"]]
        assert all(math.isfinite(value) for key, value in row.items() if key != "phase")
    assert read_result(run)["steps"] == {"match": 2, "D1": 4, "G1": 4, "D2": 4, "G2": 4}


def test_the_log_judges_by_sentences_that_the_table_does_not_use(run, folder):
    rows = [row for row in read_log(run) if "attributes_validation" in row]
    assert len(rows) == 4
    assert not any(key.endswith(("_seen", "_unseen")) for row in read_log(run) for key in row)
    read = read_data(Places(str(folder), 32), 10, 8)
    parts = [*read.splits.values(), read.validation]
    captions = {caption for pairs in parts for caption in pairs.captions}
    assert len(captions) == sum(len(pairs.captions) for pairs in parts) == 16
    learned = {text for own in read.training.captions for text in own}
    assert not learned & {*read.splits["unseen"].captions, *read.validation.captions}
    assert learned > set(read.splits["seen"].captions)
    assert read.place.captions == read.validation.captions
    assert torch.equal(read.reference.images, read.splits["unseen"].images)
    sizes = [read.facts[f"{role}_rows"] for role in ("train", "valid", "test")]
    assert sizes == [24, 3, 3]


def test_the_table_has_both_stages_and_real_pictures_which_are_read_without_a_mistake(run):
    table = read_result(run)["table"]
    assert list(table) == ["stage I", "stage II", "real again", "real again, shuffled captions"]
    real = table["real again"]
    assert real["attributes_seen"] == real["whole_unseen"] == 1.0
    assert table["stage I"]["attributes_seen"] < 1.0
    assert all(is_png(run / "samples" / f"{split}.png") for split in ("seen", "unseen"))
    assert is_png(run / "plots" / "learning.png")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3
    assert f"<td>{table['real again']['fd_matcher']:.3f} <span" in page
    assert "Data, unseen: 8 rows" in page


def test_stage_two_moves_nothing_of_stage_one(run):
    weights = load_file(run / "checkpoint" / "game.safetensors")
    average = load_file(run / "checkpoint" / "ema.G1.safetensors")
    of_g1 = {f"module.{k[3:]}": v for k, v in weights.items() if k.startswith("G1.")}
    assert of_g1.keys() == average.keys()
    assert all(torch.equal(value, average[name]) for name, value in of_g1.items())


def test_stage_two_dies_goes_on_and_ends_the_same(run, tmp_path):
    folder = tmp_path / "run"
    died((*TINY, "--out", str(folder)), lambda record: record["phase"] == "stage II")
    log = folder / "log.jsonl"
    assert not (folder / "result.json").exists()
    assert main(["resume", str(folder)]) == 0
    for name in ("game", "ema.G1", "ema.G2"):
        file = f"checkpoint/{name}.safetensors"
        ours, wanted = load_file(folder / file), load_file(run / file)
        assert all(torch.equal(ours[key], value) for key, value in wanted.items())
    assert log.read_bytes() == (run / "log.jsonl").read_bytes()
    assert read_result(folder)["table"] == read_result(run)["table"]
    for split in ("seen", "unseen"):
        file = f"samples/{split}.png"
        assert (folder / file).read_bytes() == (run / file).read_bytes()


def test_the_discriminator_is_judged_on_whole_held_out_pairs_and_fresh_pictures(run, monkeypatch):
    """A judge by brightness: white pictures are real, and captions are those of the pictures."""
    config = built(recipe, "tiny", "stackgan", out=str(run))
    made, seen = Text2ImageRun(config), []
    made.load()

    def bright(stage, images, text):
        seen.append((stage, images.shape[-1], text))
        return images.mean((1, 2, 3))

    monkeypatch.setattr(made.game, "pair_logits", bright)
    white = torch.full((5, 3, 32, 32), 255, dtype=torch.uint8)
    captions = made.read.place.captions[:5]
    state = torch.get_rng_state()
    for stage, side in ((1, 16), (2, 32)):
        seen.clear()
        found = made.discrimination(stage, Pairs(white, captions))
        assert found["d_auc"] == 1.0
        assert found["d_accuracy"] >= 0.5
        assert [(s, size) for s, size, _ in seen] == [(stage, side)] * 2
        assert all(torch.equal(text, made.encode(captions).sentence) for _, _, text in seen)
    black = made.discrimination(1, Pairs(torch.zeros_like(white), captions))
    assert black["d_auc"] == 0.0
    assert torch.equal(torch.get_rng_state(), state)
    logged = [row for row in read_log(run) if "d_auc" in row]
    assert len(logged) == 4
    assert set(read_result(run)["discriminator"]) == {"stage I", "stage II"}
    assert read_result(run)["objective"] == {"loss": "non_saturating", "penalty": "none"}


def pixels(file):
    with Image.open(file) as picture:
        return np.asarray(picture)


def test_sentences_are_drawn_under_the_same_noise_and_between(run, tmp_path, capsys):
    prompts = ["--prompt", "a small red circle on blue", "--prompt", "a large green cross on white"]
    made = [tmp_path / f"{i}.png" for i in range(3)]
    assert main(["sample", str(run), *prompts, "--n", "3", "--out", str(made[0])]) == 0
    file = tmp_path / "prompts.txt"
    file.write_text("".join(f"{prompt}\n" for prompt in prompts[1::2]))
    assert main(["sample", str(run), "--prompts", str(file), "--n=3", "--out", str(made[1])]) == 0
    assert made[0].read_bytes() == made[1].read_bytes()
    file.write_text("red\na purple zebra\n")
    assert f"{file}: line 2 'a p" in refusal(capsys, "sample", str(run), "--prompts", str(file))
    words = ["--between", "2", "--n", "3", "--out", str(made[2])]
    assert main(["sample", str(run), *prompts, *words]) == 0
    rows = [pixels(file) for file in made]
    assert rows[0].shape[1] == rows[2].shape[1]
    assert len(rows[2]) - 4 == 2 * (len(rows[0]) - 4)  # four rows, not two
    # The first row and the last are the two sentences themselves
    row = (len(rows[0]) - 4) // 2
    assert np.array_equal(rows[2][:row], rows[0][:row])
    assert np.array_equal(rows[2][-row:], rows[0][-row:])


CAPTIONS = ("a small red circle on blue", "a large green cross on white")


@pytest.fixture(scope="module")
def loaded(run):
    return sg.load(run)


def test_a_loaded_run_draws_captions_by_its_averaged_generators(loaded):
    run = loaded._run
    found = loaded.sample(CAPTIONS, 2, seed=3)
    assert found.dtype == np.uint8
    assert found.shape == (4, 3, 32, 32)
    text = run.encode(CAPTIONS[1:])
    torch.manual_seed(3)
    nets = {name: run.engine.ema[name].module for name in ("G1", "G2")}
    with torch.no_grad():
        text = text.pick(torch.zeros(2, dtype=torch.long))
        images = run.game.paint(nets, run.game.G1.draw(2, run.device), text, 2)
    expected = ((images + 1) / 2 * 255).round().clamp(0, 255).byte().numpy()
    assert np.array_equal(found[2:], expected)


def test_a_walk_through_noise_stays_with_its_caption_and_passes_drawn_noise(loaded):
    run = loaded._run
    frames = loaded.walk(6, CAPTIONS[:1], through=3, seed=4)
    assert frames.shape == (6, 3, 32, 32)
    torch.manual_seed(4)
    stops = run.game.G1.draw(3, run.device)
    for place, z in zip((0, 2, 4), stops, strict=True):
        wanted = run.draw(run.encode(CAPTIONS[:1]), seed=4, z=z[None])
        levels = ((wanted[0] + 1) / 2 * 255).round().clamp(0, 255).numpy()
        assert np.abs(frames[place] - levels).max() <= 1
    ends = loaded.walk(5, CAPTIONS, seed=4)[[0, -1]]
    assert np.array_equal(ends, loaded.sample(CAPTIONS, seed=4))


def test_the_last_discriminator_judges_pairs(loaded):
    images = loaded.sample(CAPTIONS, 2, seed=3)
    own = [CAPTIONS[0]] * 2 + [CAPTIONS[1]] * 2
    D, text = loaded._run.game.D2.eval(), loaded._run.encode(own).sentence
    with torch.no_grad():
        expected = D(torch.from_numpy(images).float() / 127.5 - 1, text)
    assert np.allclose(loaded.discriminate(images, own), expected, atol=1e-5)
    for wrong, captions, says in (
        (images[:, :, :16, :16], own, r"\(N, 3, 32, 32\)"),
        (images, own[:1], "1 captions for 4"),
        (images, CAPTIONS[0], r"put it in \[ \]"),
    ):
        with pytest.raises(UserError, match=says):
            loaded.discriminate(wrong, captions)


def test_pictures_of_captions_go_into_a_folder_that_trains_again(run, loaded, tmp_path):
    out, gif = tmp_path / "drawn", tmp_path / "walk.gif"
    words = [word for caption in CAPTIONS for word in ("--prompt", caption)]
    assert main(["sample", str(run), *words, "--n", "2", "--seed", "3", "--out", str(out)]) == 0
    images = loaded.sample(CAPTIONS, 2, seed=3)
    rows = (out / "captions.csv").read_text().splitlines()
    assert rows[0] == "file,caption"
    assert rows[3] == f"0002.png,{CAPTIONS[1]}"
    for i, own in enumerate(images):
        found = np.array(Image.open(out / f"{i:04d}.png")).transpose(2, 0, 1)
        assert np.array_equal(found, own)
    assert main(["sample", str(run), *words, "--gif", str(gif), "--frames", "5"]) == 0
    with Image.open(gif) as frames:
        assert (frames.n_frames, frames.size) == (5, (96, 96))


def test_a_film_of_training_draws_the_same_sentences_at_each_evaluation(run, tmp_path):
    film, grids = tmp_path / "film.gif", sorted((run / "samples").glob("round_*.png"))
    judged = [row["round"] for row in read_log(run) if "attributes_validation" in row]
    assert [file.stem for file in grids] == [f"round_{round_:06d}" for round_ in judged]
    assert main(["sample", str(run), "--film", str(film)]) == 0
    with Image.open(film) as frames:
        assert frames.n_frames == len(grids) == 4
    made = Text2ImageRun(built(recipe, "tiny", "stackgan", out=str(run)))
    made.load()
    judge(made.painter(), made.read.validation, 2, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == grids[-1].read_bytes()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--prompt", "red", "--labels", "a"], "--labels"),
        ([], "--prompt"),
        (["--prompt", "a purple zebra"], "zebra"),
        (["--prompt", "red " * 30], "reads 24"),
        (["--prompt", "red", "--between", "2"], "--prompt twice"),
        (["--prompt", "red", "--n", "0"], "--n 0"),
        (["--prompt", "red", "--temperature", "2"], "--temperature"),
        (["--prompt", "red", "--out", "a.txt"], ".png"),
        (["--prompt", "red", "--gif", "a.png"], ".gif"),
    ],
)
def test_what_cannot_be_drawn_is_refused(run, capsys, words, says):
    assert says in refusal(capsys, "sample", str(run), *words)


def test_other_data_and_other_options_are_refused_when_resuming(run, capsys, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    config = folder / "config.yaml"
    for old, new, says in (
        ("size: 64", "size: 65", "--size"),
        ("kl_coef: 2.0", "kl_coef: 1.0", "--kl_coef"),
    ):
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new))
        assert says in last_sentence(capsys, "resume", str(folder))
        config.write_text(text)


# ------------------------------------------------------------------------- a folder of one's own

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0)}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "pictures"
    place.mkdir()
    lines = []
    for number in range(30):
        colour = list(COLOURS)[number % 3]
        picture = Image.new("RGB", (20, 30), COLOURS[colour])
        picture.putpixel((10, 10), (number, number, number))
        picture.save(place / f"{number}.png")
        lines.append({"image": f"{number}.png", "caption": f"{colour} number {number}"})
    lines.append({"image": "gone.png", "caption": "nothing"})
    lines += [{"image": f"{n}.png", "caption": "much too long " * 10} for n in range(30)]
    (place / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return place


@pytest.mark.bf16
def test_a_folder_of_pictures_is_learned_from_with_any_paper_and_encoder(folder, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["--data", str(folder), "--side", "16", "--encoder", "char"]
    words += ["--longest", "40", "--paper", "gan_int_cls", "--precision", "bf16"]
    assert main([*TINY, "--out", str(out), *words]) == 0
    err = capsys.readouterr().err
    assert "30 pictures" in err
    assert "30 cut to the square in the middle (--fit crop)" in err
    assert "30 resized to 16 pixels" in err
    assert "valid: 3 pictures" in err
    assert "1 left out: the picture is missing" in err
    assert "1 captions are longer than the 40 tokens" in err
    result = read_result(out)
    table = result["table"]
    assert list(table)[:2] == ["stage I", "real again"]
    for split in ("seen", "unseen"):  # three pictures and a matcher of one step: mostly unfair
        printed = [f"r_precision_{split}" in row for row in table.values()]
        assert any(printed) == (f"r_precision_{split}" not in result["left_out"])
    assert result["data"]["test_rows"] == 3
    assert result["alarms"] == []
    assert "attributes_seen" not in table["stage I"]
    assert main(["sample", str(out), "--prompt", "red number 3"]) == 0
    assert is_png(out / "samples" / "prompt_1.png")
