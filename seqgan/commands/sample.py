"""`seqgan sample DIR`: sentences of a sequence run, pictures of an image or text-to-image run."""

from argparse import Namespace
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, folder_parser, prepare
from seqgan.commands.recipes import open_run

if TYPE_CHECKING:
    from image_core.runs.recipe import Run


def run(words: Sequence[str]) -> None:
    """Write sentences, or draw pictures of sentences."""
    options = _parser().parse_args(words)
    prepare()
    from seqgan.text.run import SequenceRun
    from seqgan.text.sample import Draws, write_samples

    prompts = options.prompt or [None]
    draws = Draws(
        options.n,
        1.0 if options.temperature is None else options.temperature,
        options.seed,
        prompts[0],
        options.model or "seqgan",
        options.out,
    )
    draws.check()
    trained = open_run(options.folder, data=False)
    if trained.recipe == "text2image":
        _draw(trained, options)
        return
    if trained.recipe == "image":
        _draw_unprompted(trained, options)
        return
    if not isinstance(trained, SequenceRun):
        raise UserError(f"{options.folder} is a run of {trained.recipe}, which writes no sentences")
    if len(prompts) > 1 or options.between:
        raise UserError(
            f"{options.folder} writes sentences: give one --prompt at most and no --between"
        )
    trained.load()
    write_samples(trained, draws)


def _draw(trained: "Run", options: Namespace) -> None:
    """Pictures of sentences, as one PNG."""
    from seqgan.text2image.recipe import Text2ImageRun
    from seqgan.text2image.sample import PictureSheet, write_drawing

    _check_pictures(options)
    out = options.out or _unused(options.folder, "prompt")
    drawing = PictureSheet(
        tuple(options.prompt or ()), options.n, options.between, options.seed, out
    )
    drawing.check()
    assert isinstance(trained, Text2ImageRun)
    trained.load()
    write_drawing(trained, drawing)


def _draw_unprompted(trained: "Run", options: Namespace) -> None:
    """Pictures of an image run, as one PNG."""
    from image_core.recipes.image.recipe import Run as ImageRun
    from image_core.recipes.image.sample import SampleSheet, write_sheet

    _check_pictures(options)
    if options.prompt or options.between:
        raise UserError(f"{options.folder} reads no sentences; leave out --prompt and --between")
    sheet = SampleSheet(options.n, options.seed, options.out or _unused(options.folder, "drawn"))
    sheet.check()
    assert isinstance(trained, ImageRun)
    trained.load()
    write_sheet(trained, sheet)


def _check_pictures(options: Namespace) -> None:
    for name in ("temperature", "model"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name} is for sentences; {options.folder} draws pictures")


def _unused(folder: str, name: str) -> str:
    """The first file of that name and a number that is not there yet."""
    places = (Path(folder) / "samples" / f"{name}_{i}.png" for i in count(1))
    return next(str(place) for place in places if not place.exists())


def _parser() -> Parser:
    parser = folder_parser(
        "sample", "Write sentences of a trained run, one per line; or draw pictures of sentences."
    )
    add = parser.add_argument
    add("--n", type=int, default=10, help="Number of sentences, or of pictures per sentence (10).")
    add(
        "--temperature",
        type=float,
        default=None,
        help="Sampling temperature; below 1 sharpens, above 1 flattens (1.0).",
    )
    add("--seed", type=int, default=0, help="Seed of the sentences or pictures (0).")
    add(
        "--prompt",
        action="append",
        help="First words of every sentence; for a text-to-image run the sentence to draw. May be "
        "given several times, for several rows with the same noise.",
    )
    add(
        "--between",
        type=int,
        default=0,
        help="Number of rows between two sentences, for a text-to-image run (0).",
    )
    add(
        "--model",
        choices=("seqgan", "mle"),
        default=None,
        help="Policy after the adversarial rounds, or after maximum likelihood (seqgan).",
    )
    add(
        "--out",
        default=None,
        help="New file for the output, instead of the terminal or DIR/samples.",
    )
    return parser
