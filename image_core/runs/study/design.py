"""Options of a study of any recipe."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from image_core.runs import options
from image_core.runs.study.space import Space, space_of

OWN = ("out", "most", "storage", "heartbeat", "keep", "trials")
"""Options in which the workers of a study may differ."""


@dataclass(kw_only=True)
class Search:
    """A search over the options of any recipe, by any number of workers.

    Args:
        out: Folder of the study; a process that is given an existing one joins it.
        recipe: Name of the recipe, see `seqgan list recipes`.
        search: Content of the file of --search.
        trials: Points in all, drawn by a tree-structured Parzen estimator.
        storage: URL of the workers' shared memory: sqlite:///FILE or another database,
            journal:///FILE on a shared folder, or grpc://HOST:PORT; a database in --out if left
            out.
        most: Most points of this worker; 0 = until nothing is left.
        heartbeat: Seconds between signs of life; the point of a worker that is silent for three
            times as long is gone on with by another, from its checkpoint.
        keep: Number of best points whose checkpoints are kept.
        seed: Seed of the search.
    """

    out: str
    recipe: str
    search: Mapping[str, Any] = field(repr=False)
    trials: int = 40
    storage: str | None = None
    most: int = 0
    heartbeat: int = 60
    keep: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        options.check_least(self, 1, "trials", "heartbeat")
        options.check_least(self, 0, "most", "keep")
        options.check_seed(self.seed)
        self.space: Space = space_of(self.search)

    def same(self) -> dict[str, Any]:
        """What workers must agree on."""
        return {name: value for name, value in asdict(self).items() if name not in OWN}

    def own(self) -> dict[str, Any]:
        """What each worker may choose, and `seqgan study best` reads."""
        return {name: getattr(self, name) for name in OWN}
