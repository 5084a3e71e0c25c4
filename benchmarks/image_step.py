"""Cost of a discriminator and a generator step by penalty: `python benchmarks/image_step.py`.

Prints one JSON line a variant. On a CPU seconds are of the process, on a GPU of the clock around a
synchronised device. Variants take turns, so that whatever else the machine does hits all alike; the
best turn of each counts, for other work only ever adds. The last line is throughput, beside what an
H200 could do by its peak figures.
"""

import argparse
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from timing import forget_peak, name_of, now, peak_gib
from torch.utils.flop_counter import FlopCounterMode

from image_core.adversarial import losses, penalties, regularizers
from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from image_core.games.plain import PlainGAN
from image_core.memory import keep_freed_memory
from image_core.nets import resnet19, resnet_cifar, sndcgan

VARIANTS: dict[str, dict[str, Any]] = {
    "none": {},
    "spectral": {"norm": "spectral"},
    "layer": {"norm": "layer"},
    "l2": {"regularizer": regularizers.l2(0.01)},
    "weight_clip": {"weight_clip": 0.01},
    "lazy_r1": {"penalty": penalties.r1(10.0), "lazy": 16},
    "r1": {"penalty": penalties.r1(10.0)},
    "wgan_gp": {"penalty": penalties.gradient_penalty(10.0), "loss": losses.wasserstein},
    "dragan": {"penalty": penalties.dragan(10.0)},
    "r1_r2": {
        "penalty": penalties.total(penalties.r1(1.0), penalties.r2(1.0)),
        "loss": losses.relativistic,
    },
}
ROOFLINE: dict[str, dict[str, float]] = {
    "sndcgan": {"d_steps": 1, "gflop": 4.27, "mbyte": 22.6, "eager": 58e3, "graphs": 81e3},
    "resnet": {"d_steps": 5, "gflop": 11.8, "mbyte": 42.6, "eager": 21e3, "graphs": 29e3},
}
"""Counted by others: a real image's share of a plain library's steps of both players at 32
pixels and full width, bytes in bfloat16. Images a second are estimates for an H200 (989 TFLOP/s,
4.8 TB/s) at 25 % of its peak step by step and 35 % compiled into CUDA graphs; nobody has run them.
"""
WANTED = {"spectral": 1.1, "lazy_r1": 1.05, "r1": 1.6, "wgan_gp": 2.1}
ARCHITECTURES: Mapping[str, Callable[..., Any]] = {
    "sndcgan": sndcgan,
    "resnet": resnet_cifar,
    "resnet19": resnet19,
}


def build(arch: str, variant: str, options: argparse.Namespace) -> Engine:
    """A game of the variant, on the device."""
    torch.manual_seed(0)
    given = dict(VARIANTS[variant])
    G, D = ARCHITECTURES[arch](
        options.size, 3, 128, width=options.width, norm=given.pop("norm", "none")
    )
    game = PlainGAN(G, D, 128, batch=options.batch, **given)
    device = torch.device(options.device)
    if options.channels_last:
        game = game.to(memory_format=torch.channels_last)
    accelerator = None
    if options.bf16:
        from accelerate import Accelerator

        accelerator = Accelerator(mixed_precision="bf16", cpu=options.device == "cpu")
    adam = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.0, 0.9), fused=True)
    engine = Engine(game.to(device), {"G": adam, "D": adam}, accelerator=accelerator)
    if options.compile:
        game.compile_steps()
    return engine


def timed(engine: Engine, turn: Turn, images: torch.Tensor, options: argparse.Namespace) -> float:
    """Seconds of one move."""
    stream = engine.stream(lambda index: images)
    began = now(engine.device)
    for _ in range(options.moves):
        engine.play(turn, stream)
    return (now(engine.device) - began) / options.moves


def step(engine: Engine, images: torch.Tensor, options: argparse.Namespace) -> float:
    """Seconds of a discriminator step, a lazy penalty's own step shared out."""
    turns = engine.game.turns()
    seconds = timed(engine, turns[0], images, options)
    for turn in turns[1:-1]:
        seconds += timed(engine, turn, images, options) / turn.every
    return seconds


def measure(arch: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One line a variant, then one of the throughput of the first."""
    torch.manual_seed(0)
    images = torch.rand(options.batch, 3, options.size, options.size, device=options.device) * 2 - 1
    engines = {name: build(arch, name, options) for name in options.variants}
    discriminator: dict[str, list[float]] = {name: [] for name in engines}
    generator: dict[str, list[float]] = {name: [] for name in engines}
    peaks: dict[str, float | None] = {}
    for turn in range(options.turns + 1):
        for name, engine in engines.items():
            forget_peak(engine.device)
            d = step(engine, images, options)
            g = timed(engine, engine.game.turns()[-1], images, options)
            if turn:  # the first warms up
                discriminator[name].append(d)
                generator[name].append(g)
                peaks[name] = peak_gib(engine.device)
    plain = min(discriminator[options.variants[0]])
    told = {"arch": arch, "size": options.size, "batch": options.batch, "bf16": options.bf16}
    told |= {"compiled": options.compile, "channels_last": options.channels_last}
    for name, seconds in discriminator.items():
        line = {
            **told,
            "variant": name,
            "discriminator_seconds": round(min(seconds), 4),
            "ratio": round(min(seconds) / plain, 3),
            "generator_seconds": round(min(generator[name]), 4),
            "peak_gib": peaks[name],
            "device": name_of(engines[name].device),
        }
        yield line | ({"wanted": WANTED[name]} if name in WANTED else {})
    engine = engines[options.variants[0]]
    yield told | throughput(arch, engine, images, plain, min(generator[options.variants[0]]))


def throughput(
    arch: str, engine: Engine, images: torch.Tensor, d_seconds: float, g_seconds: float
) -> dict[str, Any]:
    """Real images a second over both players' steps, beside counted operations."""
    estimate = ROOFLINE.get(arch, {"d_steps": 1})
    steps = int(estimate["d_steps"])
    a_round = steps * d_seconds + g_seconds
    turns, stream = engine.game.turns(), engine.stream(lambda index: images)
    counted = [operations(engine, turn, stream) for turn in (turns[0], turns[-1])]
    total = steps * counted[0] + counted[1]
    return {
        "images_per_second": round(steps * len(images) / a_round, 1),
        "gflop_an_image": round(total / steps / len(images) / 1e9, 2),
        "gflop_per_second": round(total / a_round / 1e9, 1),
        "h200_estimate": estimate,
    }


def operations(engine: Engine, turn: Turn, stream: Iterator[Any]) -> int:
    """Floating-point operations of a move, in convolutions and products, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        engine.play(turn, stream)
    return counter.get_total_flops()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", nargs="+", default=["sndcgan", "resnet"], choices=ARCHITECTURES)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--moves", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--channels_last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    return parser


def main() -> None:
    options = parser().parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for arch in options.arch:
        for line in measure(arch, options):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
