"""Captioned pictures that a user brings: joined rightly, or refused in one sentence."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from image_core.adversarial.errors import UserError
from seqgan.text2image.captions import read_captioned

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 220)}


def png(colour, kind="PNG", **options) -> bytes:
    content = io.BytesIO()
    picture = Image.new("RGB", (16, 16), COLOURS[colour]) if isinstance(colour, str) else colour
    picture.save(content, kind, **options)
    return content.getvalue()


def put(folder, **files):
    """Files by name, two underscores for a slash."""
    return place(folder, {name.replace("__", "/"): content for name, content in files.items()})


def place(folder, files):
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


THREE = {f"{c}.png": png(c) for c in COLOURS}
DEEP = Image.fromarray(np.full((16, 16), 32896, np.uint16))
SIDE = Image.Exif()
SIDE[0x0112] = 6
HALF = Image.fromarray(np.repeat(np.array([[0] * 8 + [255] * 8], np.uint8), 16, 0)).convert("RGB")
RED = {"r.png": png("red")}


def lines(*records) -> str:
    return "\n".join(map(json.dumps, records))


CUB = {
    f"{part}/{i:03}.{c}/0000.{end}": png(c) if end == "png" else f"a {c} bird\nof {c}\n"
    for i, c in enumerate(COLOURS, 1)
    for part, end in (("images", "png"), ("text", "txt"))
}
OXFORD = {"jpg/image_1.png": png("red"), "text_c10/class_7/image_1.txt": "a red flower\n"}


def coco(split, name, text):
    found = {"images": [{"id": 1, "file_name": name}, {"id": 2, "file_name": "gone.png"}]}
    notes = [{"image_id": 1, "caption": text}, {"image_id": 1, "caption": "more"}]
    content = json.dumps({**found, "annotations": notes})
    return {f"annotations/captions_{split}.json": content, f"{split}/{name}": png("red")}


KARPATHY = {
    "images": [{"filepath": "val2014", "filename": "r.png", "split": "restval", "sentids": [0, 1],
                "sentences": [{"raw": "a red bird", "tokens": ["a"]}, {"raw": "red"}]}],
    "dataset": "coco",
}  # fmt: skip

READ = {
    "CUB, equal names in every folder": (
        CUB,
        [["a red bird", "of red"], ["a green bird", "of green"], ["a blue bird", "of blue"]],
    ),
    "CUB in one more folder": ({f"CUB/{n}": c for n, c in CUB.items()}, 3),
    "Oxford": (OXFORD, [["a red flower"]]),
    "COCO": (coco("train2014", "a.png", "a red square"), [["a red square", "more"]]),
    "csv, a line break in quotes": (
        {**RED, "captions.csv": 'file,caption\nr.png,"a red bird,\nnumber 1"\n'},
        [["a red bird, number 1"]],
    ),
    "csv, commas in a caption without quotes": (
        {**RED, "captions.csv": "file,caption\nr.png,a red bird, or two\n"},
        [["a red bird, or two"]],
    ),
    "bars without a header": (
        {**RED, "captions.txt": "r.png|a red, red bird\n"},
        [["a red, red bird"]],
    ),
    "names without endings": ({**RED, "captions.csv": "id,caption\nr,red\n"}, [["red"]]),
    "Flickr8k's tokens": (
        {
            **RED,
            "Flickr8k.token.txt": "r.png#0\ta red bird\nr.png#1\tred\n",
            "split.txt": "r.png\n",
        },
        [["a red bird", "red"]],
    ),
    "csv of semicolons": (
        {**RED, "captions.csv": "file;caption\nr.png;a red, red bird\n"},
        [["a red, red bird"]],
    ),
    "csv without a header": ({**RED, "captions.csv": "r.png,a red bird\n"}, [["a red bird"]]),
    "csv of Windows": ({**RED, "captions.csv": "\ufefffile,caption\r\nr.png,red\r\n"}, [["red"]]),
    "csv in UTF-16": (
        {**RED, "captions.csv": "file,caption\nr.png,röt\n".encode("utf-16")},
        [["röt"]],
    ),
    "tsv": ({**RED, "captions.tsv": 'image\ttext\nr.png\ta "red" bird\n'}, [['a "red" bird']]),
    "jsonl with a line separator": (
        {**RED, "captions.jsonl": '{"image": "r.png", "caption": "a\u2028b"}\n'},
        [["a b"]],
    ),
    "jsonl of several captions": (
        {**RED, "captions.jsonl": lines({"image": "r.png", "caption_0": "a", "caption_1": "b"})},
        [["a", "b"]],
    ),
    "a path in the table": (
        {
            "x/r.png": png("red"),
            "y/r.png": png("blue"),
            "captions.csv": "path,caption\ny/r.png,blue\nx\\r.png,red\n",
        },
        [["blue"], ["red"]],
    ),
    "a name that one picture has": (
        {"deep/er/r.png": png("red"), "captions.csv": "file,caption\nr.png,red\n"},
        [["red"]],
    ),
    "16 bits": ({"a.png": png(DEEP), "captions.csv": "file,caption\na.png,grey\n"}, (128,) * 3),
    "transparent colour": (
        {"a.png": png("red", transparency=COLOURS["red"]), "captions.csv": "a.png,white\n"},
        (255,) * 3,
    ),
    "Karpathy's splits": (
        {"val2014/r.png": png("red"), "dataset_coco.json": json.dumps(KARPATHY)},
        [["a red bird", "red"]],
    ),
    "Karpathy's splits without folders": (
        {**RED, "dataset.json": json.dumps(KARPATHY).replace('"filepath": "val2014", ', "")},
        [["a red bird", "red"]],
    ),
    "lines with commas after them": (
        {**RED, "captions.jsonl": '{"image": "r.png", "caption": "red"},\n'},
        [["red"]],
    ),
    "a list called lines": (
        {**RED, "captions.jsonl": '[\n{"image": "r.png",\n"caption": "red"}\n]'},
        [["red"]],
    ),
    "lines of Windows with a mark": (
        {**RED, "metadata.jsonl": '\ufeff{"file_name": "r.png", "text": "red"}\r\n\r\n'},
        [["red"]],
    ),
    "columns in capitals": ({**RED, "captions.csv": "Image,Caption\nr.png,red\n"}, [["red"]]),
    "keys in capitals": (
        {**RED, "captions.jsonl": lines({"File_Name": "r.png", "Text": "red"})},
        [["red"]],
    ),
    "records by name": (
        {**RED, "captions.json": json.dumps({"r.png": {"caption": "red", "n": 1}})},
        [["red"]],
    ),
    "lists by name": ({**RED, "captions.json": '{"r.png": ["red", "round"]}'}, [["red", "round"]]),
    "a long caption": (
        {**RED, "captions.csv": f"file,caption\nr.png,{'x' * 140_000}\n"},
        [["x" * 140_000]],
    ),
    "a caption twice": (
        {**RED, "captions.csv": "file,caption\nr.png,red\nr.png,red\nr.png,bird\n"},
        [["red", "bird"]],
    ),
    "quotation marks doubled": (
        {**RED, "captions.csv": 'file,caption\nr.png,"a ""red"" bird"\n'},
        [['a "red" bird']],
    ),
    "one row has no caption": (
        {**THREE, "captions.csv": "file,caption\nred.png,\ngreen.png,green\n"},
        [["green"]],
    ),
    "names with blanks": (
        {"a red one.png": png("red"), "captions.csv": "file, caption\n a red one.png , red \n"},
        [["red"]],
    ),
    "paths of another machine": (
        {**RED, "captions.csv": "file,caption\n/home/me/set/r.png,red\n"},
        [["red"]],
    ),
    "numbers with zeros before them": (
        {"0001.png": png("red"), "1.png": png("blue"), "captions.csv": "id,caption\n0001,red\n"},
        [["red"]],
    ),
    "a capital ending": ({"R.PNG": png("red"), "captions.csv": "R.PNG,red\n"}, [["red"]]),
    "hidden files and other tables": (
        {**RED, ".x/b.png": b"", "Thumbs.db": b"", "notes.md": b"#", "captions.csv": "r.png,red\n"},
        [["red"]],
    ),
    "texts of Windows beside pictures": (
        {**RED, "r.txt": b"\xef\xbb\xbfa red bird\r\n\r\n"},
        [["a red bird"]],
    ),
    "txt beside pictures": (
        {**RED, "r.txt": "a red bird\n\n it is red \n"},
        [["a red bird", "it is red"]],
    ),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_what_is_brought_is_read_rightly(tmp_path, name, packed):
    files, wanted = READ[name]
    source = place(tmp_path / "set", files)
    if packed:
        source = tmp_path / "set.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for file, content in files.items():
                archive.writestr(file, content)
            archive.writestr("__MACOSX/._r.png", b"\0\5")
    found = read_captioned(str(source), 16)["train"]
    if isinstance(wanted, list):
        assert found.captions == wanted
    elif isinstance(wanted, int):
        assert len(found.captions) == wanted
    else:
        assert found.images[0, :, 3, 3].tolist() == pytest.approx(list(wanted), abs=1)
    shown = [caption.split() for own in found.captions for caption in own[:1]]
    for words, image in zip(shown, found.images):
        colours = [COLOURS[word] for word in words if word in COLOURS]
        assert not colours or image[:, 5, 5].tolist() == list(colours[0])


def test_a_picture_on_its_side_is_turned_as_for_image_gans(tmp_path):
    place(tmp_path, {"a.jpg": png(HALF, "JPEG", exif=SIDE), "captions.csv": "a.jpg,half\n"})
    found = read_captioned(str(tmp_path), 16)["train"]
    assert found.images[0, 0, [2, -3], 5].tolist() == pytest.approx([0, 255], abs=5)
    assert "1 turned by EXIF" in found.told


def test_splits_of_the_data_are_kept(tmp_path):
    place(
        tmp_path / "coco", {**coco("train2014", "a.png", "one"), **coco("val2014", "b.png", "two")}
    )
    found = read_captioned(str(tmp_path / "coco"), 16)
    assert [own.captions for own in found.values()] == [[["one", "more"]], [["two", "more"]]]
    assert list(found) == ["train", "valid"]
    for split in ("train", "test"):
        table = lines({"file_name": "a.png", "text": split})
        put(tmp_path / "hf", **{f"{split}__a.png": png("red"), f"{split}__metadata.jsonl": table})
    found = read_captioned(str(tmp_path / "hf"), 16)
    assert {split: own.captions for split, own in found.items()} == {
        "train": [["train"]],
        "test": [["test"]],
    }


def test_a_table_above_folders_of_splits_leaves_pictures_in_their_splits(tmp_path):
    """As Hugging Face's imagefolder has it; a picture that no row names is counted."""
    rows = ({"file_name": f"{s}/{c}.png", "text": c} for s in ("train", "test") for c in COLOURS)
    files = {f"{s}/{c}.png": png(c) for s in ("train", "test") for c in COLOURS}
    place(tmp_path, {**files, "metadata.jsonl": lines(*rows), "train/more.png": png("red")})
    found = read_captioned(str(tmp_path), 16)
    assert {split: len(own.images) for split, own in found.items()} == {"train": 3, "test": 3}
    assert found["train"].told[0].startswith("1 left out: the caption is missing, the first ")
    assert found["train"].told[0].endswith("/train/more.png")
    assert found["test"].told == ()


def test_parquet_with_captions(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    rows = {"image": [{"bytes": png(c), "path": None} for c in COLOURS], "text": list(COLOURS)}
    text = datasets.Value("string")
    kinds = datasets.Features({"image": datasets.Image(), "text": text, "base": text})
    rows["base"] = ["warm", "cold", "cold"]
    datasets.Dataset.from_dict(rows, features=kinds).to_parquet(tmp_path / "a.parquet")
    found = read_captioned(str(tmp_path / "a.parquet"), 16)["train"]
    datasets.enable_progress_bars()
    assert found.captions == [["red"], ["green"], ["blue"]]
    assert found.images[2, :, 0, 0].tolist() == list(COLOURS["blue"])
    assert found.groups == ["warm", "cold", "cold"]


NAMELESS = {"images": [{"id": 1}], "annotations": [{"image_id": 1, "caption": "a"}]}
REFUSED = {
    "no column of captions": (
        {**RED, "captions.csv": "file,words\nr.png,a\n"},
        "call one of them `caption`",
    ),
    "broken json": ({**RED, "captions.json": "{"}, "cannot be read as a table"),
    "COCO without file names": (
        {**RED, "annotations/captions_train.json": json.dumps(NAMELESS)},
        "COCO's format",
    ),
    "pictures of other names": (
        {**RED, "captions.csv": "file,caption\nz.png,a\n"},
        "the picture is missing",
    ),
    "a name of two pictures": (
        {"a/r.png": png("red"), "b/r.png": png("blue"), "captions.csv": "file,caption\nr.png,a\n"},
        "the picture is missing",
    ),
    "a path out of the folder": (
        {**RED, "captions.csv": "file,caption\n../set/r.png,a\n"},
        "missing",
    ),
    "the first of what is missing": (
        {**RED, "captions.csv": "file,caption\nz.png,a\nr.png,\n"},
        "1 times the caption is missing), the first set/z.png; write paths from the folder",
    ),
    "too many cells": (
        {**RED, "captions.csv": "file,caption,split\nr.png,a, b,train\n"},
        "row 2 has 4 cells and the header 3: put cells that hold ',' in quotation marks",
    ),
    "a quotation mark that stays open": (
        {**RED, "captions.csv": 'file,caption\nr.png,"a\nz.png,b\n'},
        "row 2: unexpected end of data; write",
    ),
    "two columns of one name": (
        {**RED, "captions.csv": "file,caption,caption\nr.png,a,b\n"},
        "several columns are named 'caption'; rename them",
    ),
    "a line that is broken off": (
        {**RED, "captions.jsonl": '{"image": "r.png", "caption": "a"}\n{"image":\n'},
        "set/captions.jsonl, row 2 is no JSON",
    ),
    "a NUL": (
        {**RED, "captions.csv": "file,caption\nr.png,a\0b\n"},
        "set/captions.csv, row 2 holds a NUL character",
    ),
    "nested too deeply": (
        {**RED, "captions.json": "[" * 100_000},
        "cannot be read as a table (max",
    ),
    "Karpathy's without sentences": (
        {**RED, "dataset.json": '{"dataset": "x", "images": [{"filename": "r.png"}]}'},
        "not in the format of Karpathy's splits (KeyError('sentences')); write a .csv",
    ),
    "no captions": (RED, "put a captions.jsonl in it"),
}


def test_captions_within_the_arrays_and_too_many_beside_them(tmp_path):
    images = np.zeros((2, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, captions=np.array(["red", "blue"]))
    assert read_captioned(str(tmp_path / "a.npz"), 16)["train"].captions == [["red"], ["blue"]]
    np.savez(tmp_path / "b.npz", images=images)
    (tmp_path / "b.json").write_text(json.dumps([{"caption": word} for word in "abc"]))
    with pytest.raises(UserError, match="2 pictures and 3 captions; name the caption of each"):
        read_captioned(str(tmp_path / "b.npz"), 16)


def test_a_shard_of_webdataset(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for name, content in {"a.png": png("red"), "a.txt": b"a red bird", "a.json": b"{}"}.items():
            one = tarfile.TarInfo(name)
            one.size = len(content)
            archive.addfile(one, io.BytesIO(content))
    found = read_captioned(str(tmp_path / "s.tar"), 16)["train"]
    assert (found.captions, found.images[0, :, 0, 0].tolist()) == (
        [["a red bird"]],
        list(COLOURS["red"]),
    )


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path, name):
    files, says = REFUSED[name]
    with pytest.raises(UserError) as caught:
        read_captioned(str(place(tmp_path / "set", files)), 16)
    assert says in str(caught.value).replace(f"{tmp_path}/", "")
    assert "\n" not in str(caught.value)
