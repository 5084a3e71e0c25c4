"""The theory of adversarial losses, run on exact problems and drawn: `python benchmarks/theory.py`.

Prints one JSON line a finding and writes theory.png and theorems.png to docs/pictures. First point
masses, segments, two Gaussians and the game of one number against one number; then three theorems:
local stability, restricted discriminators and convergence, and missing modes. Nothing is sampled
but for the last, for which small networks are trained.
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from theory_parts import approximation, generalisation, stability
from theory_parts.pictures import ORDERS, SEEDS, WIDTHS
from theory_parts.pictures import draw as draw_theorems
from torch import Tensor

from image_core.adversarial import losses, penalties, regularizers, tricks
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty

DOUBLE = torch.float64
NODES = torch.linspace(-12, 12, 4001, dtype=DOUBLE)
WEIGHT = torch.exp(-0.5 * NODES**2) / torch.exp(-0.5 * NODES**2).sum()
"""A quadrature of N(0, 1): means of smooth functions are right to 1e-12."""


def jensen_shannon(distance: float, noise: float) -> float:
    """JS of two point masses that far apart, both blurred by N(0, noise^2); log 2 without."""
    if noise == 0:
        return math.log(2) if distance else 0.0
    log_ratio = _log_ratio(NODES * noise, distance, noise)
    mean = (WEIGHT * torch.nn.functional.softplus(-log_ratio)).sum()
    return math.log(2) - float(mean)


def _log_ratio(x: Tensor, distance: float, noise: float) -> Tensor:
    return ((x - distance) ** 2 - x**2) / (2 * noise**2)


def disjoint_supports(distances: Sequence[float]) -> dict[str, list[float]]:
    """Parallel segments: JS knows only that they differ, W1 how far."""
    return {
        "distance": list(distances),
        "js": [jensen_shannon(d, 0.0) for d in distances],
        "w1": [_optimal_assignment(d) for d in distances],
        "js_with_noise": [jensen_shannon(d, 0.5) for d in distances],
    }


def _optimal_assignment(distance: float, points: int = 16) -> float:
    """W1 of the segments {0} x [0, 1] and {distance} x [0, 1], by the best pairing of points."""
    from scipy.optimize import linear_sum_assignment

    u = (torch.arange(points, dtype=DOUBLE) + 0.5) / points
    one = torch.stack([torch.zeros_like(u), u], 1)
    other = torch.stack([torch.full_like(u, distance), u.flip(0)], 1)
    cost = torch.cdist(one, other)
    rows, columns = linear_sum_assignment(cost.numpy())
    return float(cost[rows, columns].mean())


def generator_gradients(theta: float) -> dict[str, float]:
    """Slopes at theta of what the losses are with D frozen at its best, and of divergences.

    p = N(0, 1),  q = N(theta, 1)

    The non-saturating loss has the slope of KL(q, p) - 2 JS, the saturating one that of 2 JS.
    """
    x = torch.tensor(theta, dtype=DOUBLE, requires_grad=True)

    def frozen(points: Tensor) -> Tensor:  # log p/q at the generator's place
        return theta**2 / 2 - theta * points

    found = {}
    for name in ("non_saturating", "minimax"):
        reward = getattr(losses, name).reward
        value = -(WEIGHT * reward(frozen(x + NODES))).sum()
        found[name] = float(torch.autograd.grad(value, x)[0])

    def two_js(t: Tensor) -> Tensor:
        ratio = t**2 / 2 - t * NODES, t**2 / 2 - t * (t + NODES)
        softplus = torch.nn.functional.softplus
        d = (WEIGHT * (softplus(-ratio[0]) + softplus(ratio[1]))).sum()
        return 2 * math.log(2) - d

    slope = float(torch.autograd.grad(two_js(x), x)[0])
    return {**found, "2js": slope, "kl": theta, "kl_minus_2js": theta - slope}


def vanishing(sharpness: Sequence[float]) -> dict[str, list[float]]:
    """A discriminator that grows surer of point masses at 0 and 1: d(x) = s (1/2 - x)."""
    rows: dict[str, list[float]] = {"sharpness": list(sharpness), "d_loss": []}
    for name in ("minimax", "non_saturating", "wasserstein"):
        rows[f"{name}_gradient"] = []
    for s in sharpness:
        real, fake = torch.zeros(1, dtype=DOUBLE), torch.ones(1, dtype=DOUBLE)
        rows["d_loss"].append(float(losses.minimax.d(s * (0.5 - real), s * (0.5 - fake))))
        for name in ("minimax", "non_saturating", "wasserstein"):
            at = fake.clone().requires_grad_()
            # The slope of a Wasserstein critic is 1 at its best, however long it trains
            slope = s if name != "wasserstein" else 1.0
            value = getattr(losses, name).g(slope * (0.5 - real), slope * (0.5 - at))
            rows[f"{name}_gradient"].append(abs(float(torch.autograd.grad(value, at)[0])))
    return rows


# ----------------------------------------------------------------------------------- point masses

Field = Callable[[Tensor], Tensor]


class Method(NamedTuple):
    """One way to play the game of point masses: real at 0, fake at theta, D(x) = psi x.

    Args:
        loss: of both players.
        penalty: Penalty of the discriminator.
        noise: deviation of instance noise.
        look_ahead: eta of the generator's term.
        consensus: gamma of both players' term.
    """

    loss: AdversarialLoss
    penalty: Penalty | None = None
    noise: float = 0.0
    look_ahead: float = 0.0
    consensus: float = 0.0


METHODS = {
    "minimax": Method(losses.minimax),
    "non-saturating": Method(losses.non_saturating),
    "Wasserstein": Method(losses.wasserstein),
    "non-saturating, R1 = 1": Method(losses.non_saturating, penalties.r1(1.0)),
    "Wasserstein, R1 = 1": Method(losses.wasserstein, penalties.r1(1.0)),
    "minimax, noise 1": Method(losses.minimax, noise=1.0),
    "Wasserstein, look ahead 0.3": Method(losses.wasserstein, look_ahead=0.3),
    "Wasserstein, consensus 0.3": Method(losses.wasserstein, consensus=0.3),
    "WGAN-GP, 10": Method(losses.wasserstein, penalties.gradient_penalty(10.0)),
}


def field(method: Method) -> Field:
    """The direction in which both players move, as a function of (theta, psi)."""
    blurred = method.noise > 0
    nodes = NODES[::100] if blurred else torch.zeros(1, dtype=DOUBLE)
    weight = torch.exp(-0.5 * nodes**2)
    weight = weight / weight.sum() * len(nodes)

    def at(x: Tensor) -> Tensor:
        theta, psi = x.unbind()
        real = (method.noise * nodes)[:, None]
        fake = theta + real
        if blurred:  # a weighted mean of what the loss is at each node
            loss_d = (
                weight * torch.stack([method.loss.d(psi * r, psi * f) for r, f in zip(real, fake)])
            ).mean()
            loss_g = (
                weight * torch.stack([method.loss.g(psi * r, psi * f) for r, f in zip(real, fake)])
            ).mean()
        else:
            loss_d = method.loss.d(psi * real, psi * fake)
            loss_g = method.loss.g(psi * real, psi * fake)
        if method.look_ahead:
            loss_g = loss_g + regularizers.look_ahead(loss_d, [psi], method.look_ahead)
        if method.consensus:
            both = regularizers.consensus((loss_g, loss_d), ([theta], [psi]), method.consensus)
            loss_g, loss_d = loss_g + both, loss_d + both
        if method.penalty is not None:
            loss_d = loss_d + method.penalty(lambda p: psi * p, real, fake)
        (g,) = torch.autograd.grad(loss_g, theta, create_graph=True)
        (d,) = torch.autograd.grad(loss_d, psi, create_graph=True)
        return torch.stack([-g, -d])

    return at


def eigenvalues(method: Method) -> list[complex]:
    """Of the Jacobian of the field at the point of rest; none where the field jumps there."""
    jacobian = tricks.game_jacobian(field(method), torch.zeros(2, dtype=DOUBLE))
    if not bool(jacobian.isfinite().all()):
        return []
    found = torch.linalg.eigvals(jacobian).tolist()
    return sorted(found, key=lambda z: (z.real, z.imag))


def multipliers(method: Method, step: float, alternating: bool) -> list[float]:
    """How a round of gradient steps stretches small deviations; D plays first."""
    jacobian = tricks.game_jacobian(field(method), torch.zeros(2, dtype=DOUBLE))
    if not bool(jacobian.isfinite().all()):
        return []
    d_rows, g_rows = jacobian.clone(), jacobian.clone()
    d_rows[0], g_rows[1] = 0, 0
    found = tricks.update_map([d_rows, g_rows], step, alternating)
    return torch.linalg.eigvals(found).abs().tolist()


def play(method: Method, steps: int, step: float, alternating: bool) -> Tensor:
    """The way of (theta, psi) from (1, 1)."""
    move, x = field(method), torch.ones(2, dtype=DOUBLE)
    way = [x]
    for _ in range(steps):
        velocity = move(x.clone().requires_grad_()).detach()
        if alternating:
            x = torch.stack([x[0], x[1] + step * velocity[1]])
            velocity = move(x.clone().requires_grad_()).detach()
            x = torch.stack([x[0] + step * velocity[0], x[1]])
        else:
            x = x + step * velocity
        way.append(x)
    return torch.stack(way)


# ------------------------------------------------------------------------------------------ output


def draw(path: Path, ways: dict[str, Tensor]) -> None:
    """Four panels: divergences, vanishing gradients, the decomposition, the game."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8))
    figure.set_layout_engine("constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    rows = disjoint_supports([i / 20 for i in range(41)])
    for name, label in (("js", "JS"), ("w1", "W1"), ("js_with_noise", "JS, noise 0.5 on both")):
        a.plot(rows["distance"], rows[name], label=label)
    a.set_title("Parallel segments: JS saturates at log 2, W1 is linear", loc="left")
    a.set_xlabel("distance")
    rows = vanishing([10 ** (i / 10 - 1) for i in range(31)])
    for name in ("minimax", "non_saturating", "wasserstein"):
        b.loglog(rows["d_loss"], rows[f"{name}_gradient"], label=name.replace("_", "-"))
    b.set_ylim(1e-12, 1e3)
    b.invert_xaxis()
    b.set_title("Generator's gradient as the discriminator grows sure", loc="left")
    b.set_xlabel("discriminator's logistic loss")
    places = [i / 10 for i in range(1, 41)]
    slopes = [generator_gradients(t) for t in places]
    for name, label, style in (
        ("non_saturating", "-log D", "-"),
        ("kl_minus_2js", "KL(q, p) - 2 JS", ":"),
        ("minimax", "log(1 - D)", "-"),
        ("2js", "2 JS", ":"),
    ):
        c.plot(places, [s[name] for s in slopes], style, label=label)
    c.set_title("Slopes with the best discriminator held, N(0, 1) and N(t, 1)", loc="left")
    c.set_xlabel("t")
    for name, way in ways.items():
        d.plot(way[:, 0], way[:, 1], label=name, linewidth=1)
    d.set_xlim(-2.2, 2.2)
    d.set_ylim(-2.2, 2.2)
    d.set_title("Point masses, 500 simultaneous steps of 0.1", loc="left")
    d.set_xlabel("theta")
    d.set_ylabel("psi")
    for panel in (a, b, c, d):
        panel.legend(frameon=False, fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = disjoint_supports([0.0, 0.25, 0.5, 1.0, 2.0])
    print(json.dumps({"segments": {k: [round(v, 6) for v in vs] for k, vs in rows.items()}}))
    slopes = generator_gradients(1.0)
    print(json.dumps({"slopes_at_1": {k: round(v, 7) for k, v in slopes.items()}}))
    rows = vanishing([1.0, 10.0, 100.0])
    print(json.dumps({"vanishing": {k: [float(f"{v:.4g}") for v in vs] for k, vs in rows.items()}}))
    ways = {}
    for name, method in METHODS.items():
        simultaneous = play(method, 500, 0.1, alternating=False)
        line = {
            "game": name,
            "eigenvalues": [f"{z.real:.4f}{z.imag:+.4f}i" for z in eigenvalues(method)],
            "simultaneous": float(f"{float(simultaneous[-1].norm()):.3g}"),
            "alternating": float(f"{float(play(method, 500, 0.1, True)[-1].norm()):.3g}"),
            "multipliers": [round(m, 7) for m in multipliers(method, 0.1, False)],
        }
        print(json.dumps(line))
        if name in ("non-saturating", "Wasserstein", "Wasserstein, R1 = 1", "WGAN-GP, 10"):
            ways[name] = simultaneous
    draw(options.pictures / "theory.png", ways)
    theorems(options.pictures / "theorems.png")


def theorems(picture: Path) -> None:
    """Print and draw the three theorems."""
    for name in stability.GAMES:
        found = [f"{z.real:.4f}{z.imag:+.4f}i" for z in stability.eigenvalues(name)]
        print(json.dumps({"quadratic discriminator": name, "eigenvalues": found}))
    for order in (2, 4):
        width, divergence = approximation.matched(order)
        line = {"moments to": order, "nearest a": width, "divergence there": round(divergence, 6)}
        print(json.dumps(line))
    rows = approximation.hierarchy([4, 16, 64, 256])
    print(json.dumps({name: [float(f"{v:.4g}") for v in row] for name, row in rows.items()}))
    half = {k: round(generalisation.half_of_the_modes(k), 6) for k in ORDERS}
    print(json.dumps({"half of 16 modes, JS by order": half}))
    few = {m: round(generalisation.small_support(16, m), 4) for m in (16, 160, 1600)}
    print(json.dumps({"distance of m points from the circle, order 16": few}))
    seen = {w: [generalisation.seen_by_a_network(w, seed) for seed in SEEDS] for w in WIDTHS}
    shown = {w: [round(v, 4) for v in values] for w, values in seen.items()}
    print(json.dumps({"half of 16 modes, JS by width": shown}))
    draw_theorems(picture, seen)


if __name__ == "__main__":
    main()
