"""`module:name` for a loss, a penalty and an estimator, from a folder that is not ours."""

import hashlib
import sys

import pytest
import torch
import yaml

from image_core.adversarial.errors import UserError
from image_core.runs import outside
from image_core.runs.losses import make_loss
from image_core.runs.options import check_estimator, own_estimator
from image_core.runs.penalties import make_penalty, parse_penalties
from seqgan.cli import main
from seqgan.text import own
from tests.recipes.made import TINY_ORACLE, read_result, refusal
from tests.recipes.made import short_report as short_report
from tests.recipes.outside import assert_same_weights, command

MINE = """
import torch
from image_core.adversarial.losses import AdversarialLoss, hinge
from image_core.adversarial.estimators import reinforce

linear = AdversarialLoss(
    lambda real, fake: (fake - real).mean(), lambda real, fake: -fake.mean(), None
)
number = 3.0


def pull(weight):
    return lambda discriminator, real, fake: weight * discriminator(real).square().mean()


def doubled():
    plain = reinforce()
    return lambda log_prob, reward, mask: 2 * plain(log_prob, reward, mask)


def nothing(*arguments):
    return None


def two(a, b):
    return None


def lone(weight):
    return lambda logits: weight * logits.mean()
"""
RUN = (*TINY_ORACLE, "--mle_epochs", "1", "--rounds", "1", "--test_size", "16")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory with the user's module, which is forgotten afterwards."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("mine", None)


def test_own_objects_are_built_as_named_ones_are(folder):
    x = torch.tensor([[3.0, 4.0]])
    assert make_loss("mine:linear").d(torch.tensor([2.0]), torch.tensor([5.0])) == 3
    terms = parse_penalties("r1=2,mine:pull=0.5 l2=1")
    assert terms.slopes == (("r1", 2.0), ("mine:pull", 0.5))
    assert terms.weights == (("l2", 1.0),)
    penalty = make_penalty("mine:pull=0.5,mine:pull")
    assert penalty(lambda x: x.sum(1), x, x) == (0.5 + 10) * 49
    check_estimator("mine:doubled", (), {})
    ones = torch.ones(1, 2)
    assert own_estimator("mine:doubled")(-ones, 3 * ones, ones.bool()) == 6


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: make_loss("mine:number"), "--loss mine:number: it is a float; make it Adversari"),
        (lambda: make_loss("mine:pull"), "it is a function; make it AdversarialLoss"),
        (lambda: make_loss("mine:hope"), r"mine\.py has no 'hope'"),
        (lambda: make_loss("mine:"), "write module:name"),
        (lambda: make_loss("a b:c"), "write module:name"),
        (lambda: make_loss("hope.mine:x"), "--loss hope.mine: there is no module hope in .* or"),
        (lambda: make_penalty("mine:number"), "--penalty mine:number: it is a float; give a func"),
        (lambda: make_penalty("mine:nothing=1"), "called with its weight it gave a NoneType"),
        (lambda: make_penalty("mine:pull=-1"), "the weight must be a positive number"),
        (lambda: check_estimator("mine:number", (), {}), "--estimator mine:number: it is a float"),
        (lambda: own_estimator("mine:pull"), "with 0 arguments to build .* but missing a required"),
        (lambda: own_estimator("mine:nothing"), "it built a NoneType; return a function"),
        (lambda: own_estimator("mine:pull", 1, takes=4), "what it builds: it takes .* with 4 arg"),
        (lambda: make_penalty("mine:two=1"), r"mine:two: it takes \(a, b\), and is called with 1"),
        (lambda: make_penalty("mine:doubled"), r"it takes \(\), and is called with 1 argument;"),
        (lambda: make_penalty("mine:lone"), "lone: what it returns: it takes .* with 3 arguments"),
        (lambda: own.function("metric", "mine:pull"), r"takes \(weight\), and .* with 2 argum"),
        (lambda: own.function("reward", "mine:two"), r"--reward mine:two: it takes \(a, b\), and"),
    ],
)
def test_what_is_no_such_object(folder, use, says):
    with pytest.raises(UserError, match=says):
        use()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise ValueError('no\\nluck')", r"mine\.py cannot be imported: ValueError: no luck$"),
        ("import nothing_like_this", r"mine\.py cannot be imported: ModuleNotFoundError"),
        ("def broken(:", r"mine\.py cannot be imported: SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported(folder, source, says):
    (folder / "mine.py").write_text(source)
    with pytest.raises(UserError, match=says):
        make_loss("mine:linear")


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_a_run_records_its_sources_and_says_when_they_change(folder):
    words = ("--penalty", "r1=1,mine:pull=2", "--estimator", "mine:doubled")
    done = command(folder, *RUN, *words, "--out", "run")
    assert done.returncode == 0, done.stderr
    saved = yaml.safe_load((folder / "run" / "config.yaml").read_text())
    assert saved["sources"] == {"mine": hashlib.sha256(MINE.encode()).hexdigest()}
    assert saved["penalty"] == "r1=1,mine:pull=2"
    # The run's own file of options starts another one, which is the same
    done = command(folder, "train", "oracle", "--config", "run/config.yaml", "--out", "again")
    assert done.returncode == 0, done.stderr
    assert_same_weights(folder / "again", folder / "run")
    # And the options are what it was trained by
    done = command(folder, *RUN, "--penalty", "r1=1", "--out", "other")
    with pytest.raises(AssertionError):
        assert_same_weights(folder / "other", folder / "run")

    said = command(folder, "resume", "run").stderr
    assert "has changed" not in said
    (folder / "mine.py").write_text(MINE + "\n")
    said = [line for line in command(folder, "resume", "run").stderr.splitlines() if "mine" in line]
    assert said == [
        f"mine has changed since the run began ({folder / 'mine.py'}); the run goes on with the "
        "file as it is now"
    ]
    (folder / "mine.py").unlink()
    done = command(folder, "resume", "run")
    assert done.returncode == 2
    assert "there is no module mine in" in done.stderr


def test_only_own_modules_are_recorded(folder):
    class Config:
        def __init__(self, **values):
            vars(self).update(values)

    make_loss("mine:linear")
    config = Config(loss="mine:linear", penalty="r1=1", data="http://here", reward=None)
    assert list(outside.sources(config)) == ["mine"]
    assert outside.sources(Config(loss="hinge", out="a:b")) == {}
    assert outside.changes({}, config) == []
    assert len(outside.changes({"mine": "0"}, config)) == 1


def test_a_bad_object_is_refused_before_anything_is_written(folder, capsys):
    said = refusal(capsys, *RUN, "--reward_weight", "0.3", "--out", "run")
    assert said.startswith("seqgan: --reward_weight 0.3: it weighs a --reward of your own; name")
    said = refusal(capsys, *RUN, "--paper", "./mine.py", "--out", "run")
    assert said.startswith("seqgan: --paper ./mine.py: write the name of a module, for example")
    said = refusal(capsys, *RUN, "--penalty", "mine:number", "--out", "run")
    assert "--penalty mine:number: it is a float" in said
    assert not (folder / "run").exists()


# ------------------------------------------------------------------------------------ entry points

PAPER = """\
\"\"\"Ours, after SeqGAN: a paper of another package.\"\"\"

from seqgan.text.papers.seqgan import PRESETS, Options, game, players
"""


@pytest.fixture
def installed(folder):
    """A package with metadata, as pip would leave it."""

    def install(points: str, group: str = "seqgan.text.papers") -> None:
        package = folder / "site"
        (package / "theirs").mkdir(parents=True)
        (package / "theirs" / "__init__.py").write_text("")
        (package / "theirs" / "ours.py").write_text(PAPER)
        info = package / "theirs-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{points}\n")
        sys.path.insert(0, str(package))

    yield install
    for name in ("theirs", "theirs.ours"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("short_report")
def test_a_package_adds_a_paper(folder, installed, capsys):
    installed("ours = theirs.ours")
    assert main(["list", "papers"]) == 0
    assert "ours" in capsys.readouterr().out.split()
    assert main([*RUN, "--paper", "ours", "--out", "run"]) == 0
    saved = yaml.safe_load((folder / "run" / "config.yaml").read_text())
    assert saved["paper"] == "ours"
    assert saved["sources"] == {"theirs.ours": hashlib.sha256(PAPER.encode()).hexdigest()}
    assert "Ours, after SeqGAN" in read_result(folder / "run")["table"]
    assert main(["resume", "run"]) == 0


def test_a_package_adds_papers_to_the_domain_that_they_import_from(folder, installed):
    from rl.recipes.imitate.recipe import PAPERS as OF_IMITATION
    from seqgan.text.oracle_recipe import PAPERS

    installed("ours = theirs.ours", "seqgan")
    assert "ours" in PAPERS.names()
    assert PAPERS.load("ours").title == "Ours, after SeqGAN"
    assert "ours" not in OF_IMITATION.names()


def test_no_package_hides_a_paper_of_ours(folder, installed):
    installed("seqgan = theirs.ours")
    from seqgan.text.oracle_recipe import PAPERS

    assert PAPERS.names().count("seqgan") == 1
    assert PAPERS.load("seqgan").file.endswith("text/papers/seqgan.py")
    assert PAPERS.load("theirs.ours").file.endswith("theirs/ours.py")


def test_an_entry_point_that_leads_nowhere(folder, installed, capsys):
    installed("ours = theirs.hope")
    said = refusal(capsys, *RUN, "--paper", "ours", "--out", "run")
    assert "--paper theirs.hope: there is no module theirs.hope" in said
