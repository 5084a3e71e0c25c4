"""`seqgan attack`: adversarial examples of an image classifier."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from image_core.runs.parsing import prepare, told


def run(words: Sequence[str]) -> None:
    """Attack a classifier of one's own, or one learned on the data."""
    import jsonargparse

    prepare()
    from image_core.recipes.attack.config import AttackOptions

    parser = jsonargparse.ArgumentParser(
        prog="seqgan attack",
        description="Look for changes of images that a classifier falls for: how often, how large, "
        "and beside random changes of the same length. --defend trains one that withstands more.",
        formatter_class=jsonargparse.DefaultHelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="YAML file of options.")
    parser.add_class_arguments(AttackOptions)
    values: Any = told(lambda: parser.parse_args(list(words)), parser.prog)
    c = AttackOptions(**{f.name: values[f.name] for f in fields(AttackOptions)})
    from image_core.recipes.attack.recipe import attack

    attack(c)
