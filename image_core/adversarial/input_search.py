"""Optimisation of an input: attacks, sampling by gradients of a log density, search for a latent.

There is no player: an input is moved to increase an objective, and no weight changes. The search is
one function of an objective, a start, a step rule, a projection and a number of steps. Samples of a
batch are independent as long as the objective of each depends on its own input only: networks with
batch norm must be in evaluation mode.

Step rules take a gradient and their state (None at first), and return the move and the new state.
Norms and balls are those of one sample, over all axes but the first.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError

Objective = Callable[[Tensor], Tensor]
"""Inputs (N, ...) -> values (N,), one per sample, to be increased."""

StepRule = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(gradient (N, ...), state) -> (move (N, ...), state)."""

Projection = Callable[[Tensor], Tensor]
"""Inputs (N, ...) -> the nearest allowed inputs; allowed inputs are unchanged."""

Norm = Literal["linf", "l2", "l1"]


def search(
    objective: Objective,
    start: Float[Tensor, " N *shape"],
    rule: StepRule,
    steps: int,
    project: Projection | None = None,
) -> Float[Tensor, " N *shape"]:
    """Inputs after a number of steps.

    x <- P(x + rule(grad f(x)))                                      x_0 = P(start)

    Args:
        objective: Objective f, one number per sample; negate it to minimise.
        start: Initial inputs, (N, ...).
        rule: Step rule, for example `ascent` or `steepest`.
        steps: Number of steps.
        project: Projection P, for example `linf_ball`; None allows every input.

    Returns:
        Detached inputs, (N, ...).

    Raises:
        UserError: The objective does not return one number per sample.

    Source: Madry et al. 2018, section 2.1 (PGD); Nguyen et al. 2017 (PPGN).
    """
    (last,) = deque(path(objective, start, rule, steps, project), maxlen=1)
    return last


def path(
    objective: Objective,
    start: Float[Tensor, " N *shape"],
    rule: StepRule,
    steps: int,
    project: Projection | None = None,
) -> Iterator[Float[Tensor, " N *shape"]]:
    """Each input of `search` in turn, the projected start first; detached.

    Args:
        objective: Objective f, one number per sample; negate it to minimise.
        start: Initial inputs, (N, ...).
        rule: Step rule, for example `ascent` or `steepest`.
        steps: Number of steps.
        project: Projection P, for example `linf_ball`; None allows every input.

    Raises:
        UserError: The objective does not return one number per sample.
    """
    x = start.detach()
    x = x if project is None else project(x)
    memory: Any = None
    yield x
    for _ in range(steps):
        move, memory = rule(gradient(objective, x), memory)
        x = x + move if project is None else project(x + move)
        yield x


def gradient(objective: Objective, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
    """Gradient of each sample's objective at its own input; no gradient of a weight is changed.

    Args:
        objective: Objective, one number per sample.
        x: Inputs, (N, ...).

    Raises:
        UserError: The objective does not return one number per sample.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return _slope(objective(x), x)


def _slope(values: Tensor, x: Tensor) -> Tensor:
    """Gradient of each sample's value at its own input."""
    if values.shape != (len(x),):
        raise UserError(
            f"the objective has shape {tuple(values.shape)} for {len(x)} inputs; "
            "return one number per sample"
        )
    return torch.autograd.grad(values.sum(), x)[0]


class ChainSteps(NamedTuple):
    """Steps of `plug_and_play`.

    Args:
        length: Number of steps.
        eps1: Share of the way from a code to its reconstruction.
        eps2: Length of the move along the gradient of the condition.
        eps3: Standard deviation of the noise.
    """

    length: int = 80
    eps1: float = 0.03
    eps2: float = 1.0
    eps3: float = 0.01


def plug_and_play(
    paint: Callable[[Tensor], Tensor],
    encode: Callable[[Tensor], Tensor],
    condition: Objective,
    start: Float[Tensor, "N F"],
    steps: ChainSteps,
) -> Float[Tensor, "N F"]:
    """Codes at the end of chains that stay near the codes of real samples and meet a condition.

    h <- max(0, h + eps1 (E(G(h)) - h) + eps2 g / |g|_2 + eps3 N(0, 1)),    h_0 = max(0, start)
    g = d log C_y(G(h)) / dh

    E(G(h)) - h stands for the slope of log p(h); without it codes leave the data. As the paper's
    code does, the moves are scaled, so that these are no exact samples of p(h) C_y(G(h)).

    Args:
        paint: Generator G, codes (N, F) -> samples; in evaluation mode.
        encode: Encoder E, samples -> codes of at least 0, as behind a ReLU.
        condition: log C_y, samples -> (N,), one number per sample.
        start: Codes at the start of each chain, (N, F).
        steps: Number and sizes of the steps.

    Returns:
        Detached codes, (N, F).

    Raises:
        UserError: The condition does not return one number per sample.

    Source: Nguyen, Clune, Bengio, Dosovitskiy & Yosinski 2017, eq. 5 (noiseless joint variant).
    """
    along = steepest("l2", steps.eps2)
    h = start.detach().clamp(min=0)
    for _ in range(steps.length):
        with torch.enable_grad():
            h.requires_grad_()
            samples = paint(h)
            slope = _slope(condition(samples), h)
        with torch.no_grad():
            towards, _ = along(slope, None)
            pull = encode(samples.detach()) - h
            noise = steps.eps3 * torch.randn_like(h)
            h = (h + steps.eps1 * pull + towards + noise).clamp(min=0)
    return h


# -------------------------------------------------------------------------------------- step rules


def ascent(rate: float) -> StepRule:
    """Plain gradient ascent: rate g.

    Args:
        rate: Step size.
    """
    return lambda gradient, memory: (rate * gradient, memory)


def steepest(norm: Norm, rate: float) -> StepRule:
    """The move of norm `rate` along which a linear objective rises most.

    linf: rate sign(g); l2: rate g / ||g||_2; l1: rate sign(g_j) e_j with j the largest |g_j|,
    divided equally among ties. No move where the gradient is 0.

    Args:
        norm: Norm in which the move is measured.
        rate: Length of the move.

    Source: Goodfellow et al. 2015 (FGSM, linf); Madry et al. 2018.
    """

    def step(gradient: Tensor, memory: Any) -> tuple[Tensor, Any]:
        if norm == "linf":
            return rate * gradient.sign(), memory
        flat = gradient.flatten(1)
        most = flat.abs().amax(1, keepdim=True)
        if norm == "l1":
            largest = (flat.abs() == most) * flat.sign()
            move = largest / largest.abs().sum(1, keepdim=True).clamp(min=1)
        else:
            # Divided by the largest first, or tiny gradients would square to 0
            flat = torch.where(most > 0, flat / most, 0.0)
            move = flat / flat.norm(dim=1, keepdim=True).clamp(min=1)
        return rate * move.view_as(gradient), memory

    return step


def adam(rate: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> StepRule:
    """Adam's step, with moments for each coordinate.

    Args:
        rate: Step size.
        betas: Decays of the two moments, each in [0, 1).
        eps: Constant added to the root of the second moment.

    Source: Kingma & Ba 2015; for attacks Carlini & Wagner 2017.
    """

    def step(gradient: Tensor, memory: Any) -> tuple[Tensor, Any]:
        first, second, t = memory or (torch.zeros_like(gradient), torch.zeros_like(gradient), 0)
        t += 1
        first = betas[0] * first + (1 - betas[0]) * gradient
        second = betas[1] * second + (1 - betas[1]) * gradient.square()
        scale = (second / (1 - betas[1] ** t)).sqrt() + eps
        return rate * (first / (1 - betas[0] ** t)) / scale, (first, second, t)

    return step


def langevin(rate: float, sigma: float | None = None) -> StepRule:
    """Gradient ascent with noise: rate g + sigma N(0, 1).

    With sigma = sqrt(2 rate) the inputs are, for small rates, samples of exp(objective).

    Args:
        rate: Step size.
        sigma: Standard deviation of the noise; None takes sqrt(2 rate).

    Source: Roberts & Tweedie 1996; Nguyen et al. 2017 (PPGN), there with a smaller sigma.
    """
    scale = (2 * rate) ** 0.5 if sigma is None else sigma
    return lambda gradient, memory: (
        rate * gradient + scale * torch.randn_like(gradient),
        memory,
    )


# -------------------------------------------------------------------------------------- projections


def linf_ball(center: Float[Tensor, " N *shape"], radius: float) -> Projection:
    """Projection onto |x - center| <= radius in each coordinate.

    Args:
        center: Centres, one per sample, (N, ...).
        radius: Maximum distance in each coordinate.
    """
    return lambda x: x.clamp(center - radius, center + radius)


def l2_ball(center: Float[Tensor, " N *shape"], radius: float) -> Projection:
    """Projection onto ||x - center||_2 <= radius, along the line to the centre.

    Args:
        center: Centres, one per sample, (N, ...).
        radius: Maximum Euclidean distance.
    """

    def project(x: Tensor) -> Tensor:
        away = (x - center).flatten(1)
        length = away.norm(dim=1, keepdim=True)
        near = center + (away * (radius / length)).view_as(x)
        return _where_outside(length[:, 0] > radius, near, x)

    return project


def l1_ball(center: Float[Tensor, " N *shape"], radius: float) -> Projection:
    """Projection onto ||x - center||_1 <= radius: distances shrink by one threshold, at most to 0.

    With u the distances in descending order, theta = (sum_{i<=k} u_i - radius) / k for the greatest
    k with u_k > theta_k.

    Args:
        center: Centres, one per sample, (N, ...).
        radius: Maximum L1 distance.

    Source: Duchi et al. 2008, figure 1.
    """

    def project(x: Tensor) -> Tensor:
        away = (x - center).flatten(1)
        distance = away.abs()
        sorted_ = distance.sort(1, descending=True).values
        count = torch.arange(1, away.shape[1] + 1, device=x.device)
        thresholds = (sorted_.cumsum(1) - radius) / count
        last = (sorted_ > thresholds).sum(1, keepdim=True).clamp(min=1)
        threshold = thresholds.gather(1, last - 1)
        near = center + (away.sign() * (distance - threshold).clamp(min=0)).view_as(x)
        return _where_outside(distance.sum(1) > radius, near, x)

    return project


def box(low: float | int, high: float | int) -> Projection:
    """Projection onto low <= x <= high in each coordinate.

    Args:
        low: Lower bound.
        high: Upper bound.
    """
    return lambda x: x.clamp(low, high)


def compose(*projections: Projection) -> Projection:
    """One projection after the other.

    For `linf_ball` and `box` this is the projection onto the intersection. In other cases only the
    last set is certain to contain the result; if it is a box that contains the centre, the result
    also stays in the ball.

    Args:
        projections: Projections in the order of application.
    """

    def project(x: Tensor) -> Tensor:
        for each in projections:
            x = each(x)
        return x

    return project


def _where_outside(outside: Tensor, near: Tensor, x: Tensor) -> Tensor:
    """Inputs inside the set are returned unchanged, bit for bit."""
    return torch.where(outside.view(-1, *[1] * (x.ndim - 1)), near, x)
