"""Scores of pictures against values by hand."""

import pytest
import torch

from seqgan.text2image.metrics import (
    RetrievalHits,
    cosines,
    exact_scores,
    is_fair,
    nearest,
    r_precision,
    retrieval,
    shuffled_retrieval,
    spread,
)
from seqgan.text2image.shapes import make_shapes, parse_caption, read_attributes


def test_r_precision_counts_wins_and_shares_ties():
    captions = ["a", "b", "c"]
    assert r_precision(torch.eye(3), captions) == 1.0
    assert r_precision(1 - torch.eye(3), captions) == 0.0
    assert r_precision(torch.ones(3, 3), captions) == pytest.approx(1 / 3)
    # Pictures that are no numbers fit nothing
    assert r_precision(torch.full((3, 3), torch.nan), captions) == 0
    # Equal sentences are no rivals
    assert r_precision(torch.tensor([[1.0, 2.0], [2.0, 1.0]]), ["a", "a"]) == 1.0


def test_r_precision_of_guesses_is_one_in_a_hundred():
    draw = torch.Generator().manual_seed(0)
    scores = torch.rand(1500, 1500, generator=draw)
    found = r_precision(scores, [str(i) for i in range(1500)])
    assert found == pytest.approx(0.01, abs=0.008)


def test_shuffled_captions_are_found_by_chance():
    """A perfect judge: a picture's own sentence has 1, all others draws below."""
    draw = torch.Generator().manual_seed(1)
    scores = torch.rand(400, 400, generator=draw)
    scores[range(400), range(400)] = 1.0
    captions = [str(i) for i in range(400)]
    real, shuffled = retrieval(scores, captions), shuffled_retrieval(scores, captions)
    assert (real.mean, real.chance) == (1.0, pytest.approx(0.01))
    assert shuffled.mean == pytest.approx(0.01, abs=3.3 * (0.01 / 2000) ** 0.5)
    assert is_fair(real, shuffled) == ""


def test_r_precision_is_left_out_where_real_pictures_are_guessed_or_wrong_sentences_found():
    draw = torch.Generator().manual_seed(2)
    captions = [str(i) for i in range(300)]
    guesses = torch.rand(300, 300, generator=draw)
    said = is_fair(retrieval(guesses, captions), shuffled_retrieval(guesses, captions))
    assert "no more than by chance" in said
    # A judge that gives whatever is asked for a high score
    good, leaking = (
        RetrievalHits(torch.ones(300), 0.01),
        RetrievalHits(torch.arange(300) % 4 == 0, 0.01),
    )
    assert "not by chance (1.0%)" in is_fair(good, RetrievalHits(leaking.hits.float(), 0.01))
    assert "three different" in is_fair(good, shuffled_retrieval(torch.eye(2), ["a", "a"]))


def test_planted_shuffled_captions_are_at_chance():
    """Pictures of shapes with each other's captions: the figure itself falls to chance."""
    made = make_shapes(300, 32, seed=3, captions=1)
    own = [texts[0] for texts in made.captions]
    read = read_attributes(made.images.float() / 127.5 - 1).attributes
    asked = torch.stack([parse_caption(text) for text in own])
    fair = r_precision(exact_scores(read, asked), own)
    turned = [own[(i + 1) % 300] for i in range(300)]
    asked = torch.stack([parse_caption(text) for text in turned])
    found = retrieval(exact_scores(read, asked), turned)
    assert fair > 0.5
    assert found.mean < 0.03
    assert "no more than by chance" in is_fair(found, found)


def test_intervals_are_over_groups():
    hits = RetrievalHits(torch.tensor([1.0, 1.0, 0.0, 0.0]), 0.01)
    # N = 4, deviations of 1/2: sqrt(4/3 * 4 * 1/4) / 4; two groups: sqrt(2 * (1 + 1)) / 4
    assert hits.half_width(1.0) == pytest.approx((4 / 3) ** 0.5 / 4)
    assert hits.half_width(1.0, ["a", "a", "b", "b"]) == pytest.approx(0.5)
    assert hits.half_width(1.0, ["a"] * 4) == 1.0


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
