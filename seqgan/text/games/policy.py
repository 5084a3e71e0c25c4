"""Base of the sequence games with a discriminator: players and order of turns."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_tokens
from image_core.adversarial.game import Batch, Loss, Turn
from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.games.generator import GeneratorGame


class PolicyGame(GeneratorGame):
    """Players "G" (a policy of sequences), "mle" (G with a separate optimizer) and "D".

    The data stream yields real sequences, (B, length), padded after their end.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        g_steps: Optimizer steps of the policy in a round.
        d_steps: Optimizer steps of the discriminator in a round.

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
        g_steps: int,
        d_steps: int,
    ):
        super().__init__(G, length, g_steps=g_steps)
        check_within(0, d_steps=d_steps)
        self.D, self.d_steps = D, d_steps

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {**super().players(), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [*super().turns(), Turn("D", self.discriminator_move)]

    @abstractmethod
    def discriminator_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Train the discriminator to distinguish the policy's sequences from real ones.

        Args:
            batches: Batches of real sequences, (B, length).
            steps: Number of optimizer steps; each yields one loss.
        """

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take the discriminator's steps of a round."""
        return self.discriminator_steps(batches, self.d_steps)

    def ranker(self) -> SequenceDiscriminator:
        """Return the discriminator that chooses among several samples; games may keep another."""
        return self.D

    @torch.no_grad()
    def discriminate(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Return the discriminator's logit of each whole sequence, in eval mode.

        Raises:
            UserError: The tokens are no ids of sequences.
        """
        check_tokens("discriminate", tokens)
        training = self.D.training
        self.D.eval()
        try:
            # Copies: the next call of a CUDA graph overwrites what it has given
            return torch.cat([self.D(part).clone() for part in tokens.split(256)])
        finally:
            self.D.train(training)
