"""CPU seconds of BLEU and Self-BLEU, four orders: one JSON line per metric and size.

python benchmarks/bleu.py --sizes 1000 10000 100000
python benchmarks/bleu.py --data DATA/text      # COCO captions as well
"""

import argparse
import gzip
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seqgan.metrics import bleu, self_bleu

Sentences = list[list[int]]


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
    return [words.tolist() for words in np.split(tokens, np.cumsum(lengths)[:-1])]


def captions(file: Path, word_ids: dict[str, int]) -> Sentences:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [[word_ids.setdefault(w, len(word_ids)) for w in line.split()] for line in lines]


def cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def report(source: str, samples: Sentences, references: Sentences, repeats: int) -> None:
    calls: dict[str, Callable[[], dict[int, float]]] = {
        "bleu": lambda: bleu(samples, references),
        "self_bleu": lambda: self_bleu(samples),
    }
    for metric, call in calls.items():
        row = {"metric": metric, "data": source, "sentences": len(samples)}
        row |= {"cpu_s": round(cpu_seconds(call, repeats), 4)}
        row |= {"value": {n: round(score, 4) for n, score in call().items()}}
        print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, help="folder of image_coco_{train,test}.txt.gz")
    args = parser.parse_args()
    for size in args.sizes:
        report("synthetic", synthetic(size, 0), synthetic(size, 1), args.repeats)
    if args.data:
        ids: dict[str, int] = {}
        train, test = (
            captions(args.data / f"image_coco_{s}.txt.gz", ids) for s in ("train", "test")
        )
        report("coco train against test, split at blanks", train, test, args.repeats)


if __name__ == "__main__":
    main()
