"""Scores of pictures against values by hand."""

import pytest
import torch

from seqgan.text2image.metrics import (
    cosines,
    exact_scores,
    nearest,
    r_precision,
    spread,
)


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
