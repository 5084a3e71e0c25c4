"""Class probabilities and modes: are all kinds there, and are they clear."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError


def _entropies(p: Float[Tensor, "N K"]) -> tuple[Tensor, Tensor]:
    """Mean divergence of each row from the mean row, and the mean row."""
    p = p.double()
    mean = p.mean(0)
    log = torch.where(p > 0, p.clamp(min=1e-300).log(), 0.0)
    return (p * (log - mean.clamp(min=1e-300).log())).sum(1).mean(), mean


def class_score(
    probabilities: Float[Tensor, "N K"], splits: int = 1, seed: int = 0
) -> tuple[float, float]:
    """Exp E_x KL(p(y|x), p(y)), from 1 to K: the Inception score's form, of any classifier.

    Args:
        probabilities: Probabilities of classes, a row a sample.
        splits: Number of parts of the shuffled samples, whose mean and standard deviation are
            returned; small parts lower the score.
        seed: Seed of the shuffle.

    Returns:
        Mean and standard deviation over the splits.

    Raises:
        UserError: There are fewer samples than parts.

    Source: Salimans et al. 2016.
    """
    if len(probabilities) < splits:
        raise UserError(f"{len(probabilities)} samples make no {splits} parts")
    order = torch.randperm(len(probabilities), generator=torch.Generator().manual_seed(seed))
    parts = probabilities[order].tensor_split(splits)
    found = torch.stack([_entropies(part)[0].exp() for part in parts])
    return float(found.mean()), float(found.std(correction=0))


def mode_score(probabilities: Float[Tensor, "N K"], training: Float[Tensor, " K"]) -> float:
    """Exp(E_x KL(p(y|x), p(y)) - KL(p(y), p_train(y))); K is best for balanced data.

    Args:
        probabilities: Probabilities of classes, a row a sample.
        training: Share of each class in the data.

    Source: Che et al. 2017. Its other form, with p_train in both terms, is the class score.
    """
    clear, mean = _entropies(probabilities)
    log_ratio = (mean / training.double().clamp(min=1e-300)).clamp(min=1e-300).log()
    return float((clear - (mean * log_ratio).sum()).exp())


def modes_covered(
    labels: Int64[Tensor, " N"], classes: int, threshold: float = 0.0
) -> dict[str, float]:
    """How many classes occur, and how far from evenly.

    mode_kl = KL(histogram, uniform), at most log K.

    Args:
        labels: Labels that a classifier gives to samples.
        classes: Number K of classes.
        threshold: Least share of the samples that counts as captured.
    """
    share = torch.bincount(labels, minlength=classes).double() / len(labels)
    found = share[share > 0]
    return {
        "modes": float((share > threshold).sum()),
        "mode_kl": float((found * (found * classes).log()).sum()),
    }


def near_modes(
    points: Float[Tensor, "N d"], centres: Float[Tensor, "K d"], deviation: float
) -> dict[str, float]:
    """Modes captured by a sample within 3 standard deviations, and the share of such samples.

    Each sample belongs to its nearest centre. `mode_kl` is that of `modes_covered` over the near
    samples alone, log K if there is none, and `high_quality` is their share.

    Args:
        points: Samples of a mixture, (N, d).
        centres: Centres of its K modes, (K, d).
        deviation: Standard deviation of each mode.

    Source: Srivastava et al. 2017 (VEEGAN), section 5.1.
    """
    distance, nearest = torch.cdist(points, centres).min(1)
    good = distance <= 3 * deviation
    captured = modes_covered(nearest[good], len(centres)) if bool(good.any()) else None
    return {
        "modes": 0.0 if captured is None else captured["modes"],
        "mode_kl": math.log(len(centres)) if captured is None else captured["mode_kl"],
        "high_quality": float(good.float().mean()),
    }


def birthday_support(duplicates: float, batch: int) -> float:
    """Number of different samples, from how often a batch of them holds a pair of equal ones.

    P = 1 - exp(-s (s - 1) / 2m),    m = -s (s - 1) / (2 log(1 - P))

    It is exact for many equally likely samples, and otherwise too low: m is then 1 / sum p_i^2.

    Args:
        duplicates: Share P of batches with at least one pair, in (0, 1).
        batch: Samples s of a batch, at least 2.

    Raises:
        UserError: A value is out of range.

    Source: Arora & Zhang 2017.
    """
    if not 0 < duplicates < 1:
        raise UserError(f"duplicates in a share {duplicates} of batches: give one in (0, 1)")
    if batch < 2:
        raise UserError(f"a batch of {batch} samples holds no pair; give at least 2")
    return -batch * (batch - 1) / (2 * math.log1p(-duplicates))
