"""A made corpus, and what tests of the command line and the recipes share."""

import json
import random
from pathlib import Path

import pytest

from seqgan.cli import main
from seqgan.text import oracle_recipe as oracle
from seqgan.text import recipe as text
from seqgan.text import report, residual
from seqgan.text.config import TEMPERATURES

TINY = ("train", "text", "--preset", "tiny")
TINY_ORACLE = ("train", "oracle", "--preset", "tiny")

WORDS = {
    "article": ("a", "the", "one", "my"),
    "noun": ("cat", "dog", "bird", "child", "man"),
    "verb": ("sees", "likes", "follows", "hears"),
    "adverb": ("today", "often", "quietly", "now"),
}


def built(recipe, preset: str = "tiny", paper: str = "seqgan", **changes):
    """A configuration of a recipe of papers, as the command line would make it."""
    values = recipe.PAPERS.preset(paper, recipe.PRESETS[preset], preset)
    return recipe.PAPERS.config(paper)(**{**values, **changes})


def sentences(count: int, seed: int = 1) -> list[str]:
    """Three to seven words of a grammar that is learned in seconds."""
    draw = random.Random(seed)

    def some(kind: str, share: float = 1.0) -> list[str]:
        return [draw.choice(WORDS[kind])] if draw.random() < share else []

    made = []
    for _ in range(count):
        words = some("article") + some("noun") + some("verb")
        if draw.random() < 0.7:
            words += some("article") + some("noun")
        words += some("adverb", 0.4) + (["."] if draw.random() < 0.8 else [])
        made.append(" ".join(words))
    return made


def corpus(folder: Path, count: int = 120, seed: int = 1) -> str:
    """The name of a new file of made sentences."""
    file = folder / "corpus.txt"
    file.write_text("\n".join(sentences(count, seed)) + "\n", encoding="utf-8")
    return str(file)


def content(folder: Path) -> dict[str, bytes]:
    """What every file under a folder holds."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def read_log(folder: Path) -> list[dict]:
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def read_result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def is_png(file: Path) -> bool:
    return file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and file.stat().st_size > 5_000


def refusal(capsys, *words: str) -> str:
    """The one sentence of a command that is refused, without a word on standard output."""
    capsys.readouterr()
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    # Before the sentence stands at most what was read: "train: FILE, 120 lines, ..."
    read = (" lines, at most ", " of the lines are in the training set too", "all lines have ")
    said = [line for line in err.splitlines() if not any(words in line for words in read)]
    pictures = [line for line in said if line.startswith(("data: ", "train: "))]
    said = [line for line in said if line not in pictures or " pictures" not in line]
    assert len(said) == 1, err
    assert said[0].startswith("seqgan: ")
    return said[0]


def shorten(patched: pytest.MonkeyPatch, *temperatures: float) -> None:
    """Most of the time of a tiny run goes into its report, and then into its evaluations."""
    patched.setattr(report, "draw", lambda *_: None)
    for recipe in (oracle, text):
        patched.setattr(recipe, "TEMPERATURES", temperatures)
        patched.setattr(recipe, "SAMPLED", 64)
    patched.setattr(residual, "NORMALISING", 100)


@pytest.fixture
def short_report(monkeypatch):
    """For tests of something else: no pictures, no temperature but 1."""
    shorten(monkeypatch, 1.0)


@pytest.fixture
def no_pictures(monkeypatch):
    shorten(monkeypatch, *TEMPERATURES)


def last_sentence(capsys, *words: str) -> str:
    """The last line of a command that is refused once it has told what it read."""
    assert main(list(words)) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]
