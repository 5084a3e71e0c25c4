"""`seqgan sample DIR`: sentences of a sequence run, pictures of an image or text-to-image run."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

    _check(options)
    trained = open_run(options.folder, data=False)
    if trained.recipe == "text2image":
        _draw(trained, options)
        return
    if trained.recipe == "image":
        _draw_unprompted(trained, options)
        return
    if not isinstance(trained, SequenceRun):
        raise UserError(f"{options.folder} is a run of {trained.recipe}, which writes no sentences")
    if options.between:
        raise UserError(f"{options.folder} writes sentences: leave --between out")
    from seqgan.text.loaded import LoadedText

    sentences = LoadedText(trained).sample(
        options.n,
        prompts=[*(options.prompt or ()), *_prompts(options.prompts)],
        seed=options.seed,
        **_settings(options),
    )
    text = "".join(sentence + "\n" for sentence in sentences)
    if options.out is None:
        sys.stdout.write(text)
    else:
        from image_core.runs.folder import write_text

        write_text(Path(options.out), text)


def _check(options: Namespace) -> None:
    """Refuse invalid values before a run is loaded."""
    from image_core.runs.options import check_seed
    from seqgan.text.loaded import check_settings

    check_settings(1 if options.n is None else options.n, **_settings(options))
    check_seed(options.seed)
    if options.out is not None and Path(options.out).exists():
        raise UserError(f"--out {options.out} exists and nothing is overwritten; name another file")


def _settings(options: Namespace) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in ("temperature", "top_p", "model")}
    return {
        "greedy": options.greedy,
        **{name: value for name, value in given.items() if value is not None},
    }


def _prompts(file: str | None) -> list[str]:
    """The lines of a file of prompts."""
    if file is None:
        return []
    from seqgan.data.source import read_texts

    return list(read_texts(file).lines)


def _draw(trained: "Run", options: Namespace) -> None:
    """Pictures of sentences, as one PNG."""
    from seqgan.text2image.recipe import Text2ImageRun
    from seqgan.text2image.sample import PictureSheet, write_drawing

    _check_pictures(options)
    out = options.out or _unused(options.folder, "prompt")
    drawing = PictureSheet(
        tuple(options.prompt or ()), options.n or 10, options.between, options.seed, out
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
    sheet = SampleSheet(
        options.n or 10, options.seed, options.out or _unused(options.folder, "drawn")
    )
    sheet.check()
    assert isinstance(trained, ImageRun)
    trained.load()
    write_sheet(trained, sheet)


def _check_pictures(options: Namespace) -> None:
    for name in ("temperature", "top_p", "greedy", "model", "prompts"):
        if getattr(options, name):
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
    add(
        "--n",
        type=int,
        help="Number of sentences for each prompt, or of pictures per sentence (10; 1 if greedy).",
    )
    add(
        "--temperature",
        type=float,
        default=None,
        help="Sampling temperature; below 1 sharpens, above 1 flattens (1.0).",
    )
    add(
        "--top_p",
        type=float,
        default=None,
        help="Probability mass of the likeliest tokens, from which alone tokens are drawn (1.0).",
    )
    add("--greedy", action="store_true", help="Take the likeliest token each time.")
    add("--seed", type=int, default=0, help="Seed of the sentences or pictures (0).")
    add(
        "--prompt",
        action="append",
        help="First words of every sentence; for a text-to-image run the sentence to draw. May be "
        "given several times: as many sentences for each, or rows with the same noise.",
    )
    add("--prompts", metavar="FILE", help="File of prompts for sentences, one per line.")
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
