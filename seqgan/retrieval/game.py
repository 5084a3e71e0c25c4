"""The retrieval game: a softmax over candidate documents against a judge of (query, document).

IRGAN (Wang et al. 2017) is this game, in a pointwise and a pairwise form. The generator chooses
documents, so its samples are discrete and its gradient is a score function, or, since the
candidates can be listed, the exact expectation. Symbols: q query, d document, g scores of G, f
logits of D, T temperature, p = softmax(g / T).
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial import estimators, losses, parallel
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_rows
from image_core.adversarial.discrimination import accuracy, auc
from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import Estimator
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.sharding import copy_weights
from seqgan.retrieval.fit_game import fit_loss
from seqgan.retrieval.metrics import CELLS
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import MatrixFactorization, Scorer
from seqgan.retrieval.split import QueryBatch, Split

Reward = Callable[[Tensor], Tensor]
"""Logits -> rewards of the same shape."""

EXACT_CELLS = 1 << 22
"""(positive, candidate) margins held at a time by the exact pairwise reward."""


def centred_sigmoid(logit: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """2 sigmoid(f) - 1, in (-1, 1): the reward of the released code.

    Args:
        logit: Output f of the discriminator, of any shape.
    """
    return 2 * torch.sigmoid(logit) - 1


class RetrievalGame(Game):
    """Players "G" (a softmax of scores), "start" (G with a separate optimizer) and "D".

    The data stream yields rows (B,) of `split`; as many as there are queries means all of them.

    Args:
        G: Network whose scores are the generator's.
        D: Network whose scores are the discriminator's logits.
        split: Queries, candidates and positives to learn from.
        loss: Loss of the discriminator on (positive, generated) pairs.
        reward: Reward of a document from its logit; from its margin over a positive if `pairwise`.
        pairwise: Whether D is read by differences f(d) - f(d+), and G rewarded by them.
        exact: Whether the expectation over the candidates is computed instead of sampled.
        temperature: Temperature T of the generator in its own update.
        negative_temperature: Temperature T of the generator as it draws for the discriminator.
        mixture: Share lambda; G draws from (1 - lambda) p + lambda uniform(positives).
        samples: Documents per positive that G draws.
        estimator: Estimator of the score function's gradient; it is given rewards times the share
            that each has of their mean.
        baseline: Whether the mean reward of the query's other samples is subtracted.
        kl_coef: Weight of KL(p || p at the start), which keeps G near it.
        unlabelled_only: Whether positives are never drawn as the discriminator's negatives.
        d_l2: Weight of the discriminator's L2, half the squared norm of what scores each document.
        reduction: Mean over pairs (queries, for G), or their sum, as in the released code.
        g_steps: Optimizer steps of the generator in a round.
        d_steps: Optimizer steps of the discriminator in a round, a multiple of `d_epochs`.
        d_epochs: Steps of the discriminator on the same negatives before new ones are drawn.
        pool: Candidates drawn for a batch; None takes all candidates.

    Raises:
        UserError: Options contradict each other.
    """

    @python_call()
    def __init__(
        self,
        G: Scorer,
        D: Scorer,
        split: Split,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        reward: Reward = centred_sigmoid,
        pairwise: bool = False,
        exact: bool = False,
        temperature: float = 1.0,
        negative_temperature: float = 0.2,
        mixture: float = 0.2,
        samples: int = 2,
        estimator: Estimator | None = None,
        baseline: bool = False,
        kl_coef: float = 0.0,
        unlabelled_only: bool = False,
        d_l2: float = 0.0,
        reduction: str = "mean",
        g_steps: int = 1,
        d_steps: int = 1,
        d_epochs: int = 1,
        pool: int | None = None,
    ):
        super().__init__()
        check_within(1, samples=samples, d_epochs=d_epochs, pool=1 if pool is None else pool)
        check_within(0, kl_coef=kl_coef, d_l2=d_l2, g_steps=g_steps, d_steps=d_steps)
        if not 0 <= mixture < 1:
            raise UserError(f"mixture = {mixture}: give a number in [0, 1), 0 for G alone")
        if min(temperature, negative_temperature) <= 0:
            raise UserError("temperatures of the generator must be above 0")
        if reduction not in estimators.REDUCTIONS:
            raise UserError(f"reduction = {reduction!r}: choose mean or sum")
        if pool is not None and split.candidates is not None:
            raise UserError("a pool is drawn from all documents, but queries have candidates")
        if baseline and samples < 2:
            raise UserError("a leave-one-out baseline compares samples: samples must be 2")
        if d_steps % d_epochs:
            raise UserError(f"d_steps = {d_steps} must be a multiple of d_epochs = {d_epochs}")
        self.G, self.D, self.split = G, D, split
        self.start = copy.deepcopy(G).eval().requires_grad_(False)
        """The generator that adversarial training began with: the ablation of every result."""
        self.selected = copy.deepcopy(self.start)
        """The best generator so far, for recipes that select by a validation set."""
        self.loss, self.reward, self.pairwise, self.exact = loss, reward, pairwise, exact
        self.temperature, self.negative_temperature = temperature, negative_temperature
        self.mixture, self.samples, self.kl_coef, self.d_l2 = mixture, samples, kl_coef, d_l2
        self.estimator = estimator or estimators.reinforce(reduction="sum")
        self.baseline, self.unlabelled_only = baseline, unlabelled_only
        self.reduction, self.pool = reduction, pool
        self.g_steps, self.d_steps, self.d_epochs = g_steps, d_steps, d_epochs

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        generator = list(self.G.parameters())
        return {"G": generator, "start": generator, "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("D", self.discriminator_move, repeat=self.d_steps // self.d_epochs),
            Turn("G", self.generator_move, repeat=self.g_steps),
        ]

    def keep_start(self) -> None:
        """Remember the generator as it is now as the start."""
        copy_weights(self.G, self.start)

    def batch(self, rows: Int64[Tensor, " B"]) -> QueryBatch:
        """The queries of a batch of data, with all candidates or a pool of them.

        Args:
            rows: Numbers of queries, (B,).

        Raises:
            UserError: The rows are no int64 of shape (B,).
        """
        check_rows(rows)
        if self.pool is None:
            return self.split.batch(rows)
        return self.split.pool(rows, self.pool, self.samples)

    # -- the discriminator -----------------------------------------------------------------------

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Positives against documents the generator draws, one each, redrawn every move."""
        self.D.train()
        batch = self.batch(next(batches))
        negative = self._negatives(batch)
        queries = batch.queries[batch.owner]
        real = batch.documents_at(batch.owner, batch.column)
        fake = batch.documents_at(batch.owner, negative)
        for _ in range(self.d_epochs):
            d_real, d_fake = self.D.pairs(queries, real), self.D.pairs(queries, fake)
            total = self.loss.d(d_real, d_fake)
            if self.d_l2:
                total = total + self.d_l2 * (self.D.l2(queries, real) + self.D.l2(queries, fake))
            if self.reduction == "sum":
                total = total * _summed(len(queries))
            accuracy = ((d_real > 0).float().mean() + (d_fake < 0).float().mean()) / 2
            yield Loss(
                total, {"d_real": d_real.mean(), "d_fake": d_fake.mean(), "accuracy": accuracy}
            )

    @torch.no_grad()
    def _negatives(self, batch: QueryBatch) -> Int64[Tensor, " N"]:
        self.G.eval()
        probs = batch.log_policy(self.G, self.negative_temperature).exp()
        if self.unlabelled_only:
            left = probs.clone()
            left[batch.owner, batch.column] = 0
            # A query whose every candidate is positive has nothing else to draw
            probs = torch.where(left.sum(1, keepdim=True) > 0, left, probs)
        return draw(probs, batch.owner)

    @torch.no_grad()
    def discriminate(self, split: Split) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
        """Logits of all positives of a split, and of as many documents that G draws for them.

        Documents that the query was trained on are not drawn: D knows them as positives.

        Args:
            split: Queries whose positives D has not seen.
        """
        self.G.eval()
        self.D.eval()
        real, fake = [], []
        rows = torch.nonzero(split.positives.counts > 0)[:, 0]
        for part in rows.split(max(1, CELLS // max(1, split.width))):
            batch = split.batch(part)
            scores = batch.scores(self.G) / self.negative_temperature
            probs = scores.masked_fill(~split.ranked_mask(part), -torch.inf).softmax(1)
            queries = batch.queries[batch.owner]
            drawn = batch.documents_at(batch.owner, draw(probs, batch.owner))
            real.append(self.D.pairs(queries, batch.documents_at(batch.owner, batch.column)))
            fake.append(self.D.pairs(queries, drawn))
        return torch.cat(real), torch.cat(fake)

    def discrimination(self, split: Split, seed: int) -> dict[str, float]:
        """AUC and accuracy of D on the positives of a split against new draws of G.

        Pairwise, both are how often a positive stands above the document drawn for it, a tie being
        half: the margin is all that D is trained for.

        Args:
            split: Queries whose positives D has not seen.
            seed: Seed of the draws, which leave the training's random numbers alone.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            real, fake = self.discriminate(split)
        if self.pairwise:
            above = float(((real > fake).double() + (real == fake).double() / 2).mean())
            return {"d_auc": above, "d_accuracy": above}
        return {"d_auc": float(auc(real, fake)), "d_accuracy": float(accuracy(real, fake))}

    # -- the generator ---------------------------------------------------------------------------

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One step up the expected reward, by samples or exactly."""
        self.G.train()
        self.D.eval()
        batch = self.batch(next(batches))
        log_prob = batch.log_policy(self.G, self.temperature)
        loss, logs = (self._exact if self.exact else self._sampled)(batch, log_prob)
        if self.kl_coef:
            logs["kl"] = self._from_start(batch, log_prob)
            loss = loss + self.kl_coef * logs["kl"]
        scale = _summed(len(batch.queries)) if self.reduction == "sum" else 1
        yield Loss(loss * scale, logs)

    def _exact(
        self, batch: QueryBatch, log_prob: Float[Tensor, "B K"]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """-E_p[r] over all candidates, in the mean over queries."""
        with torch.no_grad():
            reward = self._rewards(batch)
        expected = (log_prob.exp() * reward).sum(1).mean()
        return -expected, {"reward": expected}

    def _rewards(self, batch: QueryBatch) -> Float[Tensor, "B K"]:
        """What each candidate earns; if pairwise, in the mean over the query's positives."""
        logits = batch.scores(self.D)
        if not self.pairwise:
            return self.reward(logits).nan_to_num(0.0)
        total = torch.zeros_like(logits)
        for start in range(0, len(batch.owner), max(1, EXACT_CELLS // logits.shape[1])):
            part = slice(start, start + max(1, EXACT_CELLS // logits.shape[1]))
            owner, column = batch.owner[part], batch.column[part]
            margin = logits[owner] - logits[owner, column][:, None]
            total.index_add_(0, owner, self.reward(margin).nan_to_num(0.0, neginf=0.0))
        return total / batch.counts.clamp(min=1)[:, None]

    def _sampled(
        self, batch: QueryBatch, log_prob: Float[Tensor, "B K"]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Score-function gradient with documents of the mixture, importance-weighted.

        grad E_p[r] = E_(p_n)[ p / p_n  r  grad log p ],  p_n = (1 - lambda) p + lambda uniform(+)
        """
        owner = batch.owner.repeat_interleave(self.samples)
        with torch.no_grad():
            proposal = mixed(log_prob.exp(), batch, self.mixture)
            column = draw(proposal, owner)
            drawn = owner * proposal.shape[1] + column
            documents = batch.documents_at(owner, column)
            logit = self.D.pairs(batch.queries[owner], documents)
            if self.pairwise:
                positive = batch.documents_at(batch.owner, batch.column)
                over = self.D.pairs(batch.queries[batch.owner], positive)
                logit = logit - over.repeat_interleave(self.samples)
            earned = self.reward(logit)
        picked = log_prob.flatten().index_select(0, drawn)
        with torch.no_grad():
            weight = picked.exp() / proposal.flatten().index_select(0, drawn)
            share = weight / (batch.counts[owner] * self.samples * len(batch.queries))
            advantage = earned - self._others(batch, owner, earned) if self.baseline else earned
        mask = torch.ones(len(owner), 1, dtype=torch.bool, device=owner.device)
        loss = self.estimator(picked[:, None], (share * advantage)[:, None], mask)
        logs = {"reward": (share * earned).sum(), "weight": weight.mean()}
        logs["ess"] = weight.sum().square() / (weight.square().sum() * len(weight)).clamp(min=1e-30)
        return loss, logs

    def _others(
        self, batch: QueryBatch, owner: Int64[Tensor, " M"], earned: Float[Tensor, " M"]
    ) -> Float[Tensor, " M"]:
        """Mean reward of the query's other samples."""
        total = earned.new_zeros(len(batch.queries)).index_add_(0, owner, earned)
        others = (batch.counts[owner] * self.samples - 1).clamp(min=1)
        return (total[owner] - earned) / others

    def _from_start(self, batch: QueryBatch, log_prob: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
        """KL(p || p_start), in the mean over queries, in nats."""
        with torch.no_grad():
            before = batch.log_policy(self.start, self.temperature)
        ratio = (log_prob - before).nan_to_num(0.0)  # no candidate: -inf on both sides
        return (log_prob.exp() * ratio).sum(1).mean()

    # -- the start -------------------------------------------------------------------------------

    def start_move(
        self, batches: Iterator[Batch], *, method: str = "softmax", l2: float = 0.0, drawn: int = 5
    ) -> Iterator[Loss]:
        """One step of the start: softmax, bpr or dns; see `fit_game`.

        Args:
            batches: Batches of rows.
            method: Method: softmax, bpr or dns.
            l2: Weight of half the squared norm of what scores the documents compared.
            drawn: Number of candidates that dns takes the best of.
        """
        self.G.train()
        batch = self.batch(next(batches))
        loss = fit_loss(method, l2=l2, drawn=drawn, temperature=self.temperature)
        yield Loss(loss(self.G, batch))


def _summed(rows: int) -> int:
    """What makes a mean over rows their sum, when the engine averages over processes."""
    return rows * parallel.world()[1]


def mixed(probs: Float[Tensor, "B K"], batch: QueryBatch, mixture: float) -> Float[Tensor, "B K"]:
    """(1 - lambda) p + lambda uniform(positives); p itself for a query without positives.

    Args:
        probs: Probability p of each candidate, (B, K).
        batch: Queries with their positives.
        mixture: Share lambda of the positives.
    """
    if not mixture:
        return probs
    has = (batch.counts > 0).to(probs.dtype)
    proposal = probs * (1 - mixture * has)[:, None]
    share = mixture / batch.counts.clamp(min=1).to(probs.dtype)
    return proposal.index_put_((batch.owner, batch.column), share[batch.owner], accumulate=True)


def draw(probs: Float[Tensor, "B K"], owner: Int64[Tensor, " N"]) -> Int64[Tensor, " N"]:
    """A column for each entry of `owner`, from that row's distribution, by inversion.

    All rows are one ascending table, row i in [i, i + 1): one search finds every draw. In float64,
    so that a million rows leave nine digits to each. No row's sum needs to be 1.

    Args:
        probs: Probability of each candidate, (B, K).
        owner: Row of each draw, (N,).
    """
    rows, width = probs.shape
    table = probs.cumsum(1, dtype=torch.float64)
    table /= table[:, -1:].clone()
    table += torch.arange(rows, device=probs.device)[:, None]
    share = torch.rand(len(owner), device=probs.device, dtype=torch.float64)
    place = torch.searchsorted(table.flatten(), owner + share, right=True)
    return (place - owner * width).clamp(0, width - 1)


def tiny() -> tuple[RetrievalGame, Tensor]:
    """A game of seconds and data for it, for tests: six queries, nine documents."""
    relevant = torch.tensor([[0, 1], [1, 2], [3, 4], [4, 5], [6, 7], [7, 8]])
    positives = Ragged(torch.arange(0, 13, 2), relevant.flatten())
    split = Split(torch.arange(6), 9, positives)
    G, D = MatrixFactorization(6, 9, 3, 0.5), MatrixFactorization(6, 9, 3, 0.5)
    return RetrievalGame(G, D, split, kl_coef=0.1, d_l2=0.01), torch.arange(6)
