"""Distillation from a teacher's answers: the rows that an adversary has to be read beside.

    python benchmarks/distillation.py --out DIR [--data teacher.jsonl] [--model STUDENT]

Everything is played by `seqgan train dialogue`. "sequence distillation" is maximum likelihood of
the teacher's answers, stopped by validation. From there go on "gad" (Ye et al. 2025), and
"distilled longer", maximum likelihood for at least as many seconds as gad took, its discriminator's
counted. Each stands at temperature 1 and at its best one; "best of 8" is the discriminator's choice
among eight replies. "teacher" are the teacher's own answers to other prompts, "random" its answers
to any. `adversary` is the share of seeds on which the discriminator earned its turn (`--min_auc`):
on the others gad's rounds are maximum likelihood as well.

Without --data the teacher is a template with several answers a prompt. Runs are kept in --out,
DIR/NAME_SEED; one that was stopped goes on, one that is finished is not played again. The last
lines are a table: means and 95 % intervals over seeds.
"""

import argparse
import itertools
import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counting import mean_told, train

COLUMNS = ("bleu2", "distinct2", "entropy4", "ms_jaccard", "length", "nll_test")

THINGS = (
    "tea", "rain", "snow", "music", "bread", "the sea", "cats", "maths", "tennis", "jazz",
    "chess", "coffee", "trains", "rivers", "stars", "gardens",
)  # fmt: skip
KINDS = ("cold", "old", "quiet", "bright", "strange", "simple", "slow", "early", "late", "wild")
ASKED = ("do you like {k} {t} ?", "tell me about {k} {t} .", "what about {k} {t} ?")
TEST = 120
"""Prompts that nobody learns from."""
SAID = (
    "yes , i like {t} when it is {k} .", "{k} {t} is not for me .", "i had some {t} today , {k} .",
    "who does not love {t} ?", "why is it {k} ?", "no , {t} should not be {k} at all .",
)  # fmt: skip

SIZES = {
    "size": 64, "layers": 2, "heads": 4, "vocab_size": 400, "dropout": 0.1,
    "context_tokens": 24, "reply_tokens": 24, "turns": 1, "eval_samples": 200, "judge_seeds": 0,
    "best_of": 8, "threads": 1, "device": "cpu",
}  # fmt: skip
LIKELIHOOD = {"rounds": 0, "d_warmup_steps": 0, "batch": 32, "mle_lr": 1e-3}
START = LIKELIHOOD | {"mle_steps": 600}
LONGER = LIKELIHOOD | {"patience": 1000}
GAD = {"paper": "gad", "mle_steps": 0, "d_warmup_steps": 60, "rounds": 100, "evaluate_every": 25}


def write_teacher(folder: Path) -> dict[str, str]:
    """A template's answers, two to each prompt, as a teacher's file has them; files by option."""
    draw, rows = random.Random(0), []
    for asked, thing, kind in itertools.product(ASKED, THINGS, KINDS):
        said = [text.format(t=thing, k=kind) for text in draw.sample(SAID, 2)]
        rows.append({"prompt": asked.format(t=thing, k=kind), "completions": said})
    draw.shuffle(rows)
    sets, named = {"data": rows[TEST:], "test": rows[:TEST]}, {}
    for name, part in sets.items():
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
        named[name] = str(file)
    return named


def read(out: Path) -> dict[str, Any]:
    """Result of a finished run."""
    return dict(json.loads((out / "result.json").read_text(encoding="utf-8")))


def steps_for(seconds: float, run: Mapping[str, Any]) -> int:
    """Steps of maximum likelihood that take so many seconds and a tenth more, by another run."""
    return math.ceil(1.1 * seconds * run["steps"]["mle"] / run["cpu_seconds"])


def played(folder: Path, common: Mapping[str, Any], model: str | None, seed: int) -> dict[str, Any]:
    """Results of the three runs of a seed, by their names."""
    start, gad, longer = (folder / f"{name}_{seed}" for name in ("distilled", "gad", "longer"))
    begun = {"model": model} if model else {}
    train(start, common | START | begun)
    common = common | {"model": str(start / "mle")}
    seconds = train(gad, common | GAD)
    train(longer, common | LONGER | {"mle_steps": steps_for(seconds, read(start))})
    return {
        "sequence distillation": read(start),
        "gad": read(gad),
        "distilled longer": read(longer),
    }


def rows_of(results: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Rows of one seed, by name."""
    first = results["sequence distillation"]["table"]
    rows = {"teacher": first["human"], "random": first["random"]}
    for name, result in results.items():
        # After maximum likelihood alone both models are one
        model = "GAN" if name == "gad" else "MLE"
        best, table = result["best_temperature"][model], result["table"]
        rows[name] = table[f"{model} T=1.0"] | {"cpu_seconds": result["cpu_seconds"]}
        rows[f"{name}, best T"] = table[f"{model} T={best}"] | {"T": best}
        if name == "gad":
            rows[name] |= {"adversary": float(result["adversary"])}
            rows["sequence distillation, best of 8"] = table["MLE best of 8"]
            rows["gad, best of 8"] = table["GAN best of 8"]
    return rows


def write_table(seeds: Sequence[Mapping[str, Mapping[str, float]]]) -> None:
    """Print means over seeds with their intervals."""
    columns = (*COLUMNS, "T", "cpu_seconds", "adversary")
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in seeds[0]:
        known = [[row[name].get(key) for row in seeds] for key in columns]
        cells = [
            mean_told(numbers) if len(numbers := [v for v in values if v not in (None, "")]) else ""
            for values in known
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Distillation from a teacher's answers.")
    parser.add_argument("--out", required=True, help="folder of the runs")
    parser.add_argument("--data", help="the teacher's file; a template's when left out")
    parser.add_argument("--model", help="the student; a small one from scratch when left out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--more", nargs="*", default=[], help="NAME=VALUE, options of all runs")
    c = parser.parse_args()
    folder = Path(c.out)
    folder.mkdir(parents=True, exist_ok=True)
    data = {"data": c.data} if c.data else write_teacher(folder)
    more = data | dict(word.split("=", 1) for word in c.more)
    results = [played(folder, SIZES | more | {"seed": seed}, c.model, seed) for seed in c.seeds]
    write_table([rows_of(result) for result in results])


if __name__ == "__main__":
    main()
