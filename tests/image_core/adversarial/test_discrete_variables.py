"""Variables of a generator: probabilities that add up, frequencies, one thing in two spellings."""

import pytest
import torch

from image_core.adversarial.discrete_variables import Bernoulli, Categorical
from tests.image_core.adversarial.enumerated import binary_states, one_hot_states

CASES = [
    (Bernoulli(), torch.tensor([0.4, -1.3, 2.0]), binary_states(3)),
    (Categorical(), torch.tensor([[0.4, -1.3, 2.0], [0.1, 0.0, -0.7]]), one_hot_states(2, 3)),
]


@pytest.mark.parametrize(("variables", "logits", "states"), CASES)
def test_samples_come_as_often_as_their_probability_says(variables, logits, states):
    logits = logits.double()
    probability = variables.log_prob(logits[None], states[None])[0].exp()
    assert float(probability.sum()) == pytest.approx(1.0)
    torch.manual_seed(0)
    drawn = variables.sample(torch.stack([logits, logits.flip(0)]), 20_000)
    assert drawn.shape == (2, 20_000, *logits.shape)
    for row, expected in zip(drawn, (logits, logits.flip(0)), strict=True):
        same = (row.flatten(1)[:, None] == states.flatten(1)[None]).all(2)
        assert same.any(1).all()
        wanted = variables.log_prob(expected[None], states[None])[0].exp()
        assert (same.double().mean(0) - wanted).abs().max() < 0.015


@pytest.mark.parametrize(("variables", "logits", "states"), CASES)
def test_log_prob_is_the_sum_over_sites_and_its_gradient_is_right(variables, logits, states):
    rows = torch.stack([logits, -logits]).double().requires_grad_()
    x = states[None, :4].expand(2, -1, *logits.shape)
    classes = variables.classes(rows).log_softmax(-1)
    one_hot = torch.stack([1 - x, x], -1) if isinstance(variables, Bernoulli) else x
    expected = (one_hot * classes[:, None]).flatten(2).sum(2)
    assert torch.allclose(variables.log_prob(rows, x), expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda r: variables.log_prob(r, x), rows)


@pytest.mark.parametrize(("variables", "logits", "states"), CASES)
def test_merging_one_hot_samples_of_the_classes_gives_samples(variables, logits, states):
    classes = variables.classes(logits[None].float())
    one_hot = torch.nn.functional.one_hot(classes.argmax(-1), classes.shape[-1]).float()
    merged = variables.merge(one_hot)
    assert merged.shape == (1, *logits.shape)
    assert (merged[0].flatten()[None] == states.flatten(1)).all(1).sum() == 1
