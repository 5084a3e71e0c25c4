"""The in-filling game: a policy fills gaps, a discriminator judges each token that it fills in.

    L_D = 1/2 E softplus(-d_t(x)) + 1/2 E softplus(d_t(y)),   t the gaps, y filled sentences
    R_t = sum_(s >= t) gamma^(s - t) log D_s,   A_t = R_t - V_t between -5 and 5
    gradient = E_G sum_t A_t d log G(y_t | y_<t, gaps),   L_V = E (R_t - V_t)^2

Tokens that are given have neither reward nor loss. V is a value of the discriminator's state.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.returns import discounted
from seqgan.text.games.generator import GeneratorGame
from seqgan.text.infill import InfillDiscriminator, InfillPolicy, draw_gaps

KINDS = ("contiguous", "random")
BOUND = 5.0
"""Greatest advantage."""


class _Filled(NamedTuple):
    """What the policy's move leaves for the value's.

    Args:
        states: States of the discriminator before each token, (B, T, H).
        returns: Returns, (B, T).
        gaps: True = gap, (B, T).
    """

    states: Float[Tensor, "B T H"]
    returns: Float[Tensor, "B T"]
    gaps: Bool[Tensor, "B T"]


class InfillGame(GeneratorGame):
    """Players "G", "mle" (G with a separate optimizer), "D" and "V" (the value of a state of D).

    Args:
        G: The policy.
        D: The discriminator of tokens.
        length: Tokens of a sequence, including padding.
        rate: Share of the tokens of a sentence that become gaps.
        kind: One of `KINDS`.
        gamma: Discount of a reward per token, in [0, 1].
        g_steps: Moves of the policy in a round.
        d_steps: Optimizer steps of the discriminator in a round.
    """

    G: InfillPolicy

    def __init__(
        self,
        G: InfillPolicy,
        D: InfillDiscriminator,
        length: int,
        *,
        rate: float = 0.5,
        kind: str = "contiguous",
        gamma: float = 0.891,
        g_steps: int = 1,
        d_steps: int = 2,
    ):
        super().__init__(G, length, g_steps=g_steps)
        self.D, self.V = D, nn.Linear(D.last.in_features, 1)
        self.rate, self.kind, self.gamma, self.d_steps = rate, kind, gamma, d_steps
        self._filled: _Filled | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        others = {"D": list(self.D.parameters()), "V": list(self.V.parameters())}
        return {**super().players(), **others}

    def turns(self) -> Sequence[Turn]:
        steps = [Turn("G", self.policy_move), Turn("V", self.value_move)]
        return [Turn("D", self.discriminator_move), *steps * self.g_steps]

    def gaps(
        self, tokens: Int64[Tensor, "B T"], generator: torch.Generator | None = None
    ) -> Bool[Tensor, "B T"]:
        """Gaps among the tokens before the end of each sequence.

        Args:
            tokens: Sequences, (B, T).
            generator: Generator of the random numbers, on the CPU; None for torch's own.
        """
        inside = self.G.mask(tokens)
        if self.G.end is not None:
            inside = inside & (tokens != self.G.end)
        if generator is None:
            uniform = torch.rand(tokens.shape, device=tokens.device)
        else:
            uniform = torch.rand(tokens.shape, generator=generator).to(tokens.device)
        return draw_gaps(inside, self.rate, self.kind, uniform)

    def mle_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Maximum likelihood of whole sentences, and of tokens in gaps, one half each."""
        self.G.train()
        real = self.G.trim(next(batches))
        gaps = self.gaps(real)
        whole, filled = self.G.nll(real), -_mean(self.G.fill_log_prob(real, gaps, real), gaps)
        yield Loss((whole + filled) / 2, {"whole": whole, "gaps": filled})

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Fill the gaps of real sentences, and estimate the gradient from each token's reward."""
        self.G.eval()
        self.D.eval()
        real = self.G.trim(next(batches))
        gaps = self.gaps(real)
        filled = self.G.fill(real, gaps)
        with torch.no_grad():
            states = self.D.states(real, gaps, filled)
            reward = F.logsigmoid(self.D.logits(states)) * gaps
            # Time passes at tokens that are given, too
            returns = discounted(reward, torch.ones_like(gaps), self.gamma) * gaps
            before = F.pad(states[:, :-1], (0, 0, 1, 0))
            self._filled = _Filled(before, returns, gaps)
            advantage = (self.told(returns, gaps) - self.value(before)).clamp(-BOUND, BOUND)
        loss = -_mean(advantage * self.G.fill_log_prob(real, gaps, filled), gaps)
        yield Loss(loss, {"reward": _mean(reward, gaps), "advantage": _mean(advantage, gaps)})

    def value(self, states: Float[Tensor, "B T H"]) -> Float[Tensor, "B T"]:
        """Value of each position from the discriminator's state before its token.

        Args:
            states: States, (B, T, H).
        """
        return self.V(states)[:, :, 0]

    def value_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Bring the values to the returns of the policy's move."""
        assert self._filled is not None
        states, returns, gaps = self._filled
        yield Loss(_mean((self.value(states) - returns).square(), gaps))

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take the discriminator's steps, each on real sentences and on the same ones refilled."""
        self.G.eval()
        self.D.train()
        for _ in range(self.d_steps):
            real = self.G.trim(next(batches))
            gaps = self.gaps(real)
            both = torch.cat([real, self.G.fill(real, gaps)])
            d_real, d_fake = self.D(real.repeat(2, 1), gaps.repeat(2, 1), both).chunk(2)
            total = _mean(F.softplus(-d_real), gaps) + _mean(F.softplus(d_fake), gaps)
            right = _mean((d_real > 0).float(), gaps) + _mean((d_fake < 0).float(), gaps)
            logs = {"d_real": _mean(d_real, gaps), "d_fake": _mean(d_fake, gaps)}
            yield Loss(total / 2, {**logs, "accuracy": right / 2})

    @torch.no_grad()
    def discriminate(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Mean logit over gaps of each sequence, which are the same in each call."""
        self.D.eval()
        found, generator = [], torch.Generator().manual_seed(0)
        for part in tokens.split(256):
            gaps = self.gaps(part, generator)
            logits = self.D(part, gaps, part) * gaps
            found.append(logits.sum(1) / gaps.sum(1).clamp(min=1))
        return torch.cat(found)


def _mean(values: Tensor, gaps: Tensor) -> Tensor:
    return (values * gaps).sum() / gaps.sum().clamp(min=1)


def tiny() -> tuple[InfillGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    G = InfillPolicy(12, 8, 8, start=1, end=2, pad=0)
    return InfillGame(G, InfillDiscriminator(12, 8, 8), 6, d_steps=1), data
