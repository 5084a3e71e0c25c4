"""The offline game: the policy learns real sequences again, each token under a weight of its own.

    L_G = -sum_t w_t log G(y_t | y_<t) / sum_t w_t,   y real

The weights come from log-probabilities of y, of the policy itself or of frozen copies, and carry no
gradient. Nothing is sampled and there is no discriminator.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.games.generator import GeneratorGame
from seqgan.text.games.weighted import weighted_likelihood

Weigh = Callable[[SequencePolicy, SequencePolicy, Tensor], Tensor]
"""(policy, its baseline, real sequences (B, T)) -> weights of tokens (B, T) or of rows (B, 1)."""


class OfflineGame(GeneratorGame):
    """Players "G" (a policy of sequences) and "mle" (G with a separate optimizer).

    Args:
        G: The policy.
        length: Tokens of a sequence, including padding.
        weigh: Module or function that computes the weights.
        g_steps: Moves of the policy in a round.
    """

    def __init__(self, G: SequencePolicy, length: int, *, weigh: Weigh, g_steps: int = 1):
        super().__init__(G, length, g_steps=g_steps)
        self.weigh = weigh

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take a step of weighted likelihood on a batch of real sequences."""
        real = self.G.trim(next(batches))
        self.G.eval()
        with torch.no_grad():
            weight = self.weigh(self.G, self.mle, real)
        mask = self.G.mask(real)
        weight = self.told(weight, mask[:, : weight.shape[1]])
        self.G.train()
        yield weighted_likelihood(self.G.log_prob(real), weight, mask)


class _Likelihood(nn.Module):
    def forward(self, policy: SequencePolicy, mle: SequencePolicy, real: Tensor) -> Tensor:
        return policy.log_prob(real).exp()


def tiny() -> tuple[OfflineGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    return OfflineGame(LSTMPolicy(12, 8, 8, start=1, end=2, pad=0), 6, weigh=_Likelihood()), data
