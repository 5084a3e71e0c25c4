"""`--reward module:function` of dialogue: what it is called with, and how it is mixed in."""

import json
import sys

import pytest
import torch
import yaml

from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.dialogue.encode import Format, train_tokenizer
from seqgan.dialogue.game import tiny
from seqgan.dialogue.own import own_reward
from seqgan.dialogue.recipe import PAPERS
from seqgan.dialogue.turns import Utterance
from tests.seqgan.dialogue.test_dialogue_recipe import talks, written

MINE = """
seen = []

def long(prompts, completions):
    seen.append((prompts, completions))
    return [float(len(reply)) for reply in completions]

def few(prompts, completions):
    return [1.0]

def broken(prompts, completions):
    return [float("nan")] * len(completions)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("mine", None)


@pytest.fixture(scope="module")
def form():
    return Format(train_tokenizer(["hello you", "who are you", "me"], 280))


def encoded(form, *turns):
    context, attention_mask = form.context([Utterance(*turn) for turn in turns], 24)
    return context, attention_mask


def test_it_is_called_with_texts(mine, form):
    one = encoded(form, ("user", "hello you"), ("assistant", "me"), ("user", "who are you"))
    other = encoded(form, ("user", "me"))
    context, mask = (torch.cat(parts) for parts in zip(one, other, strict=True))
    rows = [[*ids, form.end] for ids in form.texts(["hello", "me you"])]
    reply = torch.tensor([row + [form.pad] * (9 - len(row)) for row in rows])
    assert own_reward("mine:long", form)(context, mask, reply).tolist() == [5, 6]
    assert sys.modules["mine"].seen == [(["hello you\nme\nwho are you", "me"], ["hello", "me you"])]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("few", r"for 2 replies it returned values of shape \(1,\); return one number for each"),
        ("broken", "it returned a number that is not finite"),
    ],
)
def test_what_it_must_return(mine, form, name, says):
    context, mask = encoded(form, ("user", "me"))
    reply = torch.full((2, 3), form.end)
    with pytest.raises(UserError, match=f"--reward mine:{name}: {says}"):
        own_reward(f"mine:{name}", form)(context.repeat(2, 1), mask.repeat(2, 1), reply)


def gradients(weight, own):
    """The policy's gradient of one move, from the same samples."""
    torch.manual_seed(0)
    game, batch = tiny()
    game.teacher_forcing, game.advantage.baseline = 0.0, "none"
    if own is not None:
        game.add_reward(own, weight)
    torch.manual_seed(1)
    loss = next(game.policy_move(iter([batch])))
    loss.total.backward()
    return torch.cat([p.grad.flatten() for p in game.G.parameters()]), loss.logs


def test_it_has_its_share_of_what_each_token_earns():
    def length(context, mask, reply):
        return (reply != 0).float().sum(1)

    alone, logs = gradients(0.0, None)
    assert "own_reward" not in logs
    whole, logs = gradients(1.0, length)
    mixed, mixed_logs = gradients(0.25, length)
    torch.testing.assert_close(mixed, 0.75 * alone + 0.25 * whole, rtol=1e-4, atol=1e-6)
    assert (alone - whole).abs().max() > 1e-3
    assert mixed_logs["own_reward"] == logs["own_reward"] > 1  # logged apart


def test_the_options(mine):
    shaped, gad, stepgan = (PAPERS.config(name) for name in ("shaped", "gad", "stepgan"))
    o = shaped(out="x", reward="logit,mine:long", reward_weight=0.2)
    assert (o.d_reward(), o.own_reward()) == ("logit", "mine:long")
    assert o.method()["own reward"] == "mine:long, 0.2 of all"
    assert stepgan(out="x", reward="mine:long").d_reward() == "logit"  # the paper's
    assert gad(out="x", reward="mine:long").own_reward() == "mine:long"
    for make, says in (
        (lambda: gad(out="x", reward="logit"), "--reward logit: choose a function of your own"),
        (lambda: shaped(out="x", reward="hope"), "--reward hope: choose probability, logit, "),
        (lambda: shaped(out="x", reward="mine:hope"), "has no 'hope'"),
        (lambda: shaped(out="x", reward="mine:long", reward_weight=2), "it is a share, at most 1"),
        (
            lambda: shaped(
                out="x", reward="logit,mine:long", estimator="boundary_seeking", baseline="none",
                credit_assignment="sequence",
            ),
            "--estimator boundary_seeking weighs D's outputs as they are, which --reward mine:long",
        ),
    ):  # fmt: skip
        with pytest.raises(UserError, match=says):
            make()


def test_a_run_records_it(mine):
    data = written(mine, talks(40))
    words = ["train", "dialogue", "--preset", "tiny", "--data", data, "--out", "run"]
    own = ["--reward", "mine:long", "--mle_steps", "1", "--rounds", "1", "--report", "none"]
    assert main([*words, *own]) == 0
    saved = yaml.safe_load((mine / "run" / "config.yaml").read_text())
    assert len(saved["sources"]["mine"]) == 64
    log = [json.loads(line) for line in (mine / "run" / "log.jsonl").read_text().splitlines()]
    last = sys.modules["mine"].seen[0][1]
    assert log[-1]["G/own_reward"] > 0
    assert len(last) == 16  # two replies to each of the eight contexts
