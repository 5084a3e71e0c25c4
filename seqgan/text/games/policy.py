"""Base of the sequence games: players, order of turns, maximum likelihood and samples."""

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Game, Loss, Turn
from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator


class PolicyGame(Game):
    """Players "G" (a policy of sequences), "mle" (G with a separate optimizer) and "D".

    The data stream yields real sequences, (B, length), padded after their end.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        g_steps: Optimizer steps of the policy in a round.
        d_steps: Optimizer steps of the discriminator in a round.
    """

    def __init__(
        self,
        G: SequencePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        g_steps: int,
        d_steps: int,
    ):
        super().__init__()
        self.G, self.D, self.length = G, D, length
        self.mle = copy.deepcopy(G).eval().requires_grad_(False)
        """The policy at the start of adversarial training, the baseline of every result."""
        self.g_steps, self.d_steps = g_steps, d_steps

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        policy = list(self.G.parameters())
        return {"G": policy, "mle": policy, "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("G", self.policy_move, repeat=self.g_steps),
            Turn("D", self.discriminator_move),
        ]

    @abstractmethod
    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Train the policy against the discriminator."""

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

    def mle_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take one step of maximum likelihood on a batch of real sequences."""
        self.G.train()
        yield Loss(self.G.nll(self.G.trim(next(batches))))

    def sample(
        self,
        count: int,
        *,
        policy: SequencePolicy | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        never: Sequence[int] = (),
        prompt: Int64[Tensor, " P"] | None = None,
    ) -> Int64[Tensor, "B T"]:
        """Draw sequences from a policy (by default G), 1,000 at a time to bound memory."""
        policy = self.G if policy is None else policy
        sizes = [min(1000, count - i) for i in range(0, count, 1000)]
        parts = [
            policy.sample(
                n, self.length, temperature=temperature, top_p=top_p, never=never, prompt=prompt
            )
            for n in sizes
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def discriminate(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Return the discriminator's logit of each whole sequence, in eval mode."""
        training = self.D.training
        self.D.eval()
        try:
            return torch.cat([self.D(part) for part in tokens.split(256)])
        finally:
            self.D.train(training)

    def keep_mle(self) -> None:
        """Store the current policy as the maximum-likelihood baseline."""
        self.mle.load_state_dict(self.G.state_dict())
