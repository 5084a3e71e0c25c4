"""Likelihoods in nats a token, and the Jensen-Shannon divergence between two known densities."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from seqgan.policies import SequencePolicy

ROWS = 1000
"""Sequences scored at a time; bounds memory, changes nothing."""


@torch.no_grad()
def sequence_log_prob(
    policy: SequencePolicy, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
) -> Float[Tensor, " B"]:
    """log pi(y) of whole sequences, the end counted."""
    parts = [policy.log_prob(part, temperature).sum(1) for part in tokens.split(ROWS)]
    return torch.cat(parts)


@torch.no_grad()
def nll(
    policy: SequencePolicy,
    tokens: Int64[Tensor, "B T"],
    temperature: float = 1.0,
    *,
    unknown: int | None = None,
) -> float:
    """Negative log-likelihood in nats a token; ends count, padding does not.

    Called NLL_test (NLL_gen in RelGAN) on held-out real text, NLL_oracle when `policy` is the
    oracle and the tokens are samples.

    Args:
        policy: the density.
        tokens: what is scored.
        temperature: of the density.
        unknown: an id that is read but not scored: a word outside the vocabulary was never seen in
            training, and what a model gives it says nothing.
    """
    total, count = 0.0, 0
    for part in tokens.split(ROWS):
        counted = policy.mask(part)
        if unknown is not None:
            counted = counted & (part != unknown)
        total -= float((policy.log_prob(part, temperature) * counted).double().sum())
        count += int(counted.sum())
    return total / count


@torch.no_grad()
def jsd(
    oracle: SequencePolicy,
    policy: SequencePolicy,
    real: Int64[Tensor, "B T"],
    fake: Int64[Tensor, "C T"],
    temperature: float = 1.0,
) -> float:
    """Jensen-Shannon divergence of whole sequences, in nats, at most log 2.

    JSD = 1/2 E_p log(2p / (p+q)) + 1/2 E_q log(2q / (p+q)),  exact in expectation since both
    densities are known; no temperature games it.

    Args:
        oracle: p.
        policy: q, at `temperature`.
        real: samples of p.
        fake: samples of q.
    """

    def log_ratio(tokens: Tensor) -> Tensor:
        log_p = sequence_log_prob(oracle, tokens).double()
        return log_p - sequence_log_prob(policy, tokens, temperature).double()

    under_p = F.softplus(-log_ratio(real)).mean()
    under_q = F.softplus(log_ratio(fake)).mean()
    return float(math.log(2) - 0.5 * (under_p + under_q))
