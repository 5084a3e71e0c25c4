"""Operations of whole runs of `--preset paper`, counted, and the GPU hours that they come to.

    python benchmarks/flops.py

Every turn's loss and gradient are computed once on tensors without memory (torch's fake tensors)
under torch's own formulas of multiplications and additions, for the batch of the preset, and are
multiplied by how often the run plays them. Optimizers, norms and evaluations are not counted.
Nothing is trained or timed here.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Game, Turn
from image_core.data.images import ImageSet
from image_core.recipes.image import recipe as image
from image_core.recipes.image.data import ImageForm
from image_core.recipes.image.papers.progressive import stages
from seqgan.data.tokenizer import TextTokenizer
from seqgan.text2image import recipe as text2image
from seqgan.text2image.encoders import WordEncoder

PEAK = 989.0
"""TFLOP/s of an H100 or H200 in bfloat16, without sparsity."""
SHARE = 0.25
"""Share of the peak that is reckoned with, as in benchmarks/README.md; not measured."""


class Counter(TorchDispatchMode):
    """Adds up the operations of products and convolutions, backward ones included.

    Torch's own counter follows modules by hooks, with which a gradient penalty cannot be computed.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute and count one operator."""
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.total += formula(*args, **kwargs, out_val=found)
        return found


class Part(NamedTuple):
    """Rounds that are alike.

    Args:
        game: Game, as it is in these rounds.
        turns: Turns of a round.
        batch: Batch of a step.
        rounds: Number of rounds.
    """

    game: Game
    turns: Sequence[Turn]
    batch: Any
    rounds: int


def operations(part: Part) -> float:
    """Floating-point operations of all rounds of a part."""
    optim = dict.fromkeys(part.game.players(), lambda ps: torch.optim.SGD(ps, lr=1.0))
    engine, total = Engine(part.game, optim), 0.0
    for turn in part.turns:
        learned = engine.players[turn.player]
        with Counter() as counter, engine.learning(turn.player):
            loss = next(iter(turn.move(_again(part.batch))))
            torch.autograd.grad(loss[0], learned, allow_unused=True)
        total += counter.total * turn.repeat / turn.every
    return total * part.rounds


def _again(batch: Any) -> Iterator[Any]:
    while True:
        yield batch


def config_of(recipe: Any, paper: str, **values: Any) -> Any:
    """The options of a paper under --preset paper."""
    preset = recipe.PAPERS.preset(paper, recipe.PRESETS["paper"], "paper")
    return recipe.PAPERS.config(paper)(**{**preset, "paper": paper, "out": "-", **values})


def image_parts(paper: str, **values: Any) -> Iterator[Part]:
    """The parts of a run of an image paper.

    Args:
        paper: Name of the paper.
        values: Options that the preset leaves to the data, or other than its own.
    """
    c = config_of(image, paper, **values)
    stand_in: ImageSet = ImageForm(2, 3, c.size, None).stand_in()
    game = image.PAPERS.load(paper).game(c, stand_in)
    images = torch.empty(c.batch, 3, c.size, c.size)
    if paper != "progressive":
        yield Part(game, game.turns(), images, c.rounds)
        return
    for level, fading, rounds in stages(c, c.size):
        game.enter(level, fade_rounds=rounds if fading else 0)
        yield Part(game, game.turns(), images, rounds)


def stackgan_parts(**values: Any) -> Iterator[Part]:
    """The parts of a run of StackGAN, the pretraining of its encoder left out."""
    c = config_of(text2image, "stackgan", data="-", **values)
    encoder = WordEncoder(TextTokenizer.train(["a b"], "word"), c.features)
    game = text2image.PAPERS.load("stackgan").game(c, encoder)
    sentence = torch.empty(c.batch, c.features)
    picture = torch.empty(c.batch, 3, c.side, c.side)
    batch = {"image": picture, "text": sentence, "wrong": sentence}
    for stage, rounds in enumerate(c.stage_rounds(), 1):
        yield Part(game, game.stage_turns(stage), batch, rounds * c.steps)


RUNS = {
    "seqgan train image --paper dcgan --preset paper --data LSUN": ("dcgan", {}),
    "seqgan train image --paper sngan --preset paper --data CIFAR": ("sngan", {"size": 32}),
    "seqgan train image --paper wgan_gp --preset paper --data CIFAR": ("wgan_gp", {"size": 32}),
    "seqgan train image --paper progressive --preset paper --data CELEBA": ("progressive", {}),
    "seqgan train text2image --paper stackgan --preset paper --data CUB": ("stackgan", {}),
}
"""Paper, and what its preset leaves to the data, by the command of the run."""


def main() -> None:
    """Print a row a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peak", type=float, default=PEAK, help="TFLOP/s of the GPU")
    parser.add_argument("--share", type=float, default=SHARE, help="share of it that is reached")
    o = parser.parse_args()
    print("| run | operations | GPU hours |\n|---|---|---|")
    for command, (paper, values) in RUNS.items():
        with FakeTensorMode(allow_non_fake_inputs=True):
            parts = stackgan_parts() if paper == "stackgan" else image_parts(paper, **values)
            total = sum(map(operations, parts))
        hours = total / (o.peak * o.share * 1e12) / 3600
        print(f"| `{command}` | {total:.3g} | {hours:.3g} |", flush=True)


if __name__ == "__main__":
    main()
