"""Prompts without answers: what counts, what is earned, what is learned, what is refused."""

import itertools
import json
import math

import pytest
import torch
from torch.nn import functional

import seqgan as sg
from image_core.adversarial.errors import UserError
from image_core.runs.batches import Batches
from seqgan.cli import main
from seqgan.lm.policies import LSTMPolicy
from seqgan.text import recipe as text
from seqgan.text.features import FeaturedPolicy, Features
from seqgan.text.games.prompted import PromptedGame, answer_nll, tiny
from seqgan.text.papers import prompted
from seqgan.text.pooled import PooledDiscriminator
from seqgan.text.prompts import PromptedLines, Prompts, answered
from tests.recipes.made import TINY, built, read_log, read_result, refusal, shorten

ROW = torch.tensor([[5, 6, 3, 7, 3, 2, 0, 0], [5, 3, 7, 8, 9, 4, 7, 7]])
"""The mark is 3, the end 2; the second line has no end."""


class Parity(Features):
    """Whether the number of sevens so far is odd, and their number."""

    size = 2

    def begin(self, rows):
        return (torch.zeros(rows),)

    def step(self, tokens, state):
        count = state[0] + (tokens == 7)
        return torch.stack([count % 2, count], 1), (count,)


def test_an_answer_is_what_follows_the_first_mark_up_to_the_end():
    expected = torch.tensor([[0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1, 1, 1]]).bool()
    assert torch.equal(answered(ROW, 3, 2), expected)


def test_prompts_of_all_lengths_are_equally_likely():
    prompts = Prompts([[5, 3], [6, 3], [7, 8, 3], [9, 3]])
    generator = torch.Generator().manual_seed(0)
    drawn = [tuple(prompts.draw(1, generator)[0].tolist()) for _ in range(800)]
    assert {row: drawn.count(row) for row in set(drawn)} == pytest.approx(
        dict.fromkeys([(5, 3), (6, 3), (7, 8, 3), (9, 3)], 200), abs=40
    )
    assert len(prompts) == 4
    batches = PromptedLines(Batches(ROW, 2, seed=0), prompts, 3, seed=1)
    assert torch.equal(batches(7)["prompt"], batches(7)["prompt"])
    assert len({tuple(batches(i)["prompt"].flatten().tolist()) for i in range(9)}) > 4


# --------------------------------------------------------------------------------- discriminator


@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("features", [None, Parity()])
def test_pooled_logits_by_hand(pooling, features):
    torch.manual_seed(0)
    D = PooledDiscriminator(
        12, mark=3, start=1, end=2, features=features, window=2, embedding=3, pooling=pooling
    )
    expected = []
    for row, counted in zip(ROW.tolist(), answered(ROW, 3, 2).tolist(), strict=True):
        values = []
        for t in (t for t, counts in enumerate(counted) if counts):
            known = D.embedding[row[t]]
            if features is None:
                known = torch.cat([D.embedding[row[t - 1]], known])
            else:
                sevens = row[:t].count(7)
                known = torch.cat([known, torch.tensor([float(sevens % 2), float(sevens)])])
            values.append(D.f(known)[0])
        total = torch.stack(values).sum()
        expected.append(total / len(values) if pooling == "mean" else total)
    torch.testing.assert_close(D(ROW), torch.stack(expected))
    torch.testing.assert_close(D.scorer()(ROW), D(ROW).detach())
    changed = ROW.clone()
    changed[0, 6:] = 8  # after the end
    torch.testing.assert_close(D(changed), D(ROW))


def test_a_policy_with_features_steps_as_it_scores():
    torch.manual_seed(0)
    policy = FeaturedPolicy(Parity(), 9, 3, 5, start=1, end=2, pad=0)
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    tokens = policy.sample(16, 6, never=[2])
    state, previous = policy.begin(16), torch.ones(16, dtype=torch.int64)
    found = []
    for column in tokens.unbind(1):
        hidden, state = policy.step(previous, state)
        found.append(policy.logits(hidden).log_softmax(1).gather(1, column[:, None])[:, 0])
        previous = column
    expected = torch.stack(found, 1) * policy.mask(tokens)
    torch.testing.assert_close(policy.log_prob(tokens), expected)
    policy.input_weight[0].data[:, 3:] = 0  # of the features
    policy.join.weight.data[:, 8:] = 0
    assert float((policy.log_prob(tokens) - expected).abs().max().detach()) > 0.1


# ------------------------------------------------------------------------------------------ game


def game_of(**changes):
    torch.manual_seed(3)
    _, data = tiny()
    known = {"mark": 3, "samples": 2, "kl_coef": 0.3, "teacher_forcing": 0.2, **changes}
    D = PooledDiscriminator(12, mark=3, start=1, end=2, embedding=4, hidden=8)
    made = PromptedGame(LSTMPolicy(12, 8, 8, start=1, end=2, pad=0), D, 8, **known)
    for parameter in made.G.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return made, data


def test_the_policys_loss_by_hand(monkeypatch):
    """Each number of it from sums over single answers; the gradient from autograd on them."""
    game, data = game_of(reward=lambda y: (y == 7).sum(1).float(), reward_weight=0.5, d_weight=2.0)
    (loss,) = game.policy_move(iter([data]))
    tokens = game._latest
    assert torch.equal(tokens[::2, :3], data["prompt"])
    assert torch.equal(tokens[1::2, :3], data["prompt"])

    def log_p(policy, row):
        end = row.tolist().index(2) if 2 in row else 7
        return policy.log_prob(row[None])[0, 3 : end + 1].sum()

    earned = []
    for row in tokens:
        d = max(functional.logsigmoid(game.D(row[None]))[0].item(), -6.0)
        kl = (log_p(game.G, row) - log_p(game.mle, row)).item()
        earned.append(2.0 * d + 0.5 * int((row == 7).sum()) - 0.3 * kl)
    advantage = torch.tensor(
        [earned[i] - earned[i ^ 1] for i in range(len(earned))]
    )  # the other of two
    advantage = advantage / (advantage.std() + 1e-6)
    expected = -sum(a * log_p(game.G, row) for a, row in zip(advantage, tokens, strict=True)) / len(
        tokens
    )
    real = sum(log_p(game.G, row) for row in data["real"]) / len(data["real"])
    expected = expected - 0.2 * real
    torch.testing.assert_close(loss.total, expected)
    parameters = list(game.G.parameters())
    for one, other in zip(
        torch.autograd.grad(loss.total, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(answer_nll(game.G, data["real"], 3), -real)


def test_the_discriminator_takes_the_answers_of_the_round_and_then_new_ones():
    game, data = game_of()
    seen = []
    forward = game.D.forward
    game.D.forward = lambda tokens: seen.append(tokens) or forward(tokens)
    list(game.policy_move(iter([data])))
    latest = game._latest
    losses = list(game.discriminator_steps(iter([data, data]), 2))
    assert torch.equal(seen[-3], game.G.trim(latest))
    assert seen[-1].shape[0] == 8
    assert not torch.equal(seen[-1], seen[-3][: len(seen[-1])])
    d_real, d_fake = (forward(y) for y in (data["real"], seen[-1]))
    expected = functional.softplus(-d_real).mean() + functional.softplus(d_fake).mean()
    torch.testing.assert_close(losses[1].total, expected)


def test_controls_shuffle_rewards_and_keep_prompts():
    game, data = game_of()
    made = game.without_real({**data, "real": ROW.clone()})["real"]
    assert torch.equal(made[0, :3], ROW[0, :3])
    assert torch.equal(made[1, :2], ROW[1, :2])
    assert not torch.equal(made[0, 3:], ROW[0, 3:])
    game, data = game_of(kl_coef=0.0, teacher_forcing=0.0)
    game.told = lambda values, mask: values.flip(0)  # as a shuffle would be
    (loss,) = game.policy_move(iter([data]))
    tokens = game._latest
    reward = game.earned(tokens).flip(0)
    advantage = reward - reward.view(-1, 2).flip(1).flatten()
    mask = answered(tokens, 3, 2)
    log_p = (game.G.log_prob(tokens) * mask).sum(1)
    expected = -(advantage / (advantage.std() + 1e-6) * log_p).mean()
    torch.testing.assert_close(loss.total, expected)


# ------------------------------------------------------------------------------------------- run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lines `a b => b a` and prompts of both lengths."""
    folder = tmp_path_factory.mktemp("prompted")
    pairs = [f"{a} {b} => {b} {a}" for a, b in itertools.product("cdefghij", repeat=2)]
    (folder / "pairs.txt").write_text("\n".join(pairs * 2) + "\n")
    (folder / "prompts.txt").write_text("c d =>\nd c\ne\n")
    return folder


def words(folder, out, *more):
    found = [*TINY, "--paper", "prompted", "--level", "blank", "--data", str(folder / "pairs.txt")]
    return [*found, "--prompts", str(folder / "prompts.txt"), "--out", str(out), *more]


@pytest.fixture(scope="module")
def run(folder):
    """A run whose discriminator is frozen after its first of three rounds."""
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0)
        out = folder / "run"
        assert main(words(folder, out, "--d_frozen_after", "1", "--mle_epochs", "1")) == 0
    return out


def test_a_run_freezes_its_discriminator_and_keeps_the_first_one(run):
    log = read_log(run)
    rounds = {r["phase"]: [q for q in log if q["phase"] == r["phase"]] for r in log}
    assert [len(rounds[name]) for name in ("adversarial", "frozen")] == [1, 2]
    assert "D/loss" in rounds["adversarial"][0]
    assert not any("D/loss" in row for row in rounds["frozen"])
    assert all(math.isfinite(row["d_auc"]) for row in rounds["frozen"])
    result = read_result(run)
    assert result["method"]["discriminator"] == "pooled, sum, frozen after 1 rounds"
    assert {"MLE", "Prompted adversary", "human"} <= set(result["table"])
    loaded = sg.load(run)
    (line,) = loaded.sample(1, prompts=["c d =>"], greedy=True)
    assert line.startswith("c d =>")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--prompt_end", "==>"], "--prompt_end ==> is no token of --data"),
        (["--pooling", "max"], "--pooling max: choose one of sum, mean"),
        (["--samples", "1"], "--samples 1"),
        (["--d_weight", "0"], "--d_weight 0 leaves no reward"),
        (["--features", "math:pi"], "--features math:pi: it is a float"),
        (["--features", "json:loads", "--policy", "transformer"], "leave --policy transformer out"),
    ],
)
def test_what_is_refused(folder, tmp_path, capsys, options, told):
    assert told in refusal(capsys, *words(folder, tmp_path / "run", *options))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("c x", "has a token that --data lack"),
        ("c => d", "has an answer behind --prompt_end"),
        ("c d e f g h => ", "and sequences have at most"),
    ],
)
def test_prompts_that_are_refused(folder, tmp_path, capsys, line, told):
    (tmp_path / "prompts.txt").write_text(f"c d\n{line}\n")
    more = ["--prompts", str(tmp_path / "prompts.txt")]
    said = refusal(capsys, *words(folder, tmp_path / "run", *more))
    assert told in said
    assert "line 2" in said


def test_frozen_from_the_start_and_never():
    config = built(text, paper="prompted", data="x", out="x", d_frozen_after=0)
    assert prompted.Options.method(config)["discriminator"].endswith("frozen after 0 rounds")
    assert json.dumps(built(text, paper="prompted", data="x", out="x").method())
    with pytest.raises(UserError, match="--d_frozen_after"):
        built(text, paper="prompted", data="x", out="x", d_frozen_after=-1)


def test_a_matched_discriminator_sees_fakes_of_the_rewards_of_real_answers():
    """By hand: rewards of the last tokens 3, 5 and 9 beside fakes of 2, 5, 5 and 8."""
    game, _ = game_of(reward=lambda y: y[:, -1].float(), matched=True)
    real, fake = (torch.tensor([[1, end] for end in ends]) for ends in ((3, 5, 9), (8, 5, 2, 5)))
    assert game._alike(real, fake)[:, -1].tolist() == [2, 5, 8]
    ties = torch.tensor([[first, 5] for first in (1, 2)])
    assert {game._alike(real[:1], ties)[0, 0].item() for _ in range(40)} == {1, 2}
    game.matched = False
    assert game._alike(real, fake) is fake
