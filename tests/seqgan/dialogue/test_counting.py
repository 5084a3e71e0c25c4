"""The counting task's pairs and its exact metric."""

import torch

from seqgan.dialogue.counting import DIGIT, END, MARK, PAD, counting_pairs, judge_counting


def test_every_pair_is_right_and_every_position_is_used():
    pairs = counting_pairs(4000, 0)
    found = judge_counting(pairs.context, pairs.reply)
    assert found.accuracy == 1.0
    assert found.spread > 0.98
    assert torch.equal(pairs.known, pairs.context != PAD)


def test_any_right_triple_counts_and_no_other():
    context = torch.tensor([[PAD] * 6 + [DIGIT + 5, DIGIT + 8, DIGIT + 5, MARK]])
    right = {(1, 5, 2), (2, 8, 1), (3, 5, 0)}
    for p in range(10):
        for digit in range(10):
            for after in range(10):
                reply = torch.tensor([[DIGIT + p, DIGIT + digit, DIGIT + after, END]])
                found = judge_counting(context, reply)
                assert found.accuracy == float((p, digit, after) in right)
    unended = torch.tensor([[DIGIT + 1, DIGIT + 5, DIGIT + 2, DIGIT]])
    assert judge_counting(context, unended).accuracy == 0.0


def test_spread_is_zero_where_one_place_is_always_named():
    pairs = counting_pairs(500, 0)
    length = (pairs.context >= DIGIT).sum(1)
    first = pairs.context.gather(1, (9 - length)[:, None])[:, 0]
    reply = torch.stack([torch.full_like(length, DIGIT + 1), first, DIGIT + length - 1], 1)
    found = judge_counting(pairs.context, torch.cat([reply, torch.full((500, 1), END)], 1))
    assert found.accuracy == 1.0
    assert abs(found.spread) < 1e-9
