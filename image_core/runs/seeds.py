"""Results of several runs, and which of them differ only in their seed."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.runs.folder import RunFolder

APART = ("out", "seed", "device", "threads", "save_seconds")
"""Options in which the runs of one group may differ."""


class Result(NamedTuple):
    """The result of a run.

    Args:
        folder: Folder of the run.
        recipe: Name of its recipe.
        content: Content of its result.json.
    """

    folder: Path
    recipe: str
    content: Mapping[str, Any]


def read_result(folder: str) -> Result:
    """The result of the run in a folder.

    Args:
        folder: Folder of a run.

    Raises:
        UserError: It is no run, or has no readable result.
    """
    run = RunFolder(folder)
    recipe = run.read_config()["recipe"]
    try:
        content = json.loads(run.result.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} has no result.json; end the run with `seqgan resume {folder}`, or "
            f"let `seqgan evaluate {folder}` write it where it has ended"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{run.result} cannot be read; write it with `seqgan evaluate`") from error
    return Result(Path(folder), recipe, content)


def settings_of(result: Result) -> dict[str, Any]:
    """The options that must be equal within a group.

    Args:
        result: Result of a run.
    """
    return {k: v for k, v in result.content["config"].items() if k not in APART}


def check_same(results: Sequence[Result], options: Sequence[str]) -> None:
    """Refuse runs of several recipes, or that differ in an option that decides the measurements.

    Args:
        results: Results of the runs.
        options: Options that must be equal.

    Raises:
        UserError: Names both runs and the option.
    """
    first = results[0]
    for other in results[1:]:
        if other.recipe != first.recipe:
            raise UserError(
                f"{first.folder} is a run of {first.recipe} and {other.folder} of {other.recipe}; "
                "compare runs of one recipe"
            )
        for name in options:
            one, two = (result.content["config"].get(name) for result in (first, other))
            if one != two:
                raise UserError(
                    f"--{name} is {one} in {first.folder} and {two} in {other.folder}; figures of "
                    "other data or settings do not compare"
                )


def group_by_seed(
    results: Sequence[Result], settings: Callable[[Result], Any] = settings_of
) -> dict[str, list[Result]]:
    """Groups of runs that differ only in their seed, by the folder name of the first run.

    Args:
        results: Results of the runs.
        settings: What must be equal within a group.

    Raises:
        UserError: A run repeats the options and the seed of another.
    """
    groups: list[list[Result]] = []
    for result in results:
        for group in groups:
            if settings(group[0]) == settings(result):
                if any(r.content["seed"] == result.content["seed"] for r in group):
                    raise UserError(
                        f"{result.folder} repeats the options and the seed of another run; "
                        "leave it out, since it is no further evidence"
                    )
                group.append(result)
                break
        else:
            groups.append([result])
    names = [group[0].folder.name for group in groups]
    return {
        (name if names.count(name) == 1 else str(group[0].folder))
        + f" ({len(group)} seeds)".replace("(1 seeds)", "(one seed)"): group
        for name, group in zip(names, groups)
    }
