"""Base of the games of labelled text: a policy for each label, batches that are lists by label."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.game import Batch, Loss
from seqgan.text.games.policy import PolicyGame
from seqgan.text.mixture import MixturePolicy


class LabelledGame(PolicyGame):
    """Players "G" (the policies of all labels), "mle" (with a separate optimizer) and "D".

    Batches are lists, one tensor of real sequences for each label.
    """

    G: MixturePolicy

    def mle_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Maximum likelihood of each policy on the sequences of its label."""
        self.G.train()
        each = [
            share.exp() * part.nll(part.trim(real))
            for share, part, real in zip(
                self.G.log_share, self.G.labelled(), next(batches), strict=True
            )
        ]
        yield Loss(torch.stack(each).sum())

    def without_real(self, batch: Batch) -> Batch:
        return [
            part.sample(len(rows), self.length)
            for part, rows in zip(self.G.labelled(), batch, strict=True)
        ]

    def by_label(
        self,
        policy: MixturePolicy,
        counts: Sequence[int],
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        never: Sequence[int] = (),
    ) -> tuple[Int64[Tensor, "N T"], Int64[Tensor, " N"]]:
        """Samples of each label, and their labels.

        Args:
            policy: The policies.
            counts: Number of samples of each label.
            temperature: Sampling temperature.
            top_p: Probability mass of nucleus sampling.
            never: Ids that are not drawn.
        """
        drawn = [
            self.sample(count, policy=part, temperature=temperature, top_p=top_p, never=never)
            for count, part in zip(counts, policy.labelled(), strict=True)
            if count
        ]
        return torch.cat(drawn), torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
