"""PG-BLEU (Yu et al. 2017; Zhu et al. 2018): policy gradient of BLEU, without a discriminator.

    gradient = E_G (BLEU-3(y) - b) d log G(y)

The reward of every token is the sentence BLEU-3 of the sample against real sentences, drawn anew in
each step; b is the mean of the batch (the released codes subtract nothing). BLEU rewards common
n-grams and not variety: samples come to repeat one another while BLEU rises. It is the known hack
of the field, kept as a control that the alarms of collapse must notice.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.game import Batch, Loss
from image_core.runs import options
from seqgan.data.compact import TokenRows
from seqgan.lm.policies import SequencePolicy
from seqgan.metrics.bleu import bleu_per_sentence
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.generator import GeneratorGame

ORDER = 3
"""Order of the BLEU that is the reward."""


@dataclass(kw_only=True)
class Options(SharedOptions):
    """PG-BLEU.

    Args:
        samples: Sequences in a policy step.
        references: Real sentences that a step's samples are compared with.
    """

    g_lr: float = 1e-3
    samples: int = 64
    references: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 2, "samples")
        options.check_least(self, 1, "references")

    def method(self) -> dict[str, str]:
        reward = f"BLEU-{ORDER} of the sentence"
        estimator = "reinforce, baseline mean"
        return {**super().method(), "reward": reward, "loss": "none", "estimator": estimator}

    def controls(self) -> tuple[str, ...]:
        return ("permuted", "more_mle")


PRESETS = {"tiny": {"samples": 8, "references": 20}}


@final
class BleuGame(GeneratorGame):
    """Players "G" (a policy of sequences) and "mle" (G with a separate optimizer).

    Args:
        G: The policy.
        length: Tokens of a sequence, including padding.
        real: Function that returns the real sequences (N, T); it is called once.
        samples: Number of sequences in a policy step.
        references: Number of real sequences that they are compared with.
        g_steps: Moves of the policy in a round.
    """

    def __init__(
        self,
        G: SequencePolicy,
        length: int,
        real: Callable[[], Tensor | TokenRows],
        *,
        samples: int = 64,
        references: int = 500,
        g_steps: int = 1,
    ):
        super().__init__(G, length, g_steps=g_steps)
        self.real = functools.cache(real)
        self.samples, self.references = samples, references

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Sample, score and take a step of REINFORCE; BLEU is computed on the host."""
        self.G.eval()
        count = parallel.portion(self.samples, "samples")
        tokens = self.G.trim(self.G.sample(count, self.length))
        reward, mask = self.bleu(tokens)[:, None], self.G.mask(tokens)
        reward = self.told(reward, mask[:, :1])
        weight = (reward - reward.mean()) * mask
        loss = -(weight * self.G.log_prob(tokens)).sum() / mask.sum()
        yield Loss(loss, {"reward": reward.mean()})

    def bleu(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """BLEU of each sequence against real ones that are drawn anew.

        Args:
            tokens: Sequences of the policy, (B, T).
        """
        pool = self.real()
        drawn = pool[torch.randint(len(pool), (self.references,))]
        scores = bleu_per_sentence(self._words(tokens), self._words(drawn), (ORDER,))[ORDER]
        return torch.from_numpy(scores).float().to(tokens.device)

    def _words(self, tokens: Tensor) -> list[list[int]]:
        """The tokens before the end of each sequence."""
        inside = self.G.mask(tokens)
        if self.G.end is not None:
            inside = inside & (tokens != self.G.end)
        return [y[:n] for y, n in zip(tokens.tolist(), inside.sum(1).tolist(), strict=True)]


def game(o: Options, s: Sequences) -> BleuGame:
    """Build the game from a run's options."""
    sizes = {"samples": o.samples, "references": o.references, "g_steps": o.g_steps}
    return BleuGame(o.build_policy(s), s.length, s.real, **sizes)


players = one_player
