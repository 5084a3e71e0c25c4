"""MAUVE, by its authors' package, on the vectors of any encoder."""

import warnings

from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError


@python_call()
def mauve(human: Float[Tensor, "N D"], machine: Float[Tensor, "M D"], *, seed: int = 25) -> float:
    """MAUVE of two sets of sentence vectors, from 0 to 1; high = alike.

    The area under the curve of both Kullback-Leibler divergences to mixtures, after quantizing the
    vectors by k-means. It depends on the encoder and on the number of vectors (its authors advise
    5,000 per side): report them, together with the value of real text against real text.

    Args:
        human: Vectors of real sentences, (N, D).
        machine: Vectors of samples, (M, D).
        seed: Seed of the clustering.

    Raises:
        UserError: The package mauve-text is not installed, or a set has fewer than 20 vectors.

    Source: Pillutla et al. 2021.
    """
    if min(len(human), len(machine)) < 20:
        raise UserError(f"MAUVE needs 20 sentences a side: got {len(human)} and {len(machine)}")
    try:
        with warnings.catch_warnings():  # warnings of the libraries it imports
            warnings.simplefilter("ignore")
            from mauve import compute_mauve
    except ImportError as error:
        raise UserError("MAUVE needs its package; pip install mauve-text") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = compute_mauve(
            p_features=human.numpy(), q_features=machine.numpy(), seed=seed, verbose=False
        )
    return float(result.mauve)
