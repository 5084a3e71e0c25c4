"""Scores of pictures against values by hand."""

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.text2image.metrics import (
    cosines,
    exact_scores,
    kernel_distance,
    nearest,
    r_precision,
    spread,
)


def test_the_kernel_distance_is_the_double_sum_without_the_diagonal():
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(5, 3)), draw.normal(size=(4, 3)) + 1

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    def within(x):
        pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
        return np.mean([kernel(x[i], x[j]) for i, j in pairs])

    across = np.mean([kernel(a, b) for a in one for b in other])
    wanted = within(one) + within(other) - 2 * across
    found = kernel_distance(torch.from_numpy(one), torch.from_numpy(other))
    assert found == pytest.approx(wanted, rel=1e-9)


def test_it_is_unbiased():
    draw = torch.Generator().manual_seed(0)
    values = [kernel_distance(*torch.randn(2, 10, 4, generator=draw)) for _ in range(300)]
    assert abs(float(np.mean(values))) < 3 * float(np.std(values)) / 300**0.5
    with pytest.raises(UserError, match="two vectors"):
        kernel_distance(torch.zeros(1, 2), torch.zeros(3, 2))


def test_r_precision_counts_wins_and_shares_ties():
    captions = ["a", "b", "c"]
    assert r_precision(torch.eye(3), captions) == 1.0
    assert r_precision(1 - torch.eye(3), captions) == 0.0
    assert r_precision(torch.ones(3, 3), captions) == pytest.approx(1 / 3)
    # Equal sentences are no rivals
    assert r_precision(torch.tensor([[1.0, 2.0], [2.0, 1.0]]), ["a", "a"]) == 1.0


def test_r_precision_of_guesses_is_one_in_a_hundred():
    draw = torch.Generator().manual_seed(0)
    scores = torch.rand(1500, 1500, generator=draw)
    found = r_precision(scores, [str(i) for i in range(1500)])
    assert found == pytest.approx(0.01, abs=0.008)


def test_exact_scores_are_shares_of_what_is_said():
    read = torch.tensor([[0, 1, 2], [0, 0, 0]])
    asked = torch.tensor([[0, -1, 2], [0, 0, 1], [-1, -1, -1]])
    wanted = torch.tensor([[1.0, 1 / 3, 0.0], [0.5, 2 / 3, 0.0]])
    torch.testing.assert_close(exact_scores(read, asked), wanted)


def test_cosines_of_all_pairs():
    one, other = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0], [-1.0, 0.0], [1.0, 1.0]])
    torch.testing.assert_close(cosines(one, other), torch.tensor([[0.0, -1.0, 0.5**0.5]]))


def test_spread_is_the_mean_distance_of_pairs_of_one_sentence():
    images = torch.zeros(2, 2, 3, 4, 4)
    images[0, 1] += 1  # the first sentence's pair is 1 apart in every pixel, the other's 0
    assert spread(images) == pytest.approx(0.5)


def test_the_nearest_picture_is_found():
    training = torch.stack([torch.full((3, 4, 4), value) for value in (-1.0, 0.0, 1.0)])
    images = torch.stack([torch.full((3, 4, 4), value) for value in (0.9, -0.3)])
    torch.testing.assert_close(nearest(images, training), torch.tensor([0.1, 0.3]))
