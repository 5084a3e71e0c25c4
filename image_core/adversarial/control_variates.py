"""Gradients of an expected reward by relaxed control variates and antithetic pairs.

Each estimator takes the logits of variables that are independent given the generator's input, and
the reward as a function of samples, `(N, *variables, V) -> (N,)`. It returns a surrogate loss whose
gradient in the logits is minus an estimate of the gradient of E[reward], averaged over the batch.
All are unbiased. The reward is differentiated at relaxed samples only. They are exported by
`estimators.py`.

Variables that depend on one another's samples, such as the tokens of an autoregressive policy, do
not have this form as a whole: for them, apply an estimator to one step at a time, given its prefix.
"""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from image_core.adversarial import parallel
from image_core.adversarial.arguments import python_call
from image_core.adversarial.border import check_rewards, check_slope, check_variables
from image_core.adversarial.discrete_variables import DiscreteVariables
from image_core.adversarial.errors import UserError
from image_core.adversarial.relaxations import one_hot_like, with_gumbel

__all__ = ["disarm", "rebar", "relax", "taylor"]

NEVER = -1e4
"""A log probability whose exponential is 0, but 0 times it is not NaN."""

RewardOf = Callable[[Tensor], Tensor]
"""Samples (N, *variables, V), one-hot or soft -> rewards (N,)."""


@python_call()
def rebar(
    logits: Float[Tensor, "B *variables V"],
    reward: RewardOf,
    temperature: float = 1.0,
    eta: float = 1.0,
) -> Float[Tensor, ""]:
    """REINFORCE with the concrete relaxation of the same noise as control variate; unbiased.

    [f(b) - eta f(s(z~))] d log p(b) + eta d f(s(z)) - eta d f(s(z~)),   s(z) = softmax(z / lambda)

    with z = log p + Gumbel noise, b = its one-hot argmax, z~ a draw of p(z | b). The noise of z~ is
    chosen such that z~ = z (the paper's common random numbers), so that both relaxed samples
    coincide: f is evaluated twice and its gradient once.

    Args:
        logits: Unnormalised log probabilities, (B, *variables, V).
        reward: Reward f; must accept soft samples.
        temperature: Temperature lambda of the relaxation; any value leaves the estimate unbiased.
        eta: Scale of the control variate; any value leaves the estimate unbiased, and 0 is
            REINFORCE.

    Raises:
        UserError: The temperature is not positive.

    Source: Tucker et al. 2017, eq. 7 and appendix on coupled noise.
    """
    check_variables("rebar", logits, 2)
    if not temperature > 0:
        raise UserError(f"temperature = {temperature}: give a positive number")
    hard, z, path = _coupled(logits)
    relaxed = (z / temperature).softmax(-1)
    soft = relaxed.detach() + _softmax_path(relaxed, path / temperature)
    with torch.no_grad():
        f_hard = check_rewards(reward(hard), hard)
    f_soft = check_rewards(reward(soft), soft)
    check_slope("rebar", f_soft, soft)
    log_prob = (_log_p(logits) * hard).flatten(1).sum(1)
    score = (f_hard - eta * f_soft.detach()) * log_prob
    return -(score + eta * f_soft).mean()


@python_call()
def relax(
    control: nn.Module | None = None, temperature: float = 1.0, eta: float | None = 1.0
) -> "Relax":
    """REBAR with a control variate that learns to lower the variance of the estimate; unbiased.

    [f(b) - c(z~)] d log p(b) + d c(z) - d c(z~),   c(z) = eta f(softmax(z / lambda)) + control(z)

    The square of the estimate is added to the loss. Its gradient reaches only eta, log lambda and
    the control network, which so learn together with the generator: add them to the generator's
    player.

    Args:
        control: Network from z, (B, *variables, V), to (B,); None learns eta and lambda only, which
            is REBAR with its two numbers tuned.
        temperature: Initial temperature lambda of the relaxed reward; learned.
        eta: Initial scale of the relaxed reward; learned. None treats f as a black box, which is
            evaluated at one-hot samples only, and subtracts the control network alone.

    Raises:
        UserError: Both `control` and `eta` are None, or the temperature is not positive.

    Source: Grathwohl et al. 2018, algorithm 2.
    """
    return Relax(control, temperature, eta)


@final
class Relax(nn.Module):
    """The estimator built by `relax`.

    Args:
        control: Control network, see `relax`.
        temperature: Initial temperature, see `relax`.
        eta: Initial scale of the relaxed reward, see `relax`.

    Raises:
        UserError: Both `control` and `eta` are None, or the temperature is not positive.
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
        """Surrogate loss for the logits plus the variance term for the control's parameters.

        Raises:
            UserError: The logits or the rewards are of another kind, or the rewards have no slope.
        """
        check_variables("relax", logits, 2)
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
        """The reward f(b), and c at z, with the gradient of c(z) - c(z~)."""
        with torch.no_grad():
            f_hard = check_rewards(reward(hard), hard)
        if self.eta is None or self.log_temperature is None:
            c = z.new_zeros(len(z))
        else:
            temperature = self.log_temperature.exp()
            relaxed = (z.detach() / temperature).softmax(-1)
            soft = relaxed + _softmax_path(relaxed, path / temperature)
            f_soft = check_rewards(reward(soft), soft)
            check_slope("relax with an eta", f_soft, soft)
            c = self.eta * f_soft
        if self.control is not None:
            c = c + check_rewards(self.control(z.detach() + path), z)
        return f_hard, c


@python_call()
def disarm(logits: Float[Tensor, " B *variables"], reward: RewardOf) -> Float[Tensor, ""]:
    """Antithetic pairs of Bernoulli samples; unbiased, with two evaluations of f and no gradient.

    g_i = 1/2 (f(b) - f(b')) (-1)^(b'_i) [b_i != b'_i] sigmoid(|l_i|)

    with b = [1 - u < sigmoid(l)] and b' = [u < sigmoid(l)] from the same uniforms u.

    Args:
        logits: Logits of a 1 at each variable, (B, *variables).
        reward: Reward f of samples (N, *variables) of 0 and 1; a black box.

    Raises:
        UserError: The logits are no floating tensor, or the reward is not one number a sample.

    Source: Dong, Mnih & Tucker 2020, eq. 6.
    """
    check_variables("disarm", logits)
    with torch.no_grad():
        probability = logits.sigmoid()
        u = torch.rand_like(probability)
        one, other = (1 - u < probability).to(logits), (u < probability).to(logits)
        both = torch.cat([one, other])
        f_one, f_other = check_rewards(reward(both), both).chunk(2)
        difference = ((f_one - f_other) / 2).view(-1, *[1] * (logits.dim() - 1))
        # (-1)^(b') [b != b'] is b - b'
        estimate = difference * (one - other) * logits.abs().sigmoid()
    return -(estimate * logits).flatten(1).sum(1).mean()


@python_call()
def taylor(samples: int, momentum: float = 0.99) -> "Taylor":
    """Leave-one-out with the slopes of the other samples as control variate; unbiased.

    t_m = mean_(j != m) f'(x_j) (x_m - x_j),  b_m = mean_(j != m) f(x_j)
    g = mean_m [ (f(x_m) - b_m - a t_m) d log p(x_m) + a f'(x_m) d E[x] ]

    The last term is the straight-through gradient. The first removes its bias; its variance is that
    of the residual of f after subtracting a tangent at another sample of the same latent. The
    coefficient a is the regression of f - b on t over earlier calls, hence independent of the
    current samples. Costs M evaluations of f and M of its slope.

    Args:
        samples: Number M of samples per latent.
        momentum: Momentum of the two moving averages whose quotient is a, in [0, 1).

    Raises:
        UserError: There are fewer than two samples, or the momentum is not in [0, 1).

    Source: after Titsias & Shi 2022 (double control variates), whose tangents are at the mean; Gu
        et al. 2016 (MuProp).
    """
    return Taylor(samples, momentum)


@final
class Taylor(nn.Module):
    """The estimator built by `taylor`; stores two moments.

    Args:
        samples: Number of samples per latent, see `taylor`.
        momentum: Momentum of the moving averages, see `taylor`.

    Raises:
        UserError: There are fewer than two samples, or the momentum is not in [0, 1).
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
        """Surrogate loss; the coefficient is updated with the current samples only afterwards.

        Raises:
            UserError: The variables, logits or rewards are of another kind, or the rewards have no
                slope.
        """
        if not isinstance(variables, DiscreteVariables):
            raise UserError(
                f"taylor got variables that are a {type(variables).__name__}; give what the logits "
                "mean, such as Bernoulli()"
            )
        check_variables("taylor", logits)
        others = self.samples - 1
        x = variables.sample(logits, self.samples)
        with torch.enable_grad():
            leaf = x.flatten(0, 1).requires_grad_()
            value = check_rewards(reward(leaf), leaf)
            check_slope("taylor", value, leaf)
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
            now = torch.stack([(centred * tangent).mean(), tangent.square().mean()])
            product, square = parallel.average(now.to(self.product))
            self.product.lerp_(product, step)
            self.square.lerp_(square, step)
        return -(score + a * straight).mean()


def _coupled(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One-hot sample b, its noisy log probabilities z, and z - z~: zero, with a gradient.

    z = log p + g,  b = one_hot(argmax z)
    z~_k = -log E_0,  z~_i = -log(E_i / p_i + E_0)                given b = k, with exponential E
    E_i / p_i = exp(-z_i) - exp(-z_k)                             where E is such that z~ = z

    The last line is computed in logs, and its gradient is that of 1 / p_i.
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
    """Log probabilities; a class with logit -inf gets a very low but finite value."""
    return log_softmax(logits, -1).clamp(min=NEVER)


def _softmax_path(relaxed: Tensor, path: Tensor) -> Tensor:
    """Zero, with the gradient of softmax along `path`: J path, J = diag(y) - y y'."""
    return relaxed * (path - (relaxed * path).sum(-1, keepdim=True))
