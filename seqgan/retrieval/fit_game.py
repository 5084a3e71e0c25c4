"""A game of one player: fit a scorer to positives. It makes starts and the baselines beside IRGAN.

softmax: maximum likelihood of positives among all candidates. bpr: a positive above a document
drawn uniformly (Rendle et al. 2009). dns: above the best of several (Zhang et al. 2013), which is
the LambdaFM start of IRGAN.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_rows
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game, Loss, Turn
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import MatrixFactorization, Scorer
from seqgan.retrieval.split import QueryBatch, Split

METHODS = ("softmax", "bpr", "dns")


FitLoss = Callable[[Scorer, QueryBatch], Tensor]


def fit_loss(method: str, *, l2: float = 0.0, drawn: int = 5, temperature: float = 1.0) -> FitLoss:
    """The loss of a method, with the L2 of what scores the documents that it compares.

    Args:
        method: Name of the method: softmax or pairwise.
        l2: Weight of the L2 term.
        drawn: Number of candidates that are drawn for each positive.
        temperature: Temperature of the softmax.
    """
    if method == "softmax":
        return functools.partial(softmax_loss, l2=l2, temperature=temperature)
    return functools.partial(pairwise_loss, l2=l2, drawn=drawn if method == "dns" else 1)


def softmax_loss(
    scorer: Scorer, batch: QueryBatch, *, l2: float = 0.0, temperature: float = 1.0
) -> Float[Tensor, ""]:
    """-log p(d+ | q) + l2 |.|^2 / 2, in the mean over positives, in nats.

    Args:
        scorer: Scorer that learns.
        batch: Queries with their candidates.
        l2: Weight of the L2 term.
        temperature: Temperature of the softmax.
    """
    log_prob = batch.log_policy(scorer, temperature)
    picked = log_prob.flatten().index_select(0, batch.owner * log_prob.shape[1] + batch.column)
    if not l2:
        return -picked.mean()
    documents = batch.documents_at(batch.owner, batch.column)
    return l2 * scorer.l2(batch.queries[batch.owner], documents) - picked.mean()


def pairwise_loss(
    scorer: Scorer, batch: QueryBatch, *, l2: float = 0.0, drawn: int = 1
) -> Float[Tensor, ""]:
    """-log sigmoid(g(d+) - g(d)) + l2 |.|^2 / 2, d the best of `drawn` unlabelled candidates.

    Candidates are drawn uniformly; one that happens to be positive is drawn again once, and left
    out of the mean if it is positive still. The L2 is of both documents.

    Args:
        scorer: Scorer that learns.
        batch: Queries with their candidates.
        l2: Weight of the L2 term.
        drawn: Number of candidates that are drawn for each positive.
    """
    queries = batch.queries[batch.owner]
    column, fine = draw_unlabelled(batch, drawn)
    if drawn > 1:
        with torch.no_grad():
            flat = batch.documents_at(batch.owner.repeat_interleave(drawn), column.flatten())
            scores = scorer.pairs(queries.repeat_interleave(drawn), flat).view_as(column)
            best = scores.masked_fill(~fine, -torch.inf).argmax(1, keepdim=True)
        column, fine = column.gather(1, best), fine.gather(1, best)
    positive = batch.documents_at(batch.owner, batch.column)
    negative = batch.documents_at(batch.owner, column[:, 0])
    margin = scorer.pairs(queries, positive) - scorer.pairs(queries, negative)
    loss = (F.softplus(-margin) * fine[:, 0]).sum() / fine.sum().clamp(min=1)
    if l2:
        loss = loss + l2 * (scorer.l2(queries, positive) + scorer.l2(queries, negative)) / 2
    return loss


@torch.no_grad()
def draw_unlabelled(batch: QueryBatch, count: int) -> tuple[Int64[Tensor, "N count"], Tensor]:
    """`count` candidates for each positive, uniform, and which of them are unlabelled indeed.

    Of a drawn pool, the shared documents are the candidates, and a positive among them goes
    unnoticed.

    Args:
        batch: Queries with their candidates.
        count: Number of candidates of each positive.
    """
    rows = len(batch.queries)
    if batch.mask is None:
        sizes = torch.full((rows,), batch.documents.shape[-1], device=batch.owner.device)
    else:
        sizes = batch.mask.sum(1)
    width = batch.documents.shape[-1] + (0 if batch.own is None else batch.own.shape[1])
    key = (batch.owner * width + batch.column).sort().values
    size = sizes[batch.owner][:, None].expand(-1, count)

    def one() -> tuple[Tensor, Tensor]:
        share = torch.rand(size.shape, device=size.device, dtype=torch.float64)
        column = (share * size).long().minimum(size - 1)
        wanted = batch.owner[:, None] * width + column
        place = torch.searchsorted(key, wanted).clamp(max=len(key) - 1)
        return column, key[place] != wanted

    column, fine = one()
    again, fine_again = one()
    return torch.where(fine, column, again), fine | fine_again


class RankingGame(Game):
    """Fit a scorer by softmax likelihood, bpr or dns; the data stream yields rows of `split`.

    Args:
        G: Scorer that learns.
        split: Queries, candidates and positives.
        method: Method: softmax, bpr or dns.
        l2: Weight of half the squared norm of what scores the documents compared.
        drawn: Number of candidates that dns takes the best of.
        temperature: Temperature of the softmax.
        pool: Candidates drawn for a batch; None takes all candidates.

    Raises:
        UserError: The method is unknown, or a number is out of range.
    """

    @python_call()
    def __init__(
        self,
        G: Scorer,
        split: Split,
        *,
        method: str = "softmax",
        l2: float = 0.0,
        drawn: int = 5,
        temperature: float = 1.0,
        pool: int | None = None,
    ):
        super().__init__()
        if method not in METHODS:
            raise UserError(f"method = {method!r}: choose one of {', '.join(METHODS)}")
        check_within(0, l2=l2)
        check_within(1, drawn=drawn, pool=1 if pool is None else pool)
        if not temperature > 0:
            raise UserError(f"temperature = {temperature}: give a number above 0")
        self.G, self.split, self.pool = G, split, pool
        self.fit_loss = fit_loss(method, l2=l2, drawn=drawn, temperature=temperature)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.move)]

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One batch of queries with all their positives, or some of them over a pool.

        Raises:
            UserError: The data give no numbers of rows.
        """
        self.G.train()
        rows = next(batches)
        check_rows(rows)
        batch = self.split.batch(rows) if self.pool is None else self.split.pool(rows, self.pool, 2)
        yield Loss(self.fit_loss(self.G, batch))


def tiny() -> tuple[RankingGame, Tensor]:
    """A game of seconds and data for it, for tests."""
    positives = Ragged(torch.tensor([0, 2, 4, 5]), torch.tensor([0, 1, 1, 2, 4]))
    split = Split(torch.arange(3), 6, positives)
    return RankingGame(MatrixFactorization(3, 6, 2, 0.5), split, l2=0.01), torch.arange(3)
