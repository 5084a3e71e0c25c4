"""The residual energy model on 27 sequences: its density, its samples, and a blind D."""

import pytest
import torch

from seqgan.text.residual import ResidualPolicy
from tests.seqgan.text.papers.exact import Optimal
from tests.seqgan.text.papers.table import SEQUENCES, TablePolicy, counts, share

REAL, START = counts(0), counts(1)
P, P0 = share(REAL), share(START)


def residual(p, candidates=1):
    """A model of the distribution at the start, corrected towards p; its normaliser is exact."""
    policy, rows = TablePolicy(START), int(START.sum())
    return ResidualPolicy(policy, Optimal(p, P0), 3, candidates=candidates, normalising=rows)


def far(p, drawn):
    """Total variation between a distribution and drawn sequences."""
    found = (drawn @ torch.tensor([9, 3, 1])).bincount(minlength=27)
    return 0.5 * float((p - share(found)).abs().sum())


def test_with_an_exact_discriminator_the_density_is_the_data():
    model = residual(P)
    assert model.log_z() == pytest.approx(0.0, abs=1e-9)
    assert torch.allclose(model.log_prob(SEQUENCES).sum(1), P.log(), atol=1e-9)
    expected = -(P.log().mean() / 3)
    assert torch.allclose(model.nll(SEQUENCES), expected, atol=1e-9)


def test_a_discriminator_that_knows_nothing_leaves_the_language_model():
    """The control: the bound must be the model's own likelihood."""
    model = residual(P0)
    assert model.log_z() == 0
    assert torch.allclose(model.log_prob(SEQUENCES).sum(1), P0.log(), atol=1e-12)


def test_a_constant_in_the_logit_is_taken_back_by_the_normaliser():
    model = residual(P)
    model.D.logit = model.D.logit + 3.0
    assert model.log_z() == pytest.approx(3.0, abs=1e-9)
    assert torch.allclose(model.log_prob(SEQUENCES).sum(1), P.log(), atol=1e-9)


def test_more_candidates_bring_samples_from_the_model_to_the_data():
    torch.manual_seed(0)
    start = 0.5 * float((P - P0).abs().sum())
    distances = [far(P, residual(P, n).sample(4000, 3)) for n in (1, 4, 64)]
    assert distances[0] == pytest.approx(start, abs=0.05)
    assert start > distances[0] - 0.05 > distances[1] > distances[2]
    assert distances[2] < 0.06


def test_candidates_share_the_prompt_of_their_row():
    torch.manual_seed(0)
    prompt = torch.tensor([[0], [1], [2]])
    drawn = residual(P, 5).sample(3, 3, prompt=prompt)
    assert torch.equal(drawn[:, :1], prompt)
