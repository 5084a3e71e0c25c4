"""Scorers g(d, q): the networks of the generator, by a softmax, and of the discriminator.

A scorer reads ids; what stands behind an id (a vector, features, tokens) is its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from seqgan.retrieval.ragged import Ragged

HIDDEN = 46
"""Width of a hidden layer: that of IRGAN's web search model."""


class Scorer(nn.Module, ABC):
    """Scores of documents for queries."""

    @abstractmethod
    def forward(self, queries: Int64[Tensor, " B"], documents: Tensor) -> Float[Tensor, "B K"]:
        """Scores of documents that all queries share (K), or of each query's own (B, K)."""

    def pairs(
        self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        """Scores of one document each."""
        return self(queries, documents[:, None])[:, 0]

    def l2(self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]) -> Float[Tensor, ""]:
        """Half the squared norm of what scores a pair, in the mean over pairs."""
        weights = [p for p in self.parameters() if p.ndim > 1]
        return 0.5 * torch.stack([w.square().sum() for w in weights]).sum()


def rows(table: Tensor, ids: Tensor) -> Tensor:
    """Rows of a table by ids of any shape. Its gradient is one `index_add`.

    That of `F.embedding` takes five times as long on a CPU where vectors are short.

    Args:
        table: Table of vectors, (K, F).
        ids: Numbers of rows, of any shape.
    """
    return table.index_select(0, ids.flatten()).view(*ids.shape, *table.shape[1:])


def share(ids: Int64[Tensor, " N"], count: int) -> Float[Tensor, " count"]:
    """How much of `ids` each id below `count` makes up.

    Args:
        ids: Ids, (N,).
        count: Number of different ids.
    """
    part = torch.full(ids.shape, 1 / max(1, len(ids)), device=ids.device)
    return torch.zeros(count, device=ids.device).index_add_(0, ids, part)


@final
class MatrixFactorization(Scorer):
    """g(d, q) = u_q . v_d + b_d, all uniform in +-`spread` but the biases, which are 0.

    Args:
        queries: Number of rows of u.
        documents: Number of rows of v.
        dim: Length of a vector.
        spread: Spread of the initial values.

    Source: the model of IRGAN's item task (Wang et al. 2017).
    """

    def __init__(self, queries: int, documents: int, dim: int, spread: float = 0.05):
        super().__init__()
        self.query = nn.Parameter(torch.empty(queries, dim).uniform_(-spread, spread))
        self.document = nn.Parameter(torch.empty(documents, dim).uniform_(-spread, spread))
        self.bias = nn.Parameter(torch.zeros(documents))

    def forward(self, queries: Int64[Tensor, " B"], documents: Tensor) -> Float[Tensor, "B K"]:
        u, v, b = (
            rows(self.query, queries),
            rows(self.document, documents),
            rows(self.bias, documents),
        )
        if documents.ndim == 1:
            return torch.addmm(b, u, v.T)
        return (v @ u[:, :, None])[:, :, 0] + b

    def pairs(
        self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        u, v = rows(self.query, queries), rows(self.document, documents)
        return (u * v).sum(1) + rows(self.bias, documents)

    def l2(self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]) -> Float[Tensor, ""]:
        """Of the two vectors of a pair; the bias, which is popularity, is not shrunk."""
        u, d = self.query.square().sum(1), self.document.square().sum(1)
        return 0.5 * (share(queries, len(u)) @ u + share(documents, len(d)) @ d)


@final
class FactorsOnPrior(Scorer):
    """g(d, q) = u_q . v_d + b_d + s P_(q, d): factors on top of fixed scores, those of EASE.

    EASE knows neighbourhoods, factors know what is common to many; their sum beats both. P does not
    learn; s is 0 until the factors are fitted, see `calibrate`.

    Args:
        prior: P, (Q, D).
        dim: Length of a vector.
    """

    prior: Tensor
    scale: Tensor

    def __init__(self, prior: Float[Tensor, "Q D"], dim: int):
        super().__init__()
        queries, documents = prior.shape
        self.factors = MatrixFactorization(queries, documents, dim)
        self.register_buffer("scale", torch.zeros(()))
        self.know(prior)

    def know(self, prior: Float[Tensor, "Q D"]) -> None:
        """Stand on other fixed scores."""
        self.register_buffer("prior", prior, persistent=False)

    def calibrate(
        self, scales: Sequence[float], queries: Tensor, owner: Tensor, column: Tensor
    ) -> None:
        """Set s to the one of `scales` under which softmax(s P) likes the positives best.

        Args:
            scales: Scales to choose from.
            queries: Ids of the queries.
            owner: Query of each positive, as a place in `queries`.
            column: Document of each positive.
        """
        prior = self.prior[queries]

        def likelihood(scale: float) -> float:
            return float((scale * prior).log_softmax(1)[owner, column].mean())

        self.scale.fill_(max(scales, key=likelihood))

    def forward(self, queries: Int64[Tensor, " B"], documents: Tensor) -> Float[Tensor, "B K"]:
        prior = self.prior[queries]
        picked = prior[:, documents] if documents.ndim == 1 else prior.gather(1, documents)
        return self.factors(queries, documents) + self.scale * picked

    def pairs(
        self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        prior = self.prior[queries, documents]
        return self.factors.pairs(queries, documents) + self.scale * prior

    def l2(self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]) -> Float[Tensor, ""]:
        return self.factors.l2(queries, documents)


@final
class TwoTower(Scorer):
    """g(d, q) = f(mean of q's documents) . h(v_d) + b_d, with towers of one hidden layer.

    A query is known by its documents alone, so that one never trained on can be served.

    Args:
        history: Documents that each query is known by.
        documents: Number of documents.
        dim: Length of a vector.
        hidden: Width of the towers.
    """

    def __init__(self, history: Ragged, documents: int, dim: int, hidden: int = HIDDEN):
        super().__init__()
        self.history = history
        self.document = nn.Parameter(torch.randn(documents, dim) / dim**0.5)
        self.bias = nn.Parameter(torch.zeros(documents))
        self.query_tower = _tower(dim, hidden, dim)
        self.document_tower = _tower(dim, hidden, dim)

    def forward(self, queries: Int64[Tensor, " B"], documents: Tensor) -> Float[Tensor, "B K"]:
        u = self._queries(queries)
        v, b = self.document_tower(rows(self.document, documents)), rows(self.bias, documents)
        if documents.ndim == 1:
            return torch.addmm(b, u, v.T)
        return (v @ u[:, :, None])[:, :, 0] + b

    def _queries(self, queries: Tensor) -> Tensor:
        owner, column = self.history.take(queries)
        total = torch.zeros(len(queries), self.document.shape[1], device=queries.device)
        total = total.index_add(0, owner, rows(self.document, column))
        counts = self.history.counts[queries].clamp(min=1)
        return self.query_tower(total / counts[:, None])

    def pairs(
        self, queries: Int64[Tensor, " N"], documents: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        found, place = torch.unique(queries, return_inverse=True)
        v = self.document_tower(rows(self.document, documents))
        return (rows(self._queries(found), place) * v).sum(1) + rows(self.bias, documents)


def _tower(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))


@final
class FeatureMLP(Scorer):
    """g(d, q) = w . tanh(W x + c) + b, of a feature vector x that belongs to the pair.

    A document stands for one query only, whose features it carries: the LETOR layout.

    Args:
        features: Vector x of each document, (D, F).
        hidden: Width of the layer.

    Source: the model of IRGAN's web search task.
    """

    features: Tensor

    def __init__(self, features: Float[Tensor, "D F"], hidden: int = HIDDEN):
        super().__init__()
        self.register_buffer("features", features, persistent=False)
        self.net = nn.Sequential(
            nn.Linear(features.shape[1], hidden),
            nn.Tanh(),
            nn.Linear(hidden, 1),
        )

    def forward(self, queries: Int64[Tensor, " B"], documents: Tensor) -> Float[Tensor, "B K"]:
        scores = self.net(self.features[documents])[..., 0]
        return scores if documents.ndim == 2 else scores.expand(len(queries), -1)
