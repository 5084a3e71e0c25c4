"""The counting task's pairs and its exact metric."""

import itertools

from seqgan.dialogue.counting import counting_pairs, judge_counting, place_named


def test_every_pair_is_right_and_every_position_is_used():
    pairs = counting_pairs(4000, 0)
    found = judge_counting(*zip(*pairs, strict=True))
    assert found.accuracy == 1.0
    assert found.spread > 0.98
    assert {len(context) for context, _ in pairs} == set(range(1, 10))
    assert counting_pairs(50, 1) != counting_pairs(50, 2)


def test_any_right_triple_counts_and_no_other():
    right = {"152": 1, "281": 2, "350": 3}
    for digits in itertools.product("0123456789", repeat=3):
        reply = "".join(digits)
        assert place_named("585", reply) == right.get(reply, 0)
    for reply in ("15", "1520", "", "one"):
        assert judge_counting(["585"], [reply]).accuracy == 0.0


def test_spread_is_zero_where_one_place_is_always_named():
    contexts = [context for context, _ in counting_pairs(500, 0)]
    found = judge_counting(contexts, [f"1{c[0]}{len(c) - 1}" for c in contexts])
    assert found.accuracy == 1.0
    assert abs(found.spread) < 1e-9
