"""Steps of image games by architecture, penalty and way of running, beside a plain loop."""

import argparse
import functools
from collections.abc import Iterator
from typing import Any

import image_step
import torch
import torch.nn.functional as F
from timing import name_of, repeated

from gpu_parts import roofline
from image_core.adversarial.engine import Engine

CASES = (("sndcgan", 32), ("resnet", 32), ("resnet19", 128))
WAYS: dict[str, list[str]] = {
    "eager": [],
    "channels_last": ["--channels_last"],
    "bf16": ["--bf16"],
    "bf16 channels_last": ["--bf16", "--channels_last"],
    "compiled": ["--bf16", "--channels_last", "--compile"],
}
PENALTIES = ["spectral", "lazy_r1", "r1", "wgan_gp"]


def lines(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """Every architecture eager with each penalty, then every way of running without one.

    Args:
        device: Device to run on.
        tiny: Whether to take one small architecture and nothing compiled.
    """
    for arch, size in CASES[:1] if tiny else CASES:
        given = ["--size", str(size), "--device", device.type]
        given += ["--batch", "4", "--width", "0.1", "--turns", "1"] if tiny else ["--moves", "10"]
        for way, flags in list(WAYS.items())[: 2 if tiny else None]:
            variants = ["none", *PENALTIES] if way == "eager" and not tiny else ["none"]
            options = image_step.parser().parse_args([*given, *flags, "--variants", *variants])
            torch._dynamo.reset()
            try:
                for line in image_step.measure(arch, options):
                    yield {"way": way, **line}
            except Exception as error:  # a line says why, and the other lines stay
                yield {"arch": arch, "way": way, "error": f"{type(error).__name__}: {error}"[:500]}
        options = image_step.parser().parse_args([*given, "--variants", "none"])
        try:
            yield limits(arch, options)
        except Exception as error:
            yield {"arch": arch, "error": f"{type(error).__name__}: {error}"[:500]}


def limits(arch: str, options: argparse.Namespace) -> dict[str, Any]:
    """Counted operations and bytes of both players' steps, ours and a plain loop's seconds."""
    engine = image_step.build(arch, "none", options)
    device = engine.device
    images = torch.rand(options.batch, 3, options.size, options.size, device=device) * 2 - 1
    stream = engine.stream(lambda index: images)

    def ours() -> None:
        for turn in engine.game.turns():
            engine.play(turn, stream)

    seconds = min(repeated(ours, device, 5))
    found = roofline.count(ours)
    return {
        "arch": arch,
        "size": options.size,
        "batch": options.batch,
        "seconds_of_both_steps": seconds,
        "plain_loop_seconds": min(repeated(plain(arch, options), device, 5)),
        "gflop": round(found.flop / 1e9, 2),
        "gbyte": round(found.bytes / 1e9, 3),
        "kernels": found.kernels,
        "limit_seconds": found.limit("no"),
        "times_the_limit": round(seconds / found.limit("no"), 2),
        "device": name_of(device),
        "profile": roofline.profile(ours, device),
    }


def plain(arch: str, options: argparse.Namespace) -> Any:
    """Both steps as a textbook writes them, on networks of the same sizes."""
    engine: Engine = image_step.build(arch, "none", options)
    G, D = engine.game.get_submodule("G"), engine.game.get_submodule("D")
    adam = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.0, 0.9))
    g_adam, d_adam = adam(G.parameters()), adam(D.parameters())
    side = (options.batch, 3, options.size, options.size)
    images = torch.rand(side, device=engine.device) * 2 - 1

    def noise() -> torch.Tensor:
        return torch.randn(options.batch, 128, device=engine.device)

    def run() -> None:
        d_adam.zero_grad()
        loss = F.softplus(-D(images)).mean() + F.softplus(D(G(noise()).detach())).mean()
        loss.backward()
        d_adam.step()
        g_adam.zero_grad()
        F.softplus(-D(G(noise()))).mean().backward()
        g_adam.step()

    return run
