"""A paper of the user's own, outside the repository: a player, a phase and an option of its own."""

import json
import sys
from pathlib import Path

import pytest

from tests.recipes.made import content, corpus, read_log, read_result
from tests.recipes.made import short_report as short_report
from tests.recipes.outside import assert_same_weights, command, died, logged

ROOT = Path(__file__).resolve().parents[3]
MANAGED = '''"""ManagedGAN (nobody 2026): a manager turns the verdict into a goal."""

from dataclasses import dataclass

import torch
from torch import nn

from image_core.adversarial.game import Loss, Turn
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam
from seqgan.text.config import SampledOptions, two_players
from seqgan.text.games.policy import PolicyGame


@dataclass(kw_only=True)
class Options(SampledOptions):
    """ManagedGAN.

    Args:
        manager_lr: Learning rate of the manager.
        manager_rounds: Rounds in which the manager learns alone.
    """

    manager_lr: float = 0.1
    manager_rounds: int = 2


class ManagedGame(PolicyGame):
    def __init__(self, G, D, length, samples, **steps):
        super().__init__(G, D, length, **steps)
        self.M, self.samples = nn.Linear(1, 1), samples

    def players(self):
        return {**super().players(), "M": list(self.M.parameters())}

    def turns(self):
        return [Turn("M", self.manager_move), *super().turns()]

    def manager_move(self, batches):
        verdict = self.D(next(batches)).detach()
        yield Loss((self.M(verdict[:, None]) - 1).square().mean())

    def policy_move(self, batches):
        self.G.eval()
        tokens = self.G.sample(self.samples, self.length)
        with torch.no_grad():
            goal = self.M(self.D(tokens)[:, None])
        yield Loss(-(goal * self.G.log_prob(tokens)).mean(), {"reward": goal.mean()})

    def discriminator_steps(self, batches, steps):
        for _ in range(steps):
            real = next(batches)
            fake = self.G.sample(len(real), self.length)
            logits = self.D(real).sigmoid().log().mean() + (-self.D(fake)).sigmoid().log().mean()
            yield Loss(-logits, {"accuracy": (self.D(real) > 0).float().mean()})


def game(o, s):
    policy = o.lstm(s)
    return ManagedGame(
        policy, o.cnn(policy), s.length, o.samples, g_steps=o.g_steps, d_steps=o.d_steps
    )


def players(o):
    return [*two_players(o), Player("M", adam(o.manager_lr))]


def phases(run):
    alone = Phase("manager", [Turn("M", run.game.manager_move)], run.config.manager_rounds)
    return [run.mle_phase(), run.warmup_phase(), alone, run.adversarial_phase()]


PRESETS = {"tiny": {"manager_rounds": 3}}
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a package of papers and a corpus."""
    made = tmp_path_factory.mktemp("own")
    (made / "mypackage").mkdir()
    (made / "mypackage" / "__init__.py").write_text("")
    (made / "mypackage" / "managed.py").write_text(MANAGED)
    corpus(made)
    return made


TRAIN = ("train", "text", "--preset", "tiny", "--data", "corpus.txt", "--sweep_samples", "16")
OWN = (*TRAIN, "--paper", "mypackage.managed")


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_a_third_player_a_phase_and_an_option_train_resume_sample_and_evaluate(folder):
    done = command(folder, *OWN, "--out", "whole", "--manager_lr", "0.05")
    assert done.returncode == 0, done.stderr
    result, log = read_result(folder / "whole"), read_log(folder / "whole")
    assert {"MLE", "ManagedGAN", "human"} <= set(result["table"])
    assert result["config"]["manager_lr"] == 0.05
    assert [row["phase"] for row in log].count("manager") == 3  # its own PRESETS
    assert all(row["M/grad_norm"] > 0 for row in log if row["phase"] in ("manager", "adversarial"))
    assert result["steps"]["M"] == 3 + 3
    sampled = command(folder, "sample", "whole", "--n", "4")
    assert len(sampled.stdout.splitlines()) == 4, sampled.stderr
    table = read_result(folder / "whole")["table"]
    assert command(folder, "evaluate", "whole").returncode == 0
    assert read_result(folder / "whole")["table"] == table
    assert "ManagedGAN" in command(folder, *TRAIN, "--paper", "mypackage.managed", "--help").stdout


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_killed_in_its_own_phase_it_ends_the_same(folder):
    words = ("--out", "killed", "--manager_rounds", "4", "--rounds", "1")
    died((*OWN, *words), logged("manager", 3), folder)
    assert command(folder, "resume", "killed").returncode == 0
    whole = (*words[2:], "--out", "undisturbed")
    assert command(folder, *OWN, *whole).returncode == 0
    assert_same_weights(folder / "killed", folder / "undisturbed")
    assert read_log(folder / "killed") == read_log(folder / "undisturbed")


@pytest.mark.usefixtures("short_report")
def test_what_it_raises_in_training_names_its_line_and_loses_nothing(folder):
    """The phase before was saved; once the paper is mended the run goes on from there."""
    source = folder / "mypackage" / "breaks.py"
    step = "        verdict = self.D(next(batches)).detach()\n"
    source.write_text(MANAGED.replace(step, f"{step}        verdict[999]\n"))
    line = 1 + source.read_text().splitlines().index("        verdict[999]")
    words = (*TRAIN, "--paper", "mypackage.breaks", "--out", "broken", "--report", "none")
    done = command(folder, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"seqgan: {source}, line {line}, in manager_move: IndexError: index 999 is out of bounds "
        "for dimension 0 with size 16; mend it, then `seqgan resume broken` goes on from the last "
        "checkpoint"
    )
    before = read_log(folder / "broken")
    assert {row["phase"] for row in before} == {"mle", "warmup"}
    source.write_text(MANAGED)
    assert command(folder, "resume", "broken").returncode == 0
    after = read_log(folder / "broken")
    assert after[: len(before)] == before
    assert after[-1]["phase"] == "adversarial"


TWICE = MANAGED.replace('Player("M", adam(o.manager_lr))', 'Player("G", adam(0.1))')
UNKNOWN = MANAGED.replace('Player("M", adam', 'Player("X", adam')
SILENT = MANAGED.replace(', Player("M", adam(o.manager_lr))', "")
PLAIN = MANAGED.replace("@dataclass(kw_only=True)\nclass Options(SampledOptions)", "class Options")

RAISED = "in {}: ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (MANAGED.replace("def players", "def others"), "has no `players`"),
        (MANAGED.replace("class Options", "class Choices"), "has no `Options`"),
        (MANAGED.replace("def game(", "def play("), "has no `game`"),
        ("raise ValueError('no luck')", "cannot be imported: ValueError: no luck"),
        ("import nothing_like_this", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        (f"{MANAGED}\ngame = lambda o, s: None", "`game` built a NoneType; return a Game of"),
        (f"{MANAGED}\nplayers = lambda o: None", "`players` must return a list of Player"),
        (f"{MANAGED}\nplayers = lambda o: Player('G', adam(1.0))", "must return a list of Player"),
        (f"{MANAGED}\nplayers = lambda o: ['G', 'D']", "`players` must return a list of Player"),
        (TWICE, "names the player 'G' twice"),
        (UNKNOWN, "names the player 'X', but the game's are"),
        (SILENT, "has no optimizer for the game's player 'M'"),
        (PLAIN, "must be a dataclass derived from SharedOptions"),
        (MANAGED.replace('manager_rounds": 3', 'hope": 3'), "PRESETS name 'hope'"),
        (f"{MANAGED}\nPRESETS = 3", "`PRESETS` of"),
        (f"{MANAGED}\nRECIPES = 'text'", "must be the names of recipes"),
        (f"{MANAGED}\nphases = 3", "is not a function"),
        (MANAGED.replace("game(o, s)", "game(o)"), "`game` takes (o), and is called with 2 argum"),
        (MANAGED.replace("rounds: int = 2", "rounds: 'Hope' = 2"), "NameError: name 'Hope' is not"),
        (MANAGED.replace("adam(o.m", "adam(-o.m"), "of the player 'M' cannot be built: Invalid"),
        (MANAGED.replace("return ManagedGame(", "1 / 0\n    ManagedGame("), RAISED.format("game")),
        (MANAGED.replace("return [*two", "[][0]\n    [*two"), "in players: IndexError: list index"),
        (MANAGED.replace("nn.Linear(1, 1)", "1 / 0"), RAISED.format("__init__")),
        (f"{MANAGED}\ndata = lambda o, corpus: 1 / 0", RAISED.format("<lambda>")),
    ],
)
def test_a_module_that_is_no_paper_is_one_sentence_with_its_path(
    tmp_path, monkeypatch, capsys, source, says
):
    from seqgan.cli import main

    name = f"paper_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    corpus(tmp_path)
    assert main([*TRAIN, "--out", "run", "--paper", name]) == 2
    said = capsys.readouterr().err.splitlines()
    said = [line for line in said if not line.startswith(("train: ", "valid: ", "test: "))]
    assert len(said) == 1, said
    assert says in said[0]
    assert f"{name}.py" in said[0]
    assert not (tmp_path / "run").exists()


def test_a_run_of_version_0_1_is_refused_and_left_alone(tmp_path, capsys):
    from seqgan.cli import main

    run = tmp_path / "old"
    run.mkdir()
    (run / "config.yaml").write_text(f"recipe: oracle\nout: {run}\nalias: seqgan\n")
    (run / "log.jsonl").write_text(json.dumps({"round": 1}) + "\n")
    before = content(run)
    for words in (["resume", str(run)], ["sample", str(run)], ["evaluate", str(run)]):
        assert main(words) == 2
        (said,) = capsys.readouterr().err.splitlines()
        assert "version 0.1" in said
    assert content(run) == before
