"""What SeqGAN's parts cost: one JSON line each, with the median over repeats.

    python benchmarks/seqgan_step.py [--device cuda [--compile]] [--precision bf16] [--repeats 5]

CPU seconds of the process with one torch thread; on a GPU wall seconds between synchronisations.
Sizes of the paper: V 5000, T 20, B 64, N 16, H 32. A critic epoch is 312 steps of 32 real and 32
generated sequences; with fewer steps timed its figure is scaled, and the line says so. Its
negatives, drawn once for three epochs, are a part of their own.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from image_core.adversarial.game import Turn
from image_core.memory import keep_freed_memory
from image_core.runs import options
from image_core.runs.batches import Batches
from image_core.runs.players import Player, adam, make_engine
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.sequence import seqgan
from seqgan.text.rewards import rollout_reward

V, T, B, N = 5000, 20, 64, 16


def measure(run: Callable[[], object], device: torch.device, repeats: int) -> list[float]:
    """Seconds of each repeat, after one that does not count."""
    seconds = []
    for _ in range(repeats + 1):
        if device.type == "cuda":
            torch.cuda.synchronize()
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        began = clock()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(clock() - began)
    return seconds[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of SeqGAN's parts.")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="no", choices=("no", "bf16"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="the discriminator's step; on a GPU")
    parser.add_argument("--d_steps", type=int, default=39, help="of the 312 of an epoch")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    device = options.pick_device(arguments.device)

    policy, discriminator = LSTMPolicy(V), CNNDiscriminator(V)
    if arguments.compile:
        discriminator.compile(mode="reduce-overhead", fullgraph=True)
    d_steps = arguments.d_steps
    sizes = {"d_epochs": 1, "d_steps": d_steps, "negatives": 32 * d_steps}
    game = seqgan(policy, discriminator, T, **sizes).to(device)
    players = [
        Player("mle", adam(1e-2), max_grad_norm=5.0),
        Player("G", adam(1e-2), max_grad_norm=5.0),
        Player("D", adam(1e-4)),
    ]
    engine = make_engine(game, players, arguments.precision)
    real = Batches(game.sample(9_984).cpu(), B, seed=None)
    tokens = policy.sample(B, T)
    reward = rollout_reward(N)

    negatives = game.sample(32 * d_steps)
    game.sample = lambda count: negatives  # type: ignore[method-assign]

    def d_epoch() -> None:
        engine.play(Turn("D", game.discriminator_move), engine.stream(real))

    def mle_epoch() -> None:
        next(engine.rounds(real, 1, turns=[Turn("mle", game.mle_move, repeat=len(real))]))

    parts: list[tuple[str, Callable[[], object], float]] = [
        ("sample 64 sequences", lambda: policy.sample(B, T), 1.0),
        ("10,000 negatives", lambda: [policy.sample(1000, T) for _ in range(10)], 1.0),
        ("rollout reward N=16", lambda: reward(policy, discriminator, tokens), 1.0),
        ("discriminator epoch, 20,000 sequences", d_epoch, 312 / d_steps),
        ("MLE epoch, 9,984 sequences", mle_epoch, 1.0),
    ]
    for name, run, scale in parts:
        seconds = [scale * s for s in measure(run, device, arguments.repeats)]
        line = {
            "part": name,
            "seconds": round(statistics.median(seconds), 4),
            "least": round(min(seconds), 4),
            "most": round(max(seconds), 4),
            "repeats": len(seconds),
            "scaled_by": scale,
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "precision": arguments.precision,
            "torch": torch.__version__,
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
