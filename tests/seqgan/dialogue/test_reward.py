"""Our discriminator as a reward inside a real GRPOTrainer of TRL."""

import json
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.dialogue.discriminators import TransformerDiscriminator
from seqgan.dialogue.encode import Format, train_tokenizer
from seqgan.dialogue.reward import as_reward

TEXTS = ["do you like tea ?", "yes , tea is nice .", "no .", "and rain ?"]


def reward_of(seed=0):
    from transformers import GPT2Config, GPT2LMHeadModel

    form = Format(train_tokenizer(TEXTS * 5, 270))
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=form.vocab, n_positions=64, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=form.end, eos_token_id=form.end, pad_token_id=form.pad,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    discriminator = TransformerDiscriminator.like(model)
    reward = as_reward(discriminator, form, context_tokens=24, reply_tokens=24, lr=3e-3)
    return reward, model, form


PROMPTS = [[{"role": "user", "content": "do you like tea ?"}], "and rain ?"] * 4
HUMAN = ["yes , tea is nice .", [{"role": "assistant", "content": "no ."}]] * 4
MADE = ["tea tea tea", [{"role": "assistant", "content": "rain rain"}]] * 4


def test_it_scores_and_learns_and_logs():
    reward, _, _ = reward_of()
    logged = {}
    first = reward(PROMPTS, MADE, human=HUMAN, log_metric=logged.__setitem__)
    assert len(first) == 8
    assert set(logged) == {f"discriminator/{n}" for n in ("loss", "accuracy", "margin")}
    for _ in range(40):
        last = reward(PROMPTS, MADE, human=HUMAN, log_metric=logged.__setitem__)
    assert logged["discriminator/accuracy"] == 1.0
    human = reward(PROMPTS, HUMAN, human=HUMAN)
    assert min(human) > max(last)
    with pytest.raises(UserError, match="no column 'human'"):
        reward(PROMPTS, MADE, answer=HUMAN)


def test_it_goes_on_where_it_was_saved(tmp_path):
    reward, _, _ = reward_of()
    reward(PROMPTS, MADE, human=HUMAN)
    reward.save(tmp_path / "discriminator")
    expected = [reward(PROMPTS, MADE, human=HUMAN) for _ in range(2)]
    other, _, _ = reward_of(seed=5)
    other.load(tmp_path / "discriminator")
    assert [other(PROMPTS, MADE, human=HUMAN) for _ in range(2)] == expected


def test_a_trainer_that_resumes_from_another_folder_needs_the_discriminator_first(tmp_path):
    reward, _, _ = reward_of()
    reward(PROMPTS, MADE, human=HUMAN)
    arguments = SimpleNamespace(output_dir=tmp_path / "first")
    reward.callback().on_save(arguments, SimpleNamespace(global_step=1), None)
    expected = reward.score(TEXTS)

    def begun(reward, folder):
        arguments = SimpleNamespace(output_dir=tmp_path / folder)
        reward.callback().on_train_begin(arguments, SimpleNamespace(global_step=1), None)
        return reward.score(TEXTS)

    assert begun(reward_of(seed=5)[0], "first") == expected
    other, _, _ = reward_of(seed=5)
    with pytest.raises(UserError, match=r"goes on from step 1, but .*load\('FOLDER/checkpoint-1/d"):
        begun(other, "second")
    other.load(tmp_path / "first" / "checkpoint-1" / "discriminator")
    assert begun(other, "second") == expected


def test_in_evaluation_it_only_scores(tmp_path):
    """With transformers' own trainer, which TRL's derive from, its events and its modes."""
    from transformers import Trainer, TrainingArguments

    reward, model, _ = reward_of()

    class Rewarded(Trainer):
        """Asks for rewards where TRL's trainers do: in training and in evaluation steps."""

        def compute_loss(self, model, inputs, **others):
            rewards.append(reward(PROMPTS, MADE, human=HUMAN))
            loss = model(input_ids=inputs["input_ids"], labels=inputs["input_ids"]).loss
            return (loss, {"loss": loss}) if others.get("return_outputs") else loss

    rewards, row = [], {"input_ids": torch.tensor([5, 6, 7]), "labels": torch.tensor([5, 6, 7])}
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=2, use_cpu=True,
        report_to=[], disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    trainer = Rewarded(
        model, arguments, train_dataset=[row] * 4, eval_dataset=[row] * 4,
        callbacks=[reward.callback()],
    )  # fmt: skip

    def weights():
        return [p.clone() for p in reward.game.D.parameters()]

    start = weights()
    trainer.train()
    learned = weights()
    assert reward.engine.round == 2
    assert any(not torch.equal(p, q) for p, q in zip(start, learned, strict=True))
    rewards.clear()
    trainer.evaluate()
    assert reward.engine.round == 2
    assert all(torch.equal(p, q) for p, q in zip(learned, weights(), strict=True))
    assert rewards == [rewards[0]] * len(rewards)
    assert reward(PROMPTS, MADE) == rewards[0]  # no column of people's replies is needed
    model.train()
    assert reward(PROMPTS, MADE, human=HUMAN) == rewards[0]
    assert reward.engine.round == 3


@pytest.mark.slow
def test_a_grpo_trainer_trains_with_it_saves_and_resumes(tmp_path):
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    rows = [
        {"prompt": [{"role": "user", "content": TEXTS[0]}],
         "human": [{"role": "assistant", "content": TEXTS[1]}]},
        {"prompt": [{"role": "user", "content": TEXTS[3]}],
         "human": [{"role": "assistant", "content": TEXTS[2]}]},
    ] * 4  # fmt: skip

    def trainer(steps):
        reward, model, form = reward_of()
        options = trl.GRPOConfig(
            output_dir=str(tmp_path / "out"), max_steps=steps, save_steps=1, logging_steps=1,
            per_device_train_batch_size=4, num_generations=4, max_completion_length=6,
            use_cpu=True, report_to=[], beta=0.0, bf16=False, disable_tqdm=True,
        )  # fmt: skip
        made = trl.GRPOTrainer(
            model, reward_funcs=[reward], args=options, train_dataset=Dataset.from_list(rows),
            eval_dataset=Dataset.from_list(rows), processing_class=form.tokenizer,
            callbacks=[reward.callback()],
        )  # fmt: skip
        return made, reward

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, reward = trainer(2)
        before = [p.clone() for p in reward.game.D.parameters()]
        first.train()
        assert reward.engine.round == 2
        assert any(not torch.equal(p, q) for p, q in zip(before, reward.game.D.parameters()))
        logged = {name for line in first.state.log_history for name in line}
        assert any("discriminator/accuracy" in name for name in logged), logged
        assert (tmp_path / "out" / "checkpoint-2" / "discriminator" / "state.json").exists()
        first.evaluate()
        assert reward.engine.round == 2
        second, again = trainer(3)
        second.train(resume_from_checkpoint=True)
        assert again.engine.round == 3


@pytest.mark.slow
def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    trl = pytest.importorskip("trl")
    page = (Path(__file__).parents[3] / "docs" / "dialogue.md").read_text(encoding="utf-8")
    examples = [block.partition("```")[0] for block in page.split("```python\n")[1:]]
    (example,) = (text for text in examples if "GRPOTrainer(" in text)
    assert len(example.splitlines()) <= 15
    reward, model, form = reward_of()
    reward.save_pretrained(tmp_path / "runs" / "chat" / "discriminator")
    model.save_pretrained(tmp_path / "runs" / "chat" / "model")
    form.save_limited(tmp_path / "runs" / "chat" / "model", 24, 4)
    rows = [{"prompt": TEXTS[0], "human": TEXTS[1:3]}, {"prompt": TEXTS[3], "human": None}] * 4
    (tmp_path / "talks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    small = {
        "max_steps": 1, "per_device_train_batch_size": 8, "use_cpu": True, "bf16": False,
        "report_to": [], "disable_tqdm": True,
    }  # fmt: skip
    monkeypatch.setattr(trl, "GRPOConfig", partial(trl.GRPOConfig, **small))
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(example, "dialogue.md", "exec"), {})
    again = sg.load_reward("runs/grpo/discriminator")
    assert again.score(["no ."]) != reward.score(["no ."])  # it has learned
