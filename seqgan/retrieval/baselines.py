"""Baselines of the item task that are computed, not trained by steps: they stand in every table.

Each takes the relevant documents of each query and returns a function from queries to scores.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.retrieval.ragged import Ragged

__all__ = ["ease", "ials", "item_knn", "popularity"]

ScoreQueries = Callable[[Tensor], Tensor]
"""Scores of all documents for queries: (B,) -> (B, D)."""

DENSE_DOCUMENTS = 20_000
"""Most documents whose square matrix is formed: 1.6 GB in float32."""

GRIDS: Mapping[str, list[dict[str, Any]]] = {
    "popularity": [{}],
    "item_knn": [{"neighbours": k, "shrink": 10.0} for k in (50, 100, 200)],
    "ease": [{"l2": l2} for l2 in (100.0, 300.0, 1000.0)],
    "ials": [
        {"dim": dim, "l2": l2, "alpha": alpha}
        for dim, l2, alpha in (
            (15, 10.0, 2.0),
            (30, 10.0, 2.0),
            (15, 3.0, 2.0),
            (30, 30.0, 5.0),
        )
    ],
}
"""Settings each baseline is tried with; validation chooses."""


def popularity(history: Ragged, documents: int) -> ScoreQueries:
    """Number of queries that a document is relevant to; the same list for everybody.

    Args:
        history: Relevant documents of each query.
        documents: Number of documents.
    """
    counts = torch.bincount(history.values, minlength=documents).float()
    return lambda queries: counts.expand(len(queries), -1)


def item_knn(
    history: Ragged, documents: int, *, neighbours: int = 100, shrink: float = 10.0
) -> ScoreQueries:
    """Sum of a document's similarities to the documents of the query, nearest neighbours only.

    s(i, j) = n_ij / (sqrt(n_i n_j) + shrink),  kept for the `neighbours` nearest j of each i

    Args:
        history: Documents of each query.
        documents: Number of documents.
        neighbours: Number of neighbours that are kept of each document.
        shrink: Constant that lowers similarities that few queries support.

    Raises:
        UserError: There are too many documents for a square matrix of them.

    Source: Sarwar et al. 2001; shrinkage as in Ferrari Dacrema et al. 2019.
    """
    known = _matrix(history, documents)
    together = known.T @ known
    count = together.diagonal().clone()
    together.fill_diagonal_(0)
    similar = together / ((count[:, None] * count).sqrt() + shrink)
    kept = similar.topk(min(neighbours, documents), dim=1)
    nearest = torch.zeros_like(similar).scatter_(1, kept.indices, kept.values)
    return lambda queries: known[queries] @ nearest.T


def ease(history: Ragged, documents: int, *, l2: float = 300.0) -> ScoreQueries:
    """Ridge regression of every document on all others, in closed form.

    P = (X^T X + l2 I)^-1,   B = I - P diag(1 / diag P),   scores = X B

    Args:
        history: Documents of each query.
        documents: Number of documents.
        l2: Weight of the regression's L2.

    Raises:
        UserError: There are too many documents for a square matrix of them.

    Source: Steck 2019, "Embarrassingly shallow autoencoders for sparse data".
    """
    known = _matrix(history, documents)
    weight = _ease_weight(known, l2)
    return lambda queries: known[queries] @ weight


def _ease_weight(known: Float[Tensor, "Q D"], l2: float) -> Float[Tensor, "D D"]:
    """B of EASE, its diagonal zero. The inverse is taken in float64."""
    gram = (known.T @ known).double()
    gram.diagonal().add_(l2)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    weight = -inverse / inverse.diagonal()
    weight.fill_diagonal_(0)
    return weight.float()


def ials(
    history: Ragged, documents: int, *, dim: int = 15, l2: float = 10.0, alpha: float = 2.0
) -> ScoreQueries:
    """Alternating least squares on implicit feedback, by the `implicit` library.

    Args:
        history: Documents of each query.
        documents: Number of documents.
        dim: Length of a vector.
        l2: Weight of the vectors' L2.
        alpha: Weight of what was observed over what was not.

    Raises:
        UserError: `implicit` is not installed.

    Source: Hu, Koren & Volinsky 2008.
    """
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError as error:
        raise UserError(
            "iALS needs the library implicit: pip install 'seqgan[retrieval]'"
        ) from error
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    shape = (len(history), documents)
    parts = (np.ones(len(history.values), np.float32), history.values.cpu(), history.offsets.cpu())
    with threadpool_limits(1, "blas"):  # its own loops run beside BLAS, which it warns of
        model = AlternatingLeastSquares(
            factors=dim,
            regularization=l2,
            alpha=alpha,
            iterations=15,
            random_state=0,
            num_threads=1,
        )
        model.fit(csr_matrix(parts, shape=shape), show_progress=False)
    users, items = torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors)
    return lambda queries: users[queries] @ items.T


def _matrix(history: Ragged, documents: int) -> Float[Tensor, "Q D"]:
    """The table as zeros and ones.

    Raises:
        UserError: A square matrix of so many documents would not fit.
    """
    if documents > DENSE_DOCUMENTS:
        raise UserError(
            f"item-kNN and EASE form a square matrix of all documents, and {documents} are more "
            f"than {DENSE_DOCUMENTS}; leave them away with --baselines popularity,bpr,softmax"
        )
    queries: Int64[Tensor, " Q"] = torch.arange(len(history), device=history.values.device)
    return history.mark(queries, documents).float()
