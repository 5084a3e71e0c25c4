"""`seqgan evaluate --samples DIR --references DIR` for pictures, and what its intervals say."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from image_core import metrics
from image_core.metrics import features
from image_core.metrics.intervals import interval, standard_errors
from image_core.recipes.image import evaluate as pictures
from image_core.recipes.image.cache import fingerprint
from seqgan.cli import main
from tests.recipes.made import refusal

SIDE = 16


def blobs(count, seed, width=1.0):
    """Smooth pictures, of more kinds the wider."""
    draw = np.random.default_rng(seed)
    small = 128 + 40 * width * draw.standard_normal((count, 4, 4))
    return small.clip(0, 255).astype(np.uint8).repeat(4, 1).repeat(4, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of references and arrays of samples of the same and of another kind."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "real").mkdir()
    for i, picture in enumerate(blobs(120, 1)):
        Image.fromarray(picture).save(folder / "real" / f"{i:03d}.png")
    np.savez(folder / "same.npz", images=blobs(60, 2))
    np.savez(folder / "narrow.npz", images=blobs(60, 3, 0.5))
    return folder


def evaluate(folder, samples, out, *words):
    given = ["--samples", str(folder / samples), "--references", str(folder / "real")]
    assert main(["evaluate", *given, "--out", str(out), *words]) == 0
    return json.loads((out / "result.json").read_text())


def test_scores_are_those_of_the_pictures_and_intervals_tell_kinds_apart(folder, tmp_path, capsys):
    same = evaluate(folder, "same.npz", tmp_path / "same")
    table = same["table"]
    # Rows of the references by the seed, as the documentation has it
    draw = torch.Generator().manual_seed(0)
    order, chosen = torch.randperm(120, generator=draw), torch.randperm(60, generator=draw)
    net = features.pixels()
    real, fake = (
        net.of(torch.from_numpy(blobs(n, seed))[:, None].float() / 127.5 - 1)
        for n, seed in ((120, 1), (60, 2))
    )
    test, again = real[order[60:]], real[order[:60]]
    for row, x in (("samples", fake[chosen]), ("real again", again)):
        assert table[row]["fd-pixels"] == pytest.approx(metrics.frechet(test, x), rel=1e-4)
        assert table[row]["kd-pixels"] == pytest.approx(metrics.kernel(test, x), rel=1e-3)
        found = metrics.precision_recall(test, x) | metrics.density_coverage(test, x)
        for name, value in found.items():
            assert table[row][f"{name}-pixels"] == pytest.approx(value, abs=1e-6)
        for name, value in table[row].items():
            low, high = same["intervals"][row][name]
            assert low < value <= high
            assert high <= 1 or not name.startswith(("precision", "recall", "coverage"))
    first = same["scores"]["samples"][0]
    assert first["name"] == "fd-pixels@00000008/none+mean-8/60x60"
    assert capsys.readouterr().out.startswith("60 samples against 60 of 120 references")
    page = (tmp_path / "same" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    narrow = evaluate(folder, "narrow.npz", tmp_path / "narrow")
    low, _ = narrow["intervals"]["samples"]["fd-pixels"]
    assert low > same["intervals"]["samples"]["fd-pixels"][1]
    assert narrow["intervals"]["samples"]["recall-pixels"][1] < table["samples"]["recall-pixels"]


def test_references_are_read_once_while_they_are_the_same(folder, tmp_path, monkeypatch, capsys):
    cache, plain, read = tmp_path / "own.safetensors", pictures.read_splits, []

    def counted(source, how):
        read.append(how.option)
        return plain(source, how)

    monkeypatch.setattr(pictures, "read_splits", counted)
    tables = [
        evaluate(folder, "same.npz", tmp_path / str(i), "--cache", str(cache))["table"]
        for i in range(2)
    ]
    assert tables[0] == tables[1]
    assert read == ["--references", "--samples", "--samples"]
    first = folder / "real" / "000.png"
    kept = first.read_bytes()
    Image.fromarray(blobs(1, 9)[0]).save(first)
    try:
        other = evaluate(folder, "same.npz", tmp_path / "2", "--cache", str(cache))["table"]
    finally:
        first.write_bytes(kept)
    assert other["real again"] != tables[0]["real again"]
    assert read[3:] == ["--references", "--samples"]
    cache.write_bytes(b"mine")
    given = ["--samples", str(folder / "same.npz"), "--references", str(folder / "real")]
    words = [*given, "--cache", str(cache), "--out", str(tmp_path / "3")]
    assert "cannot be read" in refusal(capsys, "evaluate", *words)
    assert cache.read_bytes() == b"mine"


def test_a_fingerprint_is_of_names_and_contents(tmp_path):
    found = []
    for name, content in (("a.png", b"one"), ("a.png", b"two"), ("b.png", b"two")):
        for file in tmp_path.iterdir():
            file.unlink()
        (tmp_path / name).write_bytes(content)
        found += [fingerprint("--references", tmp_path) for _ in range(2)]
    assert found[::2] == found[1::2]
    assert len(set(found)) == 3


def test_training_pictures_show_copies(folder, tmp_path):
    np.savez(folder / "copies.npz", images=blobs(60, 2))
    words = ["--train", str(folder / "copies.npz"), "--count", "40"]
    row = evaluate(folder, "same.npz", tmp_path / "a", *words)["table"]
    assert row["samples"]["nearest_ratio-pixels"] == 0
    assert row["samples"]["copied-pixels"] == 1
    assert row["real again"]["nearest_ratio-pixels"] == pytest.approx(1, abs=0.15)


def test_standard_errors_of_means_are_the_known_ones():
    draw = torch.Generator().manual_seed(1)
    x, y = (torch.randn(n, generator=draw, dtype=torch.float64) for n in (300, 200))
    found = standard_errors(
        lambda i, j: {"gap": float(x[i].mean() - y[j].mean())}, 300, 200, draws=2000
    )
    expected = float((x.var() / 300 + y.var() / 200).sqrt())
    assert found["gap"] == pytest.approx(expected, rel=0.05)
    assert interval(1.0, 1.0, 0.0) == (0.0, 2.96)
    assert interval(0.9, 0.1, 0.0, 1.0) == (pytest.approx(0.704), 1.0)


def test_what_cannot_be_evaluated_is_refused_in_a_sentence(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "large.npz", images=np.zeros((60, 32, 32), np.uint8))
    np.savez(tmp_path / "colours.npz", images=np.zeros((60, SIDE, SIDE, 3), np.uint8))
    np.savez(tmp_path / "few.npz", images=blobs(5, 1))
    (tmp_path / "text.txt").write_text("a line\n")
    same, real = folder / "same.npz", folder / "real"
    for samples, words, says in (
        (tmp_path / "empty", (), "holds no pictures"),
        (tmp_path / "large.npz", (), "another size"),
        (tmp_path / "colours.npz", (), "3 colours"),
        (tmp_path / "few.npz", (), "5 pictures"),
        (same, ("--metrics", "bleu"), "--metrics is for text"),
        (same, ("--count", "61"), "--count 61"),
        (same, ("--extractor", "clf"), "--extractor clf"),
        (same, ("--extractor", "vgg"), "choose one of"),
        (tmp_path / "text.txt", ("--size", "32"), "--size is for pictures"),
    ):
        out = ("--out", str(tmp_path / "out"))
        given = ("--samples", str(samples), "--references", str(real), *words, *out)
        capsys.readouterr()
        assert main(["evaluate", *given]) == 2
        assert says in capsys.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "out").exists()
    given = ("--samples", str(tmp_path / "large.npz"), "--references", str(real), "--size", "16")
    assert main(["evaluate", *given, "--out", str(tmp_path / "out")]) == 0
