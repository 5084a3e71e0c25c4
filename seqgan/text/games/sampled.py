"""Base of the games whose discriminator learns from pools of sampled sequences."""

from collections.abc import Iterator
from itertools import islice

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial import losses, parallel
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_tokens
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.games.policy import PolicyGame


class SampledGame(PolicyGame):
    """Players "G" (a policy of sequences), "mle" (G with a separate optimizer) and "D".

    The data stream yields real sequences, (B, length), padded after their end.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        loss: Loss of the discriminator.
        penalty: Penalty of the discriminator, on embedded sequences.
        samples: Number of sequences that the policy draws in its own step.
        g_steps: Moves of the policy in a round.
        d_steps: Optimizer steps of the discriminator in a round.
        d_epochs: Passes over the negatives before new ones are drawn.
        negatives: Number of the policy's samples drawn at once for the discriminator.

    Raises:
        UserError: A number is out of range.
    """

    @python_call()
    def __init__(
        self,
        G: SequencePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        samples: int = 64,
        g_steps: int = 1,
        d_steps: int = 4_680,
        d_epochs: int = 3,
        negatives: int = 10_000,
    ):
        super().__init__(G, D, length, g_steps=g_steps, d_steps=d_steps)
        check_within(1, samples=samples, d_epochs=d_epochs, negatives=negatives)
        self.loss, self.penalty = loss, penalty
        self.samples, self.negatives, self.d_epochs = samples, negatives, d_epochs

    def discriminator_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Train the discriminator on new negatives (Algorithm 1, lines 11-14).

        As in the released code, a step's batch is as large as a batch of data, half real and half
        generated, and the loss is the mean over the whole batch, (E_real + E_fake) / 2.

        Raises:
            UserError: There are too few negatives for a step, or the data are of another length.
        """
        self.G.eval()
        self.D.train()
        left = steps
        while left:
            negatives = self.sample(parallel.portion(self.negatives, "negatives"))
            before = left
            for real, fake in islice(self._pairs(negatives, batches), left):
                left -= 1
                yield self._discriminator_loss(real, fake)
            if left == before:
                raise UserError(
                    f"{len(negatives)} negatives do not fill the generated half of one "
                    "discriminator step"
                )

    def _pairs(
        self, negatives: Int64[Tensor, "N T"], batches: Iterator[Batch]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Real and generated half batches of `d_epochs` passes over the negatives."""
        for _ in range(self.d_epochs):
            order = torch.randperm(len(negatives), device=negatives.device)
            taken = 0
            while taken < len(negatives):
                batch = next(batches)
                check_tokens("a game of sequences", batch)
                if batch.shape[1] != negatives.shape[1]:
                    raise UserError(
                        f"the data are sequences of {batch.shape[1]} tokens, but the game's length "
                        f"is {self.length}; give the length of the data"
                    )
                for real in batch.chunk(2):
                    fake = negatives[order[taken : taken + len(real)]]
                    taken += len(real)
                    if len(fake) == len(real):
                        yield real, fake

    def _discriminator_loss(self, real: Int64[Tensor, "B T"], fake: Int64[Tensor, "B T"]) -> Loss:
        both = self.G.trim(torch.cat([real, fake]))
        d_real, d_fake = self.D(both).chunk(2)
        total = 0.5 * self.loss.d(d_real, d_fake) + self.D.regularizer()
        logs = {
            "d_real": d_real.mean(),
            "d_fake": d_fake.mean(),
            "accuracy": 0.5 * ((d_real > 0).float().mean() + (d_fake < 0).float().mean()),
        }
        if self.penalty is not None:
            logs["penalty"] = self._penalty(self.penalty, *both.chunk(2))
            total = total + logs["penalty"]
        return Loss(total, logs)

    def _penalty(self, penalty: Penalty, real: Tensor, fake: Tensor) -> Tensor:
        """Penalty on embedded sequences; a window counts if it lies inside either sequence."""
        end_real, end_fake = self.D.lengths(real), self.D.lengths(fake)
        lengths = None
        if end_real is not None and end_fake is not None:
            lengths = torch.maximum(end_real, end_fake)
        return penalty(lambda x: self.D.score(x, lengths), self.D.embed(real), self.D.embed(fake))
