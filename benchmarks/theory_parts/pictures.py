"""Four panels of the theorems."""

import math
from pathlib import Path

from theory_parts import approximation, generalisation, stability

WIDTHS, SEEDS = (2, 8, 32, 128), (0, 1, 2)
ORDERS = range(1, 13)


def draw(path: Path, seen: dict[int, list[float]]) -> None:
    """Stability, what restricted discriminators see, the order of divergences, missing modes.

    Args:
        path: PNG file.
        seen: JS as networks of some widths see it, a value a seed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8))
    figure.set_layout_engine("constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    for name in stability.GAMES:
        way = stability.distances(name, 80.0)
        a.semilogy([0.05 * i for i in range(len(way))], way, label=name)
    a.set_title("Distance from rest, quadratic discriminator", loc="left")
    a.set_xlabel("time")
    widths = [i / 20 for i in range(5, 61)]
    for order in (2, 4):
        b.plot(widths, approximation.two_points(order, widths), label=f"moments to {order}")
    b.axhline(2 * math.log(2), color="0.6", linewidth=1, label="2 JS")
    b.set_title("N(0, 1) and masses at -a and a, as seen", loc="left")
    b.set_xlabel("a")
    rows = approximation.hierarchy([4, 16, 64, 256])
    for name, row in rows.items():
        if name != "n":
            c.loglog(rows["n"], row, "o-", label=name)
    c.set_title("Two sequences of laws that go to N(0, 1)", loc="left")
    c.set_xlabel("n")
    orders = [float(k) for k in ORDERS]
    d.plot(orders, [generalisation.half_of_the_modes(k) for k in ORDERS], "o-", label="order k")
    for i, (width, values) in enumerate(seen.items(), start=1):
        height = sum(values) / len(values)
        d.axhline(height, color=f"C{i}", linestyle=":", label=f"network of {width} units")
    d.set_title("JS of 16 modes and every second one, as seen", loc="left")
    d.set_xlabel("order k of the polynomials")
    for panel in (a, b, c, d):
        panel.legend(frameon=False, fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
