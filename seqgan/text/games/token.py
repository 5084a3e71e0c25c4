"""The token game: a causal discriminator scores every token, the policy sums discounted rewards.

    r_t = 2 sigmoid(d_t) - 1,   R_t = sum_(s >= t) gamma^(s - t) r_s
    gradient = E_G sum_t (R_t - b) d log G(y_t | y_<t)

d_t is the discriminator's logit after y_1..y_t, so that each token has a reward of its own and no
rollouts are needed. b is a moving average of the returns.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial import estimators, parallel
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.precision import recurrent
from image_core.adversarial.returns import discounted
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.games.generator import ScratchGame

POSITIONS = 8
"""Cosines of the position that a token discriminator reads."""


class TokenDiscriminator(nn.Module):
    """A logit for every token from the tokens up to it, high = real.

    d_t = w . norm(LSTM(embedding(y_s), cos(2 pi s / period_k))_(s <= t)) + c

    Args:
        vocab: Number of token ids.
        length: Tokens of a sequence, the longest of the periods 2..length.
        embedding: Size of a token's vector.
        hidden: Size of the recurrent state.
        dropout: Dropout of the token vectors in training mode.

    Source: de Masson d'Autume et al. 2019 and its released code.
    """

    def __init__(
        self, vocab: int, length: int, embedding: int, hidden: int, *, dropout: float = 0.1
    ):
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(vocab, embedding), dropout
        self.lstm = nn.LSTM(embedding + POSITIONS, hidden, batch_first=True)
        self.norm, self.last = nn.LayerNorm(hidden), nn.Linear(hidden, 1)
        self.register_buffer("periods", torch.logspace(1, math.log2(length), POSITIONS, base=2))
        self.periods: Tensor

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        x = F.dropout(self.embedding(tokens), self.dropout, self.training)
        step = torch.arange(tokens.shape[1], device=x.device)[:, None]
        position = torch.cos(2 * math.pi * step / self.periods).expand(len(x), -1, -1)
        hidden = recurrent(self._read, torch.cat([x, position], 2))
        return self.last(self.norm(hidden))[:, :, 0]

    def _read(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


class TokenGame(ScratchGame):
    """Players "G" (the policy), "mle" (G with a separate optimizer) and "D".

    Args:
        G: The policy.
        D: The discriminator of tokens.
        length: Tokens of a sequence, including padding.
        gamma: Discount of a reward per token, in [0, 1].
        momentum: Momentum of the moving average of the returns, in [0, 1).
        samples: Number of sequences in a policy step.
        g_steps: Moves of the policy in a round.
        d_steps: Moves of the discriminator in a round.
    """

    def __init__(
        self,
        G: SequencePolicy,
        D: TokenDiscriminator,
        length: int,
        *,
        gamma: float = 0.23,
        momentum: float = 0.08,
        samples: int = 64,
        g_steps: int = 1,
        d_steps: int = 1,
    ):
        super().__init__(G, length, g_steps=g_steps)
        self.D, self.gamma, self.samples, self.d_steps = D, gamma, samples, d_steps
        self.estimator = estimators.reinforce("moving_average", momentum=momentum)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {**super().players(), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("D", self.discriminator_move, repeat=self.d_steps), *super().turns()]

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Sample, score every token and estimate the policy's gradient."""
        self.G.eval()
        self.D.eval()
        count = parallel.portion(self.samples, "samples")
        tokens = self.G.trim(self.G.sample(count, self.length))
        mask = self.G.mask(tokens)
        reward = self.told(self.rewards(tokens, mask), mask)
        returns = discounted(reward, mask, self.gamma)
        loss = self.estimator(self.G.log_prob(tokens), returns, mask)
        yield Loss(loss, {"reward": (reward * mask).sum() / mask.sum()})

    @torch.no_grad()
    def rewards(
        self, tokens: Int64[Tensor, "B T"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        """2 D - 1 of each token, from -1 to 1; 0 after the end."""
        return (2 * torch.sigmoid(self.D(tokens)) - 1) * mask

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take a step on real sequences and as many new samples, over the tokens that count."""
        self.G.eval()
        self.D.train()
        real = next(batches)
        both = self.G.trim(torch.cat([real, self.G.sample(len(real), self.length)]))
        (d_real, d_fake), (m_real, m_fake) = self.D(both).chunk(2), self.G.mask(both).chunk(2)

        def mean(values: Tensor, mask: Tensor) -> Tensor:
            return (values * mask).sum() / mask.sum()

        total = 0.5 * (mean(F.softplus(-d_real), m_real) + mean(F.softplus(d_fake), m_fake))
        right = 0.5 * (mean((d_real > 0).float(), m_real) + mean((d_fake < 0).float(), m_fake))
        logs = {"d_real": mean(d_real, m_real), "d_fake": mean(d_fake, m_fake), "accuracy": right}
        yield Loss(total, logs)

    @torch.no_grad()
    def discriminate(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Mean logit over the tokens of each sequence."""
        self.D.eval()
        mask = self.G.mask(tokens)
        # Copies: the next call of a CUDA graph overwrites what it has given
        logits = torch.cat([self.D(part).clone() for part in tokens.split(256)])
        return (logits * mask).sum(1) / mask.sum(1)


def tiny() -> tuple[TokenGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    G = LSTMPolicy(12, 8, 8, start=1, end=2, pad=0)
    return TokenGame(G, TokenDiscriminator(12, 6, 8, 8), 6, samples=8), data
