"""`sg.load` of image runs without their data, and `seqgan sample` on the same object."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import seqgan as sg
from image_core.adversarial.errors import UserError
from image_core.games.latents import interpolate, truncate, walk
from image_core.metrics.attributes import slant
from image_core.recipes.image import report as image_report
from seqgan.cli import main
from tests.recipes.made import refusal

TINY = ("train", "image", "--preset", "tiny", "--extractor", "pixels", "--g_lr", "0.05")
SIDE = 16


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Runs of a plain and of a conditional game, whose data are gone."""
    top, made = tmp_path_factory.mktemp("images"), {}
    draw = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (top / "data" / name).mkdir(parents=True)
        for i in range(40):
            levels = draw.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            Image.fromarray(levels).save(top / "data" / name / f"{i}.png")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(image_report.plots, "learning_curves", lambda *_: None)
        for paper in ("sngan", "cgan"):
            made[paper] = top / "runs" / paper
            words = ["--data", str(top / "data"), "--paper", paper, "--out", str(made[paper])]
            assert main([*TINY, *words]) == 0
    (top / "data").rename(top / "gone")
    return made


@pytest.fixture(scope="module")
def plain(folders):
    return sg.load(folders["sngan"])


@pytest.fixture(scope="module")
def told(folders):
    return sg.load(folders["cgan"])


def painted(run, z, *labels):
    """By the averaged weights, as bytes, without the code under test."""
    G = run.engine.ema["G"].module.eval()
    with torch.no_grad():
        images = G(z, *labels)
    return ((images + 1) / 2 * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def test_samples_are_of_the_averaged_weights_and_the_seed(plain):
    run = plain._run
    weights = load_file(plain.folder / "checkpoint" / "ema.G.safetensors")
    own = {f"module.{k}": v for k, v in run.engine.ema["G"].module.state_dict().items()}
    assert all(torch.equal(own[name], value) for name, value in weights.items())
    torch.manual_seed(3)
    expected = painted(run, torch.randn(5, run.game.latent))
    found = plain.sample(5, seed=3)
    assert found.dtype == np.uint8
    assert found.shape == (5, 3, SIDE, SIDE)
    assert np.array_equal(found, expected)
    assert not np.array_equal(found, painted(run, torch.randn(5, run.game.latent)))
    pictures = plain.pictures(5, seed=3)
    assert np.array_equal(np.stack([np.array(p) for p in pictures]).transpose(0, 3, 1, 2), found)


def test_labels_come_n_each_in_their_order_by_name_or_number(told):
    assert told.classes == ["ant", "bee", "cat"]
    torch.manual_seed(1)
    z = torch.randn(4, told._run.game.latent)
    expected = painted(told._run, z, torch.tensor([2, 2, 0, 0]))
    assert np.array_equal(told.sample(2, labels=["cat", "ant"], seed=1), expected)
    assert np.array_equal(told.sample(2, labels=[2, 0], seed=1), expected)
    in_turn = painted(told._run, z, torch.tensor([0, 1, 2, 0]))
    assert np.array_equal(told.sample(4, seed=1), in_turn)


def test_loading_leaves_random_numbers_and_a_seed_too(folders):
    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    sg.load(folders["sngan"]).sample(2, seed=1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_a_walk_passes_the_samples_of_its_seed(plain, told):
    frames = plain.walk(12, through=3, seed=2).astype(int)
    assert frames.shape == (12, 3, SIDE, SIDE)
    assert np.abs(frames[::4] - plain.sample(3, seed=2)).max() <= 1
    steps = np.abs(frames - np.roll(frames, -1, 0)).mean((1, 2, 3))
    assert steps.max() < np.abs(frames[0] - frames[4]).mean()  # no jump, nor at its end
    frames = told.walk(4, through=2, label="bee", seed=2).astype(int)
    assert np.abs(frames[::2] - told.sample(2, labels=["bee"], seed=2)).max() <= 1


def test_ways_of_normal_latents_keep_their_length():
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    half = torch.tensor([[0.5]])
    assert interpolate(a, b, half, "normal").tolist()[0] == pytest.approx([math.sqrt(2)] * 2)
    assert interpolate(a, b, half, "uniform").tolist() == [[1.0, 1.0]]
    closed = walk(torch.cat([a, b, -a, -b]), 16, "normal")
    assert torch.allclose(closed.norm(dim=1), torch.tensor(2.0), atol=1e-5)
    gaps = (closed - closed.roll(-1, 0)).norm(dim=1)
    assert torch.allclose(gaps, torch.tensor(4 * math.sin(math.pi / 16)), atol=1e-3)


def test_truncated_latents_are_the_prior_given_its_bound():
    z = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    found = truncate(z, 0.5, "normal")
    inside = z[z.abs() <= 0.5]
    assert float(found.abs().max()) <= 0.5
    assert float(found.std()) == pytest.approx(float(inside.std()), abs=0.01)
    assert torch.equal(found.flatten().argsort(), z.flatten().argsort())  # monotone
    assert torch.allclose(truncate(z, 50.0, "normal"), z, atol=1e-4)
    assert torch.equal(truncate(z, 0.5, "uniform"), 0.5 * z)


def test_the_discriminator_judges_bytes(plain, told):
    images = plain.sample(6, seed=1)
    D = plain._run.game.D.eval()
    with torch.no_grad():
        expected = D(torch.from_numpy(images).float() / 127.5 - 1).flatten()
    assert np.allclose(plain.discriminate(images), expected.numpy(), atol=1e-5)
    bees, cats = (told.discriminate(images, [name] * 6) for name in ("bee", "cat"))
    assert bees.shape == (6,)
    assert np.abs(bees - cats).min() > 0
    for loaded, wrong, labels, says in (
        (plain, images[:, :1], [], r"\(6, 1, 16, 16\).*\(N, 3, 16, 16\)"),
        (plain, images / 255, [], "bytes"),
        (told, images, ["bee"], "1 labels for 6 images: give 6"),
    ):
        with pytest.raises(UserError, match=says):
            loaded.discriminate(wrong, labels)


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("sngan", {"labels": ["bee"]}, "told no classes"),
        ("cgan", {"labels": ["dog"]}, "'dog' is none of the run's classes: ant, bee, cat"),
        ("cgan", {"labels": [3]}, "label 3 is none"),
        ("cgan", {"labels": "bee"}, r"put it in \[ \]"),
        ("sngan", {"n": 0}, "^n=0: it must be"),
        ("sngan", {"truncation": 0.0}, "^truncation=0.0: "),
        ("sngan", {"seed": -1}, "^seed=-1: "),
    ],
)
def test_what_cannot_be_sampled_is_refused(plain, told, name, settings, says):
    with pytest.raises(UserError, match=says):
        (plain if name == "sngan" else told).sample(**settings)


def test_single_pictures_go_into_a_folder_by_class_and_a_walk_into_a_gif(
    folders, told, tmp_path, capsys
):
    out, gif = tmp_path / "drawn", tmp_path / "walk.gif"
    words = ["--labels", "cat,ant", "--n", "2", "--seed", "4", "--truncation", "0.5"]
    assert main(["sample", str(folders["cgan"]), *words, "--out", str(out)]) == 0
    names = sorted(str(file.relative_to(out)) for file in out.rglob("*.png"))
    assert names == ["ant/0000.png", "ant/0001.png", "cat/0000.png", "cat/0001.png"]
    cats = told.sample(2, labels=["cat", "ant"], truncation=0.5, seed=4)
    found = np.array(Image.open(out / "cat" / "0001.png")).transpose(2, 0, 1)
    assert np.array_equal(found, cats[1])
    assert main(["sample", str(folders["cgan"]), "--gif", str(gif), "--frames", "8"]) == 0
    with Image.open(gif) as frames:
        assert (frames.n_frames, frames.size, frames.info["loop"]) == (8, (96, 96), 0)
        first = np.array(frames.convert("RGB"))[::6, ::6].transpose(2, 0, 1).astype(int)
    assert np.abs(first - told.walk(8, label=0, seed=0)[0]).mean() < 20  # a palette of 256
    for words, says in (
        (["--labels", "cat,cat", "--out", "a.png"], "once"),
        (["--labels", "dog", "--out", str(tmp_path / "a.png")], "'dog'"),
        (["--gif", str(gif)], "nothing is overwritten"),
        (["--gif", "walk.png"], "end the name in .gif"),
        (["--frames", "8"], "--gif"),
        (["--labels", "cat,ant", "--gif", str(tmp_path / "b.gif")], "of one class"),
        (["--out", str(out)], "nothing is overwritten"),
    ):
        assert says in refusal(capsys, "sample", str(folders["cgan"]), *words)


def test_a_film_of_training_shows_the_same_latents_at_each_evaluation(
    folders, plain, tmp_path, capsys
):
    film, grids = tmp_path / "film.gif", sorted((folders["sngan"] / "samples").glob("round_*"))
    assert main(["sample", str(folders["sngan"]), "--film", str(film)]) == 0
    assert capsys.readouterr().out == f"{film}\n"
    with Image.open(film) as frames, Image.open(grids[0]) as first:
        assert (frames.n_frames, frames.size) == (len(grids), first.size)  # equal ones are joined
        shown = np.array(frames.convert("RGB")).astype(int)
        assert np.abs(shown - np.array(first.convert("RGB"))).mean() < 20  # a palette of 256
        times = []
        for i in range(frames.n_frames):
            frames.seek(i)
            times.append(frames.info["duration"])
    assert times[-1] == 13 * times[0]
    # The last grid is drawn once more from the weights at the end and the run's seed
    run = plain._run
    with torch.random.fork_rng():
        torch.manual_seed(run.config.seed)
        again = run.draw(min(run.config.eval_samples, 64))
    image_report.write_image_grid(
        image_report.to_colours(again), tmp_path / "grid.png", scale=max(1, 64 // SIDE)
    )
    assert (tmp_path / "grid.png").read_bytes() == grids[-1].read_bytes()
    assert "nothing is overwritten" in refusal(
        capsys, "sample", str(folders["sngan"]), "--film", str(film)
    )


def test_the_example_of_the_documentation_runs(folders, told, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[3] / "docs" / "images.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    assert len(example.splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(folders["cgan"].parent)
    found = {}
    exec(compile(example, "images.md", "exec"), found)
    shape = f"(8, 3, {SIDE}, {SIDE}) (24, 3, {SIDE}, {SIDE})"
    assert capsys.readouterr().out.startswith(f"['ant', 'bee', 'cat'] {shape} ")
    bee = np.array(Image.open(tmp_path / "bee.png")).transpose(2, 0, 1)
    assert np.array_equal(bee, told.sample(1, labels=["bee"], seed=0)[0])
    assert np.abs(bee.astype(int) - found["frames"][0]).max() <= 1
    names = ["ant"] * 4 + ["cat"] * 4
    assert np.array_equal(found["logits"], told.discriminate(found["images"], names))


def test_a_run_that_lost_its_form_is_refused_in_a_sentence(folders, tmp_path, capsys):
    form = folders["sngan"] / "form.json"
    kept = form.read_text()
    form.unlink()
    try:
        assert "seqgan evaluate" in refusal(capsys, "sample", str(folders["sngan"]))
    finally:
        form.write_text(kept)


def test_rescored_images_are_drawn_by_the_softmax_of_their_logits(plain, monkeypatch):
    """Candidates of one group whose logits are 0, log 2 and log 5: shares of 1, 2 and 5 in 8."""
    levels = torch.tensor([-1.0, 0.0, 1.0])
    flat = torch.ones(3, 3, SIDE, SIDE) * levels[:, None, None, None]
    monkeypatch.setattr(type(plain), "_made", lambda self, z, told: iter([flat]))
    monkeypatch.setattr(
        plain._run.game, "d_scores", lambda images, told: torch.tensor([1.0, 2.0, 5.0]).log()
    )
    monkeypatch.setattr(plain._run.config, "loss", "non_saturating")
    found = plain.sample(4000, rescore=3, seed=0)[:, 0, 0, 0]
    shares = [(found == level).mean() for level in (0, 128, 255)]
    for share, due in zip(shares, (1 / 8, 2 / 8, 5 / 8), strict=True):
        assert abs(share - due) < 4 * math.sqrt(due * (1 - due) / 4000)


def test_rescored_images_keep_their_classes(told, monkeypatch):
    seen = []
    monkeypatch.setattr(told._run.config, "loss", "non_saturating")
    real = told._run.game.d_scores

    def scores(images, labels):
        seen.append(labels[0].tolist())
        return real(images, labels)

    monkeypatch.setattr(told._run.game, "d_scores", scores)
    assert told.sample(2, labels=["bee", "cat"], rescore=3, seed=0).shape[0] == 4
    assert seen == [[1] * 3, [1] * 3, [2] * 3, [2] * 3]


@pytest.mark.parametrize(
    ("loss", "rescore", "said"),
    [("hinge", 2, "^rescore=2: .* no logistic"), ("hinge", 0, "^rescore=0: ")],
)
def test_refused_rescoring(plain, monkeypatch, loss, rescore, said):
    monkeypatch.setattr(plain._run.config, "loss", loss)
    with pytest.raises(UserError, match=said):
        plain.sample(2, rescore=rescore)


def test_rescoring_from_the_command_line(folders, capsys, tmp_path):
    words = ["--rescore", "2", "--out", str(tmp_path / "x.png")]
    assert main(["sample", str(folders["cgan"]), "--n", "1", *words]) == 0
    assert (tmp_path / "x.png").exists()
    assert "--label" in refusal(capsys, "sample", str(folders["cgan"]), "--label", "x")


def test_a_turn_moves_latents_from_those_of_the_least_to_those_of_the_most(plain, told):
    def bright(images):
        return images.mean((1, 2, 3))

    rows = plain.turn(bright, 2, draws=40, seed=5)
    torch.manual_seed(5)
    z, at = torch.randn(40, 4), torch.randn(2, 4)
    G = plain._run.engine.ema["G"].module.eval()
    with torch.no_grad():
        order = ((G(z) + 1) / 2).mean((1, 2, 3)).argsort()
    way = z[order[-2:]].mean(0) - z[order[:2]].mean(0)
    moved = torch.stack([p + a * way for p in at for a in (-1, -0.5, 0, 0.5, 1)])
    assert np.abs(rows.astype(int) - painted(plain._run, moved)).max() <= 1
    of_bees = told.turn(bright, 1, label="bee", draws=20, seed=5)
    assert of_bees.shape[0] == 5


def test_images_beyond_black_and_white_are_measured_as_they_are_shown(plain, monkeypatch):
    game, seen = plain._run.game, []
    monkeypatch.setattr(type(game), "render", lambda self, G, *given: 1e6 * G(*given))

    def attribute(images):
        seen.append(images)
        return images.mean((1, 2, 3))

    plain.turn(attribute, 1, draws=20, seed=0)
    for images in (seen[0], (plain._run.draw(20) + 1) / 2):
        assert images.min() == 0
        assert images.max() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"attribute": lambda x: x.mean(), "draws": 20}, "a number for each image"),
        ({"attribute": slant, "draws": 19}, "at least 20"),
        ({"attribute": slant, "label": "ant"}, "is told no classes"),
    ],
    ids=["attribute", "draws", "label"],
)
def test_turns_that_are_refused(plain, given, said):
    with pytest.raises(UserError, match=said):
        plain.turn(n=1, **given)


def test_slant_is_that_of_a_line():
    """x = 20 - s y for rows 5 to 24, in a picture of its own for each s."""
    images = torch.zeros(3, 1, 32, 32)
    for i, s in enumerate((0.0, 0.5, -0.5)):
        for y in range(4, 25, 2):
            images[i, 0, y, round(16 - s * (y - 14))] = 1
    assert slant(images).tolist() == pytest.approx([0.0, 0.5, -0.5], abs=1e-6)
    assert slant(torch.zeros(1, 3, 8, 8)).item() == 0


def test_a_turn_is_drawn_by_the_command(folders, tmp_path, capsys):
    out = tmp_path / "turn.png"
    words = ["sample", str(folders["sngan"]), "--turn", "slant", "--n", "2", "--out", str(out)]
    assert main(words) == 0
    with Image.open(out) as picture:
        assert picture.width > 2 * picture.height
    assert "choose slant" in refusal(capsys, *words[:3], "lean")
