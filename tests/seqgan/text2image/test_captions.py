"""Pictures with captions: every layout, and what cannot be read is left out and counted."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from image_core.adversarial.errors import UserError
from seqgan.text2image import captions as reader
from seqgan.text2image.wrong import wrong_rows
from tests.data_folder import data_folder

RED, BLUE = (255, 0, 0), (0, 0, 255)


def picture(file, colour=RED, size=(16, 16), mode="RGB"):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(file)


def read_captioned(source, side, **how):
    """The training pictures."""
    return reader.read_captioned(source, side, **how)["train"]


def colour_of(read, row):
    return tuple(read.images[row].float().mean((1, 2)).round().int().tolist())


@pytest.mark.parametrize("kind", ["captions.jsonl", "captions.json", "captions.csv", "mapping"])
def test_a_folder_with_a_table(tmp_path, kind):
    picture(tmp_path / "a.png")
    picture(tmp_path / "images" / "b.png", BLUE)
    records = [
        {"image": "a.png", "caption": "red"},
        {"image": "b.png", "caption": "blue"},
        {"image": "a.png", "caption": "quite red"},
    ]
    if kind.endswith("jsonl"):
        text = "\n".join(map(json.dumps, records))
    elif kind.endswith("csv"):
        text = "image,caption\na.png,red\nb.png,blue\na.png,quite red\n"
    elif kind == "mapping":
        kind, text = "captions.json", json.dumps({"a.png": ["red", "quite red"], "b.png": "blue"})
    else:
        text = json.dumps(records)
    (tmp_path / kind).write_text(text, encoding="utf-8")
    read = read_captioned(str(tmp_path), 16)
    assert read.captions == [["red", "quite red"], ["blue"]]
    assert [colour_of(read, row) for row in (0, 1)] == [RED, BLUE]
    assert read.told == ()


def test_cub_and_oxford_layouts(tmp_path):
    for root, pictures, texts in (("cub", "images", "text"), ("oxford", "jpg", "text_c10")):
        place = tmp_path / root
        picture(place / pictures / "001.Bird" / "bird_1.jpg")
        picture(place / pictures / "001.Bird" / "bird_2.jpg", BLUE)
        for name, lines in (("bird_1", "a red bird\nit is red\n\n"), ("bird_3", "gone\n")):
            file = place / texts / "001.Bird" / f"{name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(lines, encoding="utf-8")
        read = read_captioned(str(place), 16)
        assert read.captions == [["a red bird", "it is red"]]
        assert read.told == (
            f"1 left out: the caption is missing, the first {place / pictures}/001.Bird/bird_2.jpg",
            f"1 left out: the picture is missing, the first {place / texts}/001.Bird/bird_3.txt",
        )


def test_coco_layout_takes_the_training_split(tmp_path):
    picture(tmp_path / "train2014" / "one.png")
    found = {
        "images": [{"id": 7, "file_name": "one.png"}, {"id": 8, "file_name": "none.png"}],
        "annotations": [
            {"image_id": 7, "caption": "a red square"},
            {"image_id": 8, "caption": "of nothing"},
        ],
    }
    (tmp_path / "annotations").mkdir()
    for split, content in (("train2014", found), ("val2014", {})):
        file = tmp_path / "annotations" / f"captions_{split}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
    read = read_captioned(str(tmp_path), 16)
    assert read.captions == [["a red square"]]
    assert read.told == (f"1 left out: the picture is missing, the first {tmp_path}/none.png",)


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path):
    picture(tmp_path / "good.png", size=(40, 20))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    picture(tmp_path / "mute.png")
    lines = [
        {"image": "good.png", "caption": "red"},
        {"image": "broken.png", "caption": "broken"},
        {"image": "gone.png", "caption": "gone"},
        {"image": "../outside.png", "caption": "outside"},
        {"image": "mute.png", "caption": "  "},
        {"caption": "no picture"},
    ]
    picture(tmp_path.parent / "outside.png")
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    read = read_captioned(str(tmp_path), 16)
    assert read.captions == [["red"]]
    assert set(read.told) == {
        "1 left out: the picture cannot be read",
        f"3 left out: the picture is missing, the first {tmp_path}/gone.png",
        f"1 left out: the caption is missing, the first {tmp_path}/mute.png",
        "1 cut to the square in the middle (--fit crop)",
        "1 resized to 16 pixels",
    }
    assert read.summary().startswith("1 pictures, 1 captions; ")


def test_pictures_are_cut_to_the_middle_and_lie_on_white(tmp_path):
    wide = np.zeros((8, 24, 3), dtype=np.uint8)
    wide[:, 8:16] = RED
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.new("RGBA", (8, 8), (0, 0, 255, 0)).save(tmp_path / "clear.png")
    Image.new("L", (8, 8), 77).save(tmp_path / "grey.png")
    records = [{"image": f"{n}.png", "caption": n} for n in ("wide", "clear", "grey")]
    (tmp_path / "captions.json").write_text(json.dumps(records), encoding="utf-8")
    read = read_captioned(str(tmp_path), 8)
    assert colour_of(read, 0) == RED
    assert colour_of(read, 1) == (255, 255, 255)
    assert colour_of(read, 2) == (77, 77, 77)


def test_arrays_with_captions_of_their_rows(tmp_path):
    images = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    images[1] = RED
    np.savez(tmp_path / "p.npz", images=images, row=np.array([2, 0, 9], dtype=np.int32))
    records = [
        {"caption": "red", "split": "train", "short": ["very_red"]},
        {"caption": "none"},
        {"caption": "black", "split": "test"},
    ]
    (tmp_path / "p.json").write_text(json.dumps(records), encoding="utf-8")
    read = read_captioned(str(tmp_path / "p.npz"), 8)
    assert read.captions == [["red", "very red"]]
    assert colour_of(read, 0) == RED
    assert read.told == ("1 left out: the caption is missing",)
    test = reader.read_captioned(str(tmp_path / "p.npz"), 8)["test"]
    assert (test.captions, colour_of(test, 0)) == ([["black"]], (0, 0, 0))


def test_shapes_need_nothing():
    read = read_captioned("shapes", 16, size=5, seed=2)
    assert read.images.shape == (5, 3, 16, 16)
    assert torch.equal(read.images, read_captioned("shapes", 16, size=5, seed=2).images)


@pytest.mark.parametrize(
    ("source", "captions", "says"),
    [
        ("nowhere", None, "no such folder or file"),
        ("empty", None, "has no captions"),
        ("file.txt", None, "no folder, no zip, no tar, no .npz"),
        ("broken.npz", None, "broken.npz is cut short"),
        ("flat.npz", None, "rows of 8 numbers, which are no squares"),
        ("lonely.npz", None, "--captions"),
        ("empty", "gone.json", "gone.json"),
        ("empty", "bad.json", "bad.json"),
        ("empty", "numbers.json", "each entry"),
        ("empty", "numbers.jsonl", "each entry"),
        ("rows.npz", "good.json", "`row`"),
        ("blank", None, "no picture with a caption"),
    ],
)
def test_bad_sources_are_refused_in_one_sentence(tmp_path, source, captions, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank").mkdir()
    (tmp_path / "blank" / "captions.jsonl").write_text('{"image": "a.png", "caption": "a"}')
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "good.json").write_text('[{"caption": "a"}]')
    for name in ("numbers.json", "numbers.jsonl"):
        (tmp_path / name).write_text("[1, 2]")
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4 no")
    np.savez(tmp_path / "flat.npz", images=np.zeros((3, 8), dtype=np.uint8))
    rows = {"images": np.zeros((3, 8, 8, 3), dtype=np.uint8), "row": np.zeros(2, dtype=np.int32)}
    np.savez(tmp_path / "rows.npz", **rows)
    np.savez(tmp_path / "lonely.npz", images=np.zeros((3, 8, 8, 3), dtype=np.uint8))
    named = None if captions is None else str(tmp_path / captions)
    with pytest.raises(UserError) as caught:
        read_captioned(str(tmp_path / source), 8, captions=named)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_rows_are_of_another_caption_and_another_picture():
    draw = np.random.default_rng(0)
    for _ in range(50):
        captions = draw.integers(0, 4, 12).tolist()
        pictures = draw.integers(0, 4, 12).tolist()
        wrong = wrong_rows(captions, pictures)
        for row, other in enumerate(wrong):
            assert captions[row] != captions[other]
            assert pictures[row] != pictures[other]
    assert wrong_rows([0, 1, 2], [0, 1, 2]) == [1, 2, 0]
    with pytest.raises(UserError, match="one caption"):
        wrong_rows([3, 3], [0, 1])


def test_of_several_candidates_the_most_alike_is_wrong():
    sentences = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [1.0, 0.0]])
    numbers = [0, 1, 2, 0]  # the first sentence and the last are one
    assert wrong_rows(numbers, [0, 1, 2, 3], sentences, 3) == [2, 2, 3, 2]
    assert wrong_rows(numbers, [0, 1, 2, 3], sentences, 1) == [1, 2, 3, 1]


def test_emoji_are_read_without_their_test_split():
    folder = data_folder("image") / "emoji"
    captions = str(folder / "captions.json")
    read = read_captioned(str(folder / "emoji64_twitter.npz"), 64, captions=captions)
    assert len(read.images) == 3410
    assert read.told == ()
    assert min(map(len, read.captions)) >= 1
