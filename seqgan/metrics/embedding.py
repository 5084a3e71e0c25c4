"""Word-vector similarity of a sentence and its reference: average, greedy and extrema."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError

Words = Sequence[str]
Lookup = Callable[[Sequence[str]], Tensor]
"""Function from words to their vectors, (words, D); zero for an unknown word."""


class Similarity(NamedTuple):
    """Means over pairs of three cosines; high = alike.

    Args:
        average: Cosine of the mean vectors of both sentences.
        greedy: Cosine of each word with its best match on the other side, averaged over both
            directions.
        extrema: Cosine of the vectors with the value furthest from zero in each dimension.
    """

    average: float
    greedy: float
    extrema: float


@python_call()
def embedding_similarity(
    samples: Sequence[Words], references: Sequence[Words], lookup: Lookup
) -> Similarity:
    """Embedding average, greedy matching and vector extrema of pairs; high = alike in topic.

    average  cos(sum_i v_i, sum_j w_j)
    greedy   1/2 [mean_i max_j cos(v_i, w_j) + mean_j max_i cos(v_i, w_j)]
    extrema  cos(e(v), e(w)), e_d(v) = the v_id of greatest absolute value

    Unknown words are left out; a pair in which one side has no known word counts 0. None of the
    three correlates well with human judgement (Liu et al. 2016): report them with other metrics.

    Args:
        samples: Words of each sample.
        references: Words of each sample's reference.
        lookup: Function from words to vectors; the values depend on it, so report its name.

    Raises:
        UserError: There are no pairs, or the numbers differ.

    Source: Liu et al. 2016, "How NOT To Evaluate Your Dialogue System", section 3.2; Rus and
        Lintean 2012 (greedy); Forgues et al. 2014 (extrema).
    """
    if len(samples) != len(references) or not samples:
        raise UserError(
            f"embedding similarity needs pairs: got {len(samples)} samples and "
            f"{len(references)} references"
        )
    known = sorted({word for side in (samples, references) for words in side for word in words})
    vectors = lookup(known) if known else torch.zeros(0, 1)
    number = {word: i for i, word in enumerate(known) if bool(vectors[i].any())}
    scores = []
    for pair in zip(samples, references):
        v, w = (vectors[[number[word] for word in words if word in number]] for words in pair)
        scores.append(_similarity(v, w) if len(v) and len(w) else torch.zeros(3))
    return Similarity(*torch.stack(scores).double().mean(0).tolist())


def _similarity(v: Float[Tensor, "N D"], w: Float[Tensor, "M D"]) -> Float[Tensor, "3"]:
    between = F.normalize(v, dim=1) @ F.normalize(w, dim=1).T
    greedy = (between.amax(1).mean() + between.amax(0).mean()) / 2
    average = F.cosine_similarity(v.mean(0), w.mean(0), dim=0)
    extrema = F.cosine_similarity(_extrema(v), _extrema(w), dim=0)
    return torch.stack([average, greedy, extrema])


def _extrema(v: Float[Tensor, "N D"]) -> Float[Tensor, " D"]:
    return v.gather(0, v.abs().argmax(0, keepdim=True))[0]
