"""SeqGAN's parts at the paper's sizes beside their counted limits, and its schedule's hours."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import seqgan_step
import torch
from seqgan_step import Sizes
from timing import now, repeated

from gpu_parts import roofline
from image_core.adversarial.game import Turn
from image_core.runs.batches import Batches
from seqgan.text.rewards import rollout_reward

PRETRAIN, WARMUP, ROUNDS, D_EPOCHS = 120, 50 * 3, 200, 5 * 3
"""The paper's schedule: epochs of G, epochs of D, rounds, epochs of D a round."""
TINY = Sizes(50, 6, 8, 2, 16, ((1, 2), (2, 2)))
VARIANTS = (("no", False), ("bf16", False), ("no", True), ("bf16", True))


def lines(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """Parts by precision, compiled or not; the schedule; a rollout in a CUDA graph.

    Args:
        device: Device to run on.
        tiny: Whether to run each part briefly and nothing compiled.
    """
    repeats, d_steps = (1, 2) if tiny else (5, 39)
    sizes = TINY if tiny else seqgan_step.PAPER
    seconds: dict[str, float] = {}
    for precision, compiled in VARIANTS[:1] if tiny else VARIANTS:
        torch.manual_seed(0)
        torch._dynamo.reset()
        found = seqgan_step.lines(
            device,
            sizes=sizes,
            precision=precision,
            compiled=compiled,
            repeats=repeats,
            d_steps=d_steps,
        )
        try:
            for line in found:
                best = seconds.get(line["part"], line["seconds"])
                seconds[line["part"]] = min(best, line["seconds"])
                yield line
        except Exception as error:  # a line says which way failed, and the others are measured
            yield {"precision": precision, "compiled": compiled, "error": _said(error)}
    yield from limits(device, sizes, d_steps, seconds)
    yield schedule(seconds)
    try:
        yield played(device, sizes, 0.1 if tiny else 30.0, compiled=not tiny)
    except Exception as error:
        yield {"part": "rounds of the schedule", "compiled": True, "error": _said(error)}
        torch._dynamo.reset()
        yield played(device, sizes, 30.0, compiled=False)
    yield graphed(device, sizes)  # last, since a capture that fails may leave the device unusable


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def limits(
    device: torch.device, sizes: Sizes, d_steps: int, seconds: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """Counted operations and bytes of the parts, and how far the best seconds are from them."""
    game, engine = seqgan_step.build(device, "no", sizes=sizes, d_steps=d_steps)
    tokens = game.G.sample(sizes.batch, sizes.length)
    real = Batches(game.sample(sizes.batch).cpu(), sizes.batch, seed=None)
    reward = rollout_reward(sizes.copies)
    stream = engine.stream(real)
    counted: dict[str, tuple[Callable[[], object], float]] = {
        "rollout reward N=16": (lambda: reward(game.G, game.D, tokens), 1.0),
        "discriminator epoch, 20,000 sequences": (
            lambda: engine.play(Turn("D", game.discriminator_move), stream),
            312 / d_steps,
        ),
    }
    for part, (run, scale) in counted.items():
        found = roofline.count(run)
        least = scale * found.limit("no")
        yield {
            "part": part,
            "gflop": round(scale * found.flop / 1e9, 2),
            "gbyte": round(scale * found.bytes / 1e9, 2),
            "kernels": round(scale * found.kernels),
            "limit_seconds": least,
            "times_the_limit": round(seconds[part] / least, 2),
            "profile": roofline.profile(run, device),
        }


def schedule(seconds: dict[str, float]) -> dict[str, Any]:
    """Rounds a minute and hours of the whole schedule, by the best seconds of each part."""
    epoch = seconds["discriminator epoch, 20,000 sequences"]
    negatives = seconds["10,000 negatives"] / 3  # drawn once for three epochs
    policy = seconds["sample 64 sequences"] + seconds["rollout reward N=16"]
    a_round = policy + D_EPOCHS * (epoch + negatives)
    before = PRETRAIN * seconds["MLE epoch, 9,984 sequences"] + WARMUP * (epoch + negatives)
    return {
        "schedule": "120 epochs of G, 150 of D, 200 rounds of 1 and 15",
        "rounds_a_minute": round(60 / a_round, 2),
        "hours": round((before + ROUNDS * a_round) / 3600, 3),
    }


def graphed(device: torch.device, sizes: Sizes) -> dict[str, Any]:
    """Seconds of a rollout's rewards launched as one CUDA graph, beside the plain launch."""
    told = {"part": "rollout reward N=16", "how": "one CUDA graph"}
    if device.type != "cuda":
        return {**told, "left_out": "a CPU has no CUDA graphs"}
    game, _ = seqgan_step.build(device, "no", sizes=sizes)
    tokens, reward = game.G.sample(sizes.batch, sizes.length), rollout_reward(sizes.copies)
    try:
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                reward(game.G, game.D, tokens)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            reward(game.G, game.D, tokens)
        return {**told, "seconds": statistics.median(repeated(graph.replay, device, 5))}
    except Exception as error:  # a line says why, and the other lines stay
        return {**told, "error": _said(error)}


def played(device: torch.device, sizes: Sizes, limit: float, *, compiled: bool) -> dict[str, Any]:
    """Whole rounds of the paper's sizes, as many as begin within the seconds."""
    steps = sizes.lines // (sizes.batch // 2)  # an epoch's, with half of each batch real
    game, engine = seqgan_step.build(device, "no", sizes=sizes, compiled=compiled, d_steps=steps)
    game.d_epochs, game.negatives, game.d_steps = 3, sizes.lines, D_EPOCHS * steps
    real = Batches(game.sample(sizes.lines).cpu(), sizes.batch, seed=None)
    list(engine.rounds(real, 1))
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < limit:
        list(engine.rounds(real, 1))
        rounds += 1
        now(device)
    minutes = (time.perf_counter() - began) / 60
    return {
        "part": "rounds of the schedule",
        "d_steps_a_round": game.d_steps,
        "compiled": compiled,
        "rounds": rounds,
        "rounds_a_minute": round(rounds / minutes, 2),
    }
