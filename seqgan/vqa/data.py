"""Scenes of two toy shapes with a question and an answer each.

A person's answer is drawn evenly from the true ones.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from image_core.data.overlap import PictureSet, split_facts
from image_core.data.toy_shapes import NAMES, draw_shapes
from seqgan.vqa.questions import KINDS, QUESTIONS, encode, tables


class Asked(NamedTuple):
    """Questions about pictures.

    Args:
        pictures: Pictures as bytes, twice as wide as they are high.
        words: Numbers of the words of each question.
        answers: A person's answer.
        true: Which answers are true.
        kinds: Kind of each question.
    """

    pictures: UInt8[Tensor, "N 3 S W"]
    words: Int64[Tensor, "N T"]
    answers: Int64[Tensor, " N"]
    true: Bool[Tensor, "N A"]
    kinds: Int64[Tensor, " N"]

    def rows(self, start: int, end: int) -> "Asked":
        """Some of the questions."""
        return Asked(*(column[start:end] for column in self))

    def batch(self) -> Mapping[str, Tensor]:
        """What a game reads."""
        return {"pictures": self.pictures, "words": self.words, "answers": self.answers}


class AskedSets(NamedTuple):
    """Questions by what they are for.

    Args:
        train: Questions to learn from.
        valid: Questions of the log.
        test: Questions of the report.
        facts: Sizes, kinds and overlaps of the splits, for the result.
    """

    train: Asked
    valid: Asked
    test: Asked
    facts: Mapping[str, object]


def ask(count: int, side: int, seed: int) -> Asked:
    """Draw scenes, ask one question about each, and answer it.

    Args:
        count: Number of questions.
        side: Height of a picture in pixels.
        seed: Seed of everything.
    """
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(len(NAMES), (2 * count,), generator=draw)
    halves, _, _ = draw_shapes(2 * count, side, seed, labels=labels)
    left, right = labels.view(count, 2).unbind(1)
    found = tables()
    questions = torch.multinomial(found.asked[left, right], 1, generator=draw)[:, 0]
    true = found.true[left, right, questions]
    kinds = torch.tensor([KINDS.index(kind) for kind, _ in QUESTIONS])
    return Asked(
        torch.cat([halves[0::2], halves[1::2]], 3),
        encode([text for _, text in QUESTIONS])[questions],
        torch.multinomial(true.float(), 1, generator=draw)[:, 0],
        true,
        kinds[questions],
    )


def deal(learned: int, held: int, side: int, seed: int) -> AskedSets:
    """Draw all questions and deal them out.

    Args:
        learned: Questions to learn from.
        held: Questions of the log, and of the report.
        side: Height of a picture in pixels.
        seed: Seed of the draw.
    """
    every, ends = ask(learned + 2 * held, side, seed), (learned, learned + held)
    train, valid, test = (
        every.rows(start, end) for start, end in zip((0, *ends), (*ends, learned + 2 * held))
    )
    told = {
        role: PictureSet(own.pictures, own.kinds, KINDS)
        for role, own in (("train", train), ("valid", valid), ("test", test))
    }
    return AskedSets(train, valid, test, split_facts(told))
