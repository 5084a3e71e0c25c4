"""Questions by hand, what is true of every scene, scenes that are dealt out once."""

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.data.toy_shapes import NAMES
from seqgan.vqa.data import ask, deal
from seqgan.vqa.questions import ANSWERS, KINDS, LENGTH, QUESTIONS, WORDS, answers, encode, tables


@pytest.mark.parametrize(
    ("kind", "text", "true"),
    [
        ("colour there", "what colour is the right one", {"blue"}),
        ("shape there", "what shape is the left one", {"disc"}),
        ("colour of", "what colour is the disc", {"red"}),
        ("colour of", "what colour is the square", set()),
        ("shape of", "what shape is blue", {"ring"}),
        ("side of", "where is the ring", {"right"}),
        ("presence", "is there a red disc", {"yes"}),
        ("presence", "is there a blue disc", {"no"}),
        ("any colour", "name a colour", {"red", "blue"}),
    ],
)
def test_a_red_disc_beside_a_blue_ring(kind, text, true):
    assert (kind, text) in QUESTIONS
    assert answers(kind, text, "red disc", "blue ring") == true


def test_what_two_shapes_share_is_not_asked_for():
    assert answers("colour of", "what colour is the disc", "red disc", "blue disc") == set()
    assert answers("shape of", "what shape is red", "red disc", "red ring") == set()
    assert answers("any colour", "name a colour", "red disc", "red ring") == {"red"}


def test_kinds_are_as_likely_where_they_can_be_asked_and_yes_as_no():
    asked, true = tables()
    assert torch.allclose(asked.sum(2), torch.ones(12, 12))
    assert not asked[~true.any(-1)].any()
    left, right = NAMES.index("red disc"), NAMES.index("blue ring")
    of = [KINDS.index(kind) for kind, _ in QUESTIONS]
    shares = torch.zeros(len(KINDS)).index_add_(0, torch.tensor(of), asked[left, right])
    assert torch.allclose(shares, torch.full((len(KINDS),), 1 / len(KINDS)))
    yes = true[left, right, :, ANSWERS.index("yes")]
    assert asked[left, right][yes].sum().item() == pytest.approx(1 / len(KINDS) / 2)
    left = right = NAMES.index("red disc")  # neither its colour, shape nor side is asked for
    shares = torch.zeros(len(KINDS)).index_add_(0, torch.tensor(of), asked[left, right])
    assert int((shares > 0).sum()) == 4


def test_words_are_numbers_and_unknown_ones_are_told():
    (row,) = encode(["What colour is the disc?"]).tolist()
    assert [WORDS[w] for w in row] == ["what", "colour", "is", "the", "disc"] + [""] * (LENGTH - 5)
    for text, says in (
        ("what colour is the cat", "'cat' is unknown"),
        ("", "0 words"),
        ("is " * 9, "9 words"),
    ):
        with pytest.raises(UserError, match=says):
            encode([text])


def test_a_picture_shows_what_is_true_of_it():
    found = ask(200, 16, seed=3)
    assert found.pictures.shape == (200, 3, 16, 32)
    assert bool(found.true.gather(1, found.answers[:, None]).all())
    left = encode(["what colour is the left one"])[0]
    rows = (found.words == left).all(1).nonzero()[:, 0]
    # The brightest plane of the left half is that of the colour
    seen = found.pictures[rows, :, :, :16].flatten(2).amax(2).argmax(1)
    assert len(rows) > 5
    assert [ANSWERS[a] for a in found.answers[rows]] == [ANSWERS[k] for k in seen]


def test_questions_are_dealt_out_once():
    sets, every = deal(30, 15, 8, seed=1), ask(60, 8, seed=1)
    assert [len(own.words) for own in sets[:3]] == [30, 15, 15]
    assert torch.equal(torch.cat([own.pictures for own in sets[:3]]), every.pictures)
    assert sets.facts["train_rows"] == 30
    assert sets.facts["test_in_train"] == 0
    assert sum(sets.facts["test_classes"].values()) == 15
