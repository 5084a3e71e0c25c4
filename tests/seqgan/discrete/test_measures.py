"""Measures of samples: a generator that drops half of the modes is worse by every one of them."""

import pytest
import torch
from torch.nn.functional import one_hot

from seqgan.discrete.data import DiscreteData
from seqgan.discrete.measures import REAL_AGAIN, Measures, withheld
from seqgan.discrete.recipe import binarised

WORSE_UP = ("jsd_bound", "judge_accuracy", "pair_jsd", "mean_gap", "class_kl")
WORSE_DOWN = ("classifier_score", "covered_words")
WORDS = ("red cat", "old dog", "big fox", "new car", "hot tea", "dry ice", "low sun", "wet sky")


def bars(count, modes=8):
    """Grey bars of one of eight widths, in turn, the width being the label."""
    labels = torch.arange(count) % modes
    images = torch.zeros(count, 8, 8, dtype=torch.uint8)
    images[torch.arange(8) <= labels[:, None, None].expand(-1, 8, 1)] = 230
    return DiscreteData(images, None, labels)


def lines(count, modes=8):
    """Lines of two of the words of some of the eight modes, in turn and at random."""
    alphabet = "".join(sorted(set("".join(WORDS))))
    second = torch.randint(modes, (count,), generator=torch.Generator().manual_seed(count))
    text = [f"{WORDS[n % modes]} {WORDS[k]} ok" for n, k in enumerate(second.tolist())]
    rows = torch.tensor([[alphabet.index(c) for c in line] for line in text], dtype=torch.uint8)
    return DiscreteData(rows, len(alphabet), alphabet=alphabet)


def as_text(rows):
    return one_hot(rows.long(), lines(1).classes).float()


MADE = {"bars": (bars, binarised), "lines": (lines, as_text)}


@pytest.fixture(scope="module")
def told():
    """Figures of good samples, of half of the modes and of real rows, for pictures and text."""
    found = {}
    for name, (make, read) in MADE.items():
        torch.manual_seed(0)
        measure = Measures(make(480), make(160), read, most=160, steps=60, seed=0)
        samples = {modes: read(make(measure.size, modes).rows) for modes in (8, 4)}
        found[name] = {modes: measure(x) for modes, x in samples.items()}
        found[name][REAL_AGAIN] = measure(measure.again)
    return found


@pytest.mark.parametrize("kind", MADE)
def test_dropping_half_of_the_modes_is_worse_by_every_figure(told, kind):
    """Known words alone say nothing of it: they ask whether samples are right, not how many."""
    whole, half = (told[kind][modes].figures for modes in (8, 4))
    for name in set(whole) - {"known_words", "copied"}:
        assert name in WORSE_UP or name in WORSE_DOWN
        assert (half[name] > whole[name]) == (name in WORSE_UP), name
        assert abs(half[name] - whole[name]) > 0.02, name


@pytest.mark.parametrize("kind", MADE)
def test_real_samples_in_the_generators_place_score_as_real(told, kind):
    real, half = told[kind][REAL_AGAIN], told[kind][4]
    assert withheld(real.intervals) == {}
    assert real.figures["jsd_bound"] == pytest.approx(0, abs=0.03)
    assert real.figures["judge_accuracy"] == pytest.approx(0.5, abs=0.05)
    assert half.intervals["jsd_bound"][0] > real.intervals["jsd_bound"][1]
    assert set(withheld(half.intervals)) == {"jsd_bound", "judge_accuracy"}


def test_nothing_that_measures_has_learned_what_it_measures():
    """Each row has a mark of its own; the four parts share none."""
    marks = torch.arange(676).view(-1, 1, 1) // torch.tensor([1, 26]) % 26
    rows = marks.to(torch.uint8)
    train = DiscreteData(rows[:576], 26, torch.arange(576) % 2)
    test = DiscreteData(rows[576:], 26, torch.arange(100) % 2)

    def read(x):
        return one_hot(x.long(), 26).float()

    def names(x):
        return {tuple(row) for row in x.argmax(-1).flatten(1).tolist()}

    measure = Measures(train, test, read, most=150, steps=1, seed=0)
    assert (measure.count, measure.spare) == (100, 50)
    again, more, real = map(names, (measure.again, measure.more, measure.real))
    learned = names(read(measure.learned.rows))
    assert len(again) == 150
    assert not again & more
    assert not real & (again | more | learned)
    assert not learned & names(measure.again[:100])
    assert len(learned) == 476
    copies = read(measure.learned.rows[: measure.size])
    assert measure(copies).figures["copied"] == 1
    assert measure(measure.again).figures["copied"] == 0


def test_intervals_hold_no_difference_as_often_as_they_say():
    """Real against real, twenty times."""
    kept = []
    for seed in range(20):
        torch.manual_seed(seed)
        sets = (bars(count)._replace(labels=None) for count in (240, 120))
        measure = Measures(*sets, binarised, most=120, steps=20, seed=seed)
        low, high = measure(measure.again).intervals["judge_accuracy"]
        kept.append(low <= 0.5 <= high)
    assert sum(kept) >= 16  # 19 are expected, fewer than 16 three times in a thousand
