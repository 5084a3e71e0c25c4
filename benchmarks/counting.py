"""The counting task: maximum likelihood, REINFORCE and the dense paper, a JSON line a run.

    python benchmarks/counting.py --seeds 0 1 2 [--methods stepgan ...] [--out DIR]

Everything is played by `seqgan train dialogue`. All methods go on from one start of the seed, a
small generator after maximum likelihood, whose model they name as --model. "stepgan" is that paper
with the sizes and rates below; "reinforce" the same with one reward a reply and the mean of a
context's other replies as baseline; "mle" goes on with maximum likelihood for at least as many
seconds as the paper took, its discriminator's counted, and keeps its best weights by validation.
"mle_steps" takes as many steps as the others' generator. Accuracy is exact, on 10,000 contexts that
were not learned from, sampled at temperature 1; of the others the last weights are measured.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from seqgan.cli import main as seqgan
from seqgan.commands.recipes import open_run
from seqgan.dialogue.counting import counting_pairs, judge_counting
from seqgan.dialogue.encode import MARKS
from seqgan.dialogue.turns import Dialogue, Dialogues, Utterance

CONTEXT, REPLY = 11, 4
"""Tokens: a role mark, nine digits and the mark of who is to answer; three digits and the end."""

SIZES = {
    "context_tokens": CONTEXT, "reply_tokens": REPLY, "turns": 1, "dropout": 0, "falling": "true",
    "patience": 1000, "evaluate_every": 1000, "eval_samples": 50, "judge_seeds": 0,
    "save_seconds": 1000, "threads": 1, "device": "cpu", "alarms": "off", "length_limit": 0,
}  # fmt: skip

LIKELIHOOD = {"d_warmup_steps": 0, "rounds": 0}

START = LIKELIHOOD | {"batch": 128, "mle_steps": 2000, "mle_lr": 1e-2}

LONGER = LIKELIHOOD | {"batch": 64, "mle_lr": 2e-3}

ADVERSARIAL = {
    "paper": "stepgan", "mle_steps": 0, "batch": 64, "d_size": 64, "d_mle_lr": 3e-3,
    "d_warmup_steps": 0, "rounds": 100, "g_lr": 2e-3,
}  # fmt: skip

METHODS = {
    "stepgan": ADVERSARIAL,
    "reinforce": ADVERSARIAL | {"credit_assignment": "sequence", "baseline": "leave_one_out"},
    "mle_steps": LONGER | {"mle_steps": 100},
    "mle": LONGER | {"mle_steps": 3600},
}


def write_model(folder: Path, seed: int) -> None:
    """A model of 8 states that has learned nothing, and a tokenizer of the ten digits."""
    tokens = ["<pad>", "<end>", *MARKS.values(), *"0123456789"]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, []))
    tokenizer.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>",
        additional_special_tokens=list(MARKS.values()),
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokens), n_positions=CONTEXT + REPLY, n_embd=8, n_layer=2, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=1,
        pad_token_id=0,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)


def write_pairs(folder: Path) -> dict[str, str]:
    """The three sets as files, by option."""
    named = {}
    for name, count, seed in (("data", 20_000, 1), ("valid", 1000, 2), ("test", 1000, 3)):
        file = folder / f"{name}.jsonl"
        rows = [json.dumps({"turns": pair}) + "\n" for pair in counting_pairs(count, seed)]
        file.write_text("".join(rows), encoding="utf-8")
        named[name] = str(file)
    return named


def train(out: Path, options: Mapping[str, Any]) -> float:
    """Train a run; its CPU seconds."""
    words = [f"--{name}={value}" for name, value in options.items()]
    if seqgan(["train", "dialogue", "--out", str(out), *words]):
        raise SystemExit(f"{out} was refused")
    return float(json.loads((out / "result.json").read_text(encoding="utf-8"))["cpu_seconds"])


def measured(folder: Path) -> dict[str, float]:
    """Accuracy and spread of a run's generator on the test's 10,000 contexts."""
    run = open_run(str(folder), data=False)
    run.load()
    torch.manual_seed(0)
    contexts = [context for context, _ in counting_pairs(10_000, 4)]
    items = [Dialogue([Utterance("user", c), Utterance("assistant", "0")], True) for c in contexts]
    test = run.form.encode(
        Dialogues("test", items), context_tokens=CONTEXT, reply_tokens=REPLY, turns=1
    )
    replies = run.game.G.eval().sample(test.context, test.attention_mask, REPLY)
    said = [run.form.decode(row) for row in replies.tolist()]
    counted = judge_counting(contexts, said)._asdict()
    return {name: round(value, 4) for name, value in counted.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="The counting task.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=list(METHODS))
    parser.add_argument("--out", help="folder of the runs; a temporary one when left out")
    parser.add_argument("--more", nargs="*", default=[], help="NAME=VALUE, options of the methods")
    parser.add_argument("--start", nargs="*", default=[], help="NAME=VALUE, options of the start")
    c = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(c.out or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        data = write_pairs(folder)
        for seed in c.seeds:
            common = SIZES | data | {"seed": seed}
            start = folder / f"start_{seed}"
            runs = {}
            if not start.exists():
                write_model(folder / f"blank_{seed}", seed)
                chosen = dict(word.split("=") for word in c.start)
                runs["start"] = common | START | {"model": folder / f"blank_{seed}"} | chosen
            common["model"] = str(start / "model")
            chosen = dict(word.split("=") for word in c.more)
            runs |= {name: common | METHODS[name] | chosen for name in c.methods}
            for name, options in runs.items():
                out = folder / f"{name}_{seed}"
                told = {"seed": seed, "method": name, "cpu_seconds": train(out, options)}
                print(json.dumps(told | measured(out)), flush=True)


if __name__ == "__main__":
    main()
