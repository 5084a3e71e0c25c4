"""`seqgan look` of every recipe: one line of what was read, five examples, and nothing trained."""

import json

import numpy as np
import pytest
from PIL import Image

from seqgan.cli import main
from seqgan.commands.recipes import LOOKS
from tests.recipes.made import content, refusal


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data of each kind."""
    folder = tmp_path_factory.mktemp("data")
    levels = np.arange(6, dtype=np.uint8)[:, None, None] * np.full((16, 16), 40, np.uint8)
    for name in ("cat", "dog"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i, level in enumerate(levels):
            Image.fromarray(level).save(folder / "pictures" / name / f"{i}.png")
    (folder / "captioned").mkdir()
    for i, level in enumerate(levels):
        Image.fromarray(level).save(folder / "captioned" / f"{i}.png")
        (folder / "captioned" / f"{i}.txt").write_text(f"level {i}\n")
    np.savez(folder / "palette.npz", images=levels % 3, labels=np.arange(6) % 2)
    pairs = [f"u{u},i{i},{1 + (u + i) % 5}\n" for u in range(6) for i in range(5)]
    (folder / "pairs.csv").write_text("user,item,rating\n" + "".join(pairs))
    lines = ("text", "label", "question", "answer")
    rows = [lines, *((str(q), str(a == 0), f"why {q}", f"so {a}") for q in range(4) for a in "012")]
    (folder / "answers.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows))
    draw = np.random.default_rng(0)
    np.savez(
        folder / "car.npz",
        obs=draw.uniform(-0.6, -0.4, (8, 2)).astype(np.float32) * [1, 0],
        acts=np.arange(8) % 3,
        rews=-np.ones(8),
        terminals=np.arange(8) == 3,
        last_obs=np.full((2, 2), [-0.5, 0], np.float32),
        traj_len=np.array([4, 4]),
    )
    said = [{"prompt": f"hi {i}", "completion": f"hello {i}"} for i in range(40)]
    (folder / "chat.jsonl").write_text("\n".join(map(json.dumps, said)))
    (folder / "text.txt").write_text("".join(f"a line of {i}\n" for i in range(60)))
    return folder


TOLD = {
    "image": (("pictures",), ("12 train pictures of 16x16 pixels, 1 colours, 2 classes (cat, dog)",
              "pictures/cat/4.png: 16x16 PNG, L, label cat")),
    "text2image": (("captioned", "--side", "32"), ("train: 6 pictures, 6 captions; 6 resized to 32",
                   "captioned/4.png: 16x16 PNG, L", "    level 4")),
    "discrete": (("palette.npz",), ("6 images of 16 x 16 pixels of 3 colours, labels: 0 3, 1 3",
                 "row 4: 16x16, 1 of 3 colours, label 0")),
    "retrieve": (("pairs.csv", "--relevant", "2"), ("30 rows separated by commas, a header: user = "
                 "user, item = item, rating = rating; ratings 1 to 5, relevant from 2",
                 "splits: users 6, items 5, ", "  u4: ")),
    "imitate": (("car.npz", "--env", "MountainCar-v0"), ("npz, 2 episodes of 4 steps (8 in all), 1 "
                "ended in a terminal state; return -4.00", "episode 2: 4 steps, cut by a time "
                "limit, return -4.00, first observation [", "first action [1]")),
    "dialogue": (("chat.jsonl",), ("columns prompt, completion: ", "assistant (learned): hello")),
    "text": (("text.txt",), ("text.txt, 54 lines, at most 5 tokens", "a | line | of | ")),
}  # fmt: skip


@pytest.mark.parametrize("recipe", TOLD)
def test_it_is_told_and_five_are_shown(made, tmp_path, monkeypatch, capsys, recipe):
    monkeypatch.chdir(tmp_path)
    (name, *words), parts = TOLD[recipe]
    words = ["look", "--recipe", recipe, "--data", str(made / name), *words]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert [part for part in parts if part not in out] == []
    assert err == ""
    assert content(tmp_path) == {}


def test_every_recipe_with_data_is_looked_at():
    assert set(LOOKS) == set(TOLD)


@pytest.mark.parametrize("recipe", ["image", "text2image", "discrete"])
def test_pictures_are_written_to_a_sheet(made, tmp_path, capsys, recipe):
    name = TOLD[recipe][0][0]
    sheet = tmp_path / "sheet.png"
    words = ("look", "--recipe", recipe, "--data", str(made / name), "--sheet", str(sheet))
    assert main(list(words)) == 0
    assert capsys.readouterr().out.endswith(f"{sheet}: contact sheet\n")
    with Image.open(sheet) as picture:
        levels = np.unique(np.asarray(picture))
    shown = [0, 127, 255] if recipe == "discrete" else [0, 40, 80, 120, 160, 200]
    assert set(shown) <= set(levels.tolist())
    assert "exists and nothing is overwritten" in refusal(capsys, *words)


def test_what_is_no_picture_has_no_sheet(made, tmp_path, capsys):
    sheet = str(tmp_path / "sheet.png")
    said = refusal(capsys, "look", "--data", str(made / "text.txt"), "--sheet", sheet)
    assert "--sheet is for --recipe discrete and image and text2image, which show pictures" in said


def test_a_folder_read_as_text_names_the_other_readers(made, capsys):
    said = refusal(capsys, "look", "--data", str(made / "pictures"))
    assert "is a folder; name a file in it (read as text; --recipe may be dialogue, " in said
