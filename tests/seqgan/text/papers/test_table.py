"""The table itself: its tests say nothing if it is wrong."""

import torch

from tests.seqgan.text.papers.table import SEQUENCES, TablePolicy, counts, multiset, share


def test_a_table_takes_a_distribution_and_samples_it():
    often = counts(0)
    policy = TablePolicy(often)
    assert torch.allclose(policy.everything().exp(), share(often), atol=1e-12)
    found = multiset(often)
    assert len(found) == int(often.sum())
    assert all(int((found == y).all(1).sum()) == n for y, n in zip(SEQUENCES, often, strict=True))
    torch.manual_seed(0)
    drawn = policy.sample(20_000, 3) @ torch.tensor([9, 3, 1])
    assert torch.allclose(share(drawn.bincount(minlength=27)), share(often), atol=0.015)
