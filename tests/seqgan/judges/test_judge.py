"""Judges must see what differs, and must not see what does not."""

import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.judges.judge import adversuc, judge_accuracy

VOCAB = 20


def texts(count, low, high, seed):
    """Rows of 3 to 6 tokens from low to high - 1, padded with 0."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(low, high, (count, 6), generator=generator)
    lengths = torch.randint(3, 7, (count, 1), generator=generator)
    return tokens * (torch.arange(6) < lengths)


def test_a_judge_tells_apart_what_differs():
    accuracy = judge_accuracy(texts(300, 1, 12, 0), texts(300, 8, 20, 1), vocab=VOCAB, seeds=(0, 1))
    assert accuracy.mean > 0.9
    assert accuracy.deviation < 0.1


def test_a_judge_learns_the_order_of_tokens():
    rising = torch.sort(texts(400, 1, 20, 0)[:, :3], 1).values
    accuracy = judge_accuracy(rising, rising.flip(1), vocab=VOCAB, seeds=(0,))
    assert accuracy.mean > 0.9


def test_a_judge_is_measured_on_what_it_has_not_seen():
    """Of one distribution it remembers what it learned from, and knows nothing of the rest.

    400 held-out texts: five standard errors of guessing are 0.125.
    """
    one, other = texts(400, 1, 20, 0), texts(400, 1, 20, 1)
    accuracy = judge_accuracy(one, other, vocab=VOCAB, seeds=(0,), epochs=15)
    assert accuracy.mean == pytest.approx(0.5, abs=0.125)


def test_both_kinds_are_cut_to_the_rarer():
    """Else guessing the commoner kind would be right nine times in ten."""
    accuracy = judge_accuracy(
        texts(100, 1, 20, 0), texts(900, 1, 20, 1), vocab=VOCAB, seeds=(0, 1, 2), epochs=3
    )
    assert accuracy.mean < 0.72


def test_too_few_texts():
    with pytest.raises(UserError, match="20 texts of each kind: got 19"):
        judge_accuracy(texts(19, 1, 9, 0), texts(50, 1, 9, 0), vocab=VOCAB)
    with pytest.raises(UserError, match="40 pairs: got 39"):
        adversuc(*(texts(39, 1, 9, s) for s in range(3)), vocab=VOCAB)


def replies(contexts, seed):
    """An answer begins with the first token of what it answers."""
    answer = texts(len(contexts), 1, 7, seed)
    answer[:, 0] = contexts[:, 0]
    return answer


@pytest.fixture(scope="module")
def contexts():
    return texts(500, 1, 7, 0)


def test_adversarial_evaluation_of_a_machine_that_answers_and_of_one_that_does_not(contexts):
    """The second is as fluent; only machine-vs-random shows that it does not listen."""
    options = {"vocab": 7, "seeds": (0,), "epochs": 10}
    human, deaf = replies(contexts, 1), texts(len(contexts), 1, 7, 2)
    good = adversuc(contexts, human, replies(contexts, 2), **options)
    assert good.success == pytest.approx(0.5, abs=0.1)
    assert good.machine_vs_random > 0.6
    assert set(good.checks) >= {"human_vs_human", "human_vs_random_reply"}
    wrong = [abs(good.checks[c] - g) for c, g in zip(good.checks, (0.5, 0.5, 1.0, 1.0))]
    assert good.error == pytest.approx(sum(wrong) / 4)
    # What adversuc compares, for the other machine: it is told from people, not from chance
    pairs = [torch.stack([contexts, reply], 1) for reply in (deaf, human, human.roll(1, 0))]
    assert judge_accuracy(pairs[0], pairs[1], **options).mean > 0.6
    assert judge_accuracy(pairs[0], pairs[2], **options).mean == pytest.approx(0.5, abs=0.1)
