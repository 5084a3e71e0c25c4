"""Reading images: what is read is what was written, and what is wrong is said of the right file."""

import gzip
import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from image_core.adversarial.errors import UserError
from image_core.data.images import Reading, read_images
from image_core.data.pictures import to_size
from image_core.data.toy_shapes import COLOURS, NAMES, draw_shapes
from tests.data_folder import data_folder


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


def picture(path, size=(16, 16), colour=(10, 20, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def refused(source, **how) -> str:
    with pytest.raises(UserError) as caught:
        read_images(str(source), Reading(**how))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("gzipped", [False, True])
def test_idx(tmp_path, gzipped):
    values = np.random.default_rng(0).integers(0, 256, (12, 16, 16))
    labels = np.arange(12) % 3
    for name, content in (("x", idx(values)), ("y", idx(labels))):
        (tmp_path / name).write_bytes(gzip.compress(content) if gzipped else content)
    read = read_images(str(tmp_path / "x"), Reading(labels=str(tmp_path / "y")))
    assert torch.equal(read.images[:, 0], torch.from_numpy(values).to(torch.uint8))
    assert read.labels.tolist() == labels.tolist()
    assert read.resize == "none"


def test_npz_of_any_layout(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)
    file = tmp_path / "x.npz"
    for held in (values, values.transpose(0, 3, 1, 2)):
        np.savez(file, images=held, labels=np.arange(6) % 2)
        read = read_images(str(file))
        assert torch.equal(read.images, torch.from_numpy(values.transpose(0, 3, 1, 2).copy()))
    np.savez(file, x_train=values[..., 0])
    assert read_images(str(file)).images.shape == (6, 1, 16, 16)


def test_folder_of_classes(tmp_path):
    for name, colour in (("b", (1, 2, 3)), ("a", (4, 5, 6))):
        for i in range(3):
            picture(tmp_path / name / f"{i}.png", colour=colour)
    read = read_images(str(tmp_path))
    assert read.names == ["a", "b"]
    assert read.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert read.images[0, :, 0, 0].tolist() == [4, 5, 6]


def test_sizes_and_colours_are_converted_when_asked(tmp_path):
    picture(tmp_path / "1.png", (40, 20), (200, 200, 200))
    picture(tmp_path / "2.png", (16, 16), 90, "L")
    read = read_images(str(tmp_path), Reading(size=16, channels=1))
    assert read.images.shape == (2, 1, 16, 16)
    assert read.images[:, 0, 3, 3].tolist() == [200, 90]
    read = read_images(str(tmp_path), Reading(size=32, channels=3))
    assert read.images[1, :, 9, 9].tolist() == [90, 90, 90]


def test_scaling_is_antialiased_and_keeps_the_middle():
    fine = (torch.arange(64) % 2 * 255).to(torch.uint8).expand(1, 1, 64, 64)
    small = to_size(fine, 16)
    assert (small.float() - 127.5).abs().max() < 40  # without antialiasing: 0 or 255
    wide = torch.zeros(1, 1, 4, 8, dtype=torch.uint8)
    wide[..., 2:6] = 255
    assert (to_size(wide, 4) == 255).all()


def test_embedded_sets():
    digits = read_images("digits")
    assert digits.images.shape == (1797, 1, 16, 16)
    assert digits.labels.bincount().min() > 170
    one, labels, names = draw_shapes(50, 32)
    assert len(names) == len(NAMES) == 12
    for count in (1, 3, 30):
        assert torch.equal(draw_shapes(count, 32)[0], one[:count])
    # The colour of a label is the brightest channel where the shape is
    for image, label in zip(one, labels.tolist()):
        channel = image.flatten(1).float().max(1).values.argmax()
        assert channel == label % len(COLOURS)


def test_real_fashion_mnist_reads_as_announced():
    folder = data_folder("image") / "fashion_mnist"
    file, labels = folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz"
    read = read_images(str(file), Reading(labels=str(labels)))
    assert read.images.shape == (10_000, 1, 32, 32)
    assert read.labels.bincount().tolist() == [1000] * 10
    assert read.resize == "bilinear-aa-28x28-32"


# ---------------------------------------------------------------------------------- what is wrong


def test_idx_that_lie(tmp_path):
    values = np.zeros((5, 16, 16))
    file = tmp_path / "x"
    cases = {
        "magic number 00000d03": b"\0\0\x0d\x03" + idx(values)[4:],
        "truncated": idx(values)[:-7],
        "broken IDX": idx(values) + b"more",
        "truncated IDX file: its head": idx(values)[:9],
        "2 dimensions": idx(values[0]),
        "neither an IDX": b"hello",
        "missing": b"",
    }
    for says, content in cases.items():
        file.write_bytes(content)
        sentence = refused(file)
        assert says in sentence, sentence
        assert str(file) in sentence
    file.write_bytes(gzip.compress(idx(values))[:-9])
    assert "is not a whole gzip file" in refused(file)


def test_labels_that_do_not_fit(tmp_path):
    (tmp_path / "x").write_bytes(idx(np.zeros((6, 16, 16))))
    (tmp_path / "y").write_bytes(idx(np.arange(5) % 2))
    sentence = refused(tmp_path / "x", labels=str(tmp_path / "y"))
    assert "(5,) labels" in sentence
    assert f"--labels {tmp_path / 'y'}" in sentence
    (tmp_path / "y").write_bytes(idx(np.array([0, 1, 3, 3, 0, 1])))
    read = read_images(str(tmp_path / "x"), Reading(labels=str(tmp_path / "y")))
    assert (read.labels.tolist(), read.names) == ([0, 1, 2, 2, 0, 1], ["0", "1", "3"])


def test_npz_that_hold_no_images(tmp_path):
    file = tmp_path / "x.npz"
    for held, says in (
        ({"weights": np.zeros(3)}, "no array `images`"),
        ({"images": np.zeros((4, 8, 8, 2), np.uint8)}, "colours"),
        ({"images": np.zeros((4, 8, 8), np.uint8), "labels": np.zeros(3)}, "(3,) labels"),
    ):
        np.savez(file, **held)
        assert says in refused(file)
    np.savez(file, images=np.array([{}], dtype=object))
    assert "its array images holds Python objects" in refused(file)
    file.write_bytes(b"PK broken")
    assert "not a readable .npz" in refused(file)


def test_folders_that_do_not_fit(tmp_path, capsys):
    assert "holds no pictures" in refused(tmp_path)
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", (20, 16))
    assert "b.png is 20x16" in refused(tmp_path)
    assert "--size" in refused(tmp_path)
    (tmp_path / "b.png").unlink()
    picture(tmp_path / "c.png", colour=9, mode="L")
    assert "c.png has 1 colour channels" in refused(tmp_path)
    assert "there is no such file" in refused(tmp_path / "nowhere.png")


def test_a_corrupt_picture_is_skipped_and_counted_or_fatal(tmp_path, capsys):
    for i in range(5):
        picture(tmp_path / f"{i}.png")
    whole = (tmp_path / "3.png").read_bytes()
    (tmp_path / "3.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "4.png").write_bytes(b"no picture")
    read = read_images(str(tmp_path))
    assert len(read.images) == 3
    said = read.told
    assert "2 of 5 pictures skipped" in said
    assert "3.png" in said
    assert "3.png is not a readable picture" in refused(tmp_path, strict=True)
    for i in range(3):
        (tmp_path / f"{i}.png").unlink()
    assert "none of 2 pictures is readable" in refused(tmp_path)


def test_an_empty_class_folder_is_passed_over_and_one_of_broken_pictures_refused(tmp_path):
    for name in ("a", "c"):
        picture(tmp_path / name / "1.png")
    (tmp_path / "b").mkdir()
    read = read_images(str(tmp_path))
    assert (read.names, read.told) == (["a", "c"], "folders without files passed over: b")
    (tmp_path / "b" / "1.png").write_bytes(b"no picture")
    assert "no picture of the class b is readable" in refused(tmp_path)


# ------------------------------------------------------------------------------------ the hub


def hub_folder(tmp_path, rows, column="img", **kinds):
    """A data set as the hub stores it, columns under names of its own."""
    datasets = pytest.importorskip("datasets")
    made = {column: [{"bytes": content, "path": None} for content, _ in rows]}
    features = {column: datasets.Image()}
    if kinds:
        made["kind"] = [label for _, label in rows]
        features["kind"] = datasets.ClassLabel(names=kinds["names"])
    held = datasets.Dataset.from_dict(made, features=datasets.Features(features))
    (tmp_path / "set" / "data").mkdir(parents=True)
    held.to_parquet(tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    return str(tmp_path / "set")


def png(value, size=(16, 16)):
    content = io.BytesIO()
    Image.new("RGB", size, (value, 20, 30)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def quiet_hub(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.mark.usefixtures("quiet_hub")
def test_a_data_set_of_the_hub_by_the_kinds_of_its_columns(tmp_path, capsys):
    rows = [(png(10 * i), i % 2) for i in range(6)]
    rows.insert(2, (b"no picture", 1))
    folder = hub_folder(tmp_path, rows, names=["left", "right"])
    read = read_images(folder)
    assert read.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50]
    assert read.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert read.names == ["left", "right"]
    assert "1 of 7 pictures skipped" in read.told
    assert f"{folder} row 2 is not a readable picture" in refused(folder, strict=True)


@pytest.mark.usefixtures("quiet_hub")
def test_what_is_wrong_with_a_data_set_of_the_hub(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    folder = hub_folder(tmp_path, [(png(1), 0), (png(1, (8, 8)), 0)])
    assert f"{folder} row 1 is 8x8 pixels, but {folder} row 0 is 16x16" in refused(folder)
    assert read_images(folder, Reading(size=8)).labels is None
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    words = datasets.Dataset.from_dict({"text": ["a", "b"]})
    monkeypatch.setattr(datasets, "load_dataset", lambda name: {"train": words})
    assert "owner/words has no column of images; its columns are text" in refused("owner/words")

    def fails(name):
        raise ConnectionError("no\nnet")

    monkeypatch.setattr(datasets, "load_dataset", fails)
    assert "owner/words cannot be loaded (no net); check the path" in refused("owner/words")
