"""Networks of several sides: attention against loops, colours against numpy, what hears what."""

import math

import numpy as np
import torch

from seqgan.text2image.nets.tree import TreeGenerator, WordAttention, colour_distance


def test_attention_is_that_of_explicit_loops_and_ignores_words_that_are_not_there():
    torch.manual_seed(0)
    attention = WordAttention(3, 2)
    x, words = torch.randn(2, 2, 2, 3), torch.randn(2, 4, 3)
    mask = torch.tensor([[True, True, True, True], [True, False, True, False]])
    found = attention(x, words, mask).detach()
    weight = attention.project.weight.detach()
    for b in range(2):
        own = [weight @ words[b, t] for t in range(4) if mask[b, t]]
        for row in range(2):
            for column in range(3):
                place = x[b, :, row, column]
                strength = [math.exp(float(place @ word)) for word in own]
                wanted = sum(s * word for s, word in zip(strength, own)) / sum(strength)
                torch.testing.assert_close(found[b, :, row, column], wanted)


def test_colours_are_means_and_covariances_of_each_picture():
    torch.manual_seed(0)
    small, large = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 8, 8)
    means, spreads = [], []
    for one, other in zip(small.numpy(), large.numpy()):
        one, other = one.reshape(3, -1).astype(float), other.reshape(3, -1).astype(float)
        means.append((other.mean(1) - one.mean(1)) ** 2)
        spreads.append((np.cov(other, bias=True) - np.cov(one, bias=True)) ** 2)
    wanted = 50 * np.mean(means) + 250 * np.mean(spreads)
    np.testing.assert_allclose(float(colour_distance(small, large)), wanted, rtol=1e-5)


def test_only_the_larger_picture_is_moved_by_colours():
    small, large = (torch.randn(1, 3, s, s, requires_grad=True) for s in (4, 8))
    slopes = torch.autograd.grad(colour_distance(small, large), [small, large], allow_unused=True)
    assert slopes[0] is None
    assert float(slopes[1].abs().sum()) > 0


def inputs():
    torch.manual_seed(1)
    z, text, words = torch.randn(4, 5), torch.randn(4, 6), torch.randn(4, 3, 6)
    return z, text, words, torch.tensor([[True, True, False]]).expand(4, 3)


def test_pictures_double_in_side_and_the_words_are_heard_by_attention_alone():
    z, text, words, mask = inputs()
    for attended in (0, 6):
        sizes = {"condition": 4, "noise": 5, "width": 2, "noisy": False, "blocks": 1}
        G = TreeGenerator(8, 32, 6, **sizes, words=attended).eval()
        images, kl = G(z, text, words, mask)
        assert [tuple(image.shape[1:]) for image in images] == [(3, s, s) for s in (8, 16, 32)]
        assert float(kl) == 0.0
        others, _ = G(z, text, -words, mask)
        # The smallest picture knows the sentence alone; a word that is not there changes nothing
        assert torch.equal(others[0], images[0])
        assert torch.equal(others[2], images[2]) is (attended == 0)
        hidden = words.clone()
        hidden[:, 2] = 9.0
        assert torch.equal(G(z, text, hidden, mask)[0][2], images[2])
        assert not torch.allclose(G(z, -text, words, mask)[0][0], images[0])


def test_words_may_count_in_part():
    torch.manual_seed(0)
    attention = WordAttention(3, 2)
    x, one, two = torch.randn(2, 2, 4, 4), torch.randn(2, 3, 3), torch.randn(2, 2, 3)
    both = torch.cat([one, two], 1)
    there = torch.ones(2, 5, dtype=torch.bool)

    def at(share):
        return attention(x, both, torch.tensor([1 - share] * 3 + [share] * 2).expand(2, 5))

    # w exp(h.e) over their sum, at one place of the second picture
    own = attention.project(both)[1]
    weight = torch.tensor([0.75, 0.75, 0.75, 0.25, 0.25]) * (own @ x[1, :, 2, 3]).exp()
    torch.testing.assert_close(at(0.25)[1, :, 2, 3], (weight / weight.sum()) @ own)
    torch.testing.assert_close(at(0.5), attention(x, both, there))  # equal shares cancel
    torch.testing.assert_close(at(0.0), attention(x, one, there[:, :3]))
    torch.testing.assert_close(at(1.0), attention(x, two, there[:, :2]))
