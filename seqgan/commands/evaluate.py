"""`seqgan evaluate DIR` for a run, `--samples FILE` for text or pictures from any source."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, prepare
from seqgan.commands.recipes import open_run

DESCRIPTION = (
    "Evaluate a trained run again (DIR), or text or pictures from any source (--samples FILE "
    "--references FILE)."
)
OF_TEXT = ("contexts", "field", "level", "metrics", "encoder")
OF_PICTURES = ("extractor", "inception", "size", "fit", "cache")
OF_FILES = ("references", "train", "count", *OF_TEXT, *OF_PICTURES)


def run(words: Sequence[str]) -> None:
    """Evaluate a run, or text files."""
    parser = _parser()
    options = parser.parse_args(words)
    if options.folder is None and options.samples is None:
        raise UserError(f"name a run's DIR or --samples FILE; see `{parser.prog} --help`")
    if options.folder is not None:
        given = [n for n in ("samples", *OF_FILES) if getattr(options, n) is not None]
        if given or options.lowercase or options.out:
            name = (given or (["lowercase"] if options.lowercase else ["out"]))[0]
            kind = "pictures" if name in OF_PICTURES else "text files"
            raise UserError(f"--{name} is for {kind}, not for the run {options.folder}")
        _evaluate_run(options.folder, options.sweep)
        return
    if options.sweep:
        raise UserError("--sweep is for a run's DIR; a file of samples has no temperature")
    if options.references is None:
        raise UserError(
            "--samples needs real text or pictures to compare with; give it with --references"
        )
    prepare()
    out = options.out or f"{Path(options.samples).name.split('.')[0]}.evaluation"
    if _holds_pictures(options.samples):
        _evaluate_pictures(options, Path(out))
        return
    for name in OF_PICTURES:
        if getattr(options, name) is not None:
            raise UserError(f"--{name} is for pictures, and --samples {options.samples} is text")
    from seqgan.evaluation.case import EvaluationConfig
    from seqgan.evaluation.evaluate import evaluate, parse_metrics

    files = {name: getattr(options, name) for name in ("train", "contexts")}
    config = EvaluationConfig(
        samples=options.samples,
        references=options.references,
        **files,
        field=options.field,
        count=options.count,
        level=options.level or "word",
        lowercase=options.lowercase,
        metrics=parse_metrics(options.metrics, files),
        encoder=options.encoder or "trained",
        seed=options.seed,
    )
    evaluate(config, Path(out))


def _holds_pictures(samples: str) -> bool:
    """Whether a path is of pictures: a folder, a zip or an array; a file that is none is text."""
    path = Path(samples)
    return path.is_dir() or path.suffix.lower() in (".zip", ".npz", ".npy")


def _evaluate_pictures(options: Namespace, out: Path) -> None:
    from image_core.recipes.image.evaluate import PictureEvaluation, evaluate

    for name in OF_TEXT:
        if getattr(options, name) is not None:
            raise UserError(f"--{name} is for text, and --samples {options.samples} are pictures")
    if options.lowercase:
        raise UserError(f"--lowercase is for text; --samples {options.samples} are pictures")
    names = ("samples", "references", "train", "count", "seed", *OF_PICTURES)
    given = {name: getattr(options, name) for name in names}
    evaluate(PictureEvaluation(**{n: v for n, v in given.items() if v is not None}), out)


def _evaluate_run(folder: str, sweep: bool) -> None:
    prepare()
    trained = open_run(folder)
    trained.config = replace(trained.config, report="full")
    if not sweep:
        trained.load()
        trained.report()
        return
    from seqgan.text.report import TOP_PS
    from seqgan.text.run import SequenceRun

    if not isinstance(trained, SequenceRun):
        raise UserError(
            f"--sweep: {folder} is a run of {trained.recipe}, which writes no sentences"
        )
    trained.load()
    trained.report(top_ps=TOP_PS)


def _parser() -> Parser:
    parser = Parser("seqgan evaluate", DESCRIPTION)
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", help="Folder of a run, the --out of its training."
    )
    parser.add_argument(
        "--sweep", action="store_true", help="Sweep top-p as well as temperature, for a run."
    )
    add = parser.add_argument
    add(
        "--samples",
        metavar="FILE",
        help="File with the sentences of a model, one per line, or a table; or a folder, .zip, "
        ".npz or .npy of its pictures.",
    )
    add(
        "--references",
        metavar="FILE",
        help="File with real sentences that the model was not trained on, or pictures likewise.",
    )
    add(
        "--train",
        metavar="FILE",
        help="File with its real training sentences: the human row; or training pictures: what is "
        "too near to them.",
    )
    add(
        "--contexts",
        metavar="FILE",
        help="File with the contexts of samples and references, line by line.",
    )
    add("--field", help="Column that holds the text, in tables.")
    add(
        "--metrics", help="Names separated by commas, or all; by default the fast ones (see below)."
    )
    add("--count", type=int, help="Number of samples to evaluate, drawn by the seed (all).")
    add("--level", choices=("word", "blank", "char"), help="Unit of a token (word: NLTK's rules).")
    add("--lowercase", action="store_true", help="Lower-case all text first.")
    add(
        "--encoder",
        help="Encoder of frechet, mauve and embedding: trained, minilm or a folder (trained).",
    )
    add("--extractor", help="Features of pictures: auto, clf, pixels, efflite0, inception (auto).")
    add("--inception", metavar="FILE", help="File of FID's own weights, for --extractor inception.")
    add("--size", type=int, help="Side that pictures are scaled to (that of all, if it is one).")
    add("--fit", help="What is done to pictures that are no squares: crop, pad or stretch (crop).")
    add("--cache", metavar="FILE", help="File of the references' features (beside the references).")
    add("--seed", type=int, default=0, help="Seed of all random numbers (0).")
    add("--out", metavar="DIR", help="New folder for result.json and report.html.")
    parser.epilog = (
        "metrics: bleu, self_bleu, corpus_bleu, distinct, entropy, unique, copied, lengths, "
        "repetition, lm, frechet, mauve, embedding, judge, adversuc"
    )
    return parser
