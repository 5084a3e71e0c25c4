"""`seqgan attack`: changes of images, or of texts, that a classifier falls for."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from image_core.runs.parsing import class_parser, prepare, told


def run(words: Sequence[str]) -> None:
    """Attack a classifier of images, or with --texts one of texts."""
    prepare()
    of_texts = any(word == "--texts" or word.startswith("--texts=") for word in words)
    if of_texts:
        from seqgan.text.attack import TextAttackOptions as Options
        from seqgan.text.attack import attack

        about = "Exchange a few words of each text until a classifier answers otherwise."
    else:
        from image_core.recipes.attack.config import AttackOptions as Options  # type: ignore
        from image_core.recipes.attack.recipe import attack  # type: ignore

        about = (
            "Look for changes of images that a classifier falls for: how often, how large, and "
            "beside random changes of the same length; --defend trains one that withstands more. "
            "With --texts FILE --model DIR a text classifier of transformers is attacked: "
            "`seqgan attack --texts FILE --help`."
        )
    _attack(words, Options, attack, about)


def _attack(words: Sequence[str], kind: type, attack: Callable[[Any], object], about: str) -> None:
    parser = class_parser("seqgan attack", about)
    parser.add_argument("--config", action="config", help="YAML file of options.")
    parser.add_class_arguments(kind)
    values: Any = told(lambda: parser.parse_args(list(words)), parser.prog)
    attack(kind(**{f.name: values[f.name] for f in fields(kind)}))
