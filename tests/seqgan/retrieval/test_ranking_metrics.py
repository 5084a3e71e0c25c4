"""Ranking metrics against values by hand and against trec_eval; ties, ideals, intervals, tests."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from image_core.adversarial.errors import UserError
from seqgan.retrieval.evaluate import evaluate, interval, means, paired_test, top
from seqgan.retrieval.metrics import measure, ndcg, rank
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.split import Split


def by_hand(gain, scores=None, mask=None, **options):
    gain = torch.tensor([gain], dtype=torch.float32)
    scores = (
        torch.arange(gain.shape[1], 0, -1.0)[None] if scores is None else torch.tensor([scores])
    )
    mask = torch.ones_like(gain, dtype=torch.bool) if mask is None else torch.tensor([mask])
    return rank(scores, gain, mask, **options)


def test_values_by_hand():
    """Relevant at places 2, 3 and 5 of six."""
    found = {k: float(v) for k, v in measure(by_hand([0, 1, 1, 0, 1, 0]), at=(1, 3, 5)).items()}
    assert found["p@1"] == 0
    assert found["p@3"] == pytest.approx(2 / 3)
    assert found["recall@3"] == pytest.approx(2 / 3)
    assert found["hit@1"] == 0
    assert found["hit@3"] == 1
    assert found["mrr"] == 0.5
    assert found["map"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)
    ideal = 1 + 1 / math.log2(3) + 0.5
    gained = 1 / math.log2(3) + 0.5
    assert found["ndcg@3"] == pytest.approx(gained / ideal)
    assert found["ndcg@5"] == pytest.approx((gained + 1 / math.log2(6)) / ideal)


def test_what_is_relevant_and_not_ranked_is_missed():
    found = measure(by_hand([1, 0, 1], mask=[False, True, True]), at=(2,))
    assert float(found["recall@2"]) == 0.5
    assert float(found["map"]) == pytest.approx(0.5 / 2)
    assert float(found["ndcg@2"]) == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))


def test_lists_shorter_than_k_are_not_flattered():
    found = measure(by_hand([1, 0]), at=(5,))
    assert float(found["p@5"]) == pytest.approx(1 / 5)
    assert float(found["ndcg@5"]) == 1


def test_a_score_of_minus_infinity_is_ranked_before_what_is_left_out():
    scores = torch.tensor([[1.0, -torch.inf, 5.0, 5.0]]).expand(50, -1)
    gain = torch.tensor([[0.0, 1.0, 0.0, 0.0]]).expand(50, -1)
    mask = torch.tensor([[True, True, False, False]]).expand(50, -1)
    for ties in ("random", "first", "last"):
        assert (measure(rank(scores, gain, mask, ties=ties), at=(1,))["mrr"] == 0.5).all()


def test_the_two_ideals():
    ranking = by_hand([0, 1, 0, 1])
    full, found = (float(ndcg(ranking, 3, ideal)) for ideal in ("full", "found"))
    assert full == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert found == pytest.approx(1 / math.log2(3))
    with pytest.raises(UserError, match="ideal"):
        ndcg(ranking, 3, "best")


def test_graded_gains():
    ranking = by_hand([1, 2, 0])
    assert float(ndcg(ranking, 2)) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))


@pytest.mark.parametrize(("ties", "expected"), [("first", 1.0), ("last", 0.25)])
def test_ties_by_column(ties, expected):
    ranking = by_hand([1, 0, 0, 0], scores=[1.0, 1.0, 1.0, 1.0], ties=ties)
    assert float(measure(ranking)["mrr"]) == expected


def test_random_ties_are_fair_and_seeded():
    """A constant scorer on lists with the right answer first has P@1 = 1/4, not 1."""
    gain = torch.tensor([[1.0, 0, 0, 0]]).expand(4000, -1)
    mask = torch.ones(4000, 4, dtype=torch.bool)

    def places(seed):
        generator = torch.Generator().manual_seed(seed)
        return rank(torch.zeros(4000, 4), gain, mask, generator=generator).gain

    share = places(0).mean(0)
    assert torch.allclose(share, torch.full((4,), 0.25), atol=0.03)
    assert torch.equal(places(0), places(0))
    assert not torch.equal(places(0), places(1))


def test_only_ties_are_shuffled():
    scores = torch.tensor([[3.0, 1.0, 1.0, 2.0]]).expand(50, -1)
    gain = torch.tensor([[1.0, 0, 0, 2.0]]).expand(50, -1)
    ranked = rank(scores, gain, torch.ones(50, 4, dtype=torch.bool)).gain
    assert torch.equal(ranked[:, :2], torch.tensor([[1.0, 2.0]]).expand(50, -1))


def test_refusals():
    with pytest.raises(UserError, match="ties"):
        by_hand([1, 0], ties="lucky")
    with pytest.raises(UserError, match="not a number"):
        by_hand([1, 0], scores=[math.nan, 0.0])
    with pytest.raises(UserError, match="k = 0"):
        measure(by_hand([1, 0]), at=(0,))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_parity_with_trec_eval(seed):
    """Graded gains, ragged lists, equal scores where trec_eval's own tie rule is followed."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    generator = torch.Generator().manual_seed(seed)
    queries, width = 8, 14
    gain = torch.randint(0, 3, (queries, width), generator=generator).float()
    gain *= torch.rand(queries, width, generator=generator) < 0.5
    gain[:, 0] = 1
    mask = torch.rand(queries, width, generator=generator) < 0.8
    mask[:, 1] = True
    scores = torch.randint(0, 6, (queries, width), generator=generator).float()
    # trec_eval puts the greatest document name first among equals
    values = measure(rank(scores, gain, mask, ties="last"), at=(1, 3, 5, 10))
    qrel = {str(q): {f"d{d:02}": int(gain[q, d]) for d in range(width)} for q in range(queries)}
    run = {
        str(q): {f"d{d:02}": float(scores[q, d]) for d in range(width) if mask[q, d]}
        for q in range(queries)
    }
    names = {"map", "recip_rank", "P.1,3,5,10", "recall.1,3,5,10", "success.1,3,5,10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrel, names | {"ndcg_cut.1,3,5,10"}).evaluate(run)
    pairs = {"map": "map", "mrr": "recip_rank"}
    for k in (1, 3, 5, 10):
        pairs |= {f"p@{k}": f"P_{k}", f"recall@{k}": f"recall_{k}"}
        pairs |= {f"hit@{k}": f"success_{k}", f"ndcg@{k}": f"ndcg_cut_{k}"}
    for ours, name in pairs.items():
        for q in range(queries):
            assert float(values[ours][q]) == pytest.approx(theirs[str(q)][name], abs=1e-5), ours


def test_evaluation_leaves_out_what_was_seen_and_queries_without_relevant_documents():
    positives = Ragged(torch.tensor([0, 1, 1, 3]), torch.tensor([2, 0, 3]))
    seen = Ragged(torch.tensor([0, 2, 2, 2]), torch.tensor([0, 1]))
    split = Split(torch.arange(3), 4, positives, seen=seen)
    scores = torch.tensor([[9.0, 8, 7, 6], [9, 9, 9, 9], [1, 4, 3, 2]])
    found = evaluate(lambda rows: scores[rows], split)
    assert found["mrr"].tolist() == [1.0, pytest.approx(1 / 3)]


def test_evaluation_in_pieces_changes_nothing(monkeypatch):
    positives = Ragged(
        torch.arange(0, 41, 2), torch.randint(0, 3, (40,)) + torch.tensor([0, 3] * 20)
    )
    split = Split(torch.arange(20), 9, positives)
    scores = torch.randn(20, 9)
    whole = evaluate(lambda rows: scores[rows], split)
    monkeypatch.setattr("seqgan.retrieval.evaluate.CELLS", 20)
    asked = []
    pieces = evaluate(lambda rows: asked.append(len(rows)) or scores[rows], split)
    assert max(asked) == 2
    assert {k: v.tolist() for k, v in whole.items()} == {k: v.tolist() for k, v in pieces.items()}


def test_nothing_to_measure_is_refused():
    split = Split(
        torch.arange(2), 3, Ragged(torch.zeros(3, dtype=torch.int64), torch.zeros(0).long())
    )
    with pytest.raises(UserError, match="nothing is measured"):
        evaluate(lambda rows: torch.zeros(len(rows), 3), split)


def test_interval_is_the_normal_one_where_that_holds():
    values = torch.randn(400, generator=torch.Generator().manual_seed(3))
    low, high = interval(values)
    half = 1.96 * float(values.std()) / 20
    assert low == pytest.approx(float(values.mean()) - half, abs=0.02)
    assert high == pytest.approx(float(values.mean()) + half, abs=0.02)


def test_paired_test_is_exact_where_all_flips_can_be_listed():
    """Five differences of one sign: 2 of 32 flips are as extreme."""
    one, other = torch.tensor([1.0, 2, 3, 4, 5]), torch.zeros(5)
    assert paired_test(one, other) == pytest.approx(2 / 32, abs=0.01)
    assert paired_test(other, one) == paired_test(one, other)
    assert paired_test(one, one) == 1.0


def test_top_is_ordered_and_allowed():
    columns, values = top(torch.tensor([3.0, 9, 5, 7]), torch.tensor([True, False, True, True]), 9)
    assert columns.tolist() == [3, 2, 0]
    assert values.tolist() == [7, 5, 3]


def test_means():
    assert means({"a": torch.tensor([1.0, 2.0])}) == {"a": 1.5}
