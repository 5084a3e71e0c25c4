"""The discrete game: one latent in, variables that are independent given it out, and their judge.

Boundary-seeking GAN (Hjelm, Jacob, Trischler, Che, Cho & Bengio 2018) is this game with its own
estimator; by any other the same nets learn by REINFORCE, straight-through, REBAR. Symbols: G
generator of logits, D discriminator, F its logit, w = p/q the importance weight.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial import divergences, parallel
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.discrete_variables import Bernoulli, DiscreteVariables
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from seqgan.discrete import gradients
from seqgan.discrete.gradients import GradientEstimator


class DiscreteGame(Game):
    """Players "G" (generator, and what its estimator learns) and "D".

    The data stream yields real batches, which `read` turns into samples (B, *S) of floats.

    Args:
        G: Generator, from latents (B, latent) to logits (B, *S).
        D: Discriminator, from samples (N, *S), one-hot or relaxed, to logits (N,).
        variables: What the logits mean.
        estimator: Estimator of the generator's gradient.
        latent: Size of z, uniform in (0, 1).
        loss: Loss of the discriminator; its reward, which is log w for a divergence, moves the
            generator.
        penalty: Penalty of the discriminator.
        batch: Latents of a generator step, and of a discriminator step.
        d_steps: Optimizer steps of the discriminator in a round.
        read: Turns a batch of data into samples; a new draw each time where data are probabilities.

    Raises:
        UserError: An argument is of another kind or out of range, or the loss has no reward.
    """

    @python_call()
    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        variables: DiscreteVariables,
        estimator: GradientEstimator,
        latent: int,
        *,
        loss: AdversarialLoss = divergences.jensen_shannon,
        penalty: Penalty | None = None,
        batch: int = 64,
        d_steps: int = 1,
        read: Callable[[Tensor], Tensor] = torch.Tensor.float,
    ):
        super().__init__()
        check_within(1, latent=latent, batch=batch)
        check_within(0, d_steps=d_steps)
        if loss.reward is None:
            raise UserError(
                "this loss compares a sample with the rest of its batch, as relativistic ones do, "
                "so that no sample has a reward of its own to move a discrete generator by; use a "
                "loss that has one, as non_saturating"
            )
        self.G, self.D, self.estimator = G, D, estimator
        self.variables, self.latent, self.loss, self.penalty = variables, latent, loss, penalty
        self.log_weight = loss.reward
        self.batch, self.d_steps, self.read = batch, d_steps, read

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        generator = [*self.G.parameters(), *self.estimator.parameters()]
        return {"G": generator, "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("D", self.discriminator_move, repeat=self.d_steps),
            Turn("G", self.generator_move),
        ]

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One batch of latents, moved as the estimator says."""
        self.G.train()
        z = self._latents(self.batch)

        def reward(x: Tensor) -> Tensor:
            return self.log_weight(self.D(x))

        yield Loss(self.estimator(self.variables, self.G(z), reward, z))

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """All samples of all latents as fakes, a batch of data as reals."""
        self.G.train()
        real = self.read(next(batches))
        with torch.no_grad():
            logits = self.G(self._latents(self.batch))
        fake = self.estimator.fakes(self.variables, logits)
        d_real, d_fake = self.D(real), self.D(fake)
        total = self.loss.d(d_real, d_fake)
        logs = {
            "d_real": d_real.mean(),
            "d_fake": d_fake.mean(),
            "accuracy": 0.5 * ((d_real > 0).float().mean() + (d_fake < 0).float().mean()),
            **weight_statistics(self.log_weight(d_fake.detach()), self.estimator.samples),
        }
        if self.penalty is not None:
            size = min(len(real), len(fake))
            logs["penalty"] = self.penalty(self.D, real[:size], fake[:size])
            total = total + logs["penalty"]
        yield Loss(total, logs)

    @torch.no_grad()
    def sample(
        self, count: int, *, generator: nn.Module | None = None
    ) -> Float[Tensor, "{count} ..."]:
        """One sample of each of many fresh latents, in evaluation mode, of G if none is named.

        Args:
            count: Number of samples.
            generator: Generator that draws them; None takes G.
        """
        generator = self.G if generator is None else generator
        training = generator.training
        generator.eval()
        parts = []
        for start in range(0, count, 500):
            z = torch.rand(min(500, count - start), self.latent, device=self._device())
            parts.append(self.variables.sample(generator(z), 1).flatten(0, 1))
        generator.train(training)
        return torch.cat(parts)

    def _latents(self, count: int) -> Float[Tensor, "B latent"]:
        return torch.rand(count // parallel.world()[1], self.latent, device=self._device())

    def _device(self) -> torch.device:
        return next(self.G.parameters()).device


def weight_statistics(log_weight: Float[Tensor, " N"], samples: int) -> dict[str, Tensor]:
    """What importance weights of M samples a latent are worth.

    ess = mean_z 1 / sum_m w~_m^2,  w~ = softmax_m(log w)
    log_z = log mean w over the batch

    The first lies between 1, where one sample has all the weight, and M; the second is 0 where the
    discriminator is exact. Beside them stands the variance of log w.

    Args:
        log_weight: Log weights; samples of one latent are contiguous.
        samples: Number M of samples; with one sample a latent the effective size is that of the
            whole batch.
    """
    groups = log_weight.view(-1, samples) if samples > 1 else log_weight[None]
    weight = groups.softmax(1)
    return {
        "ess": (1 / weight.square().sum(1)).mean(),
        "log_weight_variance": log_weight.var(correction=0),
        "log_z": torch.logsumexp(log_weight, 0) - math.log(log_weight.numel()),
    }


def tiny() -> tuple[DiscreteGame, Tensor]:
    """A game of seconds and data for it, for tests: six bits, the last three as the first."""
    half = torch.randint(0, 2, (16, 3), generator=torch.Generator().manual_seed(1))
    G = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6))
    D = nn.Sequential(nn.Linear(6, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Flatten(0))
    return DiscreteGame(G, D, Bernoulli(), gradients.bgan(5, 4), 4, batch=8), torch.cat(
        [half, half], 1
    )
