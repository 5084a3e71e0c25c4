"""Base of all games of a policy of sequences: its maximum likelihood, its baseline, its samples."""

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.sharding import copy_weights
from seqgan.lm.policies import SequencePolicy


def shuffled(
    values: Float[Tensor, " B time"], mask: Bool[Tensor, " B time"]
) -> Float[Tensor, " B time"]:
    """Values in random order over the rows, at each position among those that count.

    Args:
        values: Rewards or weights, (B, T).
        mask: True = counts, (B, T); other values stay where they are.
    """
    drawn = (torch.rand(mask.shape, device=mask.device) + ~mask).argsort(0)
    source = drawn.gather(0, (mask.cumsum(0) - 1).clamp(min=0))
    return torch.where(mask, values.gather(0, source), values)


class GeneratorGame(Game):
    """Players "G" (a policy of sequences) and "mle" (G with a separate optimizer).

    The data stream yields real sequences, (B, length), padded after their end.

    Args:
        G: The policy.
        length: Tokens of a sequence, including padding.
        g_steps: Moves of the policy in a round.

    Raises:
        UserError: A number is out of range.
    """

    permuted: bool = False
    """Whether rewards and weights are shuffled over the rows of a batch, a control."""

    @python_call()
    def __init__(self, G: SequencePolicy, length: int, *, g_steps: int):
        super().__init__()
        check_within(1, length=length)
        check_within(0, g_steps=g_steps)
        self.G, self.length, self.g_steps = G, length, g_steps
        self.mle = copy.deepcopy(G).eval().requires_grad_(False)
        """The policy at the start of adversarial training, the baseline of every result."""

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        policy = list(self.G.parameters())
        return {"G": policy, "mle": policy}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.policy_move, repeat=self.g_steps)]

    @abstractmethod
    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Train the policy by the game's objective."""

    def without_real(self, batch: Batch) -> Batch:
        """Samples in place of a batch of real sequences, as many, a control."""
        return self.G.sample(len(batch), self.length)

    def likelihood_turns(self) -> Sequence[Turn]:
        """Turns of as many steps of maximum likelihood as the policy has in a round, a control."""
        return [Turn("G", self.mle_move, repeat=self.g_steps)]

    def writer(self) -> SequencePolicy:
        """Return the policy that the game has trained, from which its samples are drawn."""
        return self.G.eval()

    def discriminate(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"] | None:
        """Return the discriminator's logit of each whole sequence; None in a game without one."""
        return None

    def told(
        self, values: Float[Tensor, " B time"], mask: Bool[Tensor, " B time"]
    ) -> Float[Tensor, " B time"]:
        """Return the rewards or weights that the policy learns from; shuffled in a control.

        Args:
            values: Rewards or weights, (B, T).
            mask: True = counts, (B, T).
        """
        return shuffled(values, mask) if self.permuted else values

    def mle_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take one step of maximum likelihood on a batch of real sequences."""
        self.G.train()
        yield Loss(self.G.nll(self.G.trim(next(batches))))

    @python_call()
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
        """Draw sequences from a policy (by default G), 1,000 at a time to bound memory.

        Raises:
            UserError: The number of sequences is below 1.
        """
        check_within(0, count=count)
        policy = self.G if policy is None else policy
        sizes = [min(1000, count - i) for i in range(0, count, 1000)] or [0]
        parts = [
            policy.sample(
                n, self.length, temperature=temperature, top_p=top_p, never=never, prompt=prompt
            )
            for n in sizes
        ]
        return torch.cat(parts)

    def keep_mle(self) -> None:
        """Store the current policy as the maximum-likelihood baseline."""
        copy_weights(self.G, self.mle)


class ScratchGame(GeneratorGame):
    """A game that starts from the policy's first weights; maximum likelihood is a baseline alone.

    Args:
        G: The policy.
        length: Tokens of a sequence, including padding.
        g_steps: Moves of the policy in a round.
    """

    def __init__(self, G: SequencePolicy, length: int, *, g_steps: int):
        super().__init__(G, length, g_steps=g_steps)
        self.initial = copy.deepcopy(G).eval().requires_grad_(False)

    def restart(self) -> None:
        """Give the policy its first weights back."""
        copy_weights(self.initial, self.G)
