"""PPO's objective: the clipped surrogate, the values' squared error and the policy's entropy.

    -E[min(rho A, clip(rho) A)] + w E[(V - target)^2] - c E[entropy]   (Schulman et al. 2017, eq. 9)

For dense networks of equal inputs one compiled call finds it and all its gradients, a block of rows
after another: no activation leaves the cache. All else goes through the networks' own calls.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from rl.advantages import Samples
from rl.dense import Dense, _dense, addresses, compiled
from rl.nets import Normaliser, ObsNet
from rl.policies import CategoricalPolicy, GaussianPolicy, Policy


class Weights(NamedTuple):
    """What the objective is made of.

    Args:
        clip: Bound on how far the probability ratio may leave 1.
        value: Weight w of the values' squared error.
        entropy: Weight c of the policy's entropy.
    """

    clip: float
    value: float
    entropy: float


class ObjectiveTerms(NamedTuple):
    """The objective, and what is logged of it, all scalars.

    Args:
        total: Objective, which carries the gradient.
        kl: Divergence from the policy that sampled, E[rho - 1 - log rho].
        entropy: Mean entropy, nats.
        value_error: Mean squared error of the values.
    """

    total: Tensor
    kl: Tensor
    entropy: Tensor
    value_error: Tensor


def objective(policy: Policy, value: nn.Module, s: Samples, weights: Weights) -> ObjectiveTerms:
    """The objective of a minibatch.

    Args:
        policy: Policy that learns.
        value: Network from observations to values (B, 1).
        s: Rows, their advantages as they are to be used.
        weights: What the objective is made of.
    """
    if found := _at_once(policy, value, s, weights):
        return found
    said = policy.parameters_of(s.obs)
    log_prob, values = policy.log_prob_of(said, s.act), value(s.obs).squeeze(1)
    total, kl, error = Surrogate.apply(
        log_prob, values, s.log_prob, s.advantage, s.target, weights.clip, weights.value
    )
    # Without a weight it is logged alone, and no graph of it is built
    entropy = policy.entropy_of(said if weights.entropy else said.detach()).mean()
    total = total - weights.entropy * entropy if weights.entropy else total
    return ObjectiveTerms(total, kl, entropy, error)


class Surrogate(Function):
    """The objective without entropy, of log probabilities and values, (B,), which carry gradients.

    The other arguments are log probabilities under the policy that sampled, advantages and targets,
    (B,), clipping range and weight w. It returns the loss, the divergence and the squared error.
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


# ------------------------------------------------------------------------------------ compiled


class _Nets(NamedTuple):
    """Networks that the compiled objective reads: what they see, and their layers."""

    seen: Tensor
    policy: tuple[int, ...]
    value: tuple[int, ...]
    parameters: list[Tensor]


def _at_once(
    policy: Policy, value: nn.Module, s: Samples, weights: Weights
) -> ObjectiveTerms | None:
    """By one compiled call, if the networks are what it knows."""
    if not torch.is_grad_enabled() or (nets := _nets(policy, value, s.obs)) is None:
        return None
    log_std: list[Tensor] = []
    act = s.act
    if isinstance(policy, GaussianPolicy):
        act, log_std = policy.scaled(act), [policy.log_std]
    numbers = (s.log_prob, s.advantage, s.target, *log_std)
    kind = torch.float32 if log_std else torch.int64
    plain = all(x.dtype == torch.float32 and x.is_contiguous() for x in numbers)
    if not plain or act.dtype != kind or not act.is_contiguous():
        return None
    data = (nets, act, *numbers[:3])
    return ObjectiveTerms(*_AtOnce.apply(data, weights, len(log_std), *log_std, *nets.parameters))


def _nets(policy: Policy, value: nn.Module, obs: Tensor) -> _Nets | None:
    if type(policy) not in (CategoricalPolicy, GaussianPolicy):
        return None
    actor = policy.net
    if not (_plain(actor) and isinstance(value, ObsNet) and _plain(value)):
        return None
    if actor.normaliser is not value.normaliser or type(actor.normaliser) is not Normaliser:
        return None
    seen = actor.normaliser(obs)
    sizes, parameters = [], []
    for net in (actor, value):
        assert isinstance(net.dense, Dense)
        own = net.dense.readable(seen)
        if own is None or (size := compiled(seen, own)) is None:
            return None
        sizes.append(size)
        parameters += own
    return _Nets(seen, sizes[0], sizes[1], parameters)


def _plain(net: nn.Module) -> bool:
    """Whether a network of observations is dense layers alone."""
    hooked = net._forward_hooks or net._forward_pre_hooks or net._backward_hooks
    return type(net) is ObsNet and net.eye is None and type(net.dense) is Dense and not hooked


class _AtOnce(Function):
    @staticmethod
    def forward(
        ctx: Any,
        data: tuple[_Nets, Tensor, Tensor, Tensor, Tensor],
        weights: Weights,
        vectors: int,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        nets, *rows = data
        gradients = [torch.zeros_like(p) for p in parameters]
        here, there = addresses(parameters), addresses(gradients)
        log_std = (here[0], there[0]) if vectors else (0, 0)
        middle = vectors + 2 * (len(nets.policy) - 1)
        earned, kl, error, entropy = _dense.objective(
            len(nets.seen),
            *addresses((nets.seen, *rows)),
            *log_std,
            *weights,
            (nets.policy, here[vectors:middle], there[vectors:middle]),
            (nets.value, here[middle:], there[middle:]),
        )
        total = weights.value * error - earned - weights.entropy * entropy
        found = [torch.tensor(x, dtype=torch.float32) for x in (total, kl, entropy, error)]
        ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(*found[1:])
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, *torch._foreach_mul(ctx.saved_tensors, gradient)
