"""The counting task: maximum likelihood, REINFORCE and the dense paper, as curves over temperature.

    python benchmarks/counting.py --seeds 0 1 2 --out DIR [--methods stepgan ...]

Everything is played by `seqgan train dialogue`. All methods go on from one start of the seed, a
small generator after maximum likelihood, whose model they name as --model. "stepgan" is that paper
with the sizes and rates below; "reinforce" the same with one reward a reply and the mean of a
context's other replies as baseline; "mle" goes on with maximum likelihood for at least as many
seconds as the paper took, its discriminator's counted, and keeps its best weights by validation.
"mle_steps" takes as many steps as the others' generator; of the adversaries the last weights are
measured. "real" is right replies themselves.

Accuracy and evenness are exact, of one reply to each of 10,000 contexts that were not learned from,
at each temperature. Each run's curve is a file of --out, DIR/NAME_SEED.json, and is not played
again; a run that was stopped goes on. The last lines are a table: means over seeds.
"""

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from image_core.student import t_quantile
from seqgan.cli import main as seqgan
from seqgan.commands.recipes import open_run
from seqgan.dialogue.counting import counting_pairs, judge_counting
from seqgan.dialogue.encode import MARKS
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.turns import Dialogue, Dialogues, Utterance

CONTEXT, REPLY = 11, 4
"""Tokens: a role mark, nine digits and the mark of who is to answer; three digits and the end."""

TEMPERATURES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
EVENNESS = (0.98, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Bounds at which the methods are compared: a method that loses positions is sharper for free."""

Curve = list[dict[str, float]]

SIZES = {
    "context_tokens": CONTEXT, "reply_tokens": REPLY, "turns": 1, "dropout": 0, "falling": "true",
    "patience": 1000, "evaluate_every": 1000, "eval_samples": 50, "judge_seeds": 0,
    "save_seconds": 1000, "threads": 1, "device": "cpu", "alarms": "off",
}  # fmt: skip

LIKELIHOOD = {"d_warmup_steps": 0, "rounds": 0}

START = LIKELIHOOD | {"batch": 128, "mle_steps": 2000, "mle_lr": 1e-2}

LONGER = LIKELIHOOD | {"batch": 64, "mle_lr": 2e-3}

ADVERSARIAL = {
    "paper": "stepgan", "mle_steps": 0, "batch": 64, "d_size": 64, "d_mle_lr": 3e-3,
    "d_warmup_steps": 0, "min_auc": 0.0, "rounds": 100, "g_lr": 2e-3,
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
    """Train a run, or go on with one that was stopped; its CPU seconds."""
    result = out / "result.json"
    if not result.exists():
        words = [f"--{name}={value}" for name, value in options.items()]
        begun = (out / "config.yaml").exists()
        new = ["train", "dialogue", "--out", str(out), *words]
        if seqgan(["resume", str(out)] if begun else new):
            raise SystemExit(f"{out} was refused")
    return float(json.loads(result.read_text(encoding="utf-8"))["cpu_seconds"])


def measured(folder: Path) -> Curve:
    """Accuracy and evenness of a run's generator on the test's 10,000 contexts."""
    run = open_run(str(folder), data=False)
    run.load()
    torch.manual_seed(0)
    contexts = [context for context, _ in counting_pairs(10_000, 4)]
    items = [Dialogue([Utterance("user", c), Utterance("assistant", "0")], True) for c in contexts]
    test = run.form.encode(
        Dialogues("test", items), context_tokens=CONTEXT, reply_tokens=REPLY, turns=1
    )
    curve = []
    for temperature in TEMPERATURES:
        generation = GenerationOptions(temperature)
        replies = run.game.G.eval().sample(test.context, test.attention_mask, REPLY, generation)
        said = [run.form.decode(row) for row in replies.tolist()]
        curve.append({"temperature": temperature, **judged(contexts, said)})
    return curve


def judged(contexts: Sequence[str], replies: Sequence[str]) -> dict[str, float]:
    """Accuracy and evenness of replies, rounded."""
    counted = judge_counting(contexts, replies)
    return {"accuracy": round(counted.accuracy, 4), "evenness": round(counted.spread, 4)}


def played(out: Path, method: str, seed: int, options: Mapping[str, Any]) -> Curve:
    """The curve of a run: from its file, or trained and measured."""
    file = out.with_suffix(".json")
    if not file.exists():
        found = {"seed": seed, "method": method, "cpu_seconds": train(out, options)}
        whole = file.with_suffix(".part")
        whole.write_text(json.dumps(found | {"curve": measured(out)}), encoding="utf-8")
        whole.rename(file)
    line = file.read_text(encoding="utf-8")
    print(line, flush=True)
    return json.loads(line)["curve"]


def mean_told(values: Sequence[float]) -> str:
    """Mean with the half-width of its 95 % interval over seeds; one seed is marked."""
    if len(values) == 1:
        return f"{values[0]:.3f} (one seed)"
    half = t_quantile(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.3f} +- {half:.3f}"


def best_at(curve: Curve, evenness: float) -> float | None:
    """Greatest accuracy over temperatures at which replies are at least that even."""
    return max((p["accuracy"] for p in curve if p["evenness"] >= evenness), default=None)


def write_tables(curves: Mapping[str, Sequence[Curve]]) -> None:
    """Print the curves, and the accuracy that each method has at equal evenness."""
    print("\naccuracy / evenness by temperature, mean and 95 % interval over seeds")
    print("| T | " + " | ".join(curves) + " |")
    print("|---" * (len(curves) + 1) + "|")
    for place, temperature in enumerate(TEMPERATURES):
        points = [[curve[place] for curve in found] for found in curves.values()]
        cells = [
            " / ".join(mean_told([p[key] for p in row]) for key in ("accuracy", "evenness"))
            for row in points
        ]
        print(f"| {temperature} | " + " | ".join(cells) + " |")
    print("\ngreatest accuracy over temperatures at which evenness is at least the bound")
    print("| evenness | " + " | ".join(curves) + " |")
    print("|---" * (len(curves) + 1) + "|")
    for bound in EVENNESS:
        best = [[best_at(curve, bound) for curve in found] for found in curves.values()]
        cells = [mean_told(row) if None not in row else "not reached" for row in best]
        print(f"| {bound} | " + " | ".join(cells) + " |")


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
        curves: dict[str, list[Curve]] = {name: [] for name in ("start", *c.methods)}
        for seed in c.seeds:
            common = SIZES | data | {"seed": seed}
            blank = folder / f"blank_{seed}"
            if not blank.exists():
                write_model(blank, seed)
            start = folder / f"start_{seed}"
            chosen = dict(word.split("=") for word in c.start)
            options = common | START | {"model": blank} | chosen
            curves["start"].append(played(start, "start", seed, options))
            common["model"] = str(start / "model")
            chosen = dict(word.split("=") for word in c.more)
            for name in c.methods:
                options = common | METHODS[name] | chosen
                curves[name].append(played(folder / f"{name}_{seed}", name, seed, options))
        real = judged(*zip(*counting_pairs(10_000, 5), strict=True))
        print(f"\nreal replies: accuracy {real['accuracy']}, evenness {real['evenness']}")
        write_tables(curves)


if __name__ == "__main__":
    main()
