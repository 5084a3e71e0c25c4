"""Sixteen tokens under three rules, and a reward that knows none of them.

    => a c f d ... a

Rules: each token has four successors of six; there are as many a as b; the last token is the first
one. The reward counts a motif, (a, c) or (b, d): repeating it breaks the rules, which is how the
reward is gamed. There is no prompt but the mark.
"""

import argparse
import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from seqgan.lm.policies import State
from seqgan.text.features import Features
from seqgan.text.sequences import Sequences

TOKENS, LENGTH, MARK = "abcdef", 16, "=>"
SUCCESSORS = {"a": "bcef", "b": "acde", "c": "bdef", "d": "abcf", "e": "acde", "f": "abdf"}
"""Neither motif can follow itself at once: c has no a after it. (b, d) can, since d has b."""


def is_valid(tokens: Sequence[str]) -> bool:
    """Whether a sequence keeps all rules.

    Args:
        tokens: Tokens.
    """
    if len(tokens) != LENGTH or any(token not in SUCCESSORS for token in tokens):
        return False
    steps = itertools.pairwise(tokens)
    followed = all(after in SUCCESSORS[before] for before, after in steps)
    return followed and tokens.count("a") == tokens.count("b") and tokens[0] == tokens[-1]


def check(prompts: Sequence[str], answers: Sequence[str]) -> list[bool]:
    """Whether answers keep all rules, for --check.

    Args:
        prompts: Empty prompts.
        answers: Sequences.
    """
    return [is_valid(answer.split()) for answer in answers]


def motifs(sentence: str, motif: tuple[str, str]) -> float:
    """Number of times that a motif stands in a sequence.

    Args:
        sentence: Mark and sequence.
        motif: Two tokens.
    """
    tokens = sentence.replace(MARK, "").split()
    return float(sum(pair == motif for pair in itertools.pairwise(tokens)))


def reward(sentences: Sequence[str]) -> list[float]:
    """Number of motifs (a, c), for --reward.

    Args:
        sentences: Sequences.
    """
    return [motifs(sentence, ("a", "c")) for sentence in sentences]


def other_reward(sentences: Sequence[str]) -> list[float]:
    """Number of motifs (b, d), another motif to game.

    Args:
        sentences: Sequences.
    """
    return [motifs(sentence, ("b", "d")) for sentence in sentences]


class Counts(Features):
    """Counts of the tokens so far, the first and the last one, and the share of the length.

    Args:
        s: Sequences of the run.
    """

    def __init__(self, s: Sequences):
        number = {s.decode([i]): i for i in range(s.vocab)}
        self.size = 3 * len(TOKENS) + 1
        self.place = torch.full((s.vocab,), -1)
        self.place[[number[token] for token in TOKENS]] = torch.arange(len(TOKENS))

    def begin(self, rows: int) -> State:
        """Counts, first token, one-hot, and number of tokens."""
        zeros = torch.zeros(rows, len(TOKENS))
        return zeros, zeros, torch.zeros(rows, 1)

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N F"], State]:
        counts, first, count = state
        place = self.place[tokens]
        last = F.one_hot(place + 1, len(TOKENS) + 1)[:, 1:].float()
        first = torch.where(count == 0, last, first)
        counts, count = counts + last, count + (place >= 0)[:, None]
        return torch.cat([counts / 4, first, last, count / LENGTH], 1), (counts, first, count)

    def of(self, tokens: Int64[Tensor, "B T"], start: int) -> Float[Tensor, "B T F"]:
        place = self.place[F.pad(tokens[:, :-1], (1, 0), value=start)]
        last = F.one_hot(place + 1, len(TOKENS) + 1)[:, :, 1:].float()
        count = (place >= 0).cumsum(1)[:, :, None]
        begun = (place >= 0).int().argmax(1)
        first = last[torch.arange(len(tokens)), begun][:, None] * (count > 0)
        return torch.cat([last.cumsum(1) / 4, first, last, count / LENGTH], 2)


def features(s: Sequences) -> Counts:
    """Features for --features.

    Args:
        s: Sequences of the run.
    """
    return Counts(s)


def draw_valid(count: int, draw: random.Random) -> list[str]:
    """Sequences that keep all rules, uniform random successors, others thrown away.

    Args:
        count: Number of sequences, all of them different.
        draw: Random numbers.
    """
    found: dict[str, None] = {}
    while len(found) < count:
        tokens = [draw.choice(TOKENS)]
        while len(tokens) < LENGTH:
            tokens.append(draw.choice(SUCCESSORS[tokens[-1]]))
        if is_valid(tokens):
            found[" ".join(tokens)] = None
    return list(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write sequences that keep the rules.")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=int, default=500)
    c = parser.parse_args()
    rows = draw_valid(c.real + 500 + 1000, random.Random(c.seed))
    sets = {"pairs": rows[: c.real], "valid": rows[c.real : -1000], "test": rows[-1000:]}
    c.out.mkdir(parents=True, exist_ok=True)
    for name, lines in sets.items():
        text = "".join(f"{MARK} {line}\n" for line in lines)
        (c.out / f"{name}.txt").write_text(text, encoding="utf-8")
    (c.out / "prompts.txt").write_text(f"{MARK}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
