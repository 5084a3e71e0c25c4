"""A paper on retrieval of the user's own, outside the repository, with an option of its own."""

from dataclasses import asdict
from pathlib import Path

import pytest

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import parse_config
from seqgan.retrieval import recipe
from tests.recipes.made import read_log, read_result
from tests.recipes.outside import assert_same_weights, command, died, logged
from tests.seqgan.retrieval.made import write_pairs

ROOT = Path(__file__).resolve().parents[3]
MINE = '''"""BoldGAN (nobody 2026): IRGAN whose generator is paid for entropy besides."""

from dataclasses import dataclass

from image_core.adversarial.game import Loss
from seqgan.retrieval.config import SoftmaxOptions, three_players
from seqgan.retrieval.game import RetrievalGame


@dataclass(kw_only=True)
class Options(SoftmaxOptions):
    """BoldGAN.

    Args:
        entropy_coef: Weight of the entropy of the generator.
    """

    entropy_coef: float = 0.1
    loss: str = "hinge"


class BoldGame(RetrievalGame):
    entropy_coef = 0.0

    def generator_move(self, batches):
        rows = next(batches)
        (loss,) = super().generator_move(iter([rows]))
        log_prob = self.batch(rows).log_policy(self.G, self.temperature)
        entropy = -(log_prob.exp() * log_prob).sum(1).mean()
        yield Loss(loss.total - self.entropy_coef * entropy, {**loss.logs, "entropy": entropy})


def game(o, r):
    made = BoldGame(r.scorer(), r.discriminator(), r.split, **o.adversarial())
    made.entropy_coef = o.entropy_coef
    return made


players = three_players
PRESETS = {"tiny": {"entropy_coef": 0.3}}
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a package of papers and pairs of users and items."""
    made = tmp_path_factory.mktemp("own")
    (made / "mypkg").mkdir()
    (made / "mypkg" / "__init__.py").write_text("")
    (made / "mypkg" / "mine.py").write_text(MINE)
    write_pairs(made / "pairs.tsv", users=40, each=12)
    return made


OWN = ("train", "retrieve", "--preset", "tiny", "--data", "pairs.tsv", "--relevant", "4",
       "--baselines", "none", "--paper", "mypkg.mine")  # fmt: skip


def test_a_paper_of_ones_own_trains_and_evaluates(folder):
    done = command(folder, *OWN, "--out", "whole")
    assert done.returncode == 0, done.stderr
    result, log = read_result(folder / "whole"), read_log(folder / "whole")
    assert set(result["table"]) == {"ideal", "random", "start (no adversary)", "BoldGAN"}
    assert (result["config"]["entropy_coef"], result["config"]["loss"]) == (0.3, "hinge")
    assert all(row["G/entropy"] > 0 for row in log if row["phase"] == "adversarial")
    assert "BoldGAN" in done.stdout
    assert command(folder, "evaluate", "whole").returncode == 0
    assert read_result(folder / "whole")["table"] == result["table"]


def test_killed_and_resumed_it_ends_the_same(folder):
    words = ("--rounds", "4", "--entropy_coef", "0.2")
    died((*OWN, "--out", "killed", *words), logged("adversarial", 3), folder)
    assert command(folder, "resume", "killed").returncode == 0
    assert command(folder, *OWN, "--out", "undisturbed", *words).returncode == 0
    assert_same_weights(folder / "killed", folder / "undisturbed")
    assert read_log(folder / "killed") == read_log(folder / "undisturbed")


# ------------------------------------------------------------------------------- papers that ship


def parsed(*words):
    return parse_config("retrieve", recipe, ["--out", "run", "--data", "a", *words])[0]


def test_what_a_paper_declares_is_its_own():
    pairwise = parsed("--paper", "irgan_pairwise", "--preset", "tiny")
    assert (pairwise.loss, pairwise.reward, pairwise.mixture) == ("relativistic", "log_sigmoid", 0)
    assert (pairwise.rounds, pairwise.d_steps) == (3, 1)
    assert (parsed().loss, parsed().mixture) == ("non_saturating", 0.2)
    authors = parsed("--paper", "irgan_authors")
    assert (authors.d_steps, authors.d_epochs, authors.estimator) == (100, 5, "reinforce")
    assert (authors.select, authors.rounds, authors.ties) == ("test", 15, "last")
    for option in ("d_epochs", "negative_temperature", "start", "start_prefix"):
        assert option not in asdict(parsed())
        with pytest.raises(UserError, match=option):
            parsed(f"--{option}", "1")
    assert parsed("--mixture", "0.5").mixture == 0.5


def test_options_of_earlier_names_are_gone():
    for name in ("critic_steps", "anchor", "hide", "warm", "form", "policy_lr", "measured"):
        assert name not in asdict(parsed())
        with pytest.raises(UserError, match=name):
            parsed(f"--{name}", "1")


def test_only_its_module_its_tests_and_the_page_know_a_paper():
    folder = Path(recipe.__file__).parent
    for file in folder.glob("*.py"):
        assert "papers.irgan" not in file.read_text(), file
