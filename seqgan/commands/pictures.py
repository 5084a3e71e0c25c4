"""The part of `seqgan sample DIR` for runs of image, text2image, discrete and translate."""

import sys
from argparse import Namespace
from itertools import count
from pathlib import Path

from image_core.adversarial.errors import UserError
from seqgan.commands.recipes import load

RECIPES = ("image", "text2image", "discrete", "translate")
OF_SENTENCES = ("temperature", "top_p", "greedy", "model", "prompts", "label")
"""Options for runs that write sentences."""
OF_PICTURES = ("labels", "truncation", "gif", "frames", "film", "turn", "condition")
"""Options for runs that draw pictures."""
OF_FOLDERS = ("input", "direction", "masks")
"""Options for runs that translate pictures."""
FRAMES = 60


def write_samples(recipe: str, options: Namespace) -> None:
    """Draw what the options ask for.

    Args:
        recipe: Recipe of the run.
        options: Options of `seqgan sample`.

    Raises:
        UserError: An option is invalid or not for such a run.
    """
    for name in OF_SENTENCES:
        if getattr(options, name):
            raise UserError(f"--{name} is for sentences; {options.folder} draws pictures")
    if options.frames is not None and options.gif is None:
        raise UserError("--frames is of a walk; name its file by --gif")
    if recipe != "image":
        _refuse(options, "has no discriminator that rescores", "rescore")
    if recipe != "translate":
        _refuse(options, "draws pictures and translates none", *OF_FOLDERS)
    writers = {"image": _images, "text2image": _captions, "discrete": _discrete}
    {**writers, "translate": _translations}[recipe](options)


def _images(options: Namespace) -> None:
    from image_core.recipes.image.sample import SampleSheet, write_sheet
    from image_core.runs.picture_files import write_film

    _refuse(options, "reads no sentences", "prompt", "between")
    if options.film is not None:
        write_film(Path(options.folder), options.film)
        if options.out is None and options.gif is None:
            return
    sheet = SampleSheet(
        10 if options.n is None else options.n,
        options.seed,
        _out(options, "drawn"),
        tuple(options.labels.split(",")) if options.labels else (),
        options.truncation,
        1 if options.rescore is None else options.rescore,
        options.gif,
        options.frames or FRAMES,
        options.turn,
        options.condition,
    )
    sheet.check()
    write_sheet(load(options.folder), sheet)


def _captions(options: Namespace) -> None:
    from image_core.runs.picture_files import write_film
    from seqgan.text2image.sample import PictureSheet, write_drawing

    _refuse(options, "draws sentences, not classes", "labels", "truncation", *OF_PICTURES[-2:])
    if options.film is not None:
        write_film(Path(options.folder), options.film)
        if not options.asked:
            return
    sheet = PictureSheet(
        tuple(prompt for _, prompt in options.asked),
        10 if options.n is None else options.n,
        options.between,
        options.seed,
        _out(options, "prompt"),
        options.gif,
        options.frames or FRAMES,
    )
    sheet.check()
    loaded = load(options.folder)
    for option, prompt in options.asked:
        loaded.check(prompt, option)
    write_drawing(loaded, sheet)


def _discrete(options: Namespace) -> None:
    from image_core.runs.folder import write_text
    from image_core.runs.picture_files import check_new, write_pictures

    _refuse(options, "has neither classes nor a walk", "prompt", "between", *OF_PICTURES)
    loaded = load(options.folder)
    samples = loaded.sample(10 if options.n is None else options.n, seed=options.seed)
    if isinstance(samples, list):
        text = "".join(line + "\n" for line in samples)
        if options.out is None:
            sys.stdout.write(text)
        else:
            write_text(Path(options.out), text)
        return
    out = _out(options, "drawn")
    assert out is not None
    check_new("out", out, ".png", "")
    write_pictures(samples, Path(out))
    print(out)


def _translations(options: Namespace) -> None:
    from image_core.recipes.translate import sample

    _refuse(options, "translates pictures", "prompt", "between", *OF_PICTURES[1:])
    if options.input is None:
        _refuse(options, "draws from its prior without --input", "masks")
        loaded = load(options.folder)
        place = _out(options, "drawn")
        if not (loaded.draws_pairs or loaded.classes):
            raise UserError(
                f"{options.folder} translates pictures: name their folder by --input and a new one "
                "by --out"
            )
        assert place is not None
        labels = tuple(options.labels.split(",")) if options.labels else ()
        drawn = sample.Drawn(10 if options.n is None else options.n, place, labels, options.seed)
        drawn.check()
        sample.write_drawn(loaded, drawn)
        return
    _refuse(options, "translates what --input holds", "n")
    if options.out is None:
        raise UserError(f"--input {options.input}: name a new folder for its translations by --out")
    if options.labels:
        _refuse(options, "has no direction towards a class", "direction")
        edit = sample.Edit(options.input, options.out, options.labels, options.masks)
        edit.check()
        sample.write_edits(load(options.folder), edit)
        return
    _refuse(options, "turns masked pictures into the class that --labels names", "masks")
    what = sample.Translation(options.input, options.out, options.direction or "ab", options.seed)
    what.check()
    sample.write_translations(load(options.folder), what)


def _refuse(options: Namespace, why: str, *names: str) -> None:
    for name in names:
        if getattr(options, name):
            raise UserError(f"{options.folder} {why}; leave --{name} out")


def _out(options: Namespace, name: str) -> str | None:
    """Where samples go: --out, else the first grid of that name and a number; None beside --gif."""
    if options.out is not None or options.gif is not None:
        return options.out
    places = (Path(options.folder) / "samples" / f"{name}_{i}.png" for i in count(1))
    return next(str(place) for place in places if not place.exists())
