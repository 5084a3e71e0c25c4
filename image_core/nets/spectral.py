"""Spectral normalisation: one power iteration a step, not a forward; exact outside training."""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize


@final
class SpectralNorm(nn.Module):
    """W / sigma(W), sigma the greatest singular value of W as a matrix (out, rest).

    In training sigma = u^T W v, with u and v kept between steps and constant for the gradient. They
    take one power iteration at the first forward after a gradient has reached the weight: all
    forwards between two optimizer steps see the same weight, and none spoils the backward pass of
    another. In evaluation sigma is exact, by singular values. sigma carries a gradient in both.

    A convolution of stride 1 may still stretch by up to sqrt(kh kw): the norm of the matrix is not
    that of the map (Miyato et al. 2018 bound the matrix, and so do we).

    Args:
        weight: The weight as it is when this is attached.
        out: Axis of the output channels, 1 for transposed convolutions.

    Source: Miyato et al. 2018, algorithm 1.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Float[Tensor, "..."], out: int = 0):
        super().__init__()
        self.out = out
        matrix = self._matrix(weight.detach())
        u = normalize(torch.randn(matrix.shape[0], dtype=matrix.dtype), dim=0).to(matrix.device)
        self.register_buffer("u", u)
        self.register_buffer("v", normalize(matrix.T @ u, dim=0))
        for _ in range(15):  # as torch's own
            self._iterate(matrix)
        self.due = False
        """Whether the weight has learned since the last iteration."""

    def forward(self, weight: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        with torch.autocast(weight.device.type, enabled=False):  # half precision misjudges sigma
            normed = weight / self._sigma(self._matrix(weight))
        if self.training and normed.requires_grad and not torch.compiler.is_compiling():
            normed.register_hook(self._learned)
        return normed

    def _sigma(self, matrix: Float[Tensor, "out rest"]) -> Float[Tensor, ""]:
        if not self.training:
            return torch.linalg.matrix_norm(matrix, 2)
        if self.due and not torch.compiler.is_compiling():
            self._iterate(matrix.detach())
            self.due = False
        # Cloned, for the next iteration works in place
        return torch.dot(self.u.clone(), matrix @ self.v.clone())

    def take(self, weight: Float[Tensor, "..."]) -> None:
        """An iteration now; none is due then.

        Args:
            weight: Weight of the layer.
        """
        self._iterate(self._matrix(weight))
        self.due = False

    def _learned(self, gradient: Tensor) -> None:
        self.due = True

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.out, 0).flatten(1)

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.v.copy_(normalize(matrix.T @ self.u, dim=0, eps=1e-12))
        self.u.copy_(normalize(matrix @ self.v, dim=0, eps=1e-12))

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "due"] = torch.tensor(self.due)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        state = dict(state_dict)
        self.due = bool(state.pop(prefix + "due", False))
        super()._load_from_state_dict(state, prefix, *rest)


def iterate(module: nn.Module) -> None:
    """Take a power iteration in every spectral norm of a module.

    For compiled forward passes, which change no state and hang up no hooks: call it after each step
    of the optimizer.

    Args:
        module: Module with spectral norms anywhere in it.
    """
    for kept in module.modules():
        if isinstance(kept, parametrize.ParametrizationList):
            for norm in kept:
                if isinstance(norm, SpectralNorm):
                    norm.take(kept.original.detach())


def spectral_norm(layer: nn.Module) -> nn.Module:
    """Attach spectral normalisation to the weight of a layer; returns the layer.

    Args:
        layer: A linear, convolutional or transposed convolutional layer, or an embedding.
    """
    weight = layer.get_parameter("weight")
    out = 1 if isinstance(layer, nn.modules.conv._ConvTransposeNd) else 0
    norm = SpectralNorm(weight, out)
    parametrize.register_parametrization(layer, "weight", norm)
    return layer
