"""Gradients of an expected reward by relaxed control variates and antithetic pairs.

Each takes logits of sites that are independent given what the generator read, and the reward as a
function of samples, `(N, *sites, V) -> (N,)`; it returns a surrogate loss whose gradient in the
logits is minus an estimate of the gradient of E[reward], the mean over the batch. All are unbiased.
The reward is called in one batch; the gradient goes to the logits, not to the reward's parameters.
They are exported by `estimators.py`.

Sites that depend on one another's samples, the tokens of an autoregressive policy, are not of this
form as a whole: there they serve one step at a time, given its prefix.
"""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from image_core.adversarial.errors import UserError
from image_core.adversarial.relaxations import one_hot_like, with_gumbel

__all__ = ["disarm", "rebar", "relax"]

NEVER = -1e4
"""A log probability whose exponential is 0, but 0 times it is not NaN."""

RewardOf = Callable[[Tensor], Tensor]
"""Samples (N, *sites, V), one-hot or soft -> (N,), what each earns."""


def rebar(
    logits: Float[Tensor, "B *sites V"],
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
    f_hard, f_soft = reward(torch.cat([hard, soft])).chunk(2)
    log_prob = (_log_p(logits) * hard).flatten(1).sum(1)
    score = (f_hard - eta * f_soft).detach() * log_prob
    return -(score + eta * f_soft).mean()


def relax(
    control: nn.Module | None = None, temperature: float = 1.0, eta: float | None = 1.0
) -> "Relax":
    """REBAR with a control variate that learns to lower the variance of the estimate; unbiased.

    [f(b) - c(z~)] d log p(b) + d c(z) - d c(z~),   c(z) = eta f(softmax(z / lambda)) + control(z)

    The square of the estimate is added to the loss, and is seen by eta, log lambda and the control
    alone, which so learn with the generator: give them to its player.

    Args:
        control: a network from z (B, *sites, V) to (B,); None = eta and lambda alone are learned,
            which is REBAR with its two numbers tuned.
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

    def forward(self, logits: Float[Tensor, "B *sites V"], reward: RewardOf) -> Float[Tensor, ""]:
        """Surrogate loss of the logits, and the variance, of the control's parameters."""
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            hard, z, path = _coupled(leaf)
            f_hard, c = self._values(hard, z, path, reward)
            (through,) = torch.autograd.grad(c.sum(), leaf, create_graph=True)
            score = hard - leaf.detach().softmax(-1)
            weight = (f_hard.detach() - c).view(-1, *[1] * (logits.dim() - 1))
            estimate = weight * score + through
        variance = estimate.flatten(1).square().sum(1).mean()
        return variance - (estimate.detach() * logits.clamp(min=NEVER)).flatten(1).sum(1).mean()

    def _values(
        self, hard: Tensor, z: Tensor, path: Tensor, reward: RewardOf
    ) -> tuple[Tensor, Tensor]:
        """f(b), and c at z, with the slope of c(z) - c(z~)."""
        if self.eta is None or self.log_temperature is None:
            f_hard, c = reward(hard), z.new_zeros(len(z))
        else:
            temperature = self.log_temperature.exp()
            relaxed = (z.detach() / temperature).softmax(-1)
            soft = relaxed + _softmax_path(relaxed, path / temperature)
            f_hard, f_soft = reward(torch.cat([hard, soft])).chunk(2)
            c = self.eta * f_soft
        if self.control is not None:
            c = c + self.control(z.detach() + path)
        return f_hard, c


def disarm(logits: Float[Tensor, " B *sites"], reward: RewardOf) -> Float[Tensor, ""]:
    """Antithetic pairs of Bernoulli samples; unbiased, two evaluations of f, none of its slope.

    g_i = 1/2 (f(b) - f(b')) (-1)^(b'_i) [b_i != b'_i] sigmoid(|l_i|)

    with b = [1 - u < sigmoid(l)], b' = [u < sigmoid(l)] of the same uniforms u.

    Args:
        logits: of a 1 at each site.
        reward: f, of samples (N, *sites) of 0 and 1; a black box.

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


def _coupled(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One-hot sample b, its noisy log probabilities z, and z - z~: zero, with a gradient.

    z = log p + g,  b = one_hot(argmax z);  given b = k, z~_k = -log E_0 and
    z~_i = -log(E_i / p_i + E_0), with exponential E. Those E are taken that make z~ = z, in logs:
    E_i / p_i = exp(-z_i) - exp(-z_k) here, and it moves as 1 / p_i.
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
