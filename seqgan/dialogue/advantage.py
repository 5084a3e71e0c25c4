"""From rewards to advantages, KL to the reference, and the pull towards people's lengths."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.returns import (
    discounted,
    group_normalised,
    leave_one_out,
    position_mean,
)

BASELINES = ("none", "position_mean", "leave_one_out", "group_normalised", "running")
"""What is taken off the reward; see `Advantage`."""


@final
class Advantage(nn.Module):
    """Reward less its baseline.

    none: as it is. position_mean: less the batch's mean at each position. leave_one_out: less that
    of the item's other samples (RLOO). group_normalised: a reply's mean reward in standard
    deviations of its item's samples (GRPO). running: in standard deviations of all rewards so far,
    clipped at +-2 (TextGAIL).

    Args:
        baseline: One of `BASELINES`.
        samples: Number of replies to each context.
        momentum: Decay of the running moments.
    """

    mean: Tensor
    square: Tensor

    def __init__(self, baseline: str, samples: int, momentum: float = 0.9):
        super().__init__()
        self.baseline, self.samples, self.momentum = baseline, samples, momentum
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("square", torch.zeros(()))

    @torch.no_grad()
    def forward(
        self, reward: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        match self.baseline:
            case "position_mean":
                return reward - position_mean(reward, mask)
            case "leave_one_out":
                return reward - leave_one_out(reward, self.samples, mask)
            case "group_normalised":
                mean = reward.masked_fill(~mask, 0).sum(1) / mask.sum(1)
                return group_normalised(mean, self.samples)[:, None].expand(reward.shape)
            case "running":
                return self._running(reward, mask)
            case _:
                return reward

    def _running(self, reward: Tensor, mask: Tensor) -> Tensor:
        kept = reward.masked_fill(~mask, 0)
        now = {"mean": kept.sum() / mask.sum(), "square": kept.square().sum() / mask.sum()}
        mean, square = parallel.average_logs(now).values()
        first = (self.mean == 0) & (self.square == 0)
        weight = torch.where(first, 1.0, 1 - self.momentum)
        self.mean.lerp_(mean.to(self.mean), weight.to(self.mean))
        self.square.lerp_(square.to(self.square), weight.to(self.square))
        deviation = (self.square - self.mean.square()).clamp(min=1e-8).sqrt()
        return ((reward - self.mean) / deviation).clamp(-2, 2)


def k1(log_prob: Tensor, reference: Tensor) -> Tensor:
    """Of KL(policy, reference) at samples of the policy: log pi - log pi_ref; unbiased.

    Args:
        log_prob: Log probability of each token under the policy, (B, T).
        reference: The same under the reference model.
    """
    return log_prob - reference


def k3(log_prob: Tensor, reference: Tensor) -> Tensor:
    """exp(log pi_ref - log pi) - (log pi_ref - log pi) - 1; unbiased and never below zero.

    Args:
        log_prob: Log probability of each token under the policy, (B, T).
        reference: The same under the reference model.

    Source: Schulman 2020, "Approximating KL divergence".
    """
    ratio = reference - log_prob
    return ratio.exp() - ratio - 1


KL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k3": k3}
"""Estimators by name: k1 is taken off the reward, k3 is added to the loss."""


@final
class KLCoefficient(nn.Module):
    """beta of the KL term; with a target it moves by at most 2 % a step towards holding it.

    beta <- beta (1 + 0.1 clip(KL / target - 1, -0.2, 0.2))

    Args:
        beta: Weight at the start.
        target: KL divergence in nats a reply; 0 keeps beta as it is.

    Source: Ziegler et al. 2019, section 2.2.
    """

    beta: Tensor

    def __init__(self, beta: float, target: float):
        super().__init__()
        self.target = target
        self.register_buffer("beta", torch.tensor(beta))

    @torch.no_grad()
    def adapt(self, kl: Float[Tensor, ""]) -> None:
        """Move beta after a step with this KL a reply."""
        if self.target:
            kl = parallel.average_logs({"kl": kl})["kl"]
            self.beta.mul_(1 + 0.1 * (kl / self.target - 1).clamp(-0.2, 0.2))


def kl_to_go(kl: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """What a token is answerable for of its reply's KL: its own and all that follows.

    Args:
        kl: Estimate of each token's KL, in nats, (B, T).
        mask: True = counts, (B, T).
    """
    return discounted(kl, mask, 1.0)


def length_cost(mask: Bool[Tensor, "B T"], human: Bool[Tensor, "B U"]) -> Float[Tensor, " B"]:
    """How far a reply's length is from the human one's: |log(n / n_human)|.

    Args:
        mask: True = a token of the reply, (B, T).
        human: True = a token of the human reply, (B, U).
    """
    return (mask.sum(1).float() / human.sum(1).float()).log().abs()


def summed(values: Float[Tensor, "N T"], mask: Bool[Tensor, "N T"]) -> Float[Tensor, " N"]:
    """Sum over what counts of each row.

    Args:
        values: Value of each token, (N, T).
        mask: True = counts, (N, T).
    """
    return values.masked_fill(~mask, 0).sum(1)


def mean_of(values: Float[Tensor, "N T"], mask: Bool[Tensor, "N T"]) -> Float[Tensor, ""]:
    """Mean over what counts.

    Args:
        values: Value of each token, (N, T).
        mask: True = counts, (N, T).
    """
    return values.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)


def expected(
    logits: Float[Tensor, "N T V"], values: Float[Tensor, "N T U"]
) -> Float[Tensor, "N T"]:
    """Mean of values of next tokens under a policy; the gradient moves the policy alone.

    Args:
        logits: Logits of the policy, (N, T, V).
        values: Value of each next token, a constant, (N, T, U).
    """
    return (logits.float().softmax(-1)[..., : values.shape[-1]] * values).sum(-1)


def spread_of(values: Float[Tensor, "N T"], mask: Bool[Tensor, "N T"]) -> Float[Tensor, ""]:
    """Standard deviation over what counts.

    Args:
        values: Value of each token, (N, T).
        mask: True = counts, (N, T).
    """
    return mean_of((values - mean_of(values, mask)).square(), mask).sqrt()
