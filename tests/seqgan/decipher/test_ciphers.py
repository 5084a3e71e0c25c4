"""Ciphers by hand, windows that are dealt out, rivals against enumeration."""

import itertools

import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.decipher.ciphers import Cipher, make_cipher
from seqgan.decipher.classical import (
    Bigrams,
    by_frequency,
    count_bigrams,
    em,
    em_decipher,
    expectation,
    maximisation,
)
from seqgan.decipher.data import cut, letters

ABC = "abcdefghijklmnopqrstuvwxyz"


def written(rows):
    return ["".join(ABC[i] for i in row) for row in rows.tolist()]


def test_ciphers_do_what_their_names_say():
    text = letters(["Attack at dawn!"], ABC)[None]
    assert written(text) == ["attackatdawn"]
    assert written(make_cipher("shift", ABC, key="d").encipher(text)) == ["dwwdfndwgdzq"]
    vigenere = make_cipher("vigenere", ABC, key="lemon")
    assert written(vigenere.encipher(text)) == ["lxfopvefrnhr"]  # the textbooks' example
    assert vigenere.period == 5
    substitution = make_cipher("substitution", ABC, seed=3)
    assert sorted(substitution.tables[0].tolist()) == list(range(26))
    assert not torch.equal(substitution.tables, make_cipher("substitution", ABC, seed=4).tables)
    for cipher in (vigenere, substitution):
        assert torch.equal(cipher.decipher(cipher.encipher(text)), text)
    for key in ("", "k9"):
        with pytest.raises(UserError, match="--key"):
            make_cipher("vigenere", ABC, key=key)


def test_windows_are_dealt_out_once():
    text = torch.randint(26, (400 * 5,), generator=torch.Generator().manual_seed(2))
    cipher = make_cipher("shift", ABC, key="b")
    sets = cut(text, 5, cipher, seed=1)
    assert [len(rows) for rows in sets[:4]] == [160, 160, 40, 40]
    rows = torch.cat([cipher.decipher(sets.cipher), *sets[1:4]])
    assert sorted(rows.tolist()) == sorted(text.view(400, 5).tolist())
    with pytest.raises(UserError, match="holds 999 letters of --alphabet, too few: give 1,000"):
        cut(text[:999], 5, cipher, seed=1)
    with pytest.raises(UserError, match="every window of the valid set is learned from too"):
        cut(torch.arange(400 * 5) % 26, 5, cipher, seed=1)  # the text repeats itself


def test_windows_to_measure_with_may_be_the_users_own():
    """30 windows: 6 are learned from, 9 more but for one letter of five, 15 are others."""
    draw = torch.Generator().manual_seed(2)
    text, other = (torch.randint(13, (5 * n,), generator=draw) for n in (200, 15))
    near = text[:75].view(15, 5).clone()
    near[6:, 2] = 25
    own = torch.cat([near.flatten(), 13 + other % 12])
    cipher = make_cipher("shift", ABC, key="b")
    sets = cut(text, 5, cipher, seed=1, test=own)
    assert torch.equal(sets.test.flatten(), own)
    assert [len(rows) for rows in sets[:3]] == [90, 90, 20]
    both = cut(text, 5, cipher, seed=1, valid=own, test=own)
    assert [len(rows) for rows in both[:3]] == [100, 100, 30]
    assert both.facts["test_rows"] == 30
    assert both.facts["test_in_train"] == pytest.approx(6 / 30)
    assert both.facts["test_near_train"] == pytest.approx(15 / 30)
    with pytest.raises(UserError, match="--valid holds 99 letters"):
        cut(text, 5, cipher, seed=1, valid=own[:99])


def test_frequencies_are_matched_place_by_place():
    plain = torch.tensor([[0, 0, 0, 1, 1, 2]]).expand(2, 6)
    cipher = Cipher(torch.tensor([[2, 0, 1], [1, 2, 0]]))
    given = cipher.encipher(torch.tensor([[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2]]))
    tables = by_frequency(given, plain, 3, 2)
    assert torch.equal(tables.gather(1, cipher.tables), torch.arange(3).expand(2, 3))


@pytest.fixture
def small():
    """A model of three letters, two emission tables, and windows of four letters."""
    draw = torch.Generator().manual_seed(0)
    first, after, tables = (
        torch.rand(*shape, generator=draw, dtype=torch.float64) + 0.1
        for shape in ((3,), (3, 3), (2, 3, 3))
    )
    model = Bigrams(first / first.sum(), after / after.sum(1, keepdim=True))
    cipher = torch.randint(3, (5, 4), generator=draw)
    return model, tables / tables.sum(2, keepdim=True), cipher


def test_posteriors_are_those_of_all_plain_texts(small):
    model, tables, cipher = small
    found, likelihood = expectation(cipher, model, tables)
    total = 0.0
    for row, own in zip(cipher.tolist(), found):
        chances = torch.zeros(4, 3, dtype=torch.float64)
        for text in itertools.product(range(3), repeat=4):
            p = model.first[text[0]]
            for one, other in itertools.pairwise(text):
                p = p * model.after[one, other]
            for t, (plain, seen) in enumerate(zip(text, row)):
                p = p * tables[t % 2, plain, seen]
            for t, plain in enumerate(text):
                chances[t, plain] += p
        total += float(chances[0].sum().log())
        assert torch.allclose(own, chances / chances.sum(1, keepdim=True))
    assert likelihood == pytest.approx(total / cipher.numel())


def test_em_never_loses_likelihood(small):
    model, tables, cipher = small
    before = -1e9
    for _ in range(6):
        posterior, likelihood = expectation(cipher, model, tables)
        assert likelihood >= before - 1e-6
        before, tables = likelihood, maximisation(cipher, posterior, 2)
    assert torch.allclose(tables.sum(2), torch.ones(2, 3, dtype=torch.float64))


def test_em_reads_a_text_whose_pairs_are_telling():
    draw = torch.Generator().manual_seed(1)
    after = torch.tensor([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.5, 0.1, 0.4]])
    rows = torch.zeros(200, 12, dtype=torch.long)
    for t in range(1, 12):
        rows[:, t] = torch.multinomial(after[rows[:, t - 1]], 1, generator=draw)[:, 0]
    cipher = make_cipher("substitution", "abc", seed=2)
    given, model = cipher.encipher(rows[:100]), count_bigrams(rows[100:], 3)
    found = em(given, model, 1, restarts=3, iterations=15, seed=0)
    read = em_decipher(given, model, found)
    assert (read == rows[:100]).float().mean() > 0.95
