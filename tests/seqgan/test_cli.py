"""The command line itself: help, lists, options from flags and files, and how it is left."""

import os
import signal
import subprocess
import sys

import pytest
import yaml

from seqgan.cli import COMMANDS, main
from seqgan.commands.recipes import recipe_module
from tests.forked import forked
from tests.recipes.made import TINY, content, corpus, refusal
from tests.recipes.outside import logged_lines, wait_for


def python(*words: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment)


def printed_config(capsys, *words: str) -> dict:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["train", *words, "--print_config"])
    assert stop.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


# -------------------------------------------------------------------------------------------- help


def test_help_comes_without_torch():
    done = python("-X", "importtime", "-m", "seqgan.cli", "--help")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "seqgan.neighbours" in imported
    heavy = ("torch", "numpy", "datasets", "transformers", "matplotlib", "jsonargparse", "rich")
    assert not imported.intersection(heavy)
    for command in COMMANDS:
        assert f"seqgan {command} " in done.stdout


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",), ("help",)])
def test_help_is_what_you_get_for_nothing(capsys, words):
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("seqgan: ")
    assert err == ""
    assert all(len(line) <= 100 for line in out.splitlines())


@pytest.mark.parametrize("command", ["resume", "sample", "evaluate", "list"])
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: seqgan {command}")
    assert ("DIR" if command != "list" else "KIND") in out


def test_help_of_training_names_the_recipes(capsys):
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert "seqgan train text --data FILE --out DIR" in out
    assert "seqgan train oracle --out DIR" in out


@pytest.mark.parametrize("recipe", ["oracle", "text"])
def test_help_of_a_recipe_explains_every_option(capsys, recipe):
    with pytest.raises(SystemExit):
        main(["train", recipe, "--help"])
    out = capsys.readouterr().out
    module = recipe_module(recipe)
    config = module.PAPERS.config("seqgan")
    for name in config.__dataclass_fields__:
        explained = out.split(f"  --{name} ")[1].split("\n  --")[0]
        assert "(" in explained.strip().partition(" ")[2], f"--{name} is not explained"
        assert len(" ".join(explained.split())) > len(name) + 30, f"--{name} is not explained"
    assert "--recipe" not in out


# ------------------------------------------------------------------------------------------- lists


def test_recipes_are_listed_with_their_presets(capsys):
    main(["list", "recipes"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "paper, quick, tiny" in lines["oracle"]
    assert "tiny" in lines["text"]


# ----------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["dance"], "'dance'"),
        (["--verse"], "--verse"),
        (["train"], "oracle"),
        (["train", "poem"], "oracle"),
        (["train", "--preset", "tiny"], "oracle"),
        (["list", "things"], "KIND"),
        (["list", "cats"], "cats"),
        (["list", "losses", "twice"], "twice"),
        (["resume"], "DIR"),
        (["sample"], "DIR"),
        (["evaluate"], "DIR"),
        (["resume", "one", "two"], "two"),
        (["train", "text", "--out", "run"], "data"),
        (["train", "oracle"], "out"),
        (["train", "oracle", "--out"], "--out"),
        (["train", "oracle", "--preset"], "--preset"),
        (["train", "oracle", "--preset", "huge", "--out", "run"], "'huge'"),
        (["train", "oracle", "--out", "run", "--tempo", "3"], "--tempo"),
        (["train", "oracle", "--out", "run", "--round", "3"], "--round"),
        (["train", "oracle", "--out", "run", "--pre", "tiny"], "--pre"),
        (["train", "oracle", "--out", "run", "astray"], "astray"),
        (["train", "oracle", "--out", "run", "--rounds", "many"], "--rounds: expected int"),
        (["train", "oracle", "--out", "run", "--rounds", "1.5"], "--rounds: expected int"),
        (["train", "oracle", "--out", "run", "--mle_lr", "nan"], "--mle_lr: expected float"),
        (["train", "oracle", "--out", "run", "--max_grad_norm", "0"], "--max_grad_norm 0"),
        (["train", "text", "--data", "x", "--limit", "1.5"], "--limit: expected int"),
        (["train", "text", "--data", "x", "--level", "sign"], "'word', 'blank', 'char', 'bpe'"),
        (["train", "text", "--data", "x", "--lowercase", "so"], "--lowercase"),
    ],
)
def test_a_wrong_command_is_told_in_one_sentence(capsys, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    said = refusal(capsys, *words)
    assert says in said
    assert "usage" not in said
    assert "<class" not in said
    assert content(tmp_path) == {}


# ---------------------------------------------------------------------------------- flags and files


def test_what_is_written_out_goes_before_the_file_and_that_before_the_preset(tmp_path, capsys):
    file = tmp_path / "options.yaml"
    file.write_text("preset: tiny\nrounds: 17\nmle_epochs: 18\nloss: hinge\n")
    flags = ("--out", "run", "--mle_epochs", "19")
    # Wherever --config stands
    for words in (("--config", str(file), *flags), (*flags, f"--config={file}")):
        config = printed_config(capsys, "oracle", *words)
        assert (config["mle_epochs"], config["rounds"], config["loss"]) == (19, 17, "hinge")
        assert (config["vocab"], config["preset"], config["out"]) == (20, "tiny", "run")
    config = printed_config(capsys, "oracle", "--config", str(file), "--preset", "quick", *flags)
    assert (config["vocab"], config["rounds"], config["mle_epochs"]) == (500, 17, 19)
    assert printed_config(capsys, "oracle", "--out", "run")["vocab"] == 5000


def test_of_two_files_the_later_counts(tmp_path, capsys):
    (tmp_path / "one").write_text("rounds: 1\nbatch: 3\n")
    (tmp_path / "two").write_text("rounds: 2\n")
    words = ("--config", str(tmp_path / "one"), "--config", str(tmp_path / "two"))
    config = printed_config(capsys, "oracle", *words, "--preset", "tiny", "--out", "run")
    assert (config["rounds"], config["batch"]) == (2, 3)


@pytest.mark.parametrize("recipe", ["oracle", "text"])
def test_a_printed_configuration_can_be_fed_back(tmp_path, capsys, recipe):
    words = ("--preset", "tiny", "--out", "run", "--rounds", "5", "--penalty", "r1=2")
    words += ("--data", "corpus.txt", "--limit", "7") if recipe == "text" else ("--vocab", "30")
    config = printed_config(capsys, recipe, *words)
    (tmp_path / "options.yaml").write_text(yaml.safe_dump(config))
    assert printed_config(capsys, recipe, "--config", str(tmp_path / "options.yaml")) == config


def test_the_configuration_of_a_run_starts_another(tmp_path, capsys):
    words = ("--preset", "tiny", "--out", str(tmp_path / "run"), "--rounds", "0")
    assert main(["train", "oracle", *words, "--d_warmup_steps", "0"]) == 0
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    file = ("--config", str(tmp_path / "run" / "config.yaml"), "--out", "other")
    config = printed_config(capsys, "oracle", *file)
    assert saved.pop("recipe") == "oracle"
    assert saved.pop("format") == 2
    assert {**saved, "out": "other"}.items() <= config.items()
    assert "recipe" in refusal(capsys, "train", "text", "--data", "x", *file)


def test_hyphens_do_for_underscores(capsys):
    words = ("--preset", "tiny", "--out", "my-run", "--mle-epochs", "7", "--d-lr=0.5")
    config = printed_config(capsys, "oracle", *words)
    assert (config["mle_epochs"], config["d_lr"], config["out"]) == (7, 0.5, "my-run")


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (None, "cannot be read"),
        (b"", "holds no options"),
        (b"- rounds\n", "holds no options"),
        (b"just text\n", "holds no options"),
        (b"rounds: [3\n", "not valid YAML"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b"tempo: 3\n", "'tempo'"),
        (b"rounds: many\n", "--rounds"),
        (b"preset: huge\n", "'huge'"),
        (b"rounds:\nbatch: 16\n", "--rounds has no value"),
    ],
)
def test_a_wrong_file_of_options_is_refused(tmp_path, capsys, held, says):
    file = tmp_path / "options.yaml"
    if held is not None:
        file.write_bytes(held)
    said = refusal(capsys, "train", "oracle", "--config", str(file), "--out", str(tmp_path / "run"))
    assert says in said
    assert "--" in said
    assert not (tmp_path / "run").exists()


# ----------------------------------------------------------------------------------- how it is left


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on(tmp_path):
    run = tmp_path / "run"
    words = ("--data", corpus(tmp_path), "--out", str(run), "--mle_epochs", "500")
    told = tmp_path / "told"
    process = forked(main, [*TINY, *words, "--patience", "500"], told=told)
    wait_for(lambda: process.exitcode is not None or logged_lines(run))
    os.kill(process.pid, signal.SIGINT)
    process.join()
    err = told.read_text()
    assert process.exitcode == 75
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        f"seqgan: stopped; `seqgan resume {run}` goes on where it stopped"
    )


def test_output_that_cannot_be_written(capsys, monkeypatch):
    def write(text: str) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sys.stdout, "write", write)
        assert main(["list", "losses"]) == 2
    assert capsys.readouterr().err == "seqgan: output: No space left on device\n"


def test_a_reader_that_has_enough_is_no_mistake():
    command = f"{sys.executable} -m seqgan.cli list losses"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command.split(), stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
