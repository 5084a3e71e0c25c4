"""`seqgan rivals`: an adversary and all its rivals on one task, at equal CPU seconds."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from image_core.runs.parsing import class_parser, prepare, told

DESCRIPTION = (
    "Train an adversary and its rivals on prompts with few answers, at equal CPU seconds: maximum "
    "likelihood, larger and at its best temperature, self-training, back-translation, best-of-n at "
    "decoding and distilled, a reward with a divergence; and ceilings. The same command goes on "
    "where it stopped."
)


def run(words: Sequence[str]) -> None:
    """Make the table, or the rest of it."""
    prepare()
    from seqgan.text.rivals.config import RivalOptions

    parser = class_parser("seqgan rivals", DESCRIPTION)
    parser.add_argument("--config", action="config", help="YAML file of options.")
    parser.add_class_arguments(RivalOptions)
    values: Any = told(lambda: parser.parse_args(list(words)), parser.prog)
    given = {f.name: values[f.name] for f in fields(RivalOptions)}
    from seqgan.text.rivals.table import make_table

    make_table(RivalOptions(**given))
