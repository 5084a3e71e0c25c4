"""Trust region policy optimisation, as the GAIL paper used it (Schulman et al. 2015).

The natural gradient step is computed here, line search included; the engine takes it. The policy's
move yields -(theta . step), whose gradient is minus the step, so that plain SGD with rate 1 moves
the policy exactly by it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.game import Batch, Loss, Turn
from rl.advantages import Samples
from rl.learner import Learner
from rl.policies import Policy


@final
class TRPO(Learner):
    """Policy and value network: a trust-region step for one, regression for the other.

    Players "V", and "G", whose optimizer must be `torch.optim.SGD` with lr 1.

    Args:
        policy: Policy G.
        value: Network from observations to values (B, 1).
        envs: Number of environments of a rollout.
        gamma: Discount per step.
        gae_lambda: Decay of generalised advantage estimates.
        max_kl: Size of the trust region in nats.
        damping: Number added to the diagonal of the Fisher matrix.
        cg_steps: Iterations of conjugate gradients.
        backtracks: Halvings of the step before it is given up.
        epochs: Passes of the value over a rollout.
        minibatch: Rows of an optimizer step of the value.
    """

    def __init__(
        self,
        policy: Policy,
        value: nn.Module,
        envs: int,
        *,
        gamma: float = 0.99,
        gae_lambda: float = 0.97,
        max_kl: float = 0.01,
        damping: float = 0.1,
        cg_steps: int = 10,
        backtracks: int = 10,
        epochs: int = 5,
        minibatch: int = 512,
    ):
        super().__init__(
            policy,
            value,
            envs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            epochs=epochs,
            minibatch=minibatch,
        )
        self.max_kl, self.damping = max_kl, damping
        self.cg_steps, self.backtracks = cg_steps, backtracks

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Two optimizers."""
        return {"V": list(self.value.parameters()), "G": list(self.policy.parameters())}

    def turns(self) -> Sequence[Turn]:
        """The value first; advantages were taken before it moves."""
        return [Turn("V", self.value_move), Turn("G", self.policy_move)]

    def value_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Regress the value on its targets."""
        assert self.samples is not None, "prepare comes first"
        samples = self.samples
        for rows in map(parallel.share, samples.minibatches(self.epochs, self.minibatch)):
            error = (self.value(samples.obs[rows]).squeeze(1) - samples.target[rows]).square()
            yield Loss(error.mean())

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One natural gradient step inside the trust region, or none where it does not improve.

        Each process finds the step of all rows: a mean of steps could leave the region.
        """
        assert self.samples is not None, "prepare comes first"
        step, logs = self._step(self.samples)
        parameters = list(self.policy.parameters())
        yield Loss(-sum_of_products(parameters, step), logs)
        self.samples = None

    def _step(self, s: Samples) -> tuple[list[Tensor], dict[str, Tensor]]:
        parameters = list(self.policy.parameters())
        advantage = (s.advantage - s.advantage.mean()) / (s.advantage.std() + 1e-8)
        said = self.policy.parameters_of(s.obs)
        old = self.policy.snapshot(said)
        gain = ((self.policy.log_prob_of(said, s.act) - s.log_prob).exp() * advantage).mean()
        gradient = torch.autograd.grad(gain, parameters, retain_graph=True)
        kl = self.policy.kl_of(old, said).mean()
        kl_gradient = torch.autograd.grad(kl, parameters, create_graph=True)

        def fisher(vector: list[Tensor]) -> list[Tensor]:
            product = sum_of_products(kl_gradient, vector)
            rows = torch.autograd.grad(product, parameters, retain_graph=True)
            return [row + self.damping * v for row, v in zip(rows, vector)]

        direction = conjugate_gradient(fisher, list(gradient), self.cg_steps)
        curvature = sum_of_products(direction, fisher(direction))
        scale = (2 * self.max_kl / curvature.clamp(min=1e-12)).sqrt()
        full = [scale * d for d in direction]
        return self._search(s, advantage, old, full, gain.detach())

    @torch.no_grad()
    def _search(
        self, s: Samples, advantage: Tensor, old: Tensor, full: list[Tensor], before: Tensor
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Halve the step until the surrogate rises and the divergence is inside the region."""
        parameters = list(self.policy.parameters())
        start = [p.clone() for p in parameters]
        share, kept, kl = 1.0, 0.0, before.new_zeros(())
        for _ in range(self.backtracks):
            for p, p0, d in zip(parameters, start, full):
                p.copy_(p0 + share * d)
            said = self.policy.parameters_of(s.obs)
            after = ((self.policy.log_prob_of(said, s.act) - s.log_prob).exp() * advantage).mean()
            kl = self.policy.kl_of(old, said).mean()
            if bool((after > before) & (kl <= 1.5 * self.max_kl)):
                kept = share
                break
            share /= 2
        for p, p0 in zip(parameters, start):
            p.copy_(p0)
        logs = {"kl": kl * (kept > 0), "share": before.new_tensor(kept)}
        return [kept * d for d in full], logs


def sum_of_products(one: Sequence[Tensor], other: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Inner product of two lists of tensors of equal shapes.

    Args:
        one: Tensors.
        other: Tensors of the same shapes.
    """
    return torch.stack([(a * b).sum() for a, b in zip(one, other)]).sum()


@torch.no_grad()
def conjugate_gradient(
    product: Callable[[list[Tensor]], list[Tensor]], b: list[Tensor], steps: int
) -> list[Tensor]:
    """Solve A x = b for a symmetric positive definite A that is given by its products.

    Args:
        product: Function v -> A v, which may differentiate.
        b: Right-hand side.
        steps: Number of iterations.

    Source: Hestenes & Stiefel 1952.
    """
    x = [torch.zeros_like(v) for v in b]
    residual = [v.clone() for v in b]
    direction = [v.clone() for v in b]
    squared = sum_of_products(residual, residual)
    for _ in range(steps):
        with torch.enable_grad():
            image = product(direction)
        step = squared / sum_of_products(direction, image).clamp(min=1e-20)
        x = [xi + step * d for xi, d in zip(x, direction)]
        residual = [r - step * i for r, i in zip(residual, image)]
        new = sum_of_products(residual, residual)
        direction = [r + new / squared.clamp(min=1e-20) * d for r, d in zip(residual, direction)]
        squared = new
    return x
