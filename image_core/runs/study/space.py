"""The file of a study: what is fixed, what is searched, the runs of a point, and its score."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import read_yaml

if TYPE_CHECKING:
    from optuna.trial import Trial

DIRECTIONS = ("minimize", "maximize")
KINDS = ("float", "log", "int", "log_int", "choice")
"""Even, evenly on a logarithmic scale, the same two for whole numbers, and one of a list."""
EXAMPLE = """\
fixed: {data: corpus.txt, preset: tiny, rounds: 50}
search:
  g_lr: {log: [1.0e-4, 1.0e-2]}
  embedding: {int: [8, 64]}
metric: {path: table/seqgan/bleu-2, direction: maximize}
"""


@dataclass(frozen=True)
class Range:
    """Values of one option.

    Args:
        kind: Kind of the range, one of `KINDS`.
        values: Both ends of the range, or the choices.
    """

    kind: str
    values: Sequence[Any]

    def suggest(self, trial: "Trial", name: str) -> Any:
        """The value of a trial.

        Args:
            trial: Trial that asks.
            name: Name of the option.
        """
        if self.kind == "choice":
            return trial.suggest_categorical(name, list(self.values))
        low, high = self.values
        if self.kind in ("int", "log_int"):
            return trial.suggest_int(name, low, high, log=self.kind == "log_int")
        return trial.suggest_float(name, low, high, log=self.kind == "log")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The score of a run.

    Args:
        path: Keys of result.json that lead to the score, joined by slashes.
        direction: Whether it is to be minimized or maximized.
    """

    path: str
    direction: str = "minimize"

    def of(self, result: Mapping[str, Any]) -> float:
        """The score that a result.json holds.

        Args:
            result: Content of result.json.

        Raises:
            UserError: There is no number at the path; the message names what stands there.
        """
        found = _at(result, self.path.split("/"))
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise UserError(f"--search: metric path {self.path}: {_told(found)}; name a number")
        return float(found)


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Which points end early: those worse than the median of the earlier ones at the same step.

    Args:
        metric: Name of a number in log.jsonl; each value that is logged is one step.
        direction: Whether it is to be minimized or maximized.
        phase: Phase whose values count; empty for all.
        startup: Points that run to their end before any is pruned.
        warmup: Steps of each point before it may be pruned.
    """

    metric: str
    direction: str = "minimize"
    phase: str = ""
    startup: int = 5
    warmup: int = 0


@dataclass(frozen=True, kw_only=True)
class Space:
    """A study's file.

    Args:
        search: Range of each option that is searched.
        metric: Score of a run.
        fixed: Options of every run.
        data: Options of each data set; every point runs on all.
        seeds: Seeds of every point on each data set.
        prune: Which points end early; None for none.

    Raises:
        UserError: Nothing is searched, or a direction, a seed or a fixed option is unfit.
    """

    search: Mapping[str, Range]
    metric: Metric
    fixed: Mapping[str, Any] = field(default_factory=dict)
    data: Sequence[Mapping[str, Any]] = ({},)
    seeds: Sequence[int] = (0,)
    prune: Pruning | None = None

    def __post_init__(self) -> None:
        if not self.search:
            raise UserError("--search: nothing is searched; give `search` an option and its range")
        directions = [self.metric.direction, *([self.prune.direction] if self.prune else [])]
        for direction in directions:
            if direction not in DIRECTIONS:
                raise UserError(f"--search: direction {direction}: choose minimize or maximize")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"--search: seeds {list(self.seeds)}: give each seed once")
        for name in ("out", "seed"):
            if name in self.fixed or name in self.search:
                raise UserError(f"--search: {name} is the study's own; leave it out, see `seeds`")
        for name in self.search:
            if name in self.fixed or any(name in options for options in self.data):
                raise UserError(f"--search: {name} is both fixed and searched; choose one")

    def first(self) -> dict[str, Any]:
        """The point of every range's first value, to see whether the recipe takes it."""
        return {name: each.values[0] for name, each in self.search.items()}

    def runs(self, point: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, dict[str, Any]]:
        """The options of each run of a point, by the name of its folder.

        Args:
            point: Value of each option that is searched.
            seeds: Seeds of the runs on each data set.
        """
        return {
            f"data{place}-seed{seed}": {**self.fixed, **options, **point, "seed": seed}
            for place, options in enumerate(self.data)
            for seed in seeds
        }


def _at(value: Any, keys: Sequence[str]) -> Any:
    """What stands at the keys; names with slashes in them are found too."""
    if not keys:
        return value
    if isinstance(value, Mapping):
        for count in range(len(keys), 0, -1):
            if (name := "/".join(keys[:count])) in value:
                return _at(value[name], keys[count:])
        raise UserError(f"--search: metric path: no {keys[0]!r} in result.json; {_told(value)}")
    return value


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"there is {', '.join(map(repr, value))}"
    return f"there is {json.dumps(value)[:80]}"


# ----------------------------------------------------------------------------------------- reading


def read_space(file: str, recipe: str) -> dict[str, Any]:
    """The content of a study's file.

    Args:
        file: YAML file.
        recipe: Name of the recipe.

    Raises:
        UserError: The file cannot be read, or is for another recipe.
    """
    content = read_yaml("--search", file, recipe, f"no study; for example:\n{EXAMPLE}")
    return {"recipe": recipe, **content}


def space_of(content: Mapping[str, Any]) -> Space:
    """The study that a file describes.

    Args:
        content: Content of the file.

    Raises:
        UserError: An entry is missing, unknown or of the wrong kind; the message names it.
    """
    given = {name: value for name, value in content.items() if name != "recipe"}
    names = ("search", "metric", "fixed", "data", "seeds", "prune")
    for name in given:
        if name not in names:
            raise UserError(
                f"--search: there is no entry {name!r}; choose among {', '.join(names)}"
            )
    for name in ("search", "metric"):
        if not isinstance(given.get(name), dict):
            raise UserError(f"--search: give `{name}`; for example:\n{EXAMPLE}")
    given["search"] = {str(name): _range(name, each) for name, each in given["search"].items()}
    given["metric"] = _built(Metric, "metric", given["metric"])
    if "prune" in given:
        given["prune"] = _built(Pruning, "prune", given["prune"])
    if "data" in given:
        sets = given["data"] if isinstance(given["data"], list) else [given["data"]]
        given["data"] = [each if isinstance(each, dict) else {"data": each} for each in sets]
    if not isinstance(given.get("fixed", {}), dict):
        raise UserError("--search: fixed: write an option and its value a line")
    seeds = given.get("seeds", [0])
    if not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds):
        raise UserError(f"--search: seeds: {seeds}; give a list of whole numbers")
    return Space(**given)


def _built(kind: type, name: str, values: Any) -> Any:
    try:
        return kind(**values)
    except TypeError as error:
        said = str(error).partition("__init__() ")[2] or str(error)
        raise UserError(f"--search: {name}: {said}") from error


def _range(name: str, given: Any) -> Range:
    where = f"--search: {name}"
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in KINDS:
        raise UserError(f"{where}: give one of {', '.join(KINDS)} with a list of values")
    ((kind, values),) = given.items()
    if not isinstance(values, list) or not values or (kind != "choice" and len(values) != 2):
        wanted = "values" if kind == "choice" else "two numbers, low and high"
        raise UserError(f"{where}: {kind}: {values}; give a list of {wanted}")
    if kind == "choice":
        return Range(kind, values)
    try:  # YAML reads 1e-4, without a point, as text
        number = int if kind in ("int", "log_int") else float
        low, high = (number(value) for value in values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {kind}: {values}; give two numbers") from error
    if low > high or ("log" in kind and low <= 0):
        rule = "low above zero and at most high" if "log" in kind else "low at most high"
        raise UserError(f"{where}: {kind}: {values}; give {rule}")
    return Range(kind, (low, high))
