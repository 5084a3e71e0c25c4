"""Output of a generator of discrete samples: logits of variables that are independent given z.

    g(x | z) = prod_i g_i(x_i | z)

Examples of variables are pixels of a binarised or 16-colour image and characters of a short line.
Samples are floats, 0 and 1 or one-hot, so that a discriminator reads them in the same way as
relaxed samples.
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
        """Draw M samples of each latent; no gradient.

        Args:
            logits: Logits of the variables, (B, *S).
            samples: Number M of samples per latent.
        """

    @abstractmethod
    def log_prob(
        self, logits: Float[Tensor, " B *S"], x: Float[Tensor, "B M *S"]
    ) -> Float[Tensor, "B M"]:
        """Log probability log g(x_m | z), summed over variables; differentiable in the logits.

        Args:
            logits: Logits of the variables, (B, *S).
            x: Samples of each latent, (B, M, *S).
        """

    @abstractmethod
    def mean(self, logits: Float[Tensor, " B *S"]) -> Float[Tensor, " B *S"]:
        """Mean E[x | z], i.e. the probabilities; differentiable in the logits.

        Args:
            logits: Logits of the variables, (B, *S).
        """

    @abstractmethod
    def classes(self, logits: Float[Tensor, " B *S"]) -> Float[Tensor, "B *variables V"]:
        """The same distribution as logits of V classes per variable, the input of relaxations.

        Args:
            logits: Logits of the variables, (B, *S).
        """

    @abstractmethod
    def merge(self, one_hot: Float[Tensor, "N *variables V"]) -> Float[Tensor, " N *S"]:
        """Convert a sample of `classes`, one-hot or relaxed, to the form of `sample`.

        Args:
            one_hot: Samples of V classes per variable, (N, *variables, V).
        """


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
        """sum_i x_i l_i - softplus(l_i), with the normaliser computed once per latent."""
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
        # One exponential per logit, computed once; a draw is a comparison with the running sum.
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
