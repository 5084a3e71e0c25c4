"""Captions as published sets have them."""

import pytest
from PIL import Image

from image_core.adversarial.errors import UserError
from seqgan.text2image.captions import read_captioned


def put(folder, *names):
    """Grey pictures of the levels 0, 10, ..., by name."""
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), 10 * i).save(folder / name)
    return str(folder)


def captions(source, **options):
    read = read_captioned(source, 16, **options)["train"]
    return dict(zip((read.images[:, 0, 0, 0] // 10).tolist(), read.captions))


TABLES = {
    "captions.txt": 'image,caption\na.png,"x , y ."\na.png,z\nb.png,w\n',  # Flickr8k
    "results_20130124.token": "a.png#0\tx , y .\na.png#1\tz\nb.png#0\tw\n",  # Flickr30k
    "results.csv": "image_name| comment_number| comment\na.png| 0| x , y .\na.png| 1| z\n"
    "b.png| 0| w\n",  # Flickr30k at Kaggle
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_flickr(tmp_path, name):
    source = put(tmp_path, "Images/a.png", "Images/b.png")
    (tmp_path / name).write_text(TABLES[name])
    assert captions(source) == {0: ["x , y .", "z"], 1: ["w"]}
    assert captions(f"{source}/Images", captions=f"{source}/{name}") == captions(source)


def test_a_file_of_captions_a_picture(tmp_path):
    source = put(tmp_path, "10_dog/a.png", "10_dog/b.png")
    (tmp_path / "10_dog" / "a.caption").write_text("a dog\n")
    (tmp_path / "10_dog" / "b.caption").write_text("b dog\n")
    assert captions(source) == {0: ["a dog"], 1: ["b dog"]}


def test_what_is_no_table_is_refused_with_a_way_out(tmp_path):
    source = put(tmp_path, "a.png")
    (tmp_path / "x.json").write_text("a.png: x")
    with pytest.raises(UserError, match=r"x.json cannot be read as a table .*; write a .csv wit"):
        read_captioned(source, 16, captions=str(tmp_path / "x.json"))


@pytest.mark.parametrize(("name", "content"), [
    ("captions.csv", "image,caption\na.png,red\nb.png,caf\xe9\n"),
    ("captions.jsonl", '{"image": "a.png", "caption": "red"}\n\n{"image": "caf\xe9"}\n'),
    ("b.txt", "red\n\ncaf\xe9\n"),
])  # fmt: skip
def test_captions_that_are_not_utf_8_are_refused_by_row(tmp_path, name, content):
    source = put(tmp_path, "a.png", "b.png")
    (tmp_path / "a.txt").write_text("a") if name == "b.txt" else None
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=rf"{name}, row 3 is not UTF-8; save it as UTF-8"):
        read_captioned(source, 16)


def test_pictures_of_a_parquet_file_that_does_not_say_so(tmp_path):
    datasets = pytest.importorskip("datasets")
    put(tmp_path, "a.png", "b.png")
    cells = [{"bytes": (tmp_path / name).read_bytes(), "path": name} for name in ("a.png", "b.png")]
    rows = datasets.Dataset.from_dict({"image": cells, "text": ["x", "y"]})
    rows.to_parquet(str(tmp_path / "a.parquet"))
    assert captions(str(tmp_path / "a.parquet")) == {0: ["x"], 1: ["y"]}
