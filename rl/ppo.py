"""Proximal policy optimisation, with the details that make it work (Schulman et al. 2017)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from image_core.adversarial import estimators, parallel
from image_core.adversarial.game import Batch, Loss, Turn
from rl.advantages import Samples
from rl.learner import Learner
from rl.policies import Policy


@final
class PPO(Learner):
    """Policy and value network, and how they learn from a rollout whose rewards are given.

    Args:
        policy: Policy G.
        value: Network from observations to values (B, 1).
        envs: Number of environments of a rollout.
        gamma: Discount per step.
        gae_lambda: Decay of generalised advantage estimates.
        epochs: Passes over a rollout.
        minibatch: Rows of an optimizer step.
        clip: Bound on how far the probability ratio may leave 1.
        entropy: Weight of the policy's entropy.
        value_weight: Weight of the value's squared error.
    """

    def __init__(
        self,
        policy: Policy,
        value: nn.Module,
        envs: int,
        *,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        epochs: int = 10,
        minibatch: int = 512,
        clip: float = 0.2,
        entropy: float = 0.0,
        value_weight: float = 0.5,
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
        self.entropy, self.value_weight = entropy, value_weight
        self.clip = estimators.clipped(clip).clip

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """One optimizer for both networks."""
        return {"G": [*self.policy.parameters(), *self.value.parameters()]}

    def turns(self) -> Sequence[Turn]:
        """Learn from the samples prepared."""
        return [Turn("G", self.policy_move)]

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Epochs of minibatches without replacement; advantages are normalised in each."""
        assert self.samples is not None, "prepare comes first"
        samples = self.samples
        for rows in samples.minibatches(self.epochs, self.minibatch):
            yield self._loss(Samples(*(x[rows] for x in samples)))
        self.samples = None

    def _loss(self, s: Samples) -> Loss:
        advantage = (s.advantage - s.advantage.mean()) / (s.advantage.std() + 1e-8)
        s, advantage = Samples(*map(parallel.share, s)), parallel.share(advantage)
        said = self.policy.parameters_of(s.obs)
        log_prob, value = self.policy.log_prob_of(said, s.act), self.value(s.obs).squeeze(1)
        total, kl, error = Objective.apply(
            log_prob, value, s.log_prob, advantage, s.target, self.clip, self.value_weight
        )
        # without a weight it is logged alone, and no graph of it is built
        entropy = self.policy.entropy_of(said if self.entropy else said.detach()).mean()
        if self.entropy:
            total = total - self.entropy * entropy
        logs = {"kl": kl, "entropy": entropy, "value_error": error}
        return Loss(total, logs)


@final
class Objective(Function):
    """The clipped surrogate and the value's squared error, whose gradients are two lines.

    -E[min(rho A, clip(rho) A)] + w E[(V - target)^2]                  (Schulman et al. 2017, eq. 9)

    Arguments: log probabilities and values (B,), which carry gradients; log probabilities under the
    policy that sampled, advantages and targets, (B,); clipping range; weight w. It returns the loss,
    the KL divergence by E[rho - 1 - log rho], and the squared error.
    """

    @staticmethod
    def forward(
        ctx: Any,
        log_prob: Tensor,
        value: Tensor,
        before: Tensor,
        advantage: Tensor,
        target: Tensor,
        clip: float,
        weight: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        log_ratio, apart = log_prob - before, value - target
        # Bounded before exp, which could overflow
        bounded = torch.where(
            advantage >= 0,
            log_ratio.clamp(max=math.log1p(clip)),
            log_ratio.clamp(min=math.log1p(-clip)),
        )
        earned = advantage * bounded.exp()
        error = apart.square().mean()
        ctx.save_for_backward(earned * (bounded == log_ratio) / -len(value), apart)
        ctx.weight = 2 * weight / len(value)
        kl = (log_ratio.exp() - 1 - log_ratio).mean()
        ctx.mark_non_differentiable(kl, error)
        return weight * error - earned.mean(), kl, error

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        of_log_prob, apart = ctx.saved_tensors
        return gradient * of_log_prob, gradient * ctx.weight * apart, *[None] * 5
