"""The penalty game: a policy for each label, a discriminator of labels and generated text.

    L_D   = -E_G log D_(k+1)(y) - sum_i E_(p_i) log D_i(y)
    L_G_i = E_(y ~ G_i) sum_t G_i(y_t | y_<t) V_t,   V_t = mean of 1 - D_i over completions

Batches are lists, one tensor of real sequences for each label.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from image_core.adversarial.game import Batch, Loss
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.games.labelled import LabelledGame
from seqgan.text.label_discriminator import LabelDiscriminator
from seqgan.text.mixture import MixturePolicy
from seqgan.text.rewards import label_reward


class PenaltyGame(LabelledGame):
    """Players "G" (the policies of all labels), "mle" (with a separate optimizer) and "D".

    Args:
        G: The policies.
        D: The discriminator, of as many labels.
        length: Tokens of a sequence, including padding.
        rollouts: Completions of each prefix.
        samples: Sequences in a policy step, of all labels together.
        g_steps: Moves of the policies in a round.
        d_steps: Optimizer steps of the discriminator in a round.
    """

    D: LabelDiscriminator

    def __init__(
        self,
        G: MixturePolicy,
        D: LabelDiscriminator,
        length: int,
        *,
        rollouts: int,
        samples: int = 64,
        g_steps: int = 1,
        d_steps: int = 1,
    ):
        super().__init__(G, D, length, g_steps=g_steps, d_steps=d_steps)
        self.rollouts, self.samples = rollouts, samples

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Sample from each policy, and lower the probability of tokens by their penalty."""
        self.G.eval()
        count = max(1, self.samples // len(self.G.labelled()))
        losses, penalties = [], []
        for label, part in enumerate(self.G.labelled()):
            tokens = part.trim(part.sample(count, self.length))
            mask = part.mask(tokens)
            penalty = self.told(1 - label_reward(part, self.D, tokens, label, self.rollouts), mask)
            losses.append(penalised(part.log_prob(tokens), penalty, mask))
            penalties.append((penalty * mask).sum() / mask.sum())
        yield Loss(torch.stack(losses).mean(), {"penalty": torch.stack(penalties).mean()})

    def discriminator_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Cross entropy of k + 1 classes, on as many new samples as real sequences."""
        self.D.train()
        for _ in range(steps):
            self.G.eval()
            real = [rows[: (len(rows) + 1) // 2] for rows in next(batches)]
            drawn = [
                p.sample(len(r), self.length) for p, r in zip(self.G.labelled(), real, strict=True)
            ]
            tokens = self.G.trim(torch.cat([*real, *drawn]))
            label = torch.cat([r.new_full((len(r),), i) for i, r in enumerate(real)])
            classes = torch.cat([label, torch.full_like(label, len(real))])
            outputs = self.D.classify(tokens)
            total = F.cross_entropy(outputs, classes) + self.D.regularizer()
            found = outputs.argmax(1)
            said_real = outputs[:, :-1].logsumexp(1) > outputs[:, -1]
            right = said_real == (classes < len(real))
            yield Loss(
                total,
                {
                    "accuracy": right.float().mean(),
                    "label_accuracy": (found == classes)[: len(label)].float().mean(),
                },
            )


def penalised(
    log_prob: Float[Tensor, "B T"], penalty: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Mean of G(y_t | y_<t) V_t over the tokens that count.

    Its gradient V G d log G has one factor G more than REINFORCE: rare tokens get almost none.

    Args:
        log_prob: Log-probabilities of tokens, (B, T).
        penalty: Penalty of each, (B, T), without a gradient.
        mask: True = counts, (B, T).
    """
    return (log_prob.exp() * penalty * mask).sum() / mask.sum()


def tiny() -> tuple[PenaltyGame, list[Tensor]]:
    """A game that runs in seconds and data for it, for tests: two labels, up to six tokens."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    parts = [LSTMPolicy(12, 8, 8, start=1, end=2, pad=0) for _ in range(2)]
    D = LabelDiscriminator(12, 2, ((1, 4), (2, 4)), end=2)
    game = PenaltyGame(MixturePolicy(parts, [0.5, 0.5]), D, 6, rollouts=2, samples=8)
    return game, list(data.chunk(2))
