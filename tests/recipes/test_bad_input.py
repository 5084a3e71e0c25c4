"""What can be wrong: one sentence that names it, exit code 2, no traceback, nothing overwritten."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from seqgan.cli import main
from tests.full_disk import files_up_to
from tests.recipes.made import TINY, content, corpus, refusal, sentences

TEXT = ("\n".join(sentences(60)) + "\n").encode()
TABLE = "".join(json.dumps({"text": s, "n": 1}) + "\n" for s in sentences(40)).encode()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a corpus and a run that has ended."""
    folder = tmp_path_factory.mktemp("finished")
    words = ("--data", corpus(folder), "--out", str(folder / "run"), "--rounds", "1")
    assert main([*TINY, *words]) == 0
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of that run; its data stay where they were."""
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


# ----------------------------------------------------------------------------------------- the data

DATA = [
    ("missing.txt", None, (), "there is no file"),
    ("empty.txt", b"", (), "is empty"),
    ("empty.txt.gz", gzip.compress(b"", mtime=0), (), "is empty"),
    ("blank.txt", b"\n \n\t\n\n", (), "only blank lines"),
    ("latin.txt", TEXT + "caf\xe9\n".encode("latin-1"), (), "not UTF-8: see line 61"),
    ("utf16.txt", TEXT.decode().encode("utf-16-le"), (), "UTF-16 without its mark"),
    ("binary.txt", bytes(range(256)) * 20, (), "not UTF-8"),
    ("plain.txt.gz", TEXT, (), "not a whole gzip file"),
    ("cut.txt.gz", gzip.compress(TEXT, mtime=0)[:-30], (), "not a whole gzip file"),
    ("two.jsonl", b'{"a": "x", "b": "y"}\n' * 40, (), "name its text with --field, one of a, b"),
    ("table.jsonl", TABLE, ("--field", "nope"), "no field 'nope'"),
    ("table.jsonl", TABLE, ("--field", "n"), "holds numbers, not text"),
    ("broken.jsonl", TABLE + b"{oops\n", ("--field", "text"), "cannot be read as JSON lines"),
    ("plain.txt", TEXT, ("--field", "text"), "has no field 'text'"),
    ("broken.parquet", b"PAR1 but not really", ("--field", "text"), "cannot be read as parquet"),
    ("long.txt", TEXT + b"\n\n" + b"cat " * 600, (), "line 63 of"),
    ("long.txt", TEXT + b"cat " * 600, (), "raise --max_length"),
    ("spaced.txt", TEXT, ("--max_length", "3"), "raise --max_length"),
    ("one.txt", b"a cat\n", (), "--data"),
    ("few.txt", b"a cat\n" * 5, (), "too few different lines"),
    ("short.txt", b"a cat\na dog\na bird\na man\na child\n", (), "lower --batch"),
    ("rare.txt", TEXT, ("--min_count", "1000"), "--min_count"),
    ("small.txt", TEXT, ("--level", "bpe", "--vocab_size", "20"), "--vocab_size 20"),
]


@pytest.mark.parametrize(("name", "held", "words", "says"), DATA)
def test_unusable_data_are_refused_before_anything_is_written(
    tmp_path, capsys, name, held, words, says
):
    file = tmp_path / name
    if held is not None:
        file.write_bytes(held)
    before = content(tmp_path)
    said = refusal(capsys, *TINY, "--data", str(file), "--out", str(tmp_path / "run"), *words)
    assert says in said
    assert name in said or says.startswith("--") or "--batch" in says
    assert content(tmp_path) == before
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["--valid", "--test"])
@pytest.mark.parametrize(
    ("held", "says"),
    [(b"", "is empty"), (b"quite another language\n", "no token of"), (b"\xff\n", "not UTF-8")],
)
def test_unusable_held_out_data_are_refused(tmp_path, capsys, option, held, says):
    other = tmp_path / "other.txt"
    other.write_bytes(held)
    words = ("--data", corpus(tmp_path), "--out", str(tmp_path / "run"), option, str(other))
    said = refusal(capsys, *TINY, *words)
    assert "other.txt" in said
    assert says in said
    assert not (tmp_path / "run").exists()


def test_a_folder_is_no_text(tmp_path, capsys):
    said = refusal(capsys, *TINY, "--data", str(tmp_path), "--out", str(tmp_path / "run"))
    assert f"{tmp_path} is a folder" in said


# ------------------------------------------------------------------------------------ where it goes


@pytest.mark.parametrize("inside", ["config.yaml", "thesis.txt", "sub/thesis.txt"])
def test_a_used_folder_is_left_alone(tmp_path, capsys, inside):
    file = tmp_path / "run" / inside
    file.parent.mkdir(parents=True)
    file.write_text("years of work")
    before = content(tmp_path / "run")
    # Data that do not exist: the folder is looked at before hours go into reading
    said = refusal(capsys, *TINY, "--data", "nothing.txt", "--out", str(tmp_path / "run"))
    assert f"--out {tmp_path / 'run'}" in said
    assert ("seqgan resume" in said) == (inside == "config.yaml")
    assert content(tmp_path / "run") == before


def test_a_file_in_the_way_is_left_alone(tmp_path, capsys):
    file = tmp_path / "run"
    file.write_text("years of work")
    data = corpus(tmp_path)
    assert f"--out {file}" in refusal(capsys, *TINY, "--data", data, "--out", str(file))
    below = str(file / "below")
    assert below in refusal(capsys, *TINY, "--data", data, "--out", below)
    assert file.read_text() == "years of work"


def test_samples_overwrite_nothing(run, tmp_path, capsys):
    file = tmp_path / "samples.txt"
    file.write_text("years of work")
    said = refusal(capsys, "sample", str(run), "--out", str(file))
    assert f"--out {file} exists" in said
    assert file.read_text() == "years of work"
    assert content(tmp_path).keys() == {"samples.txt", *(f"run/{name}" for name in content(run))}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--n", "0"), "--n 0"),
        (("--n", "-3"), "--n -3"),
        (("--n", "many"), "--n"),
        (("--temperature", "0"), "--temperature 0"),
        (("--temperature", "-1"), "--temperature"),
        (("--temperature", "nan"), "--temperature nan"),
        (("--temperature", "1e30"), "--temperature 1e+30"),
        (("--seed", "-1"), "--seed -1"),
        (("--seed", "99999999999999999999"), "--seed 99999999999999999999"),
        (("--prompt", "my zebra sees"), "zebra"),
        (("--prompt", "a cat sees my dog now . . . ."), "--prompt"),
        (("--model", "other"), "--model"),
        (("--out", "/dev/null/x"), "/dev/null/x"),
        (("--size", "3"), "--size"),
    ],
)
def test_wrong_options_of_sampling(run, capsys, words, says):
    before = content(run)
    assert says in refusal(capsys, "sample", str(run), *words)
    assert content(run) == before


@pytest.mark.parametrize("command", ["resume", "sample", "evaluate"])
def test_what_is_no_run(tmp_path, capsys, command):
    (tmp_path / "a_file").write_text("no run")
    for name in ("nothing", "a_file", "."):
        said = refusal(capsys, command, str(tmp_path / name))
        assert "is not a run" in said
        assert "config.yaml" in said
    assert content(tmp_path) == {"a_file": b"no run"}


# ------------------------------------------------------------------------------ damaged checkpoints


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def flip(file: Path) -> None:
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 255
    file.write_bytes(held)


@pytest.mark.parametrize("damage", [truncate, empty, flip, Path.unlink])
@pytest.mark.parametrize("name", ["game.safetensors", "optim.pt", "rng.0.pt", "state.json"])
def test_a_damaged_checkpoint_is_named_and_left_alone(run, capsys, name, damage):
    damage(run / "checkpoint" / name)
    before = content(run)
    for command in ("resume", "sample"):
        said = refusal(capsys, command, str(run))
        assert "checkpoint" in said
        assert name in said
        assert content(run) == before


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_a_run_without_a_checkpoint_has_nothing_to_show(run, capsys, command):
    shutil.rmtree(run / "checkpoint")
    assert f"no checkpoint in {run / 'checkpoint'}" in refusal(capsys, command, str(run))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_options.json"])
@pytest.mark.parametrize("damage", [truncate, empty, Path.unlink])
def test_a_damaged_tokenizer_is_named(run, capsys, name, damage):
    damage(run / "tokenizer" / name)
    for command in ("resume", "sample"):
        assert name in refusal(capsys, command, str(run))


@pytest.mark.parametrize(
    "held", [b"garbage\n", b"\xff\xfe\n", b"[1]\n", b"{}\n", b"", b'{"round": "one"}\n']
)
def test_a_damaged_log_is_named_and_left_alone(run, capsys, held):
    (run / "log.jsonl").write_bytes(held)
    before = content(run)
    assert "log.jsonl" in refusal(capsys, "resume", str(run))
    assert content(run) == before


# ---------------------------------------------------------------------------- another configuration


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("hidden: 8", "hidden: 16", "game.safetensors does not fit"),
        ("hidden: 8", "hidden: wide", "--hidden"),
        ("hidden: 8", "hidden: null", "--hidden"),
        ("hidden: 8", "hidden: 8.5", "--hidden"),
        ("batch: 16", "bach: 16", "bach"),
        ("rounds: 1", "rounds: -1", "--rounds -1"),
        ("seed: 0", "seed: 1", "--seed is 1, but the run began with 0"),
        ("mle_lr: 0.003", "mle_lr: 0.1", "--mle_lr is 0.1"),
        ("batch: 16", "", "--batch"),
        ("level: word", "level: char", "--level is char"),
        ("lowercase: true", "lowercase: perhaps", "--lowercase"),
        ("recipe: text", "recipe: oracle", "data"),
        ("recipe: text", "recipe: [text]", "recipe"),
        ("recipe: text", "", "recipe"),
        ("recipe: text", "recipe: [text", "not valid YAML"),
    ],
)
def test_an_edited_configuration_is_refused_when_resuming(run, capsys, old, new, says):
    file = run / "config.yaml"
    text = file.read_text()
    assert f"\n{old}\n" in f"\n{text}"
    file.write_text(f"\n{text}".replace(f"\n{old}\n", f"\n{new}\n", 1))
    before = content(run)
    said = refusal(capsys, "resume", str(run))
    assert says in said
    assert "config.yaml" in said or "game.safetensors" in said
    assert content(run) == before


def test_changed_data_are_refused(run, tmp_path, capsys):
    moved = tmp_path / "corpus.txt"
    lines = sentences(120)
    config = run / "config.yaml"
    original = next(line for line in config.read_text().splitlines() if line.startswith("data: "))
    config.write_text(config.read_text().replace(original, f"data: {moved}"))
    moved.write_text("\n".join([*lines[:7], lines[8], *lines[8:]]) + "\n")
    before = content(run)
    for command in ("resume", "evaluate"):
        said = refusal(capsys, command, str(run))
        assert f"--data {moved} is not what {run} began with" in said
    moved.unlink()
    assert f"there is no file {moved}" in refusal(capsys, "resume", str(run))
    assert content(run) == before
    # The same text may move, and sampling does without
    assert main(["sample", str(run), "--n", "1"]) == 0
    moved.write_text("\n".join(lines) + "\n")
    assert main(["resume", str(run)]) == 0


# --------------------------------------------------------------------------------- numbers run away


def words_until_the_stop(capsys, tmp_path: Path, *words: str) -> str:
    data, out = corpus(tmp_path), str(tmp_path / "run")
    assert main([*TINY, "--data", data, "--out", out, *words]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err.splitlines()[-1]


def test_a_critic_that_diverges_stops_the_run(tmp_path, capsys):
    said = words_until_the_stop(capsys, tmp_path, "--d_lr", "1e30")
    assert "'D' is not finite at its step 2 (round 4)" in said
    assert f"the last good checkpoint is {tmp_path / 'run' / 'checkpoint'};" in said
    assert not (tmp_path / "run" / "result.json").exists()
    # The checkpoint is good: what it logged is finite, and it is where the run goes on
    assert f"round 4); the last good checkpoint is {tmp_path / 'run'}" in refusal(
        capsys, "resume", str(tmp_path / "run")
    )


def test_a_policy_that_diverges_before_anything_was_saved(tmp_path, capsys):
    said = words_until_the_stop(capsys, tmp_path, "--mle_lr", "1e38")
    assert "'mle' is not finite at its step 2 (round 1); none was saved" in said


@pytest.mark.parametrize("phase", ["mle", "adversarial"])
def test_one_step_too_long_is_not_saved_as_good(tmp_path, capsys, phase):
    """The loss and gradient of such a step are finite; only what comes of it is not."""
    words = {
        "mle": ("--mle_lr", "1e38", "--batch", "108", "--negatives", "64"),
        "adversarial": ("--g_lr", "1e38"),
    }[phase]
    said = words_until_the_stop(capsys, tmp_path, *words)
    assert f"in phase {phase} nll_valid is not finite" in said or "not finite after its" in said
    saved = tmp_path / "run" / "checkpoint"
    assert ("none was saved" if phase == "mle" else f"checkpoint is {saved};") in said
    assert saved.exists() == (phase == "adversarial")
    log = tmp_path / "run" / "log.jsonl"
    assert "NaN" not in (log.read_text() if log.exists() else "")


# ---------------------------------------------------------------------------------------- full disk


def last_words(capsys, kilobytes: int, *words: str) -> str:
    """What a command says that may write no file above a size."""
    capsys.readouterr()
    with files_up_to(kilobytes << 10):
        assert main(list(words)) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err.splitlines()[-1]


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(tmp_path, capsys):
    """The weights fit; the optimizers only until the critic's has its moments."""
    data, out = corpus(tmp_path), tmp_path / "run"
    said = last_words(capsys, 4000, *TINY, "--data", data, "--out", str(out))
    assert said.startswith(f"seqgan: cannot write {out / 'checkpoint'}: File too large")
    assert [file.name for file in tmp_path.rglob("*tmp*")] == []
    assert json.loads((out / "checkpoint" / "state.json").read_text())["round"] == 3
    assert main(["resume", str(out)]) == 0
    assert (out / "result.json").exists()


@pytest.mark.pictures
def test_a_disk_without_room_for_a_picture(run, capsys):
    before = content(run / "checkpoint")
    said = last_words(capsys, 40, "evaluate", str(run))
    assert said.startswith(f"seqgan: cannot write {run / 'plots'}")
    assert "File too large" in said
    assert content(run / "checkpoint") == before
    assert not list(run.rglob("*tmp*"))
