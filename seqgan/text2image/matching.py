"""Which sentence is of which picture: encoders of pictures, and how they learn beside a sentence's.

What they learned judges R-precision, and in AttnGAN it also guides the generator.
"""

import itertools
from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from seqgan.text2image.encoders import EncodedSentences

__all__ = ["PictureEncoder", "RegionEncoder"]


class Match(NamedTuple):
    """How well pictures and sentences of a batch find each other.

    Args:
        loss: Cross entropy; it carries the gradient.
        right: Share of pictures whose right sentence has the highest score.
    """

    loss: Float[Tensor, ""]
    right: Float[Tensor, ""]


class Matcher(nn.Module, ABC):
    """Pictures to vectors of the length of the sentences'.

    Args:
        features: Length of a vector.
        width: Channels of the first map.
    """

    def __init__(self, features: int, width: int):
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for one, two in itertools.pairwise(widths):
            layers += [nn.Conv2d(one, two, 4, 2, 1), nn.BatchNorm2d(two), nn.LeakyReLU(0.2)]
        self.look = nn.Sequential(*layers)
        self.whole = nn.Linear(4 * width * 16, features)

    def forward(self, images: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B E"]:
        """Vectors of pictures."""
        return self.sum_up(self.look(images))

    def sum_up(self, seen: Float[Tensor, "B C H W"]) -> Float[Tensor, "B E"]:
        """Vectors of pictures, from their maps."""
        return self.whole(F.adaptive_avg_pool2d(seen, 4).flatten(1)).float()

    @abstractmethod
    def compare(
        self, images: Float[Tensor, "B 3 S S"], text: EncodedSentences, alike: Bool[Tensor, "B B"]
    ) -> Match:
        """How well pictures and their sentences find each other.

        Args:
            images: Pictures of the sentences.
            text: Sentences of the pictures.
            alike: Pairs (i, j) of equal sentences or pictures, which are no mistake.
        """


@final
class PictureEncoder(Matcher):
    """One vector a picture.

    Args:
        features: Length of a vector.
        width: Channels of the first map.
    """

    def __init__(self, features: int, width: int = 32):
        super().__init__(features, width)

    def compare(
        self, images: Float[Tensor, "B 3 S S"], text: EncodedSentences, alike: Bool[Tensor, "B B"]
    ) -> Match:
        return matching_loss(self(images), text.sentence, alike)


@final
class RegionEncoder(Matcher):
    """A vector of the picture and one of each of its regions: the picture's side of DAMSM.

    A region is a place of the last map, an eighth of the side. The authors take Inception's.

    Args:
        features: Length of a vector.
        width: Channels of the first map.

    Source: Xu et al. 2018, "AttnGAN", section 3.2.
    """

    def __init__(self, features: int, width: int = 32):
        super().__init__(features, width)
        self.each = nn.Conv2d(4 * width, features, 1, bias=False)

    def compare(
        self, images: Float[Tensor, "B 3 S S"], text: EncodedSentences, alike: Bool[Tensor, "B B"]
    ) -> Match:
        """Words with regions, and sentences with pictures: L_words + L_sentence (eq. 12)."""
        seen = self.look(images)
        regions = self.each(seen).flatten(2).transpose(1, 2).float()
        words = contrast(10.0 * word_scores(regions, text.words, text.mask), alike)
        whole = matching_loss(self.sum_up(seen), text.sentence, alike)
        return Match(words.loss + whole.loss, whole.right)


def word_scores(
    regions: Float[Tensor, "B R E"],
    words: Float[Tensor, "C T E"],
    mask: Bool[Tensor, "C T"],
    *,
    gamma_1: float = 4.0,
    gamma_2: float = 5.0,
) -> Float[Tensor, "B C"]:
    """How well the words of each sentence are found in the regions of each picture.

    s_tr = softmax_t(e_t . v_r),  a_t = softmax_r(gamma_1 s_tr),  c_t = sum_r a_tr v_r
    R = 1/gamma_2 log sum_t exp(gamma_2 cos(c_t, e_t))              (Xu et al. 2018, eq. 7 to 10)

    Args:
        regions: Vectors v of the regions of pictures.
        words: Vectors e of the words of sentences.
        mask: Mask of the words that there are.
        gamma_1: Sharpness with which a word looks at regions; the paper has 5, its code 4.
        gamma_2: Sharpness with which the best-found word counts.
    """
    there = mask[None, :, :, None]
    scores = torch.einsum("bre,cte->bctr", regions, words).masked_fill(~there, -torch.inf)
    looks = torch.softmax(gamma_1 * torch.softmax(scores, 2), 3)
    context = torch.einsum("bctr,bre->bcte", looks, regions)
    found = F.cosine_similarity(context, words[None], dim=3).masked_fill(~mask[None], -torch.inf)
    return torch.logsumexp(gamma_2 * found, 2) / gamma_2


def matching_loss(
    pictures: Float[Tensor, "B E"],
    sentences: Float[Tensor, "B E"],
    alike: Bool[Tensor, "B B"],
    *,
    scale: float = 10.0,
) -> Match:
    """Cross entropy of telling which sentence is of which picture, both ways, in one batch.

    1/2 [-log softmax_j(s cos(x_i, t_j))_i - log softmax_j(s cos(x_j, t_i))_i]   (InfoNCE)

    Args:
        pictures: Vector of each picture.
        sentences: Vector of the sentence of each.
        alike: Pairs (i, j) of equal sentences or pictures, which are no mistake.
        scale: Inverse temperature s; gamma_3 of AttnGAN, 10 there.
    """
    scores = scale * F.normalize(pictures, dim=1) @ F.normalize(sentences, dim=1).T
    return contrast(scores, alike)


def contrast(scores: Float[Tensor, "B B"], alike: Bool[Tensor, "B B"]) -> Match:
    """Cross entropy of the diagonal, by rows and by columns, and how often it wins its row.

    Args:
        scores: Score of each sentence for each picture, (B, B).
        alike: True = as right as the diagonal, (B, B).
    """
    eye = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    scores = scores.masked_fill(alike & ~eye, -torch.inf)
    target = torch.arange(len(scores), device=scores.device)
    loss = (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2
    return Match(loss, (scores.detach().argmax(1) == target).float().mean())
