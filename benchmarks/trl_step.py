"""A round of GAD's kind here beside one of TRL's GRPOTrainer with the same model and discriminator.

    python benchmarks/trl_step.py [--steps 6]

Both answer 4 prompts of 48 tokens 8 times with 24 tokens, score the replies by a discriminator of
the model's size, take one step of the model (advantages normalised in groups, clipped ratio, no KL
term) and one step of the discriminator on pairs. TRL's reward is `seqgan.dialogue.reward`, which
trains the discriminator as it scores. GPT-2's shape, 4 layers of 256, vocabulary 8,000; CPU seconds
of the process with one torch thread, medians after the first step. Needs the package trl.
"""

import argparse
import copy
import json
import statistics
import tempfile
import warnings
from functools import partial
from typing import Any

import torch
from datasets import Dataset
from dialogue_step import SMALL
from timing import now
from transformers import GPT2Config, GPT2LMHeadModel, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from image_core.adversarial import estimators, losses
from image_core.adversarial.engine import Engine
from image_core.memory import keep_freed_memory
from seqgan.dialogue import credit
from seqgan.dialogue.discriminators import TransformerDiscriminator
from seqgan.dialogue.encode import Format, train_tokenizer
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.language_models import CausalLMPolicy
from seqgan.dialogue.reward import as_reward
from seqgan.dialogue.turns import Utterance

PROMPTS, SAMPLES, C, T = 4, 8, 48, 24
CPU = torch.device("cpu")


def model_and_discriminator(form: Format) -> tuple[GPT2LMHeadModel, TransformerDiscriminator]:
    """Both untrained; the model never ends a reply before 24 tokens, since the end is forbidden."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=SMALL.vocab, n_positions=C + T, n_embd=SMALL.width, n_layer=SMALL.layers,
        n_head=SMALL.width // 64, bos_token_id=form.end, eos_token_id=form.end,
        pad_token_id=form.pad, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    return model, TransformerDiscriminator.like(copy.deepcopy(model))


def rows() -> list[dict[str, Any]]:
    """Prompts of 48 tokens with their marks, a byte each, and answers of 24 with their end."""
    asked = ["".join(chr(97 + (i + j) % 26) for j in range(C - 2)) for i in range(PROMPTS)]
    message = partial(dict, role="user")
    return [{"prompt": [message(content=text)], "human": text[: T - 1]} for text in asked]


def ours(form: Format, steps: int) -> list[float]:
    """Seconds of each round of the game."""
    model, D = model_and_discriminator(form)
    policy = CausalLMPolicy(model, SMALL.vocab, end=form.end, pad=form.pad, forbidden=[form.pad])
    game = DialogueGame(
        policy, D, T, context_length=C, credit=credit.sequence(credit.identity),
        estimator=estimators.clipped(), baseline="group_normalised", loss=losses.relativistic,
        samples=SAMPLES, generation=GenerationOptions(min_length=T), reuse=True,
    )  # fmt: skip
    adam = partial(torch.optim.Adam, lr=1e-5, fused=True)
    engine = Engine(game, {"G": adam, "D": adam})
    read = [form.context([Utterance("user", row["prompt"][0]["content"])], C) for row in rows()]
    batch = {
        "context": torch.cat([context for context, _ in read]),
        "attention_mask": torch.cat([seen for _, seen in read]),
        "reply": torch.tensor([[*form.texts([row["human"]])[0], form.end] for row in rows()]),
    }
    assert batch["attention_mask"].all()
    seconds = []
    for _ in range(steps):
        began = now(CPU)
        list(engine.rounds(lambda index: batch, 1))
        seconds.append(now(CPU) - began)
    return seconds


class Clock(TrainerCallback):
    """Seconds between the beginnings of TRL's steps."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_step_begin(self, *rest: Any, **others: Any) -> None:
        self.seen.append(now(CPU))

    def on_train_end(self, *rest: Any, **others: Any) -> None:
        self.seen.append(now(CPU))


def theirs(form: Format, steps: int, folder: str) -> list[float]:
    """Seconds of each step of TRL's trainer, its rewards among them."""
    model, D = model_and_discriminator(form)
    reward = as_reward(D, form, context_tokens=C, reply_tokens=T, lr=1e-5)
    options = GRPOConfig(
        output_dir=folder, max_steps=steps, per_device_train_batch_size=PROMPTS * SAMPLES,
        num_generations=SAMPLES, max_completion_length=T, use_cpu=True, bf16=False, beta=0.0,
        gradient_checkpointing=False, report_to=[], disable_tqdm=True, save_strategy="no",
        logging_strategy="no", generation_kwargs={"min_new_tokens": T}, optim="adamw_torch_fused",
    )  # fmt: skip
    clock = Clock()
    trainer = GRPOTrainer(
        model, reward_funcs=[reward], args=options, train_dataset=Dataset.from_list(rows() * 4),
        processing_class=form.tokenizer, callbacks=[reward.callback(), clock],
    )  # fmt: skip
    trainer.train()
    assert reward.engine.round == steps
    return [after - before for before, after in zip(clock.seen, clock.seen[1:], strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description="A round here beside a step of TRL's GRPOTrainer.")
    parser.add_argument("--steps", type=int, default=6, help="steps of each, the first not counted")
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    keep_freed_memory()
    form = Format(train_tokenizer([], 261))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        found = {"theirs": theirs(form, steps, folder), "ours": ours(form, steps)}
    middle = {name: statistics.median(seconds[1:]) for name, seconds in found.items()}
    for name, value in middle.items():
        print(json.dumps({"part": f"{name}: step", "seconds": round(value, 4)}))
    print(json.dumps({"trl_over_ours": round(middle["theirs"] / middle["ours"], 2)}))


if __name__ == "__main__":
    main()
