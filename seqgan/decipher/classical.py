"""Decipherment without a network: the order of frequencies, and EM on pairs of letters."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

SMOOTHING = 0.1
"""Count that is added to every pair of letters of the plain text."""


class Bigrams(NamedTuple):
    """A model of plain text: the first letter, and the letter after a letter.

    Args:
        first: Probability of the first letter.
        after: Probability of a letter (columns) after another one (rows).
    """

    first: Float[Tensor, " V"]
    after: Float[Tensor, "V V"]


def count_bigrams(text: Int64[Tensor, "N T"], size: int) -> Bigrams:
    """Smoothed shares of letters and of pairs of letters.

    Args:
        text: Windows of plain text.
        size: Number V of letters.
    """
    pairs = text[:, :-1] * size + text[:, 1:]
    counts = torch.bincount(pairs.flatten(), minlength=size * size).view(size, size).double()
    singles = torch.bincount(text.flatten(), minlength=size).double() + SMOOTHING
    counts += SMOOTHING
    return Bigrams(singles / singles.sum(), counts / counts.sum(1, keepdim=True))


def by_frequency(
    cipher: Int64[Tensor, "N T"], plain: Int64[Tensor, "M S"], size: int, period: int
) -> Int64[Tensor, "P V"]:
    """Plain letter of each cipher letter: the one of the same rank, at each place of the key.

    Args:
        cipher: Windows of cipher text.
        plain: Windows of other plain text.
        size: Number V of letters.
        period: Number P of tables that take turns.
    """
    wanted = torch.bincount(plain.flatten(), minlength=size).argsort(descending=True, stable=True)
    tables = torch.empty(period, size, dtype=torch.long)
    for p in range(period):
        own = torch.bincount(cipher[:, p::period].flatten(), minlength=size)
        tables[p, own.argsort(descending=True, stable=True)] = wanted
    return tables


class Emissions(NamedTuple):
    """What EM found.

    Args:
        tables: Probability of each cipher letter (last) given a plain one, at each place.
        log_likelihood: Mean log-probability of a cipher letter.
    """

    tables: Float[Tensor, "P V V"]
    log_likelihood: float


def expectation(
    cipher: Int64[Tensor, "N T"], model: Bigrams, tables: Float[Tensor, "P V V"]
) -> tuple[Float[Tensor, "N T V"], float]:
    """Posterior of each plain letter, and the mean log-probability of a cipher letter.

    The forward and backward passes of a hidden Markov model whose transitions are fixed.

    Args:
        cipher: Windows of cipher text.
        model: Model of plain text.
        tables: Emission probabilities.

    Source: Knight, Nair, Rathod & Yamada 2006, section 3.
    """
    count, length = cipher.shape
    place = torch.arange(length) % len(tables)
    seen = tables[place, :, cipher]  # (N, T, V): chance of what is seen, by plain letter
    forward, scales = [], []
    state = model.first.expand(count, -1)
    for t in range(length):
        state = (state if t == 0 else state @ model.after) * seen[:, t]
        scale = state.sum(1, keepdim=True)
        state = state / scale
        forward.append(state)
        scales.append(scale)
    state, backward = torch.ones_like(state), [torch.ones_like(state)]
    for t in range(length - 1, 0, -1):
        state = (state * seen[:, t]) @ model.after.T / scales[t]
        backward.append(state)
    posterior = torch.stack(forward, 1) * torch.stack(backward[::-1], 1)
    return posterior, float(torch.cat(scales, 1).log().mean())


def maximisation(
    cipher: Int64[Tensor, "N T"], posterior: Float[Tensor, "N T V"], period: int
) -> Float[Tensor, "P V V"]:
    """Emission probabilities that the posterior makes likeliest.

    Args:
        cipher: Windows of cipher text.
        posterior: Posterior of each plain letter.
        period: Number P of tables that take turns.
    """
    size = posterior.shape[2]
    place = (torch.arange(cipher.shape[1]) % period).expand_as(cipher)
    sums = posterior.new_zeros(period * size, size)
    sums.index_add_(0, (place * size + cipher).flatten(), posterior.flatten(0, 1))
    counts = sums.view(period, size, size).transpose(1, 2) + 1e-6
    return counts / counts.sum(2, keepdim=True)


def em(
    cipher: Int64[Tensor, "N T"],
    model: Bigrams,
    period: int,
    *,
    restarts: int,
    iterations: int,
    seed: int,
) -> Emissions:
    """Emission tables by EM from several starts; the likeliest counts.

    Args:
        cipher: Windows of cipher text.
        model: Model of plain text.
        period: Number P of tables that take turns.
        restarts: Number of starts, each near to even tables.
        iterations: Steps from each start.
        seed: Seed of the starts.
    """
    size, draw = len(model.first), torch.Generator().manual_seed(seed)
    best: Emissions | None = None
    for _ in range(restarts):
        tables = 1 + 0.1 * torch.rand(period, size, size, generator=draw, dtype=torch.float64)
        tables = tables / tables.sum(2, keepdim=True)
        for _ in range(iterations):
            posterior, _ = expectation(cipher, model, tables)
            tables = maximisation(cipher, posterior, period)
        _, likelihood = expectation(cipher, model, tables)
        if best is None or likelihood > best.log_likelihood:
            best = Emissions(tables, likelihood)
    assert best is not None
    return best


def em_decipher(
    cipher: Int64[Tensor, "N T"], model: Bigrams, found: Emissions
) -> Int64[Tensor, "N T"]:
    """The likeliest plain letter at each place.

    Args:
        cipher: Windows of cipher text.
        model: Model of plain text.
        found: What EM found.
    """
    return expectation(cipher, model, found.tables)[0].argmax(2)
