"""What SeqGAN's parts cost: one JSON line each, with the median over repeats.

    python benchmarks/seqgan_step.py [--device cuda [--compile]] [--precision bf16] [--repeats 5]

CPU seconds of the process with one torch thread; on a GPU wall seconds between synchronisations.
Sizes of the paper: V 5000, T 20, B 64, N 16, H 32. A discriminator epoch is 312 steps of 32 real
and 32 generated sequences; with fewer steps timed its figure is scaled, and the line says so. Its
negatives, drawn once for three epochs, are a part of their own.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from timing import forget_peak, name_of, peak_gib, repeated

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from image_core.memory import keep_freed_memory
from image_core.runs import options
from image_core.runs.batches import Batches
from image_core.runs.players import Player, adam, make_engine
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.discriminators import SEQGAN_FILTERS, CNNDiscriminator
from seqgan.text.games.sequence import SequenceGame, seqgan
from seqgan.text.rewards import rollout_reward


class Sizes(NamedTuple):
    """Sizes of the game; the paper's unless others are given.

    Args:
        vocab: Number of tokens of the vocabulary.
        length: Number of tokens of a sequence.
        batch: Number of sequences of a batch.
        copies: Number of completions of each prefix.
        lines: Number of real sequences.
        filters: Width and number of the discriminator's filters.
    """

    vocab: int = 5_000
    length: int = 20
    batch: int = 64
    copies: int = 16
    lines: int = 9_984
    filters: Sequence[tuple[int, int]] = SEQGAN_FILTERS


PAPER = Sizes()


def build(
    device: torch.device,
    precision: str,
    *,
    sizes: Sizes = PAPER,
    compiled: bool = False,
    d_steps: int = 39,
) -> tuple[SequenceGame, Engine]:
    """SeqGAN of the sizes; a discriminator move has `d_steps` of the 312 of an epoch."""
    policy, discriminator = (
        LSTMPolicy(sizes.vocab),
        CNNDiscriminator(sizes.vocab, filters=sizes.filters),
    )
    if compiled:
        discriminator.compile(mode="reduce-overhead", fullgraph=True)
    steps = {"d_epochs": 1, "d_steps": d_steps, "negatives": 32 * d_steps}
    game = seqgan(policy, discriminator, sizes.length, **steps).to(device)
    players = [
        Player("mle", adam(1e-2), max_grad_norm=5.0),
        Player("G", adam(1e-2), max_grad_norm=5.0),
        Player("D", adam(1e-4)),
    ]
    return game, make_engine(game, players, precision)


def lines(
    device: torch.device,
    *,
    sizes: Sizes = PAPER,
    precision: str = "no",
    compiled: bool = False,
    repeats: int = 5,
    d_steps: int = 39,
) -> Iterator[dict[str, Any]]:
    """One line a part: the median, least and most seconds, and the peak memory on a GPU.

    Args:
        device: Device to run on.
        sizes: Sizes of the game.
        precision: Name of the precision: no or bf16.
        compiled: Whether the discriminator's step is compiled.
        repeats: Number of timed repeats.
        d_steps: Number of timed discriminator steps, of the 312 of an epoch.
    """
    game, engine = build(device, precision, sizes=sizes, compiled=compiled, d_steps=d_steps)
    policy = game.G
    real = Batches(game.sample(sizes.lines).cpu(), sizes.batch, seed=None)
    tokens = policy.sample(sizes.batch, sizes.length)
    reward = rollout_reward(sizes.copies)

    negatives = game.sample(32 * d_steps)
    game.sample = lambda count: negatives  # type: ignore[method-assign]

    def d_epoch() -> None:
        engine.play(Turn("D", game.discriminator_move), engine.stream(real))

    def mle_epoch() -> None:
        next(engine.rounds(real, 1, turns=[Turn("mle", game.mle_move, repeat=len(real))]))

    parts: list[tuple[str, Callable[[], object], float]] = [
        ("sample 64 sequences", lambda: policy.sample(sizes.batch, sizes.length), 1.0),
        ("10,000 negatives", lambda: [policy.sample(1000, sizes.length) for _ in range(10)], 1.0),
        ("rollout reward N=16", lambda: reward(policy, game.D, tokens), 1.0),
        ("discriminator epoch, 20,000 sequences", d_epoch, 312 / d_steps),
        ("MLE epoch, 9,984 sequences", mle_epoch, 1.0),
    ]
    for name, run, scale in parts:
        forget_peak(device)
        seconds = [scale * s for s in repeated(run, device, repeats)]
        yield {
            "part": name,
            "seconds": round(statistics.median(seconds), 4),
            "least": round(min(seconds), 4),
            "most": round(max(seconds), 4),
            "repeats": len(seconds),
            "scaled_by": scale,
            "peak_gib": peak_gib(device),
            "device": name_of(device),
            "precision": precision,
            "compiled": compiled,
            "torch": torch.__version__,
        }


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
    for line in lines(
        options.pick_device(arguments.device),
        precision=arguments.precision,
        compiled=arguments.compile,
        repeats=arguments.repeats,
        d_steps=arguments.d_steps,
    ):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
