"""What a generator of discrete samples puts out: logits of variables that are independent given z.

    g(x | z) = prod_i g_i(x_i | z)

Pixels of a binarised image, of a 16-colour image, characters of a short line. Samples are floats,
0 and 1 or one-hot, so that a discriminator reads them and relaxed ones alike.
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

__all__ = ["Bernoulli", "Categorical", "DiscreteVariables"]


class DiscreteVariables(ABC):
    """Independent variables of one kind: B latents, M samples of each, logits of shape S."""

    @abstractmethod
    def sample(
        self, logits: Float[Tensor, " B *S"], samples: int
    ) -> Float[Tensor, "B {samples} *S"]:
        """Draw M samples of each latent; no gradient."""

    @abstractmethod
    def log_prob(
        self, logits: Float[Tensor, " B *S"], x: Float[Tensor, "B M *S"]
    ) -> Float[Tensor, "B M"]:
        """log g(x_m | z) summed over variables; differentiable in the logits."""

    @abstractmethod
    def mean(self, logits: Float[Tensor, " B *S"]) -> Float[Tensor, " B *S"]:
        """E[x | z]: the probabilities; differentiable in the logits."""

    @abstractmethod
    def classes(self, logits: Float[Tensor, " B *S"]) -> Float[Tensor, "B *variables V"]:
        """The same distribution as logits of V classes a variable, which relaxations take."""

    @abstractmethod
    def merge(self, one_hot: Float[Tensor, "N *variables V"]) -> Float[Tensor, " N *S"]:
        """A sample of `classes`, one-hot or relaxed, in the form of `sample`."""


@final
class Bernoulli(DiscreteVariables):
    """Variables of 0 or 1: g_i(1 | z) = sigmoid(logit_i)."""

    @torch.no_grad()
    def sample(
        self, logits: Float[Tensor, " B *S"], samples: int
    ) -> Float[Tensor, "B {samples} *S"]:
        probability = logits.sigmoid().unsqueeze(1).expand(-1, samples, *logits.shape[1:])
        return (torch.rand_like(probability) < probability).to(logits.dtype)

    def log_prob(
        self, logits: Float[Tensor, " B *S"], x: Float[Tensor, "B M *S"]
    ) -> Float[Tensor, "B M"]:
        """sum_i x_i l_i - softplus(l_i): the normaliser once a latent, not once a sample."""
        flat = logits.flatten(1)
        scores = torch.bmm(x.flatten(2), flat[:, :, None])[:, :, 0]
        return scores - softplus(flat).sum(1, keepdim=True)

    def mean(self, logits: Float[Tensor, " B *S"]) -> Float[Tensor, " B *S"]:
        return logits.sigmoid()

    def classes(self, logits: Float[Tensor, " B *S"]) -> Float[Tensor, "B *variables V"]:
        return torch.stack([torch.zeros_like(logits), logits], dim=-1)

    def merge(self, one_hot: Float[Tensor, "N *variables V"]) -> Float[Tensor, " N *S"]:
        return one_hot[..., 1]


@final
class Categorical(DiscreteVariables):
    """Variables of V classes, the last axis, as one-hot: g_i(v | z) = softmax(logits_i)_v."""

    @torch.no_grad()
    def sample(
        self, logits: Float[Tensor, " B *S"], samples: int
    ) -> Float[Tensor, "B {samples} *S"]:
        # As many exponentials as logits, once; a draw is a comparison with the running sum.
        below = logits.softmax(-1).cumsum(-1)[..., :-1].unsqueeze(1)
        shape = (len(logits), samples, *logits.shape[1:-1], 1)
        uniform = torch.rand(shape, dtype=logits.dtype, device=logits.device)
        drawn = (uniform >= below).sum(-1, keepdim=True)
        one_hot = logits.new_zeros(len(logits), samples, *logits.shape[1:])
        return one_hot.scatter_(-1, drawn, 1.0)

    def log_prob(
        self, logits: Float[Tensor, " B *S"], x: Float[Tensor, "B M *S"]
    ) -> Float[Tensor, "B M"]:
        log_probability = log_softmax(logits, -1).flatten(1)
        return torch.bmm(x.flatten(2), log_probability[:, :, None])[:, :, 0]

    def mean(self, logits: Float[Tensor, " B *S"]) -> Float[Tensor, " B *S"]:
        return logits.softmax(-1)

    def classes(self, logits: Float[Tensor, " B *S"]) -> Float[Tensor, "B *variables V"]:
        return logits

    def merge(self, one_hot: Float[Tensor, "N *variables V"]) -> Float[Tensor, " N *S"]:
        return one_hot
