"""IQ-Learn for text (Wulfmeier et al. 2024): likelihood plus a squared temporal difference.

    L = -E_real log G(y_t | y_<t) + td_weight E_real (Q(y_t | y_<t) - V(y_<=t))^2

Q are the logits, V = logsumexp Q, and V = 0 after the last token. With G = softmax Q the terms of
inverse Q-learning on demonstrations alone, with phi' = 1 and gamma = 1, are the likelihood; what is
new is the square, a regulariser of the implied reward Q - V that fixes the level of the logits
that a softmax leaves free. Its weight is 1 / (4 alpha); at 0 this is maximum likelihood. There is
no adversary and nothing is sampled.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from image_core.adversarial.game import Batch, Loss
from image_core.runs import options
from seqgan.lm.policies import LSTMPolicy, RecurrentPolicy
from seqgan.text import own
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.generator import GeneratorGame


@dataclass(kw_only=True)
class Options(SharedOptions):
    """IQ-Learn.

    Args:
        td_weight: Weight of the squared temporal difference, 1 / (4 alpha).
    """

    g_lr: float = 1e-3
    td_weight: float = 0.025

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "td_weight")

    def method(self) -> dict[str, str]:
        return {
            **super().method(),
            "loss": f"likelihood + {self.td_weight:g} times the squared difference",
        }


class InverseGame(GeneratorGame):
    """Players "G" (a policy of sequences) and "mle" (G with a separate optimizer).

    Args:
        G: The policy.
        length: Tokens of a sequence, including padding.
        td_weight: Weight of the squared temporal difference.
        g_steps: Moves of the policy in a round.
    """

    G: RecurrentPolicy

    def __init__(self, G: RecurrentPolicy, length: int, *, td_weight: float, g_steps: int = 1):
        super().__init__(G, length, g_steps=g_steps)
        self.td_weight = td_weight

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take a step on a batch of real sequences."""
        self.G.train()
        real = self.G.trim(next(batches))
        mask = self.G.mask(real)
        q = self.G.every_logit(real)
        value = q.logsumexp(-1)
        chosen = q.gather(2, real[:, :, None])[:, :, 0]
        likelihood = ((value - chosen) * mask).sum() / mask.sum()
        following = F.pad(value[:, 1:] * mask[:, 1:], (0, 1))
        square = ((chosen - following).square() * mask).sum() / mask.sum()
        yield Loss(likelihood + self.td_weight * square, {"nll": likelihood, "td": square})


def game(o: Options, s: Sequences) -> InverseGame:
    """Build the game from a run's options."""
    return InverseGame(
        own.recurrent(o.build_policy(s)), s.length, td_weight=o.td_weight, g_steps=o.g_steps
    )


players = one_player


def tiny() -> tuple[InverseGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    return InverseGame(LSTMPolicy(12, 8, 8, start=1, end=2, pad=0), 6, td_weight=0.1), data
