"""MaskGAN: gaps, the density of what fills them, rewards by hand, `seqgan infill`."""

import itertools
from functools import partial

import pytest
import torch
import torch.nn.functional as F

import seqgan as sg
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from seqgan.cli import main
from seqgan.text import oracle_recipe as oracle
from seqgan.text.games.infill import InfillGame, tiny
from seqgan.text.infill import (
    InfillDiscriminator,
    InfillPolicy,
    draw_gaps,
    tell_of_separate_gaps,
)
from tests.recipes.made import TINY, TINY_ORACLE, built, corpus, refusal, shorten
from tests.seqgan.lm.enumeration import counted, everything, too_far

# ------------------------------------------------------------------------------------------- gaps


@pytest.mark.parametrize("kind", ["contiguous", "random"])
def test_gaps_are_a_share_of_the_tokens(kind):
    torch.manual_seed(0)
    lengths = torch.tensor([8, 5, 1, 0]).repeat(50)
    inside = torch.arange(8) < lengths[:, None]
    found = draw_gaps(inside, 0.5, kind, torch.rand(inside.shape))
    assert not (found & ~inside).any()
    assert found.sum(1).view(50, 4).tolist() == [[4, 2, 1, 0]] * 50
    starts = found[::4].int().diff(dim=1, prepend=torch.zeros(50, 1, dtype=torch.int32)) == 1
    if kind == "contiguous":
        assert (starts.sum(1) == 1).all()
        assert set(starts.float().argmax(1).tolist()) == {0, 1, 2, 3, 4}
    else:
        assert (starts.sum(1) > 1).any()
        assert found[::4].any(0).all()
    assert draw_gaps(inside, 1.0, kind, torch.rand(inside.shape)).equal(inside)


# ------------------------------------------------------------------------------------- the policy


@pytest.fixture(scope="module")
def policy():
    """One whose choices depend strongly on what it reads, on either side of a gap."""
    torch.manual_seed(0)
    made = InfillPolicy(5, 3, 4, end=2, start=1).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.normal_(std=1.2)
    return made


def test_as_a_policy_of_sequences_it_is_a_distribution(policy):
    sequences, probability = everything(policy, 4)
    assert float(probability.sum()) == pytest.approx(1.0, abs=1e-5)
    torch.manual_seed(1)
    assert too_far(counted(policy.sample(4_000, 4), sequences), probability) < 4
    # Padding does not change what was read before
    rows = torch.tensor([[3, 2, 0, 0]])
    torch.testing.assert_close(policy.log_prob(rows[:, :2]), policy.log_prob(rows)[:, :2])


def test_what_fills_gaps_follows_its_density(policy):
    """Of every filling of two gaps around a given token; no gap is filled with an end."""
    tokens, gaps = torch.tensor([[9, 3, 9, 2]]) % 5, torch.tensor([[True, False, True, False]])
    every = torch.tensor([[a, 3, b, 2] for a, b in itertools.product((3, 4), repeat=2)])
    log_prob = policy.fill_log_prob(tokens.expand(4, -1), gaps.expand(4, -1), every)
    assert (log_prob[:, [1, 3]] == 0).all()
    probability = log_prob.sum(1).exp()
    assert float(probability.sum()) == pytest.approx(1.0, abs=1e-5)
    torch.manual_seed(2)
    filled = policy.fill(tokens.expand(3_000, -1), gaps.expand(3_000, -1))
    assert too_far(counted(filled, every), probability) < 4
    cold = policy.fill(tokens.expand(20, -1), gaps.expand(20, -1), top_p=1e-9, never=(4,))
    assert cold.unique(dim=0).tolist() == [[3, 3, 3, 2]]


def test_it_reads_both_sides_of_a_gap_and_not_what_is_in_it(policy):
    gaps = torch.tensor([[False, True, False, False]])
    tokens = torch.tensor([[3, 3, 4, 2]])
    base = policy.fill_log_prob(tokens, gaps, tokens)[0, 1]
    inner = torch.tensor([[3, 4, 4, 2]])
    assert policy.fill_log_prob(inner, gaps, tokens)[0, 1] == base
    for changed in ([4, 3, 4, 2], [3, 3, 3, 2]):
        other = torch.tensor([changed])
        assert (policy.fill_log_prob(other, gaps, other)[0, 1] - base).abs() > 1e-3


# --------------------------------------------------------------------------------------- the game


def test_rewards_and_the_policys_loss_by_hand(monkeypatch):
    game, data = tiny()
    data = data[:2]
    gaps = torch.tensor([[0, 1, 1, 0, 0], [1, 0, 0, 1, 0]], dtype=torch.bool)
    monkeypatch.setattr(game, "gaps", lambda tokens, generator=None: gaps)
    torch.manual_seed(4)
    filled = game.G.fill(data[:, :5], gaps)
    torch.manual_seed(4)
    (loss,) = game.policy_move(iter([data]))
    d = game.D(data[:, :5], gaps, filled).detach()
    states = game.D.states(data[:, :5], gaps, filled).detach()
    log_prob = game.G.fill_log_prob(data[:, :5], gaps, filled).detach()
    r, gamma, expected = F.logsigmoid(d), game.gamma, 0.0
    places = [[1, 2], [0, 3]]
    for row, (first, second) in enumerate(places):
        later = float(r[row, second])
        returns = {first: float(r[row, first]) + gamma ** (second - first) * later, second: later}
        for place, value in returns.items():
            seen = states[row, place - 1] if place else torch.zeros(8)
            advantage = value - float(game.V(seen).detach())
            expected -= max(-5, min(5, advantage)) * float(log_prob[row, place]) / 4
            assert float(game._filled.returns[row, place]) == pytest.approx(value, abs=1e-5)
    assert loss.total.item() == pytest.approx(expected, abs=1e-5)
    (value_loss,) = game.value_move(iter([]))
    apart = (game.value(game._filled.states) - game._filled.returns).square()[gaps]
    torch.testing.assert_close(value_loss.total, apart.mean())


def test_advantages_are_bounded(monkeypatch):
    game, data = tiny()
    monkeypatch.setattr(game.D, "logits", lambda states: states.new_full(states.shape[:2], -100.0))
    (loss,) = game.policy_move(iter([data]))
    assert float(loss.logs["advantage"]) == -5.0


def test_the_discriminator_is_trained_on_gaps_alone(monkeypatch):
    game, data = tiny()
    gaps = game.gaps(data[:, :5])
    monkeypatch.setattr(game, "gaps", lambda tokens, generator=None: gaps)
    logits = torch.randn(16, 5, requires_grad=True)
    seen = []
    game.D.forward = lambda tokens, g, filled: seen.append((tokens, filled)) or logits
    (loss,) = game.discriminator_move(iter([data]))
    ((tokens, filled),) = seen
    assert torch.equal(tokens[:8], tokens[8:])
    assert torch.equal(filled[:8], data[:, :5])
    assert torch.equal(filled[8:][~gaps], data[:, :5][~gaps])
    real, fake = logits[:8][gaps], logits[8:][gaps]
    torch.testing.assert_close(loss.total, (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2)


def test_maximum_likelihood_learns_to_use_the_other_side():
    """The first token is the third, so that with it a gap costs nothing; without it log 2."""
    torch.manual_seed(0)
    G = InfillPolicy(8, 16, 16, start=1, end=2, pad=0)
    game = InfillGame(G, InfillDiscriminator(8, 4, 4), 6, rate=0.4)
    rows = torch.tensor([[4, 5, 4, 2, 0, 0], [6, 5, 6, 2, 0, 0]]).repeat(2, 1)
    gaps = torch.zeros_like(rows, dtype=torch.bool)
    gaps[:, 0] = True
    engine = Engine(game, {"mle": partial(torch.optim.Adam, lr=3e-2)})
    list(engine.rounds(lambda index: rows, 60, turns=[Turn("mle", game.mle_move)]))
    game.G.eval()
    assert float(-game.G.fill_log_prob(rows, gaps, rows).detach()[:, 0].mean()) < 0.2
    assert float(-game.G.log_prob(rows).detach()[:, 0].mean()) > 0.6


# ------------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gaps")
    words = [*TINY, "--paper", "maskgan", "--data", corpus(folder), "--rounds", "1"]
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0)
        assert main([*words, "--out", str(folder / "run")]) == 0
    return str(folder / "run")


def test_gaps_of_a_sentence_are_filled(run, capsys):
    capsys.readouterr()
    text = "the ___ sees ___ __ often"
    assert main(["infill", run, "--text", text, "--n", "20", "--seed", "1"]) == 0
    said = capsys.readouterr()
    assert said.err.count("--gaps random") == 1
    lines = [line.split() for line in said.out.splitlines()]
    assert len(lines) == 20
    assert {(w[0], w[2], w[5], len(w)) for w in lines} == {("the", "sees", "often", 6)}
    assert len({tuple(words) for words in lines}) > 10
    again = sg.load(run).infill(text, 20, seed=1)
    assert [line.split() for line in again] == lines
    sharp = sg.load(run).infill(text, 5, top_p=1e-9, model="mle")
    assert len(set(sharp)) == 1


def test_what_cannot_be_filled(run, tmp_path, capsys):
    for text, says in (
        ("the cat sees", "--text the cat sees: it has no gap; write ___ for each token"),
        ("the ___ zebra", "--text has words outside the vocabulary: zebra"),
        ("___ " * 30, "--text has 30 tokens, and the run's sentences have at most "),
    ):
        assert says in refusal(capsys, "infill", run, "--text", text)
    assert "--n 0" in refusal(capsys, "infill", run, "--text", "a ___", "--n", "0")


def test_a_run_that_fills_no_gaps_and_one_of_a_fixed_length(tmp_path, capsys, short):
    for paper, says in (
        ("seqgan", "fills no gaps; train one with --paper maskgan"),
        ("maskgan", "--text has 2 tokens, and the run's sentences have exactly 10"),
    ):
        out = str(tmp_path / paper)
        words = ["--paper", paper, "--mle_epochs", "1", "--rounds", "0", "--report", "none"]
        words += ["--d_warmup_steps", "0"] if paper == "seqgan" else []
        assert main([*TINY_ORACLE, *words, "--out", out]) == 0
        assert says in refusal(capsys, "infill", out, "--text", "3 ___")
    text = " ".join(["3", *["___"] * 9])
    capsys.readouterr()
    assert main(["infill", out, "--text", text, "--n", "2"]) == 0
    assert all(line.startswith("3 ") for line in capsys.readouterr().out.splitlines())


@pytest.fixture
def short(monkeypatch):
    shorten(monkeypatch, 1.0)


def test_what_maskgan_refuses():
    for changes, says in (
        ({"gaps": "most"}, "--gaps most"),
        ({"gap_rate": 1.5}, "--gap_rate 1.5"),
        ({"gamma": 1.1}, "--gamma 1.1"),
        ({"layers": 2}, "--layers 2"),
        ({"policy": "lstm"}, "MaskGAN's policy reads gaps"),
    ):
        with pytest.raises(UserError, match=says):
            built(oracle, paper="maskgan", out="run", **changes)


@pytest.mark.parametrize(
    ("gaps", "kind", "told"),
    [
        ([0, 1, 0, 0, 1], "contiguous", True),
        ([1, 0, 1, 0, 0], "contiguous", True),
        ([1, 1, 0, 0, 0], "contiguous", False),
        ([0, 0, 0, 1, 1], "contiguous", False),
        ([0, 1, 0, 0, 1], "random", False),
    ],
)
def test_gaps_of_a_kind_that_the_run_has_not_learned(gaps, kind, told, capsys):
    tell_of_separate_gaps(torch.tensor([gaps], dtype=torch.bool), kind)
    assert ("by one with --gaps random" in capsys.readouterr().err) == told
