"""Whatever pictures a user brings are read rightly, or refused in one sentence with a way out."""

import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pytest
from PIL import Image

from image_core import packed
from image_core.adversarial.errors import UserError
from image_core.data.images import Reading, is_hub_name, read_splits
from tests.image_core.data.brought import (
    DRAWN,
    PNG_G,
    PNG_R,
    RAMP,
    READ,
    B,
    G,
    R,
    array,
    arrays,
    encoded,
    flat,
    many,
    one,
    put,
    tarred,
    zipped,
)
from tests.image_core.data.brought_rows import READ_ROWS

HEAD = ("label," + ",".join(f"pixel{i}" for i in range(256)) + "\n").encode()

REFUSED = {
    "halves": (arrays(images=DRAWN, labels=np.arange(6) % 2 + 0.5), {}, "label 0 is 0.5"),
    "labels that are not known": (
        arrays(images=DRAWN, labels=np.full(6, np.nan)),
        {},
        "label 0 is nan",
    ),
    "one-hot": (arrays(images=DRAWN, labels=np.eye(6)), {}, "argmax"),
    "too few labels": (arrays(images=DRAWN, labels=np.arange(5)), {}, "(5,) labels for 6"),
    "floats of any range": (array(DRAWN * 7.5), {}, "scale it to bytes from 0 to 255"),
    "not finite": (array(np.full((4, 16, 16), np.nan)), {}, "not finite"),
    "negative": (array(DRAWN.astype(np.int64) - 300), {}, "no range of pictures"),
    "complex": (array(DRAWN.astype(complex)), {}, "complex128"),
    "one picture": (array(DRAWN[0]), {}, "give (N, H, W, C)"),
    "rows of noise": (array(DRAWN.reshape(6, -1)), {}, "give .reshape(-1, 3, 16, 16) or"),
    "rows of no square": (array(DRAWN.reshape(6, -1)[:, :700]), {}, "no squares of 1 or 3 colou"),
    "objects": (arrays(images=np.array([DRAWN, 1], object)), {}, "save arrays of numbers, each"),
    "another name": (arrays(pics=DRAWN), {}, "so save that of the pictures by np.savez("),
    "counted last": (array(DRAWN.transpose(1, 2, 3, 0)), {}, "by np.transpose where the pict"),
    "a cell too few": (
        lambda f: put(f, "a.csv", HEAD + b"1," * 255 + b"1\n") or f / "a.csv",
        {},
        "a.csv: row 1 has 256 cells of 257",
    ),
    "a table of names": (
        lambda f: put(f, "a.csv", b"file,label\na.png,1\n") or f / "a.csv",
        {},
        "--labels FILE, or call columns label and pixel0",
    ),
    "a cell of too few pixels": (
        lambda f: (
            put(f, "a.csv", b"emotion,pixels\n1," + b"1 " * 256 + b"\n2,1 2\n") or f / "a.csv"
        ),
        {},
        "row 3 holds no picture (2 pixels, not 256)",
    ),
    "masks": (
        many(images__a=R, images__b=R, masks__a=G, masks__b=G),
        {},
        "name {}/images",
    ),
    "labels in lists": (
        many(**{"a": R, "metadata.jsonl": b'{"file_name": "a.png", "label": ["x", "y"]}\n'}),
        {},
        "the label of a.png is a list",
    ),
    "labels with fractions": (
        many(**{"a": R, "labels.csv": b"file,label\na.png,0.33\n"}),
        {},
        "the label of a.png is the number 0.33",
    ),
    "tar archives in a folder": (
        lambda f: put(f, "s/0.tar", b"x") or f,
        {},
        "name one of its tar archives, such as 0.tar",
    ),
    "pictures of other kinds": (many(**{"a.heic": b"x"}), {}, "save what it holds (.heic) as PNG"),
    "a tar that leads out": (tarred({"../a.png": PNG_R}), {}, "leads out of the archive"),
    "a tar cut short": (
        lambda f: (
            (f / "b.tar").write_bytes(tarred({"a.png": PNG_R})(f).read_bytes()[:600])
            and f / "b.tar"
        ),
        {},
        "tar",
    ),
    "either way": (array(DRAWN[:, :3]), {}, "colours may be first or last"),
    "two colours": (array(DRAWN[..., :2]), {}, "1, 3 or 4 colours"),
    "float tiff of another range": (
        one("a.tiff", encoded(Image.fromarray(RAMP * 9000), "TIFF")),
        {},
        "no range of pictures",
    ),
    "32 bits": (
        one("a.tiff", encoded(Image.fromarray(np.full((16, 16), 70000, np.int32)), "TIFF")),
        {},
        "scale them to 16 bits",
    ),
    "colours of print shops": (
        one("a.tiff", encoded(Image.new("LAB", (16, 16), (50, 1, 1)), "TIFF")),
        {},
        "its colours are CIE L*a*b*; save it as RGB",
    ),
    "loose pictures beside folders": (many(a=R, cat__a=R), {}, "1 pictures and folders of"),
    "a class that only test has": (
        many(train__a__1=R, train__b__1=G, test__c__1=B),
        {},
        "the classes c, which the training",
    ),
    "a table of other pictures": (
        many(**{"a": R, "labels.csv": b"file,label\nz.png,red\n"}),
        {},
        "names none of its pictures",
    ),
    "labels that contradict": (
        many(**{"a": R, "labels.csv": b"file,label\na.png,red\na.png,blue\n"}),
        {},
        "labels.csv gives a.png the labels 'red' and 'blue'; leave one",
    ),
    "a quotation mark that stays open in labels": (
        many(**{"a": R, "labels.csv": b'file,label\na.png,"red\nb.png,blue\n'}),
        {},
        "labels.csv cannot be read as a table (row 2: unexpected end of data",
    ),
    "a picture": (lambda f: put(f, "a.png", R) or f / "a.png", {}, "name the folder"),
    "a tar": (lambda f: put(f, "a.tar", b"ustar" * 9) or f / "a.tar", {}, "unpacked first"),
    "a broken zip": (lambda f: put(f, "a.zip", b"PK\3\4no") or f / "a.zip", {}, "zip archive"),
    "a zip of nothing": (zipped({"notes.txt": b"x"}), {}, "holds no pictures"),
    "a zip that leads out": (zipped({"../../a.png": PNG_R}), {}, "leads out of the archive"),
    "a zip of an absolute path": (zipped({"/etc/a.png": PNG_R}), {}, "leads out of the archive"),
    "a zip of a drive": (zipped({"C:\\a.png": PNG_R}), {}, "leads out of the archive"),
    "nowhere": (lambda f: f / "x", {}, "there is no such file or folder"),
    "a local name like one of the hub": (lambda f: f / "owner", {}, "there is no such file"),
}


@pytest.mark.parametrize("name", [*READ, *READ_ROWS])
def test_what_is_brought_is_read_rightly(tmp_path, name):
    make, how, is_right = (READ | READ_ROWS)[name]
    found = read_splits(str(make(tmp_path)), Reading(**how))
    assert is_right(found), (found["train"].told, found["train"].images[0, :, 0, 0])


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path, name):
    make, how, says = REFUSED[name]
    source = str(make(tmp_path))
    with pytest.raises(UserError) as caught:
        read_splits(source, Reading(**how))
    sentence = str(caught.value)
    assert says.format(source) in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert source in sentence


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", bytes(3 << 20))
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 20)
    with pytest.raises(UserError, match=r"3,145,728 bytes or more, over 100 times its size"):
        read_splits(str(tmp_path / "b.zip"))
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(3 << 20))
    with pytest.raises(UserError, match="over 100 times"):
        read_splits(str(tmp_path / "b.npz"))


def test_a_picture_of_too_many_pixels_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    put(tmp_path, "a.png", R)
    put(tmp_path, "b.png", flat((1, 2, 3), (32, 16)))
    found = read_splits(str(tmp_path))["train"]
    assert len(found.images) == 1
    assert "1 of 2 pictures skipped" in found.told


def test_labels_of_a_file_beside_arrays_and_beside_a_zip(tmp_path):
    np.save(tmp_path / "x.npy", DRAWN)
    np.save(tmp_path / "y.npy", np.array(["b", "a", "b", "a", "b", "a"]))
    read = read_splits(str(tmp_path / "x.npy"), Reading(labels=str(tmp_path / "y.npy")))
    assert read["train"].labels.tolist() == [1, 0] * 3
    (tmp_path / "y.txt").write_text("4\n9\n4\n9\n4\n9\n")
    read = read_splits(str(tmp_path / "x.npy"), Reading(labels=str(tmp_path / "y.txt")))
    assert (read["train"].labels.tolist(), read["train"].names) == ([0, 1] * 3, ["4", "9"])
    source = zipped({"a.png": PNG_R, "b.png": PNG_G, "c.png": PNG_G})(tmp_path)
    (tmp_path / "t.tsv").write_text("filename\tclass\na.png\tx\nb.png\ty\n")
    read = read_splits(str(source), Reading(labels=str(tmp_path / "t.tsv")))
    assert read["train"].labels.tolist() == [0, 1]
    assert "1 of 3 pictures skipped: the table has no label" in read["train"].told


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_rows_of_labels_without_a_picture_are_counted(tmp_path, pack):
    for name in ("a.png", "b.png", "c.png"):
        put(tmp_path, f"in/{name}", R)
    end = {gzip.compress: ".gz", bz2.compress: ".bz2", lzma.compress: ".xz"}.get(pack, "")
    rows = b"image,label\na.png,x\nb.png,y\nz.png,y\ny.png,x\n"
    put(tmp_path, f"t.csv{end}", pack(rows))
    told = read_splits(str(tmp_path / "in"), Reading(labels=f"{tmp_path}/t.csv{end}"))["train"].told
    assert "1 of 3 pictures skipped: the table has no label" in told
    assert "2 of 4 rows of labels name no picture, the first z.png" in told


def test_rows_of_labels_of_another_split_are_not_missed(tmp_path):
    for name in ("train/a.png", "train/b.png", "test/c.png", "test/d.png"):
        put(tmp_path, f"in/{name}", R)
    rows = b"image,label\ntrain/a.png,x\nb.png,y\ntest/c.png,y\nd,x\ne.png,x\n"
    put(tmp_path, "t.csv", rows)
    found = read_splits(str(tmp_path / "in"), Reading(labels=f"{tmp_path}/t.csv"))
    assert "1 of 5 rows of labels name no picture, the first e.png" in found["train"].told
    assert [own.labels.tolist() for own in found.values()] == [[0, 1], [1, 0]]


@pytest.mark.parametrize("name", ["metadata.csv", "labels.csv"])
def test_a_table_above_the_splits_names_paths_from_there(tmp_path, name):
    for path in ("train/a.png", "train/b.png", "test/a.png", "test/b.png"):
        put(tmp_path, path, R)
    rows = b"file_name,label\ntrain/a.png,x\ntrain/b.png,y\ntest/a.png,y\ntest/b.png,x\n"
    put(tmp_path, name, rows)
    found = read_splits(str(tmp_path))
    assert {split: own.labels.tolist() for split, own in found.items()} == {
        "train": [0, 1],
        "test": [1, 0],
    }


def test_a_table_above_the_splits_may_be_of_one_of_them(tmp_path):
    for path in ("train/a.png", "train/b.png", "test/c.png"):
        put(tmp_path, path, R)
    put(tmp_path, "labels.csv", b"id,breed\na,x\nb,y\nz,y\n")
    found = read_splits(str(tmp_path))
    assert (found["train"].labels.tolist(), found["train"].names) == ([0, 1], ["x", "y"])
    assert found["test"].labels is None
    assert "1 of 3 rows of labels name no picture, the first z" in found["train"].told
    assert "without labels, since the table names none of them" in found["test"].told


def test_a_name_that_two_splits_have_is_not_guessed(tmp_path):
    for path in ("train/a.png", "train/b.png", "test/a.png"):
        put(tmp_path, path, R)
    put(tmp_path, "labels.csv", b"id,breed\na,x\nb,y\n")
    found = read_splits(str(tmp_path))["train"]
    assert "1 of 2 pictures skipped: the table has no label" in found.told


def test_two_pictures_of_one_name_in_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/a.png", PNG_R)
        archive.writestr("x\\a.png", PNG_G)
    with pytest.raises(UserError, match=r"a.zip holds 'x/a.png' several times.*pack it anew"):
        read_splits(str(tmp_path / "a.zip"))


@pytest.mark.parametrize("content", [b"PAR1 broken PAR1", b"", b"x"])
def test_of_a_broken_parquet_only_our_sentence_is_said(tmp_path, capfd, content):
    put(tmp_path, "a.parquet", content)
    with pytest.raises(UserError, match=f"--data {tmp_path}/a.parquet cannot be loaded"):
        read_splits(f"{tmp_path}/a.parquet")
    assert capfd.readouterr() == ("", "")


def test_a_link_that_leads_back_ends(tmp_path):
    put(tmp_path, "cat/a.png", R)
    put(tmp_path, "dog/a.png", G)
    (tmp_path / "dog" / "again").symlink_to(tmp_path)
    assert len(read_splits(str(tmp_path))["train"].images) == 2


def test_what_looks_like_a_name_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local").mkdir()
    assert is_hub_name("owner/name")
    wrong = ("local/name", "./a/b", "/a/b", "a/b/c", "a", "~/a", "owner/a.png", "../a")
    assert not any(map(is_hub_name, wrong))
