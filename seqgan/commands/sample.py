"""`seqgan sample DIR`: sentences of a sequence run, pictures of a run that draws."""

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, folder_parser, prepare, saved_config
from seqgan.commands import pictures
from seqgan.commands.recipes import RECIPES, load, open_run


def run(words: Sequence[str]) -> None:
    """Write sentences, or draw pictures."""
    options = _parser().parse_args(words)
    prepare()
    from seqgan.text.run import SequenceRun

    _check(options)
    recipe, _ = saved_config(options.folder, RECIPES)
    if recipe in pictures.RECIPES:
        if options.best_of != 1:
            raise UserError(f"{options.folder} draws pictures: leave --best_of out")
        if recipe == "text2image":
            options.asked = _asked(options)
            options.prompts = None
        pictures.write_samples(recipe, options)
        return
    if recipe in ANSWERING:
        _write(options, ANSWERING[recipe](options))
        return
    trained = open_run(options.folder, data=False)
    if not isinstance(trained, SequenceRun):
        raise UserError(
            f"{options.folder} is a run of {trained.recipe}, which draws no samples; "
            "use `seqgan play`, `chat`, `recommend` or `rank`"
        )
    for name in ("between", *pictures.OF_PICTURES, *pictures.OF_FOLDERS):
        if getattr(options, name):
            raise UserError(f"{options.folder} writes sentences: leave --{name} out")
    from seqgan.text.loaded import LoadedText

    loaded, asked = LoadedText(trained), _asked(options)
    for option, prompt in asked:
        trained.encode_prompt(prompt, option)
    sentences = loaded.sample(
        options.n,
        prompts=[prompt for _, prompt in asked],
        seed=options.seed,
        label=options.label,
        rescore=1 if options.rescore is None else options.rescore,
        best_of=options.best_of,
        **_settings(options),
    )
    _write(options, sentences)


def _decipher(options: Namespace) -> list[str]:
    """What is read of the cipher texts of --prompt and --prompts."""
    wrong = (*OF_DRAWS, *pictures.OF_PICTURES, *pictures.OF_FOLDERS)
    asked = _lines(options, "reads cipher text", wrong)
    loaded, read = load(options.folder), []
    for option, text in asked:
        with _told_of(option):
            read.append(loaded.decipher(text))
    return read


def _answer(options: Namespace) -> list[str]:
    """Answers to the questions of --prompt and --prompts about each picture of --input."""
    wrong = (*OF_DRAWS, *pictures.OF_PICTURES, "direction", "masks")
    asked = _lines(options, "answers questions", wrong)
    if options.input is None:
        raise UserError(f"{options.folder} answers questions: name pictures by --input")
    from seqgan.vqa.questions import encode
    from seqgan.vqa.sample import answers

    for option, question in asked:
        with _told_of(option):
            encode([question])
    return answers(load(options.folder), options.input, [question for _, question in asked])


OF_DRAWS = ("n", "label", "greedy", "model", "temperature", "top_p", "between")
"""Options of draws, of which there are none where a line has one answer."""
ANSWERING = {"decipher": _decipher, "vqa": _answer}
"""Recipes whose runs write a line for each line that they are given."""


def _lines(options: Namespace, does: str, wrong: Sequence[str]) -> list[tuple[str, str]]:
    """What _asked gives, and something; options that mean nothing beside it are refused."""
    for name in wrong:
        if getattr(options, name):
            raise UserError(f"{options.folder} {does}: leave --{name} out")
    asked = _asked(options)
    if not asked:
        raise UserError(f"{options.folder} {does}: name some by --prompt or --prompts")
    return asked


def _asked(options: Namespace) -> list[tuple[str, str]]:
    """The lines of --prompt and --prompts, each after its option, as messages name it."""
    given = [("prompt", text) for text in options.prompt or ()]
    if options.prompts is None:
        return given
    from seqgan.data.source import read_texts

    file = read_texts(options.prompts)
    numbered = zip(file.numbers, file.lines, strict=True)
    return given + [(f"prompts {options.prompts}: line {i}", text) for i, text in numbered]


@contextmanager
def _told_of(option: str) -> Iterator[None]:
    """Name the option in a message about its text."""
    try:
        yield
    except UserError as error:
        raise UserError(f"--{option}: {error}") from error


def _write(options: Namespace, lines: Sequence[str]) -> None:
    """Lines on the terminal, or in the file of --out."""
    text = "".join(line + "\n" for line in lines)
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


def _parser() -> Parser:
    parser = folder_parser(
        "sample", "Write sentences of a trained run, one per line; or draw its pictures."
    )
    add = parser.add_argument
    add(
        "--n",
        type=int,
        help="Number of sentences for each prompt, or of pictures for each prompt or label (10; 1 "
        "if greedy).",
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
        help="First words of every sentence; for a text-to-image run the sentence to draw, for a "
        "decipherment run cipher text, for a vqa run a question. May be "
        "given several times: as many sentences for each, or rows with the same noise.",
    )
    add("--prompts", metavar="FILE", help="File of prompts, or of sentences to draw, one per line.")
    add(
        "--between",
        type=int,
        default=0,
        help="Number of rows between two sentences, for a text-to-image run (0).",
    )
    add(
        "--rescore",
        type=int,
        help="Candidates of each sentence, or of each picture of an image run; one is drawn by the "
        "discriminator's logit (1).",
    )
    add(
        "--best_of",
        type=int,
        default=1,
        help="Candidates of each sentence; the one with the discriminator's highest logit is "
        "written (1).",
    )
    add("--label", help="Label of the sentences, for a text run that has labels (all).")
    add(
        "--labels",
        help="Classes to draw, separated by commas, for an image run that has them; beside "
        "--input the class that its pictures are turned into.",
    )
    add(
        "--truncation",
        type=float,
        help="Bound of the latents of an image run: less variety, clearer pictures (none).",
    )
    add(
        "--turn",
        metavar="NAME",
        help="Rows of pictures of an image run along the turn vector of an attribute: slant, or a "
        "function module:name from pictures in [0, 1] to a number for each (none).",
    )
    add(
        "--condition",
        metavar="NAME",
        help="Classifier module:name, from pictures in [0, 1] to logits, that the pictures of a "
        "run of ppgn are to meet; --labels are then numbers of its classes (the run's own).",
    )
    add("--gif", metavar="FILE", help="New file for a walk through latents, or between 2 prompts.")
    add(
        "--film",
        metavar="FILE",
        help="New .gif file of the training of a run of image or text2image: the same latents, "
        "or the same sentences, at each evaluation.",
    )
    add("--frames", type=int, help="Number of pictures of the walk (60).")
    add(
        "--input",
        metavar="DIR",
        help="Pictures to translate, for a translation run, or to ask about, for a vqa run.",
    )
    add(
        "--masks",
        metavar="DIR",
        help="Masks of the same names, white where the pictures of --input may become those of the "
        "class that --labels names.",
    )
    add("--direction", choices=("ab", "ba"), help="From domain A to B, or back (ab).")
    add(
        "--model",
        choices=("seqgan", "mle"),
        default=None,
        help="Policy after the adversarial rounds, or after maximum likelihood (seqgan).",
    )
    add(
        "--out",
        default=None,
        help="New file for the output, instead of the terminal or DIR/samples; for pictures a "
        "grid if it ends in .png, else a new folder of single PNGs.",
    )
    return parser
