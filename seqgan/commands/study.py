"""`seqgan study`: a search over many image GANs with any number of workers."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import prepare, told


def run(words: Sequence[str]) -> None:
    """Join the study in --out, or start it."""
    import jsonargparse

    prepare()
    from image_core.recipes.study.design import Design

    parser = jsonargparse.ArgumentParser(
        prog="seqgan study",
        description="Train every combination of loss, penalty, norm and architecture on a grid "
        "or by search. The same command with the same --out adds one more worker.",
        formatter_class=jsonargparse.DefaultHelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="YAML file of options.")
    parser.add_class_arguments(Design)
    values: Any = told(lambda: parser.parse_args(list(words)), parser.prog)
    design = Design(**{f.name: values[f.name] for f in fields(Design)})
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UserError("seqgan study needs optuna: `pip install 'seqgan[study]'`") from error
    from image_core.recipes.study.work import work

    work(design)
