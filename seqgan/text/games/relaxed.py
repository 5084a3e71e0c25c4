"""The relaxed game: a policy writes differentiable sequences, a discriminator scores them.

    y_t = relaxation(o_t, beta),   next input token = argmax y_t,   o_t logits of the policy

The gradient of the adversarial loss flows through every y_t into the policy; there are no rewards
and no rollouts. RelGAN (Nie, Narodytska & Patel 2019) is this game with concrete samples, a
relativistic loss and a discriminator with many small embeddings.
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.adversarial.relaxations import with_gumbel
from seqgan.lm.policies import LSTMPolicy, RecurrentPolicy
from seqgan.text.discriminators import CNNDiscriminator, SequenceDiscriminator
from seqgan.text.games.policy import PolicyGame

Relaxation = Callable[[Tensor, Tensor], Tensor]
"""(logits (N, V), inverse temperature (scalar)) -> differentiable samples (N, V)."""


def concrete(logits: Float[Tensor, "N V"], beta: Float[Tensor, ""]) -> Float[Tensor, "N V"]:
    """softmax(beta (o + g)), g ~ Gumbel(0, 1): the argmax is a sample of softmax(o) at any beta.

    Args:
        logits: Logits o of a token, (N, V).
        beta: Inverse temperature, a scalar.
    """
    return (beta * with_gumbel(logits)).softmax(-1)


class RelaxedGame(PolicyGame):
    """Players "G", "mle" (G with a separate optimizer) and "D".

    The inverse temperature grows geometrically with the policy's moves and is exactly `beta_max` in
    the last one:

    beta_n = beta_min (beta_max / beta_min)^(n / N),  n = 1..N

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        moves: Number N of policy moves in the whole run.
        beta_max: Inverse temperature at the end; high values give nearly one-hot samples and a
            noisier gradient.
        beta_min: Inverse temperature before the first move.
        relaxation: Function from logits to differentiable samples.
        loss: Loss of both players; it may be relativistic.
        penalty: Penalty of the discriminator, on embedded sequences.
        g_steps: Optimizer steps of the policy in a round.
        d_steps: Optimizer steps of the discriminator in a round, each with fresh samples.

    Raises:
        UserError: There are no moves, or an inverse temperature is not above 0.
    """

    G: RecurrentPolicy
    played: Tensor

    @python_call()
    def __init__(
        self,
        G: RecurrentPolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        moves: int,
        beta_max: float = 100.0,
        beta_min: float = 1.0,
        relaxation: Relaxation = concrete,
        loss: AdversarialLoss = losses.relativistic,
        penalty: Penalty | None = None,
        g_steps: int = 1,
        d_steps: int = 5,
    ):
        super().__init__(G, D, length, g_steps=g_steps, d_steps=d_steps)
        if moves < 1 or not min(beta_min, beta_max) > 0:
            raise UserError(
                f"{moves} policy moves from beta_min {beta_min} to beta_max {beta_max}: all three "
                "must be above 0"
            )
        self.moves, self.relaxation = moves, relaxation
        self.beta_min, self.beta_max = beta_min, beta_max
        self.loss, self.penalty = loss, penalty
        self.register_buffer("played", torch.zeros(()))

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Pass as many relaxed sequences as there are real ones through the discriminator."""
        self.G.eval()
        self.D.train()
        self.played += 1
        real = next(batches)
        beta = self.beta()
        d_fake = self._judge_relaxed(*self.write(len(real), beta))
        d_real = self.D(real)
        yield Loss(self.loss.g(d_real, d_fake), {"beta": beta, "d_fake": d_fake.mean()})

    def discriminator_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Train each step on a batch of real and as many new relaxed sequences.

        Args:
            batches: Batches of real sequences, (B, length).
            steps: Number of optimizer steps.
        """
        self.G.eval()
        self.D.train()
        for _ in range(steps):
            yield self._discriminator_loss(next(batches))

    def _discriminator_loss(self, real: Int64[Tensor, "B T"]) -> Loss:
        with torch.no_grad():
            x, mask = self.write(len(real), self.beta())
        d_real, d_fake = self.D(real), self._judge_relaxed(x, mask)
        total = self.loss.d(d_real, d_fake) + self.D.regularizer()
        return self._penalised(Loss(total, compared(d_real, d_fake)), real, x, mask)

    def _penalised(
        self,
        loss: Loss,
        real: Int64[Tensor, "B T"],
        x: Float[Tensor, "B T V"],
        mask: Bool[Tensor, "B T"],
    ) -> Loss:
        if self.penalty is None:
            return loss
        real_vectors, fake_vectors = self.D.embed(real), self.D.embed_relaxed(x, mask)
        penalty = self.penalty(lambda v: self.D.score(v, None), real_vectors, fake_vectors)
        return Loss(loss.total + penalty, {**loss.logs, "penalty": penalty})

    def beta(self) -> Float[Tensor, ""]:
        """Inverse temperature of the current move; beta_min before the first."""
        share = (self.played / self.moves).clamp(max=1.0)
        return self.beta_min * (self.beta_max / self.beta_min) ** share

    def write(
        self, count: int, beta: Float[Tensor, ""]
    ) -> tuple[Float[Tensor, "B T V"], Bool[Tensor, "B T"]]:
        """Relaxed sequences and the mask of their tokens up to the first end token drawn.

        Args:
            count: Number B of sequences.
            beta: Inverse temperature, a scalar.
        """
        return relaxed(self.G, count, self.length, lambda logits: self.relaxation(logits, beta))

    def _judge_relaxed(
        self, x: Float[Tensor, "B T V"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, " B"]:
        return judged(self.D, x, mask, self.G.end)


def relaxed(
    policy: RecurrentPolicy, count: int, length: int, draw: Callable[[Tensor], Tensor]
) -> tuple[Float[Tensor, "B T V"], Bool[Tensor, "B T"]]:
    """Relaxed sequences of a policy, and the mask of their tokens up to the first end token.

    Args:
        policy: The policy.
        count: Number B of sequences.
        length: Number T of tokens of each.
        draw: Function from logits to differentiable samples.
    """
    device = policy.forbidden.device
    previous = torch.full((count,), policy.start, dtype=torch.int64, device=device)
    state = policy.begin(count)
    samples, drawn = [], []
    for _ in range(length):
        hidden, state = policy.step(previous, state)
        y = draw(policy.logits(hidden))
        previous = y.argmax(-1)
        samples.append(y)
        drawn.append(previous)
    return torch.stack(samples, 1), policy.mask(torch.stack(drawn, 1))


def compared(d_real: Float[Tensor, " B"], d_fake: Float[Tensor, " B"]) -> dict[str, Tensor]:
    """Means of both logits, and the share of pairs in the right order.

    The output of a relativistic discriminator has no absolute meaning.

    Args:
        d_real: Logits of real sequences, (B,).
        d_fake: Logits of others, (B,).
    """
    right = (d_real > d_fake).float().mean()
    return {"d_real": d_real.mean(), "d_fake": d_fake.mean(), "accuracy": right}


def judged(
    D: SequenceDiscriminator, x: Float[Tensor, "B T V"], mask: Bool[Tensor, "B T"], end: int | None
) -> Float[Tensor, " B"]:
    """The discriminator's logits of relaxed sequences.

    Args:
        D: The discriminator.
        x: Relaxed sequences, (B, T, V).
        mask: True up to their end, (B, T).
        end: Id that ends a sequence; None if all sequences have one length.
    """
    return D.score(D.embed_relaxed(x, mask), None if end is None else mask.sum(1))


def tiny() -> tuple[RelaxedGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    G = LSTMPolicy(12, 8, 8, start=1, end=2, pad=0)
    D = CNNDiscriminator(12, 8, ((1, 4), (2, 4)), end=2, dropout=0.0)
    return RelaxedGame(G, D, 6, moves=6, beta_max=10.0, d_steps=1), data
