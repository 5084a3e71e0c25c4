"""Sequences with a reward that can be gamed: rules by hand, what is made, features."""

import random

import pytest
import torch

from benchmarks.claims.gameable_parts import grammar
from seqgan.data.tokenizer import END, PAD, START, TextTokenizer
from seqgan.text.sequences import Sequences

RIGHT = "e e a b c d b d c d c f f f a e"


def test_rules_by_hand():
    assert grammar.check([""], [RIGHT]) == [True]
    assert not grammar.is_valid(RIGHT.split()[:-1])  # too short
    assert not grammar.is_valid(["a", *RIGHT.split()[1:]])  # another first token
    assert not grammar.is_valid(RIGHT.replace("c f", "c a").split())  # no a behind c
    assert not grammar.is_valid(RIGHT.replace("b c", "e c").split())  # fewer b than a
    assert not grammar.is_valid(["g"] * 16)


def test_rewards_count_their_motif_and_no_rule():
    assert grammar.reward(["=> a c a c f", RIGHT]) == [2.0, 0.0]
    assert grammar.other_reward(["=> b d b d", RIGHT]) == [2.0, 1.0]


def test_what_is_made_keeps_the_rules():
    rows = grammar.draw_valid(40, random.Random(0))
    assert len(set(rows)) == 40
    assert all(grammar.is_valid(row.split()) for row in rows)
    # Either motif can be had within the rules, so that a reward asks for something possible
    assert max(grammar.reward(rows)) >= 1
    assert max(grammar.other_reward(rows)) >= 1


def test_features_are_counts_first_last_and_place():
    lines = [f"=> {RIGHT}"]
    tokenizer = TextTokenizer.train(lines, "blank", 1, 100, lowercase=False)
    rows = torch.tensor([[*tokenizer.encode(lines)[0], END]])
    s = Sequences(tokenizer.vocab_size, 18, START, END, PAD, lambda: rows, tokenizer.decode)
    found = grammar.features(s).of(rows, START)
    assert torch.equal(found[0, :2], torch.zeros(2, 19))  # before mark and first token
    tokens = RIGHT.split()
    for place in range(1, 17):
        before = tokens[:place]
        counts = torch.tensor([before.count(token) / 4 for token in grammar.TOKENS])
        first, last = (
            torch.tensor([float(token == which) for token in grammar.TOKENS])
            for which in (before[0], before[-1])
        )
        expected = torch.cat([counts, first, last, torch.tensor([place / 16])])
        torch.testing.assert_close(found[0, place + 1], expected)


@pytest.mark.parametrize("token", grammar.TOKENS)
def test_every_token_has_four_successors_and_is_one(token):
    assert len(set(grammar.SUCCESSORS[token])) == 4
    assert any(token in after for after in grammar.SUCCESSORS.values())
