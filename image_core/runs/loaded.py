"""A trained run to work with from Python, without its training data."""

from pathlib import Path
from typing import Generic, TypeVar

from image_core.runs.recipe import Run

R = TypeVar("R", bound=Run)


class LoadedRun(Generic[R]):
    """A trained run at its last checkpoint; each domain adds what can be done with one.

    Args:
        run: Run that was built without data.
    """

    def __init__(self, run: R):
        run.load()
        self._run = run

    def __repr__(self) -> str:
        run = self._run
        kind = type(self).__name__
        return f"<{kind} of {self.folder}: recipe {run.recipe}, round {run.engine.round}>"

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self._run.folder.folder
