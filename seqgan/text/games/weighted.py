"""The weighted-likelihood game: a discriminator weighs the sequences that the policy learns from.

    L_G = -sum_i w(D(y_i)) log G(y_i)

There is no policy gradient: the sequences, samples of the policy and if wanted real ones, are
learned by maximum likelihood. The weights carry no gradient.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.game import Batch, Loss
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.discriminators import CNNDiscriminator, SequenceDiscriminator
from seqgan.text.games.sampled import SampledGame


def weighted_likelihood(
    log_prob: Float[Tensor, " B time"],
    weight: Float[Tensor, " B #time"],
    mask: Bool[Tensor, " B time"],
    *,
    normalise: bool = True,
) -> Loss:
    """Negative log-likelihood under weights, in nats per token.

    -sum w log G / sum w, or over the number of tokens if the weights have a mean of 1 already

    Args:
        log_prob: Log-probabilities, (B, T).
        weight: Weight of each token, (B, T), or of each sequence, (B, 1); without a gradient.
        mask: True = counts, (B, T).
        normalise: Whether to divide by the sum of the weights.
    """
    each = weight * mask
    total = each.sum().clamp(min=torch.finfo(each.dtype).tiny) if normalise else mask.sum()
    row = each.sum(1)
    effective = row.sum().square() / row.square().sum().clamp(min=torch.finfo(row.dtype).tiny)
    logs = {"effective_samples": effective, "weight": each.sum() / mask.sum()}
    return Loss(-(each * log_prob).sum() / total, logs)


class WeightedGame(SampledGame):
    """Players "G" (a policy of sequences), "mle" (G with a separate optimizer) and "D".

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        weight: Function from the logits of sequences to their weights.
        mixed: Whether half the weight is on real sequences, and weights are used as they are;
            otherwise the policy learns from its samples alone, and weights are normalised.
        options: Further arguments of `SampledGame`.
    """

    def __init__(
        self,
        G: SequencePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        weight: Callable[[Tensor], Tensor],
        mixed: bool,
        **options: Any,
    ):
        super().__init__(G, D, length, **options)
        self.weight, self.mixed = weight, mixed

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take a step of weighted likelihood on samples, and on real sequences if mixed."""
        self.G.eval()
        tokens = self.G.sample(parallel.portion(self.samples, "samples"), self.length)
        share = torch.ones(len(tokens), device=tokens.device)
        if self.mixed:
            real = next(batches)
            tokens = torch.cat([real, tokens])
            halves = [share.new_full((n,), len(tokens) / (2 * n)) for n in (len(real), len(share))]
            share = torch.cat(halves)
        tokens = self.G.trim(tokens)
        with torch.no_grad():
            weight = self.weight(self.D.scorer()(tokens))[:, None]
        weight = share[:, None] * self.told(weight, torch.ones_like(weight, dtype=torch.bool))
        self.G.train()
        log_prob, mask = self.G.log_prob(tokens), self.G.mask(tokens)
        yield weighted_likelihood(log_prob, weight, mask, normalise=not self.mixed)


def tiny() -> tuple[WeightedGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    G = LSTMPolicy(12, 8, 8, start=1, end=2, pad=0)
    D = CNNDiscriminator(12, 8, ((1, 4), (2, 4)), end=2)
    sizes = {"samples": 4, "d_steps": 1, "d_epochs": 1, "negatives": 8}
    return WeightedGame(G, D, 6, weight=torch.sigmoid, mixed=True, **sizes), data
