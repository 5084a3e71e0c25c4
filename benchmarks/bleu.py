"""CPU seconds and memory of BLEU and Self-BLEU, orders 2 to 5: one JSON line a measurement.

    python benchmarks/bleu.py                                       # 1,000 to 1,000,000 sentences
    python benchmarks/bleu.py --beside nltk fast_bleu --sizes 1000 10000
    python benchmarks/bleu.py --data DATA/text --sizes              # COCO captions

fast-bleu is an extra of its own (pip install "seqgan[fast-bleu]"), built by a C++ compiler. Every
measurement is a process of its own, whose peak memory is what it holds at most: with the sentences
themselves, as lists, which the line before it gives alone.
"""

import argparse
import gzip
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Sentences = list[list[int]]
Scores = Callable[[], dict[int, float]]
ORDERS = (2, 3, 4, 5)
SCALED = 2
"""Sentences that NLTK scores; the seconds are scaled to all."""


def synthetic(count: int, seed: int, vocab: int = 5000) -> Sentences:
    """Sentences of 7 to 14 tokens with Zipf frequencies.

    Two tokens in three follow from the one before, so that long n-grams recur as they do in text.
    """
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, vocab + 1)
    lengths = rng.integers(7, 15, count)
    tokens = rng.choice(vocab, lengths.sum(), p=frequency / frequency.sum())
    for place in np.flatnonzero(rng.random(len(tokens) - 1) < 2 / 3):
        tokens[place + 1] = (tokens[place] * 7 + 1) % vocab
    ids = list(range(vocab))  # one object a token type, as after looking words up in a dictionary
    return [[ids[t] for t in words] for words in np.split(tokens, np.cumsum(lengths)[:-1])]


def captions(folder: Path) -> tuple[Sentences, Sentences]:
    """COCO's training captions and its test captions, split at blanks."""
    number: dict[str, int] = {}
    sides = []
    for name in ("train", "test"):
        with gzip.open(folder / f"image_coco_{name}.txt.gz", "rt", encoding="utf-8") as lines:
            sides.append([[number.setdefault(w, len(number)) for w in x.split()] for x in lines])
    return sides[0], sides[1]


def ours(metric: str, samples: Sentences, references: Sentences) -> Scores:
    from seqgan.metrics import bleu, self_bleu

    return lambda: bleu(samples, references) if metric == "bleu" else self_bleu(samples)


def fast_bleu(metric: str, samples: Sentences, references: Sentences) -> Scores:
    from fast_bleu import BLEU, SelfBLEU

    weights = {n: (1 / n,) * n for n in ORDERS}
    words, real = ([[str(t) for t in s] for s in side] for side in (samples, references))

    def score() -> dict[int, float]:
        if metric == "bleu":
            found = BLEU(real, weights).get_score(words)
        else:
            found = SelfBLEU(words, weights).get_score()
        return {n: statistics.fmean(found[n]) for n in ORDERS}

    return score


def nltk(metric: str, samples: Sentences, references: Sentences) -> Scores:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method1
    chosen = range(0, len(samples), len(samples) // SCALED)[:SCALED]

    def score() -> dict[int, float]:
        scores: dict[int, list[float]] = {n: [] for n in ORDERS}
        for i in chosen:
            against = references if metric == "bleu" else samples[:i] + samples[i + 1 :]
            for n in ORDERS:
                found = sentence_bleu(against, samples[i], (1 / n,) * n, smooth)
                scores[n].append(float(found))
        return {n: statistics.fmean(values) for n, values in scores.items()}

    return score


TOOLS = {"ours": ours, "fast_bleu": fast_bleu, "nltk": nltk}


def measure(tool: str, metric: str, size: int, data: Path | None, repeats: int) -> None:
    """In this process: make the sentences, score them, say what it took."""
    from image_core.memory import keep_freed_memory

    keep_freed_memory()  # as the command line does; else a third of the time is page faults
    if data:
        samples, references = captions(data)
    else:
        samples, references = synthetic(size, 0), synthetic(size, 1)
    row = {"tool": tool, "metric": metric, "data": "coco" if data else "synthetic"}
    row |= {"sentences": len(samples)}
    if metric != "none":
        score = TOOLS[tool](metric, samples, references)
        spent = []
        for _ in range(repeats):
            start = time.process_time()
            values = score()
            spent.append(time.process_time() - start)
        scale = len(samples) / SCALED if tool == "nltk" else 1
        row |= {"cpu_s": round(statistics.median(spent) * scale, 4)}
        row |= {"scaled": True} if tool == "nltk" else {}
        row |= {"value": {n: round(v, 4) for n, v in values.items()}}
    row |= {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--beside", nargs="*", choices=("nltk", "fast_bleu"), default=[])
    parser.add_argument("--data", type=Path, help="folder of image_coco_{train,test}.txt.gz")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        tool, metric, size = args.one
        measure(tool, metric, int(size), args.data, args.repeats)
        return
    cases = [(size, []) for size in args.sizes]
    cases += [(0, ["--data", str(args.data)])] if args.data else []
    for size, data in cases:
        measured = [("ours", "none"), ("ours", "bleu"), ("ours", "self_bleu")]
        measured += [(tool, metric) for tool in args.beside for metric in ("bleu", "self_bleu")]
        for tool, metric in measured:
            repeats = 1 if tool == "nltk" else args.repeats
            words = [*data, "--repeats", str(repeats), "--one", tool, metric, str(size)]
            subprocess.run([sys.executable, __file__, *words], check=True)


if __name__ == "__main__":
    main()
