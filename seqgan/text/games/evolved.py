"""The evolved game: children of the policy take different steps, and the fittest of them stays.

    L_D = sum_i relativistic average loss of D(x_i) and D(y_i),   i the labels
    F   = mean sigmoid(D(y) - mean D(x)) + lambda mean -log G(y_t | y_<t),   y samples of a child

A child is one optimizer step from the same weights and moments: with one of two losses, at one of
three temperatures. Weights and moments of the fittest are the next parent.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.fork import Fork
from image_core.adversarial.game import Batch, Loss
from image_core.adversarial.parallel import average_logs, from_first
from image_core.adversarial.penalties import Penalty
from seqgan.lm.policies import LSTMPolicy, RecurrentPolicy
from seqgan.text.discriminators import CNNDiscriminator, SequenceDiscriminator
from seqgan.text.games.labelled import LabelledGame
from seqgan.text.games.relaxed import compared, concrete, judged, relaxed
from seqgan.text.mixture import MixturePolicy

MUTATIONS = {"ragan": losses.relativistic_average.g, "rsgan": losses.relativistic.g}
"""Losses of a child: against the mean of the other side, or pair by pair."""
SELECTIONS = ("best", "random")


class Child(NamedTuple):
    """One step that is tried.

    Args:
        mutation: Key of `MUTATIONS`.
        shift: Steps by which its temperature is ahead of schedule.
    """

    mutation: str
    shift: int


class EvolvedGame(LabelledGame):
    """Players "G" (the policies of all labels), "mle" (with a separate optimizer) and "D".

    Args:
        G: The policies.
        D: The discriminator, which is told no label.
        length: Tokens of a sequence, including padding.
        moves: Number of policy moves in the whole run, over which the temperature is scheduled.
        beta_max: Inverse temperature of the relaxed samples in the last move; with 1 the
            temperature is no mutation.
        mutations: Keys of `MUTATIONS`.
        select: "best" for the fittest child, "random" for any, as a control.
        diversity_weight: Weight lambda of the negative log-likelihood of a child's samples.
        score_samples: Number of sequences of each label on which a child is scored.
        penalty: Penalty of the discriminator, on embedded sequences.
        g_steps: Moves of the policies in a round.
        d_steps: Optimizer steps of the discriminator in a round.

    Raises:
        UserError: There are no moves, or beta_max is not above 0.
    """

    played: Tensor
    wins: Tensor
    fitness: Tensor

    def __init__(
        self,
        G: MixturePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        moves: int,
        beta_max: float = 100.0,
        mutations: Sequence[str] = tuple(MUTATIONS),
        select: str = "best",
        diversity_weight: float = 1e-3,
        score_samples: int = 512,
        penalty: Penalty | None = None,
        g_steps: int = 1,
        d_steps: int = 3,
    ):
        super().__init__(G, D, length, g_steps=g_steps, d_steps=d_steps)
        if moves < 1 or not beta_max > 0:
            raise UserError(f"{moves} policy moves to beta_max {beta_max}: both must be above 0")
        self.moves, self.beta_max, self.penalty = moves, beta_max, penalty
        shifts = (0, 1, -1) if beta_max != 1 else (0,)
        self.mutants = [Child(name, shift) for name in mutations for shift in shifts]
        self.select, self.score_samples = select, score_samples
        self.diversity_weight = diversity_weight
        self.register_buffer("played", torch.zeros(()))
        self.register_buffer("wins", torch.zeros(len(self.mutants)))
        # Quality and diversity of the child that was scored last, for the log
        self.register_buffer("fitness", torch.zeros(2))

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take the step of the first child, without trying others."""
        self.G.eval()
        self.D.eval()
        self.played += 1
        real = next(batches)
        yield self._step_of(self.mutants[0], self._judge_real(real))

    def evolve(self, batches: Iterator[Batch], fork: Callable[[], Fork]) -> Iterator[Loss]:
        """Try the step of every child, and keep one of them.

        Args:
            batches: Lists of batches of real sequences, one for each label.
            fork: Function that copies weights and optimizer state of the policies.
        """
        self.G.eval()
        self.D.eval()
        self.played += 1
        d_real = self._judge_real(next(batches))
        parent = fork()
        lot = from_first(torch.randint(len(self.mutants), (), device=self.played.device))
        best, most, chosen = parent, torch.zeros_like(self.played), torch.zeros_like(lot)
        for i, child in enumerate(self.mutants):
            if i:
                parent.restore()
            yield self._step_of(child, d_real)
            score = self.score(d_real)
            if self.select == "random":
                score = (lot == i).to(score)
            if i:
                fitter = score > most
                best.take(fitter)
                most, chosen = torch.maximum(most, score), torch.where(fitter, i, chosen)
            else:
                best, most = fork(), score
        best.restore()
        self.wins += torch.arange(len(self.wins), device=chosen.device) == chosen

    @torch.no_grad()
    def _judge_real(self, real: Sequence[Tensor]) -> list[Tensor]:
        return [self.D(rows) for rows in real]

    def _step_of(self, child: Child, d_real: Sequence[Tensor]) -> Loss:
        """The child's loss, with the shares of each mutation in the choices so far."""
        beta = self.beta(child.shift)
        each = [
            MUTATIONS[child.mutation](real, self._judge(part, len(real), beta))
            for part, real in zip(self.G.labelled(), d_real, strict=True)
        ]
        logs = {"beta": beta, "quality": self.fitness[0], "diversity": self.fitness[1]}
        for name in dict.fromkeys(child.mutation for child in self.mutants):
            own = [w for w, child in zip(self.wins, self.mutants) if child.mutation == name]
            logs[f"won_{name}"] = torch.stack(own).sum() / self.wins.sum().clamp(min=1)
        return Loss(torch.stack(each).sum(), {k: v.clone() for k, v in logs.items()})

    def _judge(self, part: RecurrentPolicy, count: int, beta: Tensor) -> Float[Tensor, " B"]:
        x, mask = relaxed(part, count, self.length, lambda logits: concrete(logits, beta))
        return judged(self.D, x, mask, self.G.end)

    @torch.no_grad()
    def score(self, d_real: Sequence[Float[Tensor, " B"]]) -> Float[Tensor, ""]:
        """Fitness of the policies as they are, on new samples of each label.

        Args:
            d_real: Logits of real sequences of each label, (B,).
        """
        quality, diversity = [], []
        for part, real in zip(self.G.labelled(), d_real, strict=True):
            tokens = part.trim(part.sample(self.score_samples, self.length))
            quality.append(torch.sigmoid(self.D(tokens) - real.mean()).mean())
            diversity.append(part.nll(tokens))
        parts = {"quality": torch.stack(quality).mean(), "diversity": torch.stack(diversity).mean()}
        parts = average_logs(parts)  # the same child in all processes
        self.fitness.copy_(torch.stack(list(parts.values())))
        return self.fitness[0] + self.diversity_weight * self.fitness[1]

    def beta(self, shift: int = 0) -> Float[Tensor, ""]:
        """Inverse temperature of the current move, beta_max^(n / N).

        Args:
            shift: Moves by which it is ahead.
        """
        share = ((self.played + shift) / self.moves).clamp(0.0, 1.0)
        return self.beta_max**share

    def discriminator_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Train each step on real sequences of every label and as many relaxed ones."""
        self.G.eval()
        self.D.train()
        for _ in range(steps):
            real = next(batches)
            each = [self._apart(part, own) for part, own in zip(self.G.labelled(), real)]
            logs = [loss.logs for loss in each]
            total = torch.stack([loss.total for loss in each]).sum() + self.D.regularizer()
            yield Loss(total, {k: sum(part[k] for part in logs) / len(logs) for k in logs[0]})

    def _apart(self, part: RecurrentPolicy, real: Tensor) -> Loss:
        """Loss of the discriminator on one label."""
        with torch.no_grad():
            x, mask = relaxed(
                part, len(real), self.length, lambda logits: concrete(logits, self.beta())
            )
        d_real, d_fake = self.D(real), judged(self.D, x, mask, self.G.end)
        total, logs = losses.relativistic_average.d(d_real, d_fake), compared(d_real, d_fake)
        if self.penalty is not None:
            vectors = self.D.embed(real), self.D.embed_relaxed(x, mask)
            logs["penalty"] = self.penalty(lambda v: self.D.score(v, None), *vectors)
            total = total + logs["penalty"]
        return Loss(total, logs)


def tiny() -> tuple[EvolvedGame, list[Tensor]]:
    """A game that runs in seconds and data for it, for tests: two labels, up to six tokens."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    parts = [LSTMPolicy(12, 8, 8, start=1, end=2, pad=0) for _ in range(2)]
    D = CNNDiscriminator(12, 8, ((1, 4), (2, 4)), end=2, dropout=0.0)
    options: dict[str, Any] = {"moves": 6, "beta_max": 10.0, "d_steps": 1, "score_samples": 8}
    return EvolvedGame(MixturePolicy(parts, [0.5, 0.5]), D, 6, **options), list(data.chunk(2))
