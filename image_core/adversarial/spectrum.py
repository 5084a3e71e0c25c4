"""Eigenvalues of a matrix that is known by its products with vectors."""

from collections.abc import Callable

import torch
from jaxtyping import Complex, Float
from torch import Tensor

Product = Callable[[Float[Tensor, " n"]], Float[Tensor, " n"]]


def ritz_values(
    product: Product, start: Float[Tensor, " n"], steps: int
) -> Complex[Tensor, " found"]:
    """Eigenvalues of a matrix on the space of its powers, by Arnoldi's iteration.

    A V_k = V_k H_k + h v e_k^T,    V_k a basis of span(v, A v, ..., A^{k-1} v);    eig(H_k)

    The outermost eigenvalues come first. With as many steps as the matrix has distinct eigenvalues
    all of them are exact, unless the start lacks one of their vectors.

    Args:
        product: The matrix A, not necessarily symmetric, times a vector.
        start: Vector v of any length above 0.
        steps: Greatest number k of products.

    Source: Arnoldi 1951; Saad 2011, section 6.2.
    """
    steps = min(steps, len(start))
    small = torch.zeros(steps + 1, steps, dtype=torch.float64)
    basis = torch.zeros(steps, len(start), dtype=start.dtype, device=start.device)
    found, vector = 0, start
    while found < steps:
        basis[found] = vector / torch.linalg.vector_norm(vector)
        vector = product(basis[found])
        length = torch.linalg.vector_norm(vector)
        for _ in range(2):  # the second time takes what rounding has left
            along = basis[: found + 1] @ vector
            vector = vector - along @ basis[: found + 1]
            small[: found + 1, found] += along.double().cpu()
        rest = torch.linalg.vector_norm(vector)
        small[found + 1, found] = rest.double()
        found += 1
        if rest <= 100 * torch.finfo(start.dtype).eps * length:
            break
    return torch.linalg.eigvals(small[:found, :found])
