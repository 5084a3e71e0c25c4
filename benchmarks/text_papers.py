"""Every relative of SeqGAN on real text, beside maximum likelihood of equal size, over seeds.

    python benchmarks/text_papers.py --data TRAIN --test TEST --out FOLDER [--seeds 0 1 2]
                                    [--papers seqgan maligan] [--lines 4000] [--test_lines 1000]

Trains `seqgan train text --paper NAME` for each paper and seed, one after the other, in
FOLDER/NAME-SEED; runs that are there are not made again, one that was stopped goes on. Each run
ends with the sweep of its policy and of the maximum-likelihood policy it started from over ten
temperatures. Prints three rows a paper, means with 95 % intervals over seeds (t distribution):
maximum likelihood and the paper at temperature 1, and maximum likelihood at its best temperature,
that of each seed's lowest reverse LM score. Then two differences from the run's own maximum
likelihood with intervals over seeds: BLEU-5 at equal Self-BLEU-5, the mean over what both sweeps
reach, above 0 better; and the lowest reverse LM score over temperatures, below 0 better. Draws
FOLDER/papers_text.png.
"""

import argparse
import gzip
import itertools
import json
import math
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from text_paper_curves import Curve, draw, gap, interval

from seqgan.text.recipe import PAPERS

SIZES = {
    "min_count": 3,
    "max_length": 16,
    "long_lines": "drop",
    "discriminator": "small",
    "hidden": 64,
    "embedding": 64,
    "mle_epochs": 20,
    "d_warmup_steps": 62,
    "d_steps": 31,
    "negatives": 1000,
    "rounds": 16,
    "g_steps": 3,
    "rollouts": 4,
    "evaluate_every": 16,
    "sweep_samples": 1000,
    "judge_epochs": 1,
    "threads": 1,
}
"""Of all runs; an paper's own rates are its module's."""

OWN = {"relgan": {"rounds": 48, "g_steps": 1, "d_steps": 2, "mle_lr": 1e-2}}
"""RelGAN alternates single steps; as many policy steps as the others."""

SHOWN = ("nll_test", "bleu5", "self_bleu5", "lm", "reverse_lm")


def shortened(source: Path, lines: int, folder: Path) -> Path:
    """The first lines of a text file, gzipped or not, in a file of their own."""
    file = folder / f"{source.name.removesuffix('.gz')}.{lines}"
    if not file.exists():
        content = source.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in text.splitlines()[:lines]))
    return file


def train(paper: str, seed: int, data: Path, test: Path, folder: Path) -> None:
    """Begin a run, go on with it, or leave it as it is."""
    if (folder / "result.json").exists():
        return
    words = ["resume", str(folder)]
    if not (folder / "config.yaml").exists():
        words = ["train", "text", "--paper", paper, "--seed", str(seed), "--out", str(folder)]
        words += ["--data", str(data), "--test", str(test)]
        read = {field.name for field in fields(PAPERS.config(paper))}
        for name, value in {**SIZES, **OWN.get(paper, {})}.items():
            words += [f"--{name}", str(value)] if name in read else []
    subprocess.run([sys.executable, "-m", "seqgan.cli", *words], check=True)


def curves(sweep: dict[str, list[dict[str, float]]], policy: str) -> Curve:
    """(Self-BLEU-5, BLEU-5) over temperatures."""
    return sorted((p["self_bleu5"], p["bleu5"]) for p in sweep[policy] if p.get("top_p", 1) == 1)


def rows(sweeps: list[dict[str, list[dict[str, float]]]], paper: str) -> list[str]:
    """Rows of a paper's maximum likelihood, the same at its best temperature, and the paper."""
    own = next(name for name in sweeps[0] if name != "MLE")
    found = []
    best = [min(s["MLE"], key=lambda p: p["reverse_lm"]) for s in sweeps]
    plain = [
        [next(p for p in s[policy] if abs(p["temperature"] - 1) < 1e-9) for s in sweeps]
        for policy in ("MLE", own)
    ]
    titles = (f"{paper}'s MLE", f"{paper}'s MLE at its best T", paper)
    for title, points in zip(titles, (plain[0], best, plain[1]), strict=True):
        cells = [interval([p[name] for p in points]) for name in ("temperature", *SHOWN)]
        found.append([title, *cells])
    gaps = [gap(curves(s, "MLE"), curves(s, own), span=math.inf) for s in sweeps]
    reverse = [
        min(p["reverse_lm"] for p in s[own]) - min(p["reverse_lm"] for p in s["MLE"])
        for s in sweeps
    ]
    found[0] += ["", ""]
    found[1] += ["", ""]
    found[2] += [f"{interval(gaps, 4)}", f"{interval(reverse, 3)}"]
    return ["| " + " | ".join(cells) + " |" for cells in found]


def main() -> None:
    parser = argparse.ArgumentParser(description="Papers on text beside maximum likelihood.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--papers", nargs="+", choices=PAPERS.names(), default=PAPERS.names())
    parser.add_argument("--lines", type=int, default=4000)
    parser.add_argument("--test_lines", type=int, default=1000)
    given = parser.parse_args()
    data = shortened(given.data, given.lines, given.out)
    test = shortened(given.test, given.test_lines, given.out)
    for seed, paper in itertools.product(given.seeds, given.papers):
        train(paper, seed, data, test, given.out / f"{paper}-{seed}")
    shown = " | ".join(("temperature", *SHOWN))
    print(f"| policy | {shown} | BLEU-5 at equal Self-BLEU-5 | best reverse LM |")
    print("|---" * (len(SHOWN) + 4) + "|")
    runs: dict[str, list[tuple[Curve, Curve]]] = {}
    for paper in given.papers:
        files = [given.out / f"{paper}-{seed}/result.json" for seed in given.seeds]
        sweeps = [json.loads(file.read_text(encoding="utf-8"))["sweep"] for file in files]
        print("\n".join(rows(sweeps, paper)))
        own = next(name for name in sweeps[0] if name != "MLE")
        runs[paper] = [(curves(s, "MLE"), curves(s, own)) for s in sweeps]
    labels = ("Self-BLEU-5 (lower: more diverse)", "BLEU-5 (higher is better)")
    draw(runs, given.out / "papers_text.png", labels)


if __name__ == "__main__":
    main()
