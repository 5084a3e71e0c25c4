"""Likelihoods in nats per token, and the Jensen-Shannon divergence of two known densities."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from seqgan.data.encode import check_vocabulary
from seqgan.lm.draws import check_draw
from seqgan.lm.policies import SequencePolicy
from seqgan.metrics.bootstrap import Figure, bootstrap_band

ROWS = 1000
"""Number of sequences scored at a time; bounds memory and does not change the result."""


@torch.no_grad()
def sequence_log_prob(
    policy: SequencePolicy, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
) -> Float[Tensor, " B"]:
    """Log probability log pi(y) of whole sequences, end token included.

    Args:
        policy: Density to evaluate.
        tokens: Token ids, (B, T).
        temperature: Temperature of the density.
    """
    parts = [policy.log_prob(part, temperature).sum(1) for part in tokens.split(ROWS)]
    return torch.cat(parts)


class SentenceNLL(NamedTuple):
    """Likelihoods of sentences, from which means and bootstrap intervals are computed.

    Args:
        nats: Negative log-likelihood -log pi(y) of the scored tokens, (sentences,).
        tokens: Number of scored tokens, (sentences,).
    """

    nats: Float64[np.ndarray, " sentences"]
    tokens: Float64[np.ndarray, " sentences"]

    def mean(self) -> float:
        """Mean in nats per token."""
        return float(self.nats.sum() / self.tokens.sum())

    def figure(self) -> Figure:
        """Mean in nats per token, with its bootstrap interval over sentences."""
        return Figure(self.mean(), bootstrap_band(self.nats, self.tokens))


@torch.no_grad()
def sentence_nll(
    policy: SequencePolicy,
    tokens: Int64[Tensor, "B T"],
    temperature: float = 1.0,
    *,
    unknown: int | None = None,
) -> SentenceNLL:
    """Nats and scored tokens of each sentence, from which `nll` is the mean.

    Args:
        policy: Density to evaluate.
        tokens: Sequences to score, (B, T).
        temperature: Temperature of the density.
        unknown: Token id that is read but not scored, see `nll`.
    """
    nats, counts = [], []
    for part in tokens.split(ROWS):
        counted = policy.mask(part)
        if unknown is not None:
            counted = counted & (part != unknown)
        nats.append(-(policy.log_prob(part, temperature) * counted).double().sum(1))
        counts.append(counted.sum(1).double())
    return SentenceNLL(torch.cat(nats).cpu().numpy(), torch.cat(counts).cpu().numpy())


@python_call()
def nll(
    policy: SequencePolicy,
    tokens: Int64[Tensor, "B T"],
    temperature: float = 1.0,
    *,
    unknown: int | None = None,
) -> float:
    """Negative log-likelihood in nats per token; end tokens count, padding does not.

    Called NLL_test (NLL_gen in RelGAN) on held-out real text, NLL_oracle if `policy` is the oracle
    and the tokens are samples.

    Args:
        policy: Density to evaluate.
        tokens: Sequences to score, (B, T).
        temperature: Temperature of the density.
        unknown: Token id that is read but not scored: a word outside the vocabulary never occurred
            in training, so its probability is meaningless.

    Raises:
        UserError: There are no sequences, an id is outside the vocabulary, or the temperature is
            not above 0.
    """
    _check_sequences(policy, tokens, "tokens")
    check_draw(temperature, 1.0)
    return sentence_nll(policy, tokens, temperature, unknown=unknown).mean()


@python_call()
@torch.no_grad()
def jsd(
    oracle: SequencePolicy,
    policy: SequencePolicy,
    real: Int64[Tensor, "B T"],
    fake: Int64[Tensor, "C T"],
    temperature: float = 1.0,
) -> float:
    """Jensen-Shannon divergence of whole sequences, in nats, at most log 2.

    JSD = 1/2 E_p log(2p / (p+q)) + 1/2 E_q log(2q / (p+q))

    Exact in expectation, since both densities are known; no temperature makes it misleadingly
    low.

    Args:
        oracle: Density p.
        policy: Density q, at `temperature`.
        real: Samples of p, (B, T).
        fake: Samples of q, (C, T).
        temperature: Sampling temperature of q.

    Raises:
        UserError: There are no samples of one side, an id is outside the vocabulary, or the
            temperature is not above 0.
    """
    _check_sequences(oracle, real, "real")
    _check_sequences(oracle, fake, "fake")
    check_draw(temperature, 1.0)

    def log_ratio(tokens: Tensor) -> Tensor:
        log_p = sequence_log_prob(oracle, tokens).double()
        return log_p - sequence_log_prob(policy, tokens, temperature).double()

    under_p = F.softplus(-log_ratio(real)).mean()
    under_q = F.softplus(log_ratio(fake)).mean()
    return float(math.log(2) - 0.5 * (under_p + under_q))


def _check_sequences(policy: SequencePolicy, tokens: Tensor, name: str) -> None:
    if not len(tokens):
        raise UserError(f"{name} holds no sequence; give at least one")
    check_vocabulary(tokens, policy.vocab, name)
