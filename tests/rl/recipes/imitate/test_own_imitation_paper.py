"""A paper of imitation from outside: a reward, a discriminator and an option of its own."""

import sys
from pathlib import Path

import pytest

from seqgan.cli import main
from tests.recipes.made import read_log, read_result
from tests.recipes.outside import assert_same_weights, command, died, logged

ROOT = Path(__file__).resolve().parents[4]
MINE = '''"""MyGAIL (nobody 2026): a bilinear discriminator, and a reward that is cut off."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from image_core.adversarial import losses
from rl.discriminators import Discriminator
from rl.recipes.imitate.build import make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions):
    """MyGAIL.

    Args:
        ceiling: Greatest reward of a step.
    """

    penalty: str = "r1=2"
    ceiling: float = 1.0


class BilinearDiscriminator(Discriminator):
    def __init__(self, observations, actions, normaliser):
        super().__init__(observations, actions, normaliser)
        self.form = nn.Bilinear(self.state, self.features - self.state, 1)

    def score(self, x):
        return self.form(x[:, : self.state], x[:, self.state :]).squeeze(1)


def cut(ceiling, logit):
    return logit.clamp(max=ceiling)


def game(o, task):
    learner = make_learner(o, task)
    D = BilinearDiscriminator(*task.parts)
    return make_game(
        o, task, learner, D, reward=partial(cut, o.ceiling), loss=losses.non_saturating
    )


def players(o):
    return on_policy_players(o)


PRESETS = {"tiny": {"ceiling": 0.25}}
'''
TRAIN = ("train", "imitate", "--preset", "tiny", "--env", "CartPole-v1", "--demos", "demos.npz")
OWN = (*TRAIN, "--paper", "mypkg.mygail", "--threads", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a package of papers and demonstrations."""
    made = tmp_path_factory.mktemp("own")
    (made / "mypkg").mkdir()
    (made / "mypkg" / "__init__.py").write_text("")
    (made / "mypkg" / "mygail.py").write_text(MINE)
    record(made)
    return made


def record(folder):
    words = ["--env", "CartPole-v1", "--episodes", "4", "--out", str(folder / "demos.npz")]
    assert main(["demos", *words]) == 0


@pytest.mark.slow
def test_a_paper_of_ones_own_is_trained_recorded_and_evaluated(folder):
    done = command(folder, *OWN, "--out", "whole")
    assert done.returncode == 0, done.stderr
    result = read_result(folder / "whole")
    rows = ["expert", "MyGAIL", "discriminator never trained", "random demonstrations"]
    assert list(result["table"])[:4] == rows
    assert result["config"]["ceiling"] == 0.25  # its own PRESETS
    assert result["config"]["penalty"] == "r1=2"
    log = read_log(folder / "whole")
    assert all(row["G/reward"] <= 0.25 / 0.01 for row in log if "G/reward" in row)
    assert command(folder, "evaluate", "whole").returncode == 0
    assert read_result(folder / "whole")["table"] == result["table"]
    again = command(folder, "demos", "whole", "--episodes", "2", "--out", "mine.npz")
    assert "2 episodes of CartPole-v1" in again.stdout, again.stderr
    told = command(folder, *OWN, "--help").stdout
    assert "Greatest reward of a step." in told
    assert "--reward" not in told  # its reward is no option


@pytest.mark.slow
def test_killed_in_its_rounds_it_ends_the_same(folder):
    words = (*OWN, "--env_steps", "256", "--ceiling", "0.5")
    died((*words, "--out", "killed"), logged("imitation", 3), folder)
    assert command(folder, "resume", "killed").returncode == 0
    assert command(folder, *words, "--out", "undisturbed").returncode == 0
    assert_same_weights(folder / "killed", folder / "undisturbed")
    assert read_log(folder / "killed") == read_log(folder / "undisturbed")
    found, wanted = (read_result(folder / name) for name in ("killed", "undisturbed"))
    assert found["returns"] == wanted["returns"]


TWICE = MINE.replace("return on_policy_players(o)", "return 2 * on_policy_players(o)")
UNKNOWN = MINE.replace("on_policy_players(o)", 'on_policy_players(o)[0]._replace(name="X"),')
PLAIN = MINE.replace("@dataclass(kw_only=True)\nclass Options(OnPolicyOptions)", "class Options")


OTHER = """    from image_core.adversarial.game import Game
    parts = {"__init__": lambda self, *_, **__: Game.__init__(self), "players": 0, "turns": 0}
    return type("Other", (Game,), parts)("""
"""A game, but not one of imitation."""


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (MINE.replace("def players", "def others"), "has no `players`"),
        (MINE.replace("class Options", "class Choices"), "has no `Options`"),
        (MINE.replace("def game(", "def play("), "has no `game`"),
        ("raise ValueError('no luck')", "cannot be imported: ValueError: no luck"),
        ("import nothing_like_this", "cannot be imported: ModuleNotFoundError"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        (TWICE, "names the player 'G' twice"),
        (UNKNOWN, "names the player 'X', but the game's are"),
        (PLAIN, "must be a dataclass derived from ImitationOptions"),
        (MINE.replace('{"ceiling": 0.25}', '{"hope": 3}'), "PRESETS name 'hope'"),
        (MINE.replace("    return make_game(", "    return nn.Identity("), "built a Identity"),
        (MINE.replace("    return make_game(", OTHER), "returns no Imitator"),
    ],
)
def test_a_module_that_is_no_paper_is_one_sentence_with_its_path(
    tmp_path, monkeypatch, capsys, source, says
):
    name = f"paper_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    record(tmp_path)
    capsys.readouterr()
    assert main([*TRAIN, "--out", "run", "--paper", name]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert says in said
    assert f"{name}.py" in said
    assert not (tmp_path / "run").exists()
