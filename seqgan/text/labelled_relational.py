"""A relational memory that is told a label at every token."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from seqgan.lm.relational import RelationalPolicy


class LabelledRelationalPolicy(RelationalPolicy):
    """A relational memory whose input is a token's vector and the one-hot label.

    Args:
        vocab: Number of token ids.
        labels: Number of labels.
        embedding: Size of the token embeddings.
        hidden: Size of a slot.
        options: Further arguments of `RelationalPolicy`.

    Source: Liu, Wang & Liang 2020.
    """

    def __init__(self, vocab: int, labels: int, embedding: int, hidden: int, **options: Any):
        super().__init__(vocab, embedding, hidden, **options)
        self.labels, self.label = labels, 0
        self.read = nn.Linear(embedding + labels, hidden)

    def of_label(self, label: int) -> "LabelledRelationalPolicy":
        """The same weights, told a label.

        Args:
            label: Number of the label.
        """
        told = copy.copy(self)
        told.label = label
        return told

    def _inputs(self, tokens: Int64[Tensor, "*shape"]) -> Float[Tensor, "*shape H"]:
        x = F.dropout(self.embedding(tokens), self.dropout, self.training)
        label = torch.zeros(*tokens.shape, self.labels, device=tokens.device, dtype=x.dtype)
        label[..., self.label] = 1
        return self.read(torch.cat([x, label], -1))
