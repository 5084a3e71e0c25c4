"""Gradients of an expected reward by relaxed control variates and antithetic pairs.

Each takes logits of variables that are independent given what the generator read, and the reward as
a function of samples, `(N, *variables, V) -> (N,)`; it returns a surrogate loss whose gradient in
the logits is minus an estimate of the gradient of E[reward], the mean over the batch. All are
unbiased. The reward is differentiated at relaxed samples only. `estimators.py` exports them.

Variables that depend on one another's samples, the tokens of an autoregressive policy, are not of
this form as a whole: there they serve one step at a time, given its prefix.
"""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from image_core.adversarial.discrete_variables import DiscreteVariables
from image_core.adversarial.errors import UserError
from image_core.adversarial.relaxations import one_hot_like, with_gumbel

__all__ = ["disarm", "rebar", "relax", "taylor"]

NEVER = -1e4
"""A log probability whose exponential is 0, but 0 times it is not NaN."""

RewardOf = Callable[[Tensor], Tensor]
"""Samples (N, *variables, V), one-hot or soft -> (N,), what each earns."""


def rebar(
    logits: Float[Tensor, "B *variables V"],
    reward: RewardOf,
    temperature: float = 1.0,
    eta: float = 1.0,
) -> Float[Tensor, ""]:
    """REINFORCE with the concrete relaxation of the same noise as control variate; unbiased.

    [f(b) - eta f(s(z~))] d log p(b) + eta d f(s(z)) - eta d f(s(z~)),   s(z) = softmax(z / lambda)

    with z = log p + Gumbel noise, b = its one-hot argmax, z~ a draw of p(z | b). The noise of z~ is
    the one that gives z~ = z (the paper's common random numbers), so that both relaxed samples are
    one: two evaluations of f and one of its gradient.

    Args:
        logits: unnormalised log probabilities.
        reward: f; must accept soft samples.
        temperature: lambda; any value leaves the estimate unbiased.
        eta: scale of the control variate, likewise; 0 is REINFORCE.

    Raises:
        UserError: temperature is not positive.

    Source: Tucker et al. 2017, eq. 7 and appendix on coupled noise.
    """
    if not temperature > 0:
        raise UserError(f"temperature = {temperature}: give a positive number")
    hard, z, path = _coupled(logits)
    relaxed = (z / temperature).softmax(-1)
    soft = relaxed.detach() + _softmax_path(relaxed, path / temperature)
    with torch.no_grad():
        f_hard = reward(hard)
    f_soft = reward(soft)
    log_prob = (_log_p(logits) * hard).flatten(1).sum(1)
    score = (f_hard - eta * f_soft.detach()) * log_prob
    return -(score + eta * f_soft).mean()


def relax(
    control: nn.Module | None = None, temperature: float = 1.0, eta: float | None = 1.0
) -> "Relax":
    """REBAR with a control variate that learns to lower the variance of the estimate; unbiased.

    [f(b) - c(z~)] d log p(b) + d c(z) - d c(z~),   c(z) = eta f(softmax(z / lambda)) + control(z)

    The square of the estimate is added to the loss, and is seen by eta, log lambda and the control
    alone, which so learn with the generator: give them to its player.

    Args:
        control: a network from z (B, *variables, V) to (B,); None = eta and lambda alone are
            learned, which is REBAR with its two numbers tuned.
        temperature: of the relaxed reward at the start; learned.
        eta: of the relaxed reward at the start; learned. None = f is a black box, read at one-hot
            samples only, and the control alone is subtracted.

    Raises:
        UserError: neither a control nor an eta, or temperature not positive.

    Source: Grathwohl et al. 2018, algorithm 2.
    """
    return Relax(control, temperature, eta)


@final
class Relax(nn.Module):
    """What `relax` builds.

    Args:
        control: as in `relax`.
        temperature: see there.
        eta: see there.
    """

    def __init__(self, control: nn.Module | None, temperature: float, eta: float | None) -> None:
        super().__init__()
        if control is None and eta is None:
            raise UserError("relax needs a control network, an eta, or both")
        if not temperature > 0:
            raise UserError(f"temperature = {temperature}: give a positive number")
        self.control = control
        self.eta: nn.Parameter | None = None
        self.log_temperature: nn.Parameter | None = None
        if eta is not None:
            self.eta = nn.Parameter(torch.tensor(float(eta)))
            self.log_temperature = nn.Parameter(torch.tensor(float(temperature)).log())

    def forward(
        self, logits: Float[Tensor, "B *variables V"], reward: RewardOf
    ) -> Float[Tensor, ""]:
        """Surrogate loss of the logits, and the variance, of the control's parameters."""
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            hard, z, path = _coupled(leaf)
            f_hard, c = self._values(hard, z, path, reward)
            (through,) = torch.autograd.grad(c.sum(), leaf, create_graph=True)
            score = hard - leaf.detach().softmax(-1)
            weight = (f_hard - c).view(-1, *[1] * (logits.dim() - 1))
            estimate = weight * score + through
        variance = estimate.flatten(1).square().sum(1).mean()
        return variance - (estimate.detach() * logits.clamp(min=NEVER)).flatten(1).sum(1).mean()

    def _values(
        self, hard: Tensor, z: Tensor, path: Tensor, reward: RewardOf
    ) -> tuple[Tensor, Tensor]:
        """f(b), and c at z, with the slope of c(z) - c(z~)."""
        with torch.no_grad():
            f_hard = reward(hard)
        if self.eta is None or self.log_temperature is None:
            c = z.new_zeros(len(z))
        else:
            temperature = self.log_temperature.exp()
            relaxed = (z.detach() / temperature).softmax(-1)
            soft = relaxed + _softmax_path(relaxed, path / temperature)
            c = self.eta * reward(soft)
        if self.control is not None:
            c = c + self.control(z.detach() + path)
        return f_hard, c


def disarm(logits: Float[Tensor, " B *variables"], reward: RewardOf) -> Float[Tensor, ""]:
    """Antithetic pairs of Bernoulli samples; unbiased, two evaluations of f, none of its slope.

    g_i = 1/2 (f(b) - f(b')) (-1)^(b'_i) [b_i != b'_i] sigmoid(|l_i|)

    with b = [1 - u < sigmoid(l)], b' = [u < sigmoid(l)] of the same uniforms u.

    Args:
        logits: of a 1 at each variable.
        reward: f, of samples (N, *variables) of 0 and 1; a black box.

    Source: Dong, Mnih & Tucker 2020, eq. 6.
    """
    with torch.no_grad():
        probability = logits.sigmoid()
        u = torch.rand_like(probability)
        one, other = (1 - u < probability).to(logits), (u < probability).to(logits)
        f_one, f_other = reward(torch.cat([one, other])).chunk(2)
        difference = ((f_one - f_other) / 2).view(-1, *[1] * (logits.dim() - 1))
        # (-1)^(b') [b != b'] is b - b'
        estimate = difference * (one - other) * logits.abs().sigmoid()
    return -(estimate * logits).flatten(1).sum(1).mean()


def taylor(samples: int, momentum: float = 0.99) -> "Taylor":
    """Leave-one-out with the slopes of the other samples as control variate; unbiased.

    t_m = mean_(j != m) f'(x_j) (x_m - x_j),  b_m = mean_(j != m) f(x_j)
    g = mean_m [ (f(x_m) - b_m - a t_m) d log p(x_m) + a f'(x_m) d E[x] ]

    The last term is the straight-through gradient; the first takes away its bias, and has the
    variance of what a tangent at another sample of the same latent leaves of f. The coefficient a
    is the regression of f - b on t over earlier calls, hence independent of the samples at hand.
    M evaluations of f, M of its slope.

    Args:
        samples: M, of each latent.
        momentum: of the moving averages that a is the quotient of.

    Raises:
        UserError: fewer than two samples, or momentum not in [0, 1).

    Source: after Titsias & Shi 2022 (double control variates), whose tangents are at the mean;
        Gu et al. 2016 (MuProp).
    """
    return Taylor(samples, momentum)


@final
class Taylor(nn.Module):
    """What `taylor` builds; remembers two moments.

    Args:
        samples: as in `taylor`.
        momentum: see there.
    """

    product: Tensor
    square: Tensor

    def __init__(self, samples: int, momentum: float) -> None:
        super().__init__()
        if samples < 2:
            raise UserError(f"samples = {samples}: leaving one out needs at least 2")
        if not 0 <= momentum < 1:
            raise UserError(f"momentum = {momentum}: give a number in [0, 1)")
        self.samples, self.momentum = samples, momentum
        self.register_buffer("product", torch.zeros(()))
        self.register_buffer("square", torch.zeros(()))

    def forward(
        self, variables: DiscreteVariables, logits: Float[Tensor, " B *S"], reward: RewardOf
    ) -> Float[Tensor, ""]:
        """Surrogate loss; the coefficient takes the samples in only afterwards."""
        others = self.samples - 1
        x = variables.sample(logits, self.samples)
        with torch.enable_grad():
            leaf = x.flatten(0, 1).requires_grad_()
            value = reward(leaf)
            (slope,) = torch.autograd.grad(value.sum(), leaf)
        value = value.detach().view(len(x), self.samples)
        flat, slope = x.flatten(2), slope.view_as(x).flatten(2)
        total = slope.sum(1)
        along = torch.bmm(flat, total[:, :, None])[:, :, 0]
        tangent = (along - (flat * slope).sum((1, 2))[:, None]) / others
        centred = value - (value.sum(1, keepdim=True) - value) / others
        a = self.product / self.square.clamp(min=torch.finfo(self.square.dtype).tiny)
        weight = centred - a * tangent
        score = (weight * variables.log_prob(logits, x)).mean(1)
        straight = (total * variables.mean(logits).flatten(1)).sum(1) / self.samples
        with torch.no_grad():
            step = 1 - self.momentum
            self.product.lerp_((centred * tangent).mean().to(self.product), step)
            self.square.lerp_(tangent.square().mean().to(self.square), step)
        return -(score + a * straight).mean()


def _coupled(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One-hot sample b, its noisy log probabilities z, and z - z~: zero, with a gradient.

    z = log p + g,  b = one_hot(argmax z)
    z~_k = -log E_0,  z~_i = -log(E_i / p_i + E_0)                given b = k, with exponential E
    E_i / p_i = exp(-z_i) - exp(-z_k)                             where E is such that z~ = z

    The last is worked out in logs, and moves as 1 / p_i.
    """
    log_p = _log_p(logits)
    z = with_gumbel(log_p)
    hard = one_hot_like(z.detach())
    with torch.no_grad():
        top = z.amax(-1, keepdim=True)
        others = torch.log1p(-(z - top).exp().masked_fill(hard.bool(), 0.0)) - z
    moved = torch.logaddexp(others + (log_p.detach() - log_p), -top)
    path = z - torch.where(hard.bool(), z.detach(), -moved)
    return hard, z, path - path.detach()


def _log_p(logits: Tensor) -> Tensor:
    """Log probabilities; a class forbidden by -inf is only as good as forbidden."""
    return log_softmax(logits, -1).clamp(min=NEVER)


def _softmax_path(relaxed: Tensor, path: Tensor) -> Tensor:
    """Zero, with the slope of softmax along `path`: J path, J = diag(y) - y y'."""
    return relaxed * (path - (relaxed * path).sum(-1, keepdim=True))
