"""A paper on discrete variables of the user's own, and what the papers that ship decide."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import parse_config
from seqgan.discrete import recipe
from tests.recipes.made import read_log, read_result
from tests.recipes.outside import assert_same_weights, command, killed

ROOT = Path(__file__).resolve().parents[3]
MINE = '''"""CodeGAN (nobody 2026): a third player reads the latent off the samples."""

from dataclasses import dataclass

import torch
from torch import nn

from image_core.adversarial.game import Loss, Turn
from image_core.runs.players import Player, adam
from seqgan.discrete.config import EstimatorOptions, two_players
from seqgan.discrete.game import DiscreteGame


@dataclass(kw_only=True)
class Options(EstimatorOptions):
    """CodeGAN.

    Args:
        reader_lr: Learning rate of the reader.
    """

    reader_lr: float = 0.01
    estimator: str = "leave_one_out"


class CodeGame(DiscreteGame):
    def __init__(self, *parts, **options):
        super().__init__(*parts, **options)
        self.R = nn.Sequential(nn.Flatten(1), nn.LazyLinear(self.latent))
        self.R(self.sample(1))

    def players(self):
        return {**super().players(), "R": list(self.R.parameters())}

    def turns(self):
        return [*super().turns(), Turn("R", self.reader_move)]

    def reader_move(self, batches):
        z = self._latents(self.batch)
        with torch.no_grad():
            x = self.variables.sample(self.G(z), 1)[:, 0]
        yield Loss((self.R(x) - z).square().mean())


def game(o, p):
    G, D = p.generator(), p.discriminator()
    return CodeGame(G, D, p.variables, o.gradient(), o.latent, read=p.read, **o.adversarial())


def players(o):
    return [*two_players(o), Player("R", adam(o.reader_lr))]


PRESETS = {"tiny": {"reader_lr": 0.02}}
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a package of papers and palette images."""
    made = tmp_path_factory.mktemp("own")
    (made / "mypkg").mkdir()
    (made / "mypkg" / "__init__.py").write_text("")
    (made / "mypkg" / "mine.py").write_text(MINE)
    np.savez(made / "a.npz", images=np.random.RandomState(0).randint(0, 4, (300, 4, 8), np.uint8))
    return made


OWN = ("train", "discrete", "--preset", "tiny", "--data", "a.npz", "--paper", "mypkg.mine")


def test_a_third_player_and_an_option_train_and_evaluate(folder):
    done = command(folder, *OWN, "--out", "whole")
    assert done.returncode == 0, done.stderr
    result, log = read_result(folder / "whole"), read_log(folder / "whole")
    assert list(result["table"]) == ["CodeGAN", "real again", "independent variables"]
    config = result["config"]
    assert (config["reader_lr"], config["estimator"], config["samples"]) == (
        0.02, "leave_one_out", 4
    )  # fmt: skip
    assert all(row["R/grad_norm"] > 0 for row in log)
    assert result["steps"] == {"G": 6, "D": 6, "R": 6}


def test_killed_and_resumed_it_ends_the_same(folder):
    words = ("--rounds", "30", "--evaluate_every", "30")
    killed((*OWN, "--out", "killed", *words), folder / "killed", 6, folder)
    assert command(folder, "resume", "killed").returncode == 0
    assert command(folder, *OWN, "--out", "undisturbed", *words).returncode == 0
    assert_same_weights(folder / "killed", folder / "undisturbed")
    assert read_log(folder / "killed") == read_log(folder / "undisturbed")


# ------------------------------------------------------------------------------- papers that ship


def parsed(*words):
    return parse_config("discrete", recipe, ["--out", "run", "--data", "a", *words])[0]


def test_what_a_paper_declares_is_its_own():
    bgan, gan = parsed("--paper", "bgan", "--preset", "paper"), parsed("--preset", "paper")
    assert (bgan.estimator, bgan.samples, bgan.penalty) == ("bgan", 20, "")
    assert (bgan.g_lr, bgan.d_lr, bgan.ema_decay) == (1e-4, 1e-4, 0.0)
    assert (bgan.net, bgan.rounds) == (gan.net, gan.rounds) == ("conv", 93_700)
    assert (gan.estimator, gan.penalty, gan.g_lr, gan.ema_decay) == ("taylor", "r1=0.1", 4e-3, 0.98)
    assert parsed("--paper", "bgan", "--preset", "tiny").samples == 20
    assert parsed("--estimator", "bgan").g_lr == 4e-3


def test_an_estimator_of_another_paper_is_refused():
    with pytest.raises(UserError, match="choose one of bgan, bgan_batch"):
        parsed("--paper", "bgan", "--estimator", "taylor")


def test_options_of_earlier_names_are_gone():
    for name in ("critic_steps", "generator_lr", "average", "judge_samples"):
        assert name not in asdict(parsed())
        with pytest.raises(UserError, match=name):
            parsed(f"--{name}", "1")
