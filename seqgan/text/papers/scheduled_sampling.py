"""Scheduled sampling (Bengio, Vinyals, Jaitly & Shazeer 2015): inputs that the policy has drawn.

    L = -sum_t log G(y_t | x_<t),   x_s = y_s with probability e, otherwise drawn from G(. | x_<s)

The target is the real token, whatever stands before it, and no gradient flows through a draw. e
falls from 1 during the rounds. The objective is inconsistent: at e = 0 its optimum is the product
of the marginals of each position (Huszar 2015). The baseline in SeqGAN's released code draws its
coin once, when the graph is built, and never samples: that is --truth 1, maximum likelihood.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss
from image_core.runs import options
from seqgan.lm.policies import LSTMPolicy, RecurrentPolicy
from seqgan.text import own
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.generator import GeneratorGame


@dataclass(kw_only=True)
class Options(SharedOptions):
    """Scheduled sampling.

    Args:
        truth: Probability of a real input token in the last policy step; it falls linearly from 1.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    g_lr: float = 1e-3
    truth: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "truth")
        if self.truth > 1:
            raise UserError(f"--truth {self.truth}: it is a probability, at most 1")

    def method(self) -> dict[str, str]:
        return {
            **super().method(),
            "loss": f"likelihood, inputs real with probability 1 to {self.truth:g}",
        }


class ScheduledGame(GeneratorGame):
    """Players "G" (a policy of sequences) and "mle" (G with a separate optimizer).

    e_n = 1 - (1 - truth) min(n / N, 1),   n = 1..N

    Args:
        G: The policy.
        length: Tokens of a sequence, including padding.
        moves: Number N of policy moves in the whole run.
        truth: Probability of a real input token in the last move.
        g_steps: Moves of the policy in a round.
    """

    G: RecurrentPolicy
    played: Tensor

    def __init__(
        self, G: RecurrentPolicy, length: int, *, moves: int, truth: float, g_steps: int = 1
    ):
        super().__init__(G, length, g_steps=g_steps)
        self.moves, self.truth = moves, truth
        self.register_buffer("played", torch.zeros(()))

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take a step on a batch of real sequences, read with some tokens replaced."""
        self.played += 1
        rate = 1 - (1 - self.truth) * (self.played / self.moves).clamp(max=1.0)
        real = self.G.trim(next(batches))
        self.G.eval()
        inputs, mask = self.inputs(real, rate), self.G.mask(real)
        self.G.train()
        every = self.G.every_logit(inputs).log_softmax(-1)
        log_prob = every.gather(2, real[:, :, None])[:, :, 0]
        yield Loss(-(log_prob * mask).sum() / mask.sum(), {"truth": rate})

    @torch.no_grad()
    def inputs(self, real: Int64[Tensor, "B T"], rate: Tensor) -> Int64[Tensor, "B T"]:
        """Real tokens, some replaced by draws that follow what stands before them.

        Args:
            real: Real sequences, (B, T).
            rate: Probability of keeping a real token, a scalar.
        """
        draw, state = self.G.drawer(), self.G.begin(len(real))
        kept = torch.rand(real.shape, device=real.device) < rate
        previous = torch.full_like(real[:, 0], self.G.start)
        read = []
        for truth, keep in zip(real.unbind(1), kept.unbind(1), strict=True):
            hidden, state = self.G.step(previous, state)
            previous = torch.where(keep, truth, draw(hidden))
            read.append(previous)
        return torch.stack(read, 1)


def game(o: Options, s: Sequences) -> ScheduledGame:
    """Build the game from a run's options."""
    policy = own.recurrent(o.build_policy(s))
    return ScheduledGame(policy, s.length, moves=o.g_moves(), truth=o.truth, g_steps=o.g_steps)


players = one_player


def tiny() -> tuple[ScheduledGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    G = LSTMPolicy(12, 8, 8, start=1, end=2, pad=0)
    return ScheduledGame(G, 6, moves=6, truth=0.5), data
