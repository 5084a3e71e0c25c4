"""PG-BLEU: its reward, its gradient, and that it is a hack."""

import pytest
import torch
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from seqgan.lm.policies import LSTMPolicy
from seqgan.text.papers.pg_bleu import BleuGame
from tests.seqgan.text.papers.table import SEQUENCES, TablePolicy, counts, gradient

START = counts(1)


def test_the_reward_is_bleu_3_of_the_words_before_the_end():
    real = torch.tensor([[4, 5, 6, 7, 2, 0]])
    game = BleuGame(LSTMPolicy(8, 4, 4, start=1, end=2), 6, lambda: real, references=3)
    samples = torch.tensor([[4, 5, 6, 7, 2, 0], [4, 5, 6, 2, 0, 0], [3, 3, 3, 3, 3, 2]])
    words = ([4, 5, 6, 7], [4, 5, 6], [3, 3, 3, 3, 3])
    smooth = SmoothingFunction().method1
    expected = [sentence_bleu([words[0]], w, (1 / 3,) * 3, smooth) for w in words]
    assert game.bleu(samples).tolist() == pytest.approx(expected, rel=1e-5)
    assert expected[0] == 1


def test_the_gradient_is_that_of_the_expected_bleu():
    """Over all 27 sequences: d sum G(y) BLEU(y); the baseline takes nothing away."""
    policy, rows = TablePolicy(START), int(START.sum())
    game = BleuGame(policy, 3, lambda: SEQUENCES[[5]], samples=rows, references=1)
    found = gradient(next(game.policy_move(iter([]))).total, policy)
    value = game.bleu(SEQUENCES).double()
    expected = gradient(-(policy.everything().exp() * value).sum() / 3, policy)
    assert float(expected.abs().max()) > 1e-3
    assert torch.allclose(found, expected, atol=1e-7)
