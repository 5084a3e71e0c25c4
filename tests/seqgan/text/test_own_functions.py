"""--policy, --discriminator, --reward and --metric of the user's own, `module:name`."""

import hashlib
import sys

import pytest
import torch
import yaml

from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.lm.policies import LSTMPolicy
from seqgan.text import oracle_recipe as oracle
from seqgan.text import own
from seqgan.text import recipe as text
from seqgan.text.config import Sequences
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.rewards import rollout_reward, sentence_reward
from tests.recipes.made import TINY, built, corpus, read_log, read_result, refusal
from tests.recipes.made import short_report as short_report

MINE = """
import torch
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.discriminators import CNNDiscriminator


class Wide(LSTMPolicy):
    def __init__(self, s):
        super().__init__(s.vocab, 6, 10, start=s.start, end=s.end, pad=s.pad)


class Narrow(CNNDiscriminator):
    def __init__(self, policy):
        super().__init__(policy.vocab, 4, ((1, 3), (2, 3)), end=policy.end)


def other_words(s):
    return LSTMPolicy(s.vocab + 1, 6, 10, start=s.start, end=s.end, pad=s.pad)


def nothing(x):
    return None


def cats(sentences):
    assert len(set(sentences)) == len(sentences)
    return [float("cat" in sentence.split()) for sentence in sentences]


def cat_share(samples, references):
    assert len(references) > 5
    return sum(cats(list(samples[i : i + 1]))[0] for i in range(len(samples))) / len(samples)


def one(sentences):
    return 1.0


def endless(sentences):
    return [float("inf")] * len(sentences)


def word(samples, references):
    return "many"


number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory with the user's module, which is forgotten afterwards."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("mine", None)


SEQUENCES = Sequences(12, 8, 1, 2, 0, lambda: torch.arange(80).view(10, 8) % 8 + 4)


def papers_with(option):
    """The papers whose options have one of the user's own, in a tiny size."""
    for name in oracle.PAPERS.names():
        config = built(oracle, paper=name, out="run")
        if option in vars(config):
            yield name, config


NEED_THEIR_OWN = {"gsgan", "leakgan", "rankgan", "relgan", "textgan"}
"""Papers that need more of a discriminator than the logit of a sequence."""


def test_every_paper_that_takes_a_policy_plays_with_it(folder):
    names = set()
    for name, _ in papers_with("policy"):
        if name in ("leakgan", "maskgan"):  # refused
            continue
        config = built(oracle, paper=name, out="run", policy="mine:Wide")
        assert type(oracle.PAPERS.load(name).game(config, SEQUENCES).G).__name__ == "Wide"
        assert config.method()["policy"] == "mine:Wide"
        names.add(name)
    assert {"seqgan", "maligan", "rankgan", "relgan"} <= names


def test_every_paper_that_takes_a_discriminator_plays_with_it_or_refuses_it(folder):
    taken = set()
    for name, _ in papers_with("discriminator"):
        own_one = {"paper": name, "out": "run", "discriminator": "mine:Narrow"}
        if name in NEED_THEIR_OWN:
            with pytest.raises(UserError, match="mine:Narrow: choose one of seqgan, small"):
                built(oracle, **own_one)
            continue
        config = built(oracle, **own_one)
        game = oracle.PAPERS.load(name).game(config, SEQUENCES)
        assert type(game.D).__name__ == "Narrow"
        assert config.shortest() == 1
        assert config.method()["discriminator"] == "mine:Narrow"
        taken.add(name)
    assert {"seqgan", "maligan", "maligan_mixed"} <= taken


def test_the_reward_is_a_mixture_by_hand(folder):
    G = LSTMPolicy(12, 4, 4, start=1, end=2, pad=0)
    D = CNNDiscriminator(12, 4, ((1, 3),), end=2)
    tokens = torch.tensor([[5, 6, 2, 0], [7, 2, 0, 0]])
    added = own.objective("mine:cats", lambda row: "cat" if row[0] == 5 else "dog")
    torch.testing.assert_close(added(tokens[[0, 1, 0]]), torch.tensor([1.0, 0.0, 1.0]))

    torch.manual_seed(1)
    plain = rollout_reward(3)(G, D, tokens)
    torch.manual_seed(1)
    mixed = rollout_reward(3, torch.sigmoid, added, 0.25)(G, D, tokens)
    # The first token decides, so the own reward of every prefix is that of its sequence
    share = torch.tensor([[1.0], [0.0]]).expand(2, 4)
    torch.testing.assert_close(mixed, 0.75 * plain + 0.25 * share)
    whole = sentence_reward()(G, D, tokens)
    torch.testing.assert_close(mixed[0, 2], 0.75 * whole[0, 0] + 0.25)


@pytest.mark.usefixtures("short_report")
def test_a_run_of_own_parts(folder):
    """ORGAN: with the weight at 1 the policy learns what the user's function wants."""
    data = corpus(folder)
    words = (
        "--policy",
        "mine:Wide",
        "--discriminator",
        "mine:Narrow",
        "--metric",
        "mine:cat_share",
    )
    words += ("--reward", "mine:cats", "--reward_weight", "1", "--rounds", "12", "--g_lr", "0.05")
    words += (
        "--d_warmup_steps",
        "1",
        "--d_steps",
        "1",
        "--evaluate_every",
        "11",
        "--samples",
        "32",
    )
    assert main([*TINY, "--data", data, "--out", "run", *words]) == 0
    saved = yaml.safe_load((folder / "run" / "config.yaml").read_text())
    assert saved["sources"] == {"mine": hashlib.sha256(MINE.encode()).hexdigest()}

    log = [row["mine:cat_share"] for row in read_log(folder / "run") if "mine:cat_share" in row]
    assert log[-1] > log[0] + 0.2
    result = read_result(folder / "run")
    samples = (folder / "run" / "samples" / "seqgan.txt").read_text().splitlines()
    assert result["table"]["SeqGAN"]["mine:cat_share"] == pytest.approx(
        sum("cat" in line.split() for line in samples) / len(samples)
    )
    human = (folder / "run" / "samples" / "human.txt").read_text().splitlines()
    assert result["table"]["human"]["mine:cat_share"] == pytest.approx(
        sum("cat" in line.split() for line in human) / len(human)
    )
    assert result["method"]["reward"] == "0 x mean D of 2 completions + 1 x mine:cats"
    assert main(["sample", "run", "--n", "2"]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--policy", "gru"), "--policy gru with --level word: a causal language model of transf"),
        (("--policy", "mine:number"), "--policy mine:number: it is a int; give a function"),
        (("--policy", "mine:nothing"), "--policy mine:nothing: it built a NoneType; return a Seq"),
        (("--policy", "mine:other_words"), "is 22; make it with vocab=sequences.vocab"),
        (("--discriminator", "mine:hope"), "has no 'hope'"),
        (("--discriminator", "mine:nothing"), "return a SequenceDiscriminator of seqgan.text.dis"),
        (("--reward", "mine:cats", "--reward_weight", "1.5"), "--reward_weight 1.5: it is a share"),
        (("--reward", "mine:cats", "--estimator", "importance"), "to which no other reward can"),
        (("--reward", "mine:cats", "--paper", "rankgan"), "--reward: this paper does not read it"),
        (("--metric", "bleu"), "--metric bleu: name a function of your own"),
    ],
)
def test_what_is_refused_before_anything_is_written(folder, capsys, words, says):
    said = refusal(capsys, *TINY, "--data", corpus(folder), "--out", "run", *words)
    assert says in said
    assert not (folder / "run").exists()


def test_own_functions_that_return_something_else(folder):
    tokens = torch.tensor([[5, 6], [7, 2]])
    for name, says in (
        ("mine:one", r"for 2 sentences it returned values of shape \(\)"),
        ("mine:endless", "a number that is not finite"),
    ):
        with pytest.raises(UserError, match=says):
            own.objective(name, lambda row: str(row))(tokens)
    with pytest.raises(UserError, match="--metric mine:word: it returned 'many'; return a finite"):
        own.metrics("mine:word")["mine:word"]([], [])


def test_the_judge_is_not_the_users_policy(folder):
    config = built(text, out="run", data="x", policy="mine:Wide")
    assert type(config.lstm(SEQUENCES)) is LSTMPolicy
    assert type(config.build_policy(SEQUENCES)).__name__ == "Wide"
