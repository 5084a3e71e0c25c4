"""Scorers of texts: shared words, a convolutional encoder, any pretrained encoder."""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.data.hub_request import ask_hub_for_model
from seqgan.data.errors import reason
from seqgan.retrieval.scorers import Scorer, rows

ROWS = 64
"""Texts encoded at a time."""


class TextScorer(Scorer):
    """Scores (query, document) pairs; each is an id of a text."""

    def forward(self, queries: Int64[Tensor, " B"], documents: Tensor) -> Float[Tensor, "B K"]:
        documents = documents.expand(len(queries), -1)
        asked = queries[:, None].expand_as(documents)
        return self.pairs(asked.flatten(), documents.flatten()).view_as(documents)


@final
class SharedWords(TextScorer):
    """Share of a question's idf whose words the document holds, in [0, 1]. Nothing is learned.

    Args:
        queries: Tokens of each query (Q, L), 0 where there is none.
        documents: Tokens of each document (D, M), 0 where there is none.
        idf: Inverse document frequency of each token, 0 for the padding.
    """

    query_tokens: Tensor
    document_tokens: Tensor
    idf: Tensor

    def __init__(
        self,
        queries: Int64[Tensor, "Q L"],
        documents: Int64[Tensor, "D M"],
        idf: Float[Tensor, " V"],
    ):
        super().__init__()
        self.read(queries, documents)
        self.register_buffer("idf", idf, persistent=False)

    def read(self, queries: Int64[Tensor, "Q L"], documents: Int64[Tensor, "D M"]) -> None:
        """Know these texts and no others."""
        self.register_buffer("query_tokens", queries, persistent=False)
        self.register_buffer("document_tokens", documents, persistent=False)

    def pairs(
        self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        question, answer = self.query_tokens[queries], self.document_tokens[documents]
        held = (question[:, :, None] == answer[:, None, :]).any(2)
        idf = self.idf[question]
        return (idf * held).sum(1) / idf.sum(1).clamp(min=1e-6)


@final
class CNNMatcher(TextScorer):
    """g(d, q) = scale (cosine of two texts under a convolutional encoder + w . shared words) + b.

    Embedded tokens pass filters of several widths, tanh and the maximum over time.

    Args:
        words: Tokens of the texts; their overlap is most of what few questions can teach.
        dim: Size of the embeddings.
        widths: Widths of the filters.
        filters: Number of filters of each width.
        scale: Factor of the sum.

    Source: the QA-CNN of IRGAN's question answering task, which has no word overlap.
    """

    def __init__(
        self,
        words: SharedWords,
        dim: int = 64,
        widths: Sequence[int] = (1, 2, 3, 5),
        filters: int = 64,
        scale: float = 5.0,
    ):
        super().__init__()
        self.words, self.widths, self.scale = words, tuple(widths), scale
        self.embedding = nn.Parameter(torch.empty(len(words.idf), dim).uniform_(-0.5, 0.5))
        self.filters = nn.ParameterList(
            torch.empty(filters, dim, width).uniform_(-1, 1) / (dim * width) ** 0.5
            for width in self.widths
        )
        self.overlap = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.tensor(-scale))
        """Bias of the logits, which two unlike texts are to leave near 0; no ranking sees it."""

    def encode(self, tokens: Int64[Tensor, "N L"]) -> Float[Tensor, "N F"]:
        """Unit vectors of texts; a window counts where it begins inside the text."""
        inside = tokens != 0
        tokens = F.pad(tokens, (0, max(self.widths) - 1))
        x = (rows(self.embedding, tokens) * (tokens != 0)[..., None]).mT
        length = inside.shape[1]
        parts = [
            torch.tanh(F.conv1d(x, weight)[..., :length])
            .masked_fill(~inside[:, None], -1.0)
            .amax(2)
            for weight in self.filters
        ]
        return F.normalize(torch.cat(parts, 1), dim=1)

    def pairs(
        self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        """Each text is encoded once, however often it is named."""
        asked, q = torch.unique(queries, return_inverse=True)
        found, d = torch.unique(documents, return_inverse=True)
        u, v = (
            self.encode(self.words.query_tokens[asked]),
            self.encode(self.words.document_tokens[found]),
        )
        cosine = (rows(u, q) * rows(v, d)).sum(1)
        shared = self.overlap * self.words.pairs(queries, documents)
        return self.scale * (cosine + shared) + self.bias

    def l2(self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]) -> Float[Tensor, ""]:
        """Of the filters; embeddings are many and rarely seen."""
        return 0.5 * torch.stack([w.square().sum() for w in self.filters]).sum()


@final
class EncoderMatcher(TextScorer):
    """g(d, q) = scale (cosine of W e(q) and W e(d) + w . shared words) + b, e a frozen encoder.

    Every text is encoded once, by the mean of the last layer's tokens; W starts as the identity and
    is learned, as is the weight of shared words. So a step costs what two small matrices cost, and
    the encoder itself is not trained.

    Args:
        queries: Vectors e of the queries, see `encode`.
        documents: Vectors e of the documents.
        words: Tokens of the texts.
        scale: Factor of the sum.
    """

    query_vectors: Tensor
    document_vectors: Tensor

    def __init__(
        self,
        queries: Float[Tensor, "Q F"],
        documents: Float[Tensor, "D F"],
        words: SharedWords,
        scale: float = 10.0,
    ):
        super().__init__()
        self.words, self.scale = words, scale
        self.read(queries, documents)
        self.projection = nn.Parameter(torch.eye(self.query_vectors.shape[1]))
        self.overlap = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.tensor(-scale))
        """Bias of the logits, which two unlike texts are to leave near 0; no ranking sees it."""

    def read(self, queries: Float[Tensor, "Q F"], documents: Float[Tensor, "D F"]) -> None:
        """Know these texts and no others."""
        self.register_buffer("query_vectors", queries, persistent=False)
        self.register_buffer("document_vectors", documents, persistent=False)

    def pairs(
        self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        asked, q = torch.unique(queries, return_inverse=True)
        found, d = torch.unique(documents, return_inverse=True)
        u = F.normalize(self.query_vectors[asked] @ self.projection, dim=1)
        v = F.normalize(self.document_vectors[found] @ self.projection, dim=1)
        cosine = (rows(u, q) * rows(v, d)).sum(1)
        shared = self.overlap * self.words.pairs(queries, documents)
        return self.scale * (cosine + shared) + self.bias

    def l2(self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]) -> Float[Tensor, ""]:
        """Of what the projection differs from the identity."""
        eye = torch.eye(len(self.projection), device=self.projection.device)
        return 0.5 * (self.projection - eye).square().sum()


@torch.no_grad()
def encode(encoder: str, texts: Sequence[str]) -> Float[Tensor, "N F"]:
    """Unit mean vectors of texts, by a transformers encoder.

    Args:
        encoder: Folder or name of an encoder of transformers.
        texts: Texts to encode.

    Raises:
        UserError: The encoder cannot be loaded.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        ask_hub_for_model(encoder)
        tokenizer = AutoTokenizer.from_pretrained(encoder)
        model = AutoModel.from_pretrained(encoder).eval()
    except Exception as error:  # the name, the network, the files: any kind
        raise UserError(
            f"--encoder {encoder} cannot be loaded ({reason(error)}); name a model's folder"
        ) from error
    parts = []
    # By length, so that little is padding
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    for start in range(0, len(texts), ROWS):
        some = [texts[n] for n in order[start : start + ROWS]]
        words = tokenizer(some, padding=True, truncation=True, max_length=256, return_tensors="pt")
        hidden = model(**words).last_hidden_state
        mask = words["attention_mask"][..., None].to(hidden.dtype)
        parts.append((hidden * mask).sum(1) / mask.sum(1).clamp(min=1))
    back = torch.empty(len(texts), dtype=torch.int64)
    back[torch.tensor(order)] = torch.arange(len(texts))
    return F.normalize(torch.cat(parts).float()[back], dim=1)
