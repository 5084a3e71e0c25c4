"""What a step of text to image costs, beside its counted operations: one JSON line a part.

    python benchmarks/text2image_step.py [--device cuda] [--precision bf16] [--repeats 5] [--paper]

CPU seconds of the process with one torch thread; on a GPU wall seconds between synchronisations.
Operations are those of the convolutions and products that ran, forward and backward, counted by
torch; a fusing convolution counts what it does, not what the textbook's two layers would do.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from timing import forget_peak, name_of, peak_gib, repeated
from torch.utils.flop_counter import FlopCounterMode

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from image_core.memory import keep_freed_memory
from image_core.runs import options
from image_core.runs.players import Player, adam, make_engine
from seqgan.data.tokenizer import TextTokenizer
from seqgan.text2image.encoders import WordEncoder
from seqgan.text2image.games.stack import StackGame
from seqgan.text2image.games.tree import TreeGame
from seqgan.text2image.matching import PictureEncoder, RegionEncoder
from seqgan.text2image.nets.stack import FirstStage, MatchingDiscriminator, SecondStage
from seqgan.text2image.papers.attngan import attngan
from seqgan.text2image.papers.dfgan import dfgan
from seqgan.text2image.papers.stackgan_v2 import stackgan_v2

B, WORDS = 64, 12
SMALL = {"small": 32, "large": 64, "text": 64, "condition": 32, "g": 16, "d": 32, "norm": "none"}
PAPER = {"small": 64, "large": 256, "text": 1024, "condition": 128, "g": 64, "d": 64}


def games(sizes: dict) -> dict[str, StackGame | TreeGame]:
    """All five systems of the sizes; those of several sides draw up to the large one."""
    encoder = WordEncoder(TextTokenizer.train(["a b c d"], "word"), sizes["text"])
    matcher = PictureEncoder(sizes["text"], 16)
    small, large, text = sizes["small"], sizes["large"], sizes["text"]
    norm = sizes.get("norm", "batch")
    g = {"condition": sizes["condition"], "width": sizes["g"]}
    d = {"condition": 2 * sizes["condition"], "width": sizes["d"], "norm": norm}
    first = (FirstStage(small, text, **g), MatchingDiscriminator(small, text, **d))
    second = (SecondStage(small, large, text, **g), MatchingDiscriminator(large, text, **d))
    mixed = (FirstStage(small, text, noisy=False, **g), MatchingDiscriminator(small, text, **d))
    tree = {**g, "d_width": sizes["d"], "norm": norm}
    widths = {"width": sizes["g"], "d_width": sizes["d"]}
    return {
        "stackgan": StackGame(encoder, matcher, *first, *second),
        "gan_int_cls": StackGame(encoder, matcher, *mixed, interpolation=True, kl_coef=0.0),
        "stackgan_v2": stackgan_v2(encoder, matcher, small, large, **tree),
        "attngan": attngan(encoder, RegionEncoder(text, 16), small, large, **tree),
        "dfgan": dfgan(encoder, matcher, small, **widths),
    }


def batch_of(sizes: dict, side: int) -> dict[str, torch.Tensor]:
    """Noise in the shape of a batch."""
    text = torch.randn(B, sizes["text"])
    return {
        "image": torch.randint(0, 256, (B, 3, side, side), dtype=torch.uint8),
        "tokens": torch.randint(4, 8, (B, WORDS)),
        "caption": torch.arange(B),
        "picture": torch.arange(B),
        "text": text,
        "wrong": text.roll(1, 0),
        "sentence": text,
        "words": torch.randn(B, WORDS, sizes["text"]),
        "mask": torch.ones(B, WORDS, dtype=torch.bool),
    }


def lines(
    device: torch.device, sizes: dict, *, precision: str = "no", repeats: int = 5
) -> Iterator[dict[str, Any]]:
    """One line a turn of each system: seconds, counted operations, and the peak memory on a GPU.

    Args:
        device: Device to run on.
        sizes: `SMALL` or `PAPER`.
        precision: Name of the precision: no or bf16.
        repeats: Number of timed repeats.
    """
    for name, game in games(sizes).items():
        game.to(device)
        rates = dict.fromkeys(game.players(), 1e-4)
        players = [Player(name, adam(lr)) for name, lr in rates.items()]
        engine = make_engine(game, players, precision)
        for turn in game.turns():
            if turn.player == "match" and name not in ("stackgan", "attngan"):
                continue  # as StackGAN's
            large = turn.player[-1] == "2" or isinstance(game, TreeGame)
            side = sizes["large"] if large and turn.player != "match" else sizes["small"]
            told = {"part": f"{name} {turn.player}", "precision": precision}
            yield told | time_turn(engine, turn, batch_of(sizes, side), repeats)


def time_turn(engine: Engine, turn: Turn, batch: dict, repeats: int) -> dict[str, Any]:
    """The median over repeats, after one that does not count, and the operations."""
    device = engine.device
    batch = {key: value.to(device) for key, value in batch.items()}
    with FlopCounterMode(display=False) as counter:
        engine.play(turn, iter([batch]))
    forget_peak(device)
    seconds = repeated(lambda: engine.play(turn, iter([batch])), device, repeats)
    median, gflop = statistics.median(seconds), counter.get_total_flops() / 1e9
    return {
        "seconds": round(median, 4),
        "least": round(min(seconds), 4),
        "most": round(max(seconds), 4),
        "gflop": round(gflop, 2),
        "gflop_per_second": round(gflop / median, 1),
        "pictures_per_second": round(B / median),
        "repeats": repeats,
        "peak_gib": peak_gib(device),
        "device": name_of(device),
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of the steps of text to image.")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="no", choices=("no", "bf16"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--paper", action="store_true", help="the paper's sizes, for a GPU")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    for line in lines(
        options.pick_device(arguments.device),
        PAPER if arguments.paper else SMALL,
        precision=arguments.precision,
        repeats=arguments.repeats,
    ):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
