"""Pictures as other packages and sites leave them, and packed files that are dangerous."""

import gzip
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from image_core import packed
from image_core.adversarial.errors import UserError
from image_core.data.arrays import load_npz
from image_core.data.idx import read_bytes
from image_core.data.images import Reading, read_splits

GREY = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((16, 16), np.uint8)
"""Four pictures of one level each, 0 to 3."""


def put(folder, *names):
    for name, level in zip(names, GREY):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(level).save(folder / name)
    return str(folder)


def test_labels_of_a_table_of_two_columns(tmp_path):
    """Kaggle's: names without their endings, and a column of labels that is called anything."""
    source = put(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbfid,breed\r\na,pug\r\nb,corgi\r\nc,pug\r\n")
    read = read_splits(source)["train"]
    assert read.names == ["corgi", "pug"]
    assert read.labels.tolist() == [1, 0, 1]
    assert read.examples[0] == f"{tmp_path}/a.png: 16x16 PNG, L, label pug"
    (tmp_path / "labels.csv").write_text("what,breed,size\na,pug,1\n")
    read = read_splits(source)["train"]
    assert read.labels is None
    assert "labels.csv passed over: no columns of pictures and labels are known" in read.told


def test_a_table_beside_a_folder_of_its_name(tmp_path):
    """Kaggle's train.csv beside train/, and a test.csv that only names its pictures."""
    source = put(tmp_path, "train/a.png", "train/b.png", "test/c.png")
    (tmp_path / "train.csv").write_text("id,diagnosis\na,2\nb,0\n")
    (tmp_path / "test.csv").write_text("id,size,depth\nc,1,2\n")
    read = read_splits(source)
    assert read["train"].labels.tolist() == [1, 0]
    assert read["train"].names == ["0", "2"]
    assert read["test"].labels is None
    assert "test.csv passed over: no columns of pictures and labels are known" in read["test"].told


def test_data_sets_that_were_saved_to_the_disk(tmp_path):
    datasets = pytest.importorskip("datasets")
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["x", "y"])}
    images = [Image.fromarray(level) for level in GREY]
    made = datasets.Dataset.from_dict(
        {"image": images, "label": [0, 1, 1, 0]}, features=datasets.Features(kinds)
    )
    made.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": made, "test": made.select([2])}).save_to_disk(
        str(tmp_path / "two")
    )
    one = read_splits(str(tmp_path / "one"))
    assert one["train"].images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    two = read_splits(str(tmp_path / "two"))
    assert (two["train"].labels.tolist(), two["test"].labels.tolist()) == ([0, 1, 1, 0], [1])
    assert two["test"].names == ["x", "y"]


def test_pickles_and_tar_archives_are_refused_with_a_way_out(tmp_path):
    (tmp_path / "cifar").mkdir()
    (tmp_path / "cifar" / "data_batch_1").write_bytes(pickle.dumps({b"data": 1}))
    for name in ("cifar", "cifar/data_batch_1"):
        with pytest.raises(UserError, match=r"pickles, which would run .* np\.savez\(FILE, im"):
            read_splits(str(tmp_path / name))
    put(tmp_path / "p", "a.png")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "p" / "a.png", "a.png")
    with pytest.raises(UserError, match=r"a.tar.gz is a tar archive; unpack it and name the fol"):
        read_splits(str(tmp_path / "a.tar.gz"))


def test_a_broken_picture_is_told_the_same_in_every_run(tmp_path):
    source = put(tmp_path, "a.png", "b.png")
    (tmp_path / "c.png").write_bytes(b"no picture")
    assert read_splits(source, Reading())["train"].told == (
        f"1 of 3 pictures skipped, the first: {tmp_path}/c.png is not a readable picture (cannot "
        "identify image file)"
    )


def test_what_unpacks_to_very_much_more_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 16)
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(1 << 18)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(1 << 18))
    for read, name in ((read_bytes, "a.gz"), (load_npz, "a.npz")):
        with pytest.raises(UserError, match=rf"--data .*{name} unpacks to .* unpack it yourself"):
            read("--data", tmp_path / name)
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 18)
    assert len(read_bytes("--data", tmp_path / "a.gz")) == 1 << 18
