"""The self-play game: a policy learns to tell real sequences from those of its frozen twin.

    r(y) = log G(y) - log G'(y),   G' a frozen copy of G

There is no discriminator network: r is the logit. The loss raises r on real sequences and lowers it
on samples of G', and no gradient flows through a sample. Every few steps G' becomes a copy of G.
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import softplus

from image_core.adversarial.game import Batch, Loss
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.games.generator import GeneratorGame
from seqgan.text.twin import Twin

RatioLoss = Callable[[Tensor, Tensor], Tensor]
"""(r of real sequences, r of samples of the twin) -> scalar."""

RATIOS = ("sequence", "token")


def nce(beta: float = 1.0, alpha: float = 1.0, mu: float = 1.0) -> RatioLoss:
    """Noise-contrastive estimation with the twin as noise, mu noise samples for each real one.

    E_real softplus(log mu - beta r) + alpha mu E_twin softplus(beta r - log mu)

    With alpha = beta = 1 the optimum of one round is the data distribution, for every mu.

    Args:
        beta: Scale of the log ratio.
        alpha: Weight of the twin's term.
        mu: Ratio of noise to data.

    Source: Gutmann & Hyvarinen 2010; with mu = 1 Montahaei et al. 2019 and Zheng et al. 2025, with
        alpha = beta = 1 Wang et al. 2025.
    """

    def loss(real: Float[Tensor, "*shape"], twin: Float[Tensor, "*other"]) -> Float[Tensor, ""]:
        shift = torch.as_tensor(mu).log()
        on_twin = softplus(beta * twin - shift).mean()
        return softplus(shift - beta * real).mean() + alpha * mu * on_twin

    return loss


def gap(beta: float = 0.1) -> RatioLoss:
    """The logistic loss of the difference between a real sequence and one of the twin.

    E softplus(-beta (r_real - r_twin))

    The optimum of one round is G'(y) (p(y) / G'(y))^(1/beta), normalised: the data distribution for
    beta = 1, and a sharper one below.

    Args:
        beta: Scale of the difference of log ratios.

    Source: Chen et al. 2024, eq. 4.7.
    """

    def loss(real: Float[Tensor, "*shape"], twin: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
        return softplus(beta * (twin - real)).mean()

    return loss


class SelfPlayGame(GeneratorGame):
    """Players "G" (a policy of sequences) and "mle" (G with a separate optimizer).

    Args:
        G: The policy.
        length: Tokens of a sequence, including padding.
        loss: Loss of the log ratios of real sequences and of samples of the twin.
        refresh: Moves of the policy between two copies of its weights to the twin.
        ratio: "sequence" for the log ratio of whole sequences, "token" for one of each token; after
            the end of a sequence the latter is 0 and adds a constant.
        g_steps: Moves of the policy in a round.
    """

    def __init__(
        self,
        G: SequencePolicy,
        length: int,
        *,
        loss: RatioLoss,
        refresh: int = 1,
        ratio: str = "sequence",
        g_steps: int = 1,
    ):
        super().__init__(G, length, g_steps=g_steps)
        self.twin, self.loss, self.ratio = Twin(G, refresh), loss, ratio

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take one step on a batch of real sequences and as many samples of the twin."""
        self.G.eval()
        real, twin = next(batches), self.twin.renew(self.G)
        both = self.G.trim(torch.cat([real, twin.sample(len(real), self.length)]))
        r_real, r_twin = self.log_ratio(both).chunk(2)
        logs = {
            "log_ratio_real": r_real.mean(),
            "log_ratio_twin": r_twin.mean(),
            "accuracy": 0.5 * ((r_real > 0).float().mean() + (r_twin < 0).float().mean()),
        }
        yield Loss(self.loss(r_real, r_twin), logs)

    def log_ratio(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B *time"]:
        """Compute log G - log G' of each sequence, (B,), or of each token, (B, T)."""
        with torch.no_grad():
            before = self.twin.policy.log_prob(tokens)
        ratio = self.G.log_prob(tokens) - before
        return ratio.sum(1) if self.ratio == "sequence" else ratio


def tiny() -> tuple[SelfPlayGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    G = LSTMPolicy(12, 8, 8, start=1, end=2, pad=0)
    return SelfPlayGame(G, 6, loss=nce(), refresh=2), data
