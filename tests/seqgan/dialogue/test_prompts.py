"""Prompts without answers, several answers to a prompt, and best-of-n by the discriminator."""

import json

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.runs.batches import Batches
from seqgan.cli import main
from seqgan.dialogue import recipe as dialogue
from seqgan.dialogue.game import tiny
from seqgan.dialogue.prompts import PromptedBatches, read_prompts
from seqgan.dialogue.report import best_replies
from seqgan.dialogue.turns import Utterance
from tests.recipes.made import read_log
from tests.seqgan.dialogue.test_dialogue_recipe import TINY, written


def test_prompts_are_read_from_lines_columns_and_messages(tmp_path):
    lines = tmp_path / "prompts.txt"
    lines.write_text("hi\nwhy ?\n")
    assert read_prompts(str(lines)) == [[Utterance("user", "hi")], [Utterance("user", "why ?")]]
    said = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why ?"}]
    answered = [*said, {"role": "assistant", "content": "because"}]
    rows = [{"prompt": "hi"}, {"prompt": None}, {"prompt": " "}, {"prompt": said}]
    turns = [Utterance("system", "be brief"), Utterance("user", "why ?")]
    assert read_prompts(written(tmp_path, rows)) == [[Utterance("user", "hi")], turns]
    assert read_prompts(written(tmp_path, [{"messages": answered}])) == [turns]
    with pytest.raises(UserError, match="holds no prompt in 'prompt'"):
        read_prompts(written(tmp_path, [{"prompt": ""}]))
    with pytest.raises(UserError, match="its columns are \\['ask'\\]; call the one of the prompts"):
        read_prompts(written(tmp_path, [{"ask": "hi"}]))


def test_batches_hold_both():
    one = Batches({"context": torch.arange(6)}, 2, seed=None)
    other = Batches({"prompt": torch.arange(10, 13)}, 1, seed=None)
    found = PromptedBatches(one, other)(4)
    assert found["context"].tolist() == [2, 3]
    assert found["prompt"].tolist() == [11]


def test_the_policy_answers_them_and_nobody_else_learns_from_them(monkeypatch):
    game, batch = tiny()
    game.reuse = True
    with_prompts = {
        **batch,
        "prompt": batch["context"][:4].flip(0),
        "prompt_mask": batch["attention_mask"][:4].flip(0),
    }
    seen, credit = [], game.credit
    game.credit = lambda e: seen.append(e.context) or credit(e)
    losses = list(game.policy_move(iter([with_prompts])))
    assert seen[0].shape[0] == (8 + 4) * game.samples
    assert torch.equal(seen[0][-1], with_prompts["prompt"][-1])
    # The discriminator and the teacher's step have the answered contexts alone
    assert game._drawn.reply.shape[0] == 8 * game.samples
    nll = game._nll(batch["context"], batch["attention_mask"], batch["reply"])
    assert losses[-1].logs["teacher"].item() == pytest.approx(nll.item(), rel=1e-5)


def test_a_run_with_several_answers_and_prompts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(dialogue, "write_report", lambda run, seconds: None)
    rows = [
        {"prompt": f"do you like tea {i} ?", "completions": [f"yes , {i} times .", "no ."]}
        for i in range(40)
    ]
    data = written(tmp_path, rows)
    prompts = written(tmp_path, [{"prompt": f"and rain {i} ?"} for i in range(20)], "more.jsonl")
    words = [*TINY, "--data", data, "--prompts", prompts, "--paper", "gad", "--mle_steps", "2"]
    run = tmp_path / "run"
    assert main([*words, "--d_warmup_steps", "2", "--rounds", "1", "--out", str(run)]) == 0
    assert read_log(run)[-1]["phase"] == "adversarial"
    said = capsys.readouterr().out
    assert "further answers to a prompt taken as dialogues" in said
    # Other prompts are other data
    state = json.loads((run / "checkpoint" / "state.json").read_text())
    assert state["notes"]["config"]["prompts"] == prompts
    written(tmp_path, [{"prompt": f"or snow {i} ?"} for i in range(20)], "more.jsonl")
    assert main(["resume", str(run)]) == 2
    assert f"with --prompts {prompts} is not what {run} began with" in capsys.readouterr().err
    words[words.index("gad")] = "textgail"
    assert main([*words, "--out", str(tmp_path / "other")]) == 2
    assert "sets replies against people's to the same context" in capsys.readouterr().err


def test_of_several_replies_the_discriminators_choice_is_kept():
    later = iter([torch.tensor([[5], [1], [2]]), torch.tensor([[4], [9], [2]])])
    first = torch.tensor([[3], [3], [3]])
    found = best_replies(first, 3, lambda: next(later), lambda reply: reply[:, 0].float())
    assert found.tolist() == [[5], [9], [3]]
