"""Mixtures of Gaussians in the plane: how many modes a GAN covers, by unrolled steps.

    python benchmarks/rings.py --out FOLDER [--shape ring] [--unroll 0 1 5 10] [--seeds 0 1 2]
                               [--modes 8] [--rounds 24000]

Every game has the same networks, rates, batches and number of rounds; what differs is how many
steps of the discriminator's Adam the generator's gradient flows through. Networks are the authors':
z of 256, two layers of 128 with tanh, orthogonal weights of gain .8. A mode is covered if a
hundredth of an even share of the samples or more lies within three standard deviations of its
centre. Writes FOLDER/UNROLL-SEED.json, with figures at eight looks, and FOLDER/samples.png; what is
there is not made again.
"""

import argparse
import functools
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.randomness import seed_all
from image_core.games.unrolled import UnrolledGAN

LATENT, WIDTH, BATCH, STD = 256, 128, 128, 0.02
SAMPLES, LOOKS = 2_500, 8


def ring(count: int) -> Tensor:
    """Centres (count, 2) on a circle of radius 2; no centre twice."""
    angle = 2 * math.pi * torch.arange(count) / count
    return 2 * torch.stack([angle.cos(), angle.sin()], 1)


def grid(count: int) -> Tensor:
    """Centres (count, 2) of a square grid from -2 to 2.

    Raises:
        SystemExit: The number is no square.
    """
    side = math.isqrt(count)
    if side * side != count or side < 2:
        raise SystemExit(f"--modes {count}: a grid has 4, 9, 16, 25 ... modes")
    line = torch.linspace(-2, 2, side)
    return torch.cartesian_prod(line, line)


SHAPES: dict[str, Callable[[int], Tensor]] = {"ring": ring, "grid": grid}


def mixture(centres: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points (count, 2, 1, 1) of the mixture, as pictures of one pixel and two colours."""
    which = torch.randint(len(centres), (count,), generator=generator)
    noise = STD * torch.randn(count, 2, generator=generator)
    return (centres[which] + noise)[:, :, None, None]


def coverage(points: Tensor, centres: Tensor) -> dict[str, float]:
    """Modes that samples reach, and the share of samples that lies at one.

    Args:
        points: Samples, (N, 2).
        centres: Centres of the modes, (M, 2).
    """
    distance, nearest = torch.cdist(points, centres).min(1)
    counts = nearest[distance < 3 * STD].bincount(minlength=len(centres))
    enough = len(points) / len(centres) / 100
    return {
        "modes": float((counts >= enough).sum()),
        "at a mode": float(counts.sum()) / len(points),
    }


def dense(*sizes: int) -> nn.Sequential:
    """Layers of these sizes with tanh between them."""
    net = nn.Sequential()
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        if i:
            net.append(nn.Tanh())
        layer = nn.Linear(inputs, outputs)
        nn.init.orthogonal_(layer.weight, 0.8)
        nn.init.zeros_(layer.bias)
        net.append(layer)
    return net


def networks() -> tuple[nn.Module, nn.Module]:
    """Generator of pictures of one pixel and two colours, and discriminator."""
    G, D = dense(LATENT, WIDTH, WIDTH, 2), dense(2, WIDTH, WIDTH, 1)
    return G.append(nn.Unflatten(1, (2, 1, 1))), nn.Sequential(nn.Flatten(), *D, nn.Flatten(0))


def play(
    centres: Tensor, unroll: int, seed: int, given: argparse.Namespace
) -> Iterator[tuple[dict[str, float], Tensor]]:
    """Figures of one game and its samples, at each look."""
    seed_all(seed)
    game = UnrolledGAN(*networks(), LATENT, unroll_steps=unroll, loss=losses.minimax, batch=BATCH)
    rates = {"G": given.g_lr, "D": given.d_lr}
    adam = {
        name: functools.partial(torch.optim.Adam, lr=lr, betas=(0.5, 0.999), fused=True)
        for name, lr in rates.items()
    }
    engine = Engine(game, adam)

    def data(i: int) -> Tensor:
        return mixture(centres, BATCH, torch.Generator().manual_seed(seed * 10**6 + i))

    seconds = 0.0
    for look in range(LOOKS):
        began = time.process_time()
        engine.run(data, given.rounds * (look + 1) // LOOKS - engine.round)
        seconds += time.process_time() - began
        points = game.sample(SAMPLES).flatten(1)
        figures = coverage(points, centres)
        yield {"rounds": engine.round, **figures, "cpu_seconds": seconds}, points


def draw(folder: Path, centres: Tensor) -> None:
    """A panel a game: its samples on the modes."""
    from matplotlib.figure import Figure

    files = sorted(folder.glob("*-*.json"))
    figure = Figure(figsize=(2 * len(files), 2.2))
    for axes, file in zip(figure.subplots(1, len(files), squeeze=False)[0], files, strict=True):
        found = json.loads(file.read_text(encoding="utf-8"))
        axes.scatter(*centres.T, marker="+", color="0.7")
        axes.scatter(*torch.tensor(found["points"]).T, s=1)
        unroll, seed = file.stem.split("-")
        axes.set_title(f"{unroll} steps, seed {seed}", fontsize=8)
        axes.set(xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    figure.savefig(folder / "samples.png", dpi=150, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description="Modes of mixtures in the plane.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shape", choices=SHAPES, default="ring")
    parser.add_argument("--modes", type=int, default=8)
    parser.add_argument("--unroll", type=int, nargs="+", default=[0, 1, 5, 10])
    parser.add_argument("--g_lr", type=float, default=1e-3)
    parser.add_argument("--d_lr", type=float, default=5e-4)
    parser.add_argument("--rounds", type=int, default=24_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    torch.set_num_threads(1)
    centres = SHAPES[given.shape](given.modes)
    given.out.mkdir(parents=True, exist_ok=True)
    for seed, unroll in itertools.product(given.seeds, given.unroll):
        file = given.out / f"{unroll}-{seed}.json"
        if file.exists():
            continue
        looks, points = [], centres
        for found, drawn in play(centres, unroll, seed, given):
            looks, points = [*looks, found], drawn
            shown = " ".join(f"{name} {value:.3g}" for name, value in found.items())
            print(f"unroll {unroll} seed {seed}: {shown}", flush=True)
        said = {**looks[-1], "looks": looks, "points": points[:500].tolist()}
        file.write_text(json.dumps(said), encoding="utf-8")
    draw(given.out, centres)


if __name__ == "__main__":
    main()
