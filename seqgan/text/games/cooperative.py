"""The cooperative game: a policy and a mediator, which learns the mixture of data and samples.

    L_M = -1/2 (E_real log M(y) + E_G log M(y))                            optimum M = (p + G) / 2
    L_G = E_(y ~ G) sum_t KL(G(. | y_<t) || M(. | y_<t))

Both are minimised, and at M = (p + G) / 2 the second is the policy's half of JSD(p, G). The
gradient flows through G(. | y_<t) over the whole vocabulary, and not through the distribution of
prefixes: it has little variance and some bias.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.game import Batch, Loss, Turn
from seqgan.lm.policies import LSTMPolicy, RecurrentPolicy
from seqgan.text.games.generator import ScratchGame


class CooperativeGame(ScratchGame):
    """Players "G" (the policy), "mle" (G with a separate optimizer) and "M" (the mediator).

    Args:
        G: The policy.
        M: The mediator, a language model of the same tokens.
        length: Tokens of a sequence, including padding.
        samples: Number of sequences in a policy step.
        g_steps: Steps of the policy in a round, each followed by one of the mediator.
    """

    G: RecurrentPolicy

    def __init__(
        self,
        G: RecurrentPolicy,
        M: RecurrentPolicy,
        length: int,
        *,
        samples: int = 64,
        g_steps: int = 1,
    ):
        super().__init__(G, length, g_steps=g_steps)
        self.M, self.samples = M, samples

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {**super().players(), "M": list(self.M.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.policy_move), Turn("M", self.mediator_move)] * self.g_steps

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Move the policy towards the mediator at each prefix of its own samples."""
        self.G.eval()
        self.M.eval()
        count = parallel.portion(self.samples, "samples")
        tokens = self.G.trim(self.G.sample(count, self.length))
        with torch.no_grad():
            target = self.M.every_logit(tokens).log_softmax(-1)
        own = self.G.every_logit(tokens).log_softmax(-1)
        divergence = (own.exp() * (own - target)).sum(-1)
        mask = self.G.mask(tokens)
        yield Loss((divergence * mask).sum() / mask.sum())

    def mediator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take a step of maximum likelihood on real sequences and as many samples."""
        self.G.eval()
        self.M.train()
        real = next(batches)
        both = torch.cat([real, self.G.sample(len(real), self.length)])
        yield Loss(self.M.nll(self.M.trim(both)))

    @torch.no_grad()
    def discriminate(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """log M - log G: for M = (p + G) / 2 it is positive where p > G, and rises with p / G."""
        self.M.eval()
        parts = tokens.split(256)
        return torch.cat([(self.M.log_prob(y) - self.G.log_prob(y)).sum(1) for y in parts])


def tiny() -> tuple[CooperativeGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    G, M = (LSTMPolicy(12, 8, 8, start=1, end=2, dropout=rate) for rate in (0.0, 0.5))
    return CooperativeGame(G, M, 6, samples=8), data
