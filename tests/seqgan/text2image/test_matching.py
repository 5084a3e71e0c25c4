"""Matching of words and regions, against the paper's formulas written as loops."""

import math

import torch

from seqgan.text2image.encoders import EncodedSentences
from seqgan.text2image.matching import RegionEncoder, contrast, matching_loss, word_scores


def cosine(one, other):
    return float(one @ other / one.norm() / other.norm())


def test_word_scores_are_the_papers_formulas():
    torch.manual_seed(0)
    regions, words = torch.randn(2, 3, 4), torch.randn(3, 5, 4)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False], [True] + [False] * 4])
    found = word_scores(regions, words, mask, gamma_1=4.0, gamma_2=5.0)
    for b in range(2):
        for c in range(3):
            own = [words[c, t] for t in range(5) if mask[c, t]]
            seen = list(regions[b])
            s = [[math.exp(float(e @ v)) for v in seen] for e in own]
            s = [[s[t][r] / sum(row[r] for row in s) for r in range(3)] for t in range(len(own))]
            best = 0.0
            for e, row in zip(own, s):
                looks = [math.exp(4.0 * value) for value in row]
                context = sum(look * v for look, v in zip(looks, seen)) / sum(looks)
                best += math.exp(5.0 * cosine(context, e))
            assert math.isclose(float(found[b, c]), math.log(best) / 5.0, rel_tol=1e-4)


def test_damsm_is_the_sum_over_words_and_sentences():
    torch.manual_seed(0)
    matcher = RegionEncoder(4, 2)
    images = torch.randn(3, 3, 16, 16)
    text = EncodedSentences(
        torch.randn(3, 4), torch.randn(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)
    )
    alike = torch.eye(3, dtype=torch.bool)
    loss, right = matcher.compare(images, text, alike)
    regions = matcher.each(matcher.look(images)).flatten(2).transpose(1, 2)
    words = contrast(10 * word_scores(regions, text.words, text.mask), alike).loss
    whole = matching_loss(matcher(images), text.sentence, alike)
    torch.testing.assert_close(loss, words + whole.loss)
    torch.testing.assert_close(right, whole.right)


def test_both_scores_reach_every_weight_of_the_matcher():
    torch.manual_seed(0)
    matcher = RegionEncoder(4, 2)
    text = EncodedSentences(
        torch.randn(3, 4), torch.randn(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)
    )
    loss = matcher.compare(torch.randn(3, 3, 16, 16), text, torch.eye(3, dtype=torch.bool)).loss
    slopes = torch.autograd.grad(loss, list(matcher.parameters()))
    assert all(bool(torch.isfinite(slope).all()) for slope in slopes)
    assert float(slopes[-1].abs().sum()) > 0
