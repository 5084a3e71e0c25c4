"""Queries, their candidates and what is relevant to them: what games learn from and metrics read.

Columns: a document stands for a query by its column among the query's candidates. Where every
document is a candidate of every query the column is the document itself.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import Scorer


class QueryBatch(NamedTuple):
    """Some queries, side by side.

    Args:
        queries: Ids of the queries, as a scorer knows them.
        documents: Candidates shared by all queries (K), or each query's own (B, K).
        mask: Candidates that count; None counts all.
        owner: Query of each positive, as a position in the batch.
        column: Candidate of each positive.
        counts: Positives of each query.
        own: Further candidates of each query, columns K to K + m of a drawn pool.
        log_weight: Log of the number of documents that each column of a drawn pool stands for,
            added to its score.
    """

    queries: Int64[Tensor, " B"]
    documents: Tensor
    mask: Tensor | None
    owner: Int64[Tensor, " N"]
    column: Int64[Tensor, " N"]
    counts: Int64[Tensor, " B"]
    own: Tensor | None = None
    log_weight: Tensor | None = None

    def scores(self, scorer: Scorer) -> Float[Tensor, "B K"]:
        """Scores of all candidates; -inf where there is none."""
        scores = scorer(self.queries, self.documents)
        if self.own is not None:
            scores = torch.cat([scores, scorer(self.queries, self.own)], 1)
        return scores if self.mask is None else scores.masked_fill(~self.mask, -torch.inf)

    def log_policy(self, scorer: Scorer, temperature: float) -> Float[Tensor, "B K"]:
        """log p(d | q) = log softmax_d(g(d, q) / T), over the candidates.

        Over a pool it is importance-corrected: a drawn column stands for many documents.
        """
        scaled = self.scores(scorer) / temperature
        if self.log_weight is not None:
            scaled = scaled + self.log_weight
        return torch.log_softmax(scaled, 1)

    def documents_at(
        self, owner: Int64[Tensor, " N"], column: Int64[Tensor, " N"]
    ) -> Int64[Tensor, " N"]:
        """Document ids of (query, column) pairs."""
        if self.documents.ndim == 2:
            return self.documents[owner, column]
        if self.own is None:
            return self.documents[column]
        shared = len(self.documents)
        drawn = self.documents[column.clamp(max=shared - 1)]
        own = self.own[owner, (column - shared).clamp(min=0)]
        return torch.where(column < shared, drawn, own)


class Split(nn.Module):
    """Queries with candidates and relevant documents.

    Args:
        queries: Ids of the queries, as a scorer knows them.
        documents: Number of documents.
        positives: Columns of the relevant documents of each query.
        candidates: Candidates of each query; None takes all documents.
        seen: Columns left out of the ranking of each query: the documents it was trained on.
        gains: Relevance of each positive, in the order of `positives`; None is 1 each.
    """

    queries: Tensor
    gains: Tensor | None

    def __init__(
        self,
        queries: Int64[Tensor, " Q"],
        documents: int,
        positives: Ragged,
        candidates: Ragged | None = None,
        seen: Ragged | None = None,
        gains: Float[Tensor, " N"] | None = None,
    ):
        super().__init__()
        self.register_buffer("queries", queries, persistent=False)
        self.register_buffer("gains", gains, persistent=False)
        self.documents, self.positives = documents, positives
        self.candidates, self.seen = candidates, seen

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def width(self) -> int:
        """Columns of the widest query."""
        return self.documents if self.candidates is None else self.candidates.longest

    def batch(self, rows: Int64[Tensor, " B"]) -> QueryBatch:
        """Queries by row. As many rows as there are queries means all, in the table's order.

        Waits for the device where that is not all of them; see `Ragged.take`.
        """
        if len(rows) == len(self):
            rows = torch.arange(len(self), device=self.queries.device)
            owner, column = self.positives.owner, self.positives.values
        else:
            owner, column = self.positives.take(rows)
        counts = self.positives.counts[rows]
        if self.candidates is None:
            documents = torch.arange(self.documents, device=rows.device)
            return QueryBatch(self.queries[rows], documents, None, owner, column, counts)
        own, mask = self.candidates.padded(rows)
        return QueryBatch(self.queries[rows], own, mask, owner, column, counts)

    def pool(self, rows: Int64[Tensor, " B"], size: int, positives: int) -> QueryBatch:
        """Queries by row, each with drawn candidates: a shared pool and positives of the query.

        The pool is uniform over all documents and stands for them, documents / size each; a drawn
        positive stands for itself, so that the normaliser is too large by `positives` documents of
        all. Memory is B (size + positives), whatever the number of documents. Nothing waits for the
        device.
        """
        pool = torch.randint(self.documents, (size,), device=rows.device)
        own = self.positives.draw(rows, positives)
        weight = torch.zeros(size + positives, device=rows.device)
        weight[:size] = math.log(self.documents / size)
        owner = torch.arange(len(rows), device=rows.device).repeat_interleave(positives)
        column = size + torch.arange(positives, device=rows.device).repeat(len(rows))
        taken = torch.full_like(rows, positives)
        return QueryBatch(self.queries[rows], pool, None, owner, column, taken, own, weight)

    def ranked_mask(self, rows: Int64[Tensor, " B"]) -> Bool[Tensor, "B K"]:
        """Which columns are ranked: candidates that were not trained on."""
        if self.candidates is None:
            mask = torch.ones(len(rows), self.documents, dtype=torch.bool, device=rows.device)
        else:
            mask = self.candidates.padded(rows)[1]
        return mask if self.seen is None else mask & ~self.seen.mark(rows, mask.shape[1])

    def gain(self, rows: Int64[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Relevance of each column: 0 where it is not relevant."""
        gain = torch.zeros(len(rows), self.width, device=rows.device)
        owner, column = self.positives.take(rows)
        if self.gains is None:
            gain[owner, column] = 1.0
            return gain
        first = self.positives.offsets[rows]
        counts = self.positives.counts[rows]
        within = torch.arange(len(owner), device=rows.device) - (counts.cumsum(0) - counts)[owner]
        gain[owner, column] = self.gains[first[owner] + within]
        return gain
