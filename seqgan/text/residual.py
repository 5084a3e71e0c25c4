"""A language model corrected by a discriminator: samples by resampling, densities by a sum."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.relaxations import with_gumbel
from seqgan.lm.policies import SequencePolicy, State
from seqgan.lm.softmax import Draw
from seqgan.text.discriminators import SequenceDiscriminator

NORMALISING = 10_000
"""Samples of the language model from which a normaliser is estimated."""


class ResidualPolicy(SequencePolicy):
    """The density P(y) = G(y) exp(d(y)) / Z of a language model G and a discriminator's logit d.

    log Z = log E_G exp(d(y)), estimated once for each temperature

    A sample is one of several candidates of G, chosen with probabilities softmax(d): exact only for
    many candidates. The estimate of log Z is too low on average, and so is a negative
    log-likelihood.

    Args:
        G: The language model.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        candidates: Candidates of each sample.
        normalising: Samples from which a normaliser is estimated.
    """

    exact = False

    def __init__(
        self,
        G: SequencePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        candidates: int,
        normalising: int = NORMALISING,
    ):
        super().__init__()
        self.G, self.D, self.length = G, D, length
        self.vocab, self.start, self.end, self.pad = G.vocab, G.start, G.end, G.pad
        self.candidates, self.normalising = candidates, normalising
        self._log_z: dict[float, float] = {}

    def begin(self, rows: int) -> State:
        return self.G.begin(rows)

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        return self.G.step(tokens, state)

    def drawer(
        self, temperature: float = 1.0, top_p: float = 1.0, never: Sequence[int] = ()
    ) -> Draw:
        return self.G.drawer(temperature, top_p, never)

    def log_prob(
        self, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
    ) -> Float[Tensor, "B T"]:
        """Log-probabilities of G; the last token of a sequence has d - log Z added to its own."""
        last = self.mask(tokens).sum(1, keepdim=True) - 1
        correction = self.D.scorer()(tokens) - self.log_z(temperature)
        own = self.G.log_prob(tokens, temperature)
        return own.scatter_add(1, last, correction.to(own.dtype)[:, None])

    @torch.no_grad()
    def log_z(self, temperature: float = 1.0) -> float:
        """Estimate log E_G exp(d), with G at a temperature.

        Args:
            temperature: Sampling temperature of the language model.
        """
        if temperature not in self._log_z:
            tokens = self.G.sample(self.normalising, self.length, temperature=temperature)
            logits = self.D.scorer()(tokens).double()
            self._log_z[temperature] = float(logits.logsumexp(0)) - math.log(len(logits))
        return self._log_z[temperature]

    @torch.no_grad()
    def sample(
        self,
        count: int,
        length: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        never: Sequence[int] = (),
        prompt: Int64[Tensor, "*rows P"] | None = None,
    ) -> Int64[Tensor, "B T"]:
        """Draw candidates of the language model and choose one for each sample."""
        if prompt is not None and prompt.dim() > 1:
            prompt = prompt.repeat_interleave(self.candidates, 0)
        tokens = self.G.sample(
            count * self.candidates,
            length,
            temperature=temperature,
            top_p=top_p,
            never=never,
            prompt=prompt,
        )
        logits = self.D.scorer()(tokens).view(count, self.candidates)
        chosen = with_gumbel(logits).argmax(1)
        return tokens.view(count, self.candidates, length)[torch.arange(count), chosen]
