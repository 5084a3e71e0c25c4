"""A trained discrete run to work with, without its training data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.loaded import LoadedRun
from image_core.runs.picture_files import to_pictures
from seqgan.discrete.recipe import Run

if TYPE_CHECKING:
    from PIL.Image import Image


class LoadedDiscrete(LoadedRun[Run]):
    """A trained run on images or lines of discrete variables.

    Its averaged generator is used where it has one.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    @property
    def writes_lines(self) -> bool:
        """Whether samples are lines of text, not images."""
        return bool(self._run.form.alphabet)

    @python_call()
    def sample(
        self, n: int = 10, *, seed: int | None = None
    ) -> UInt8[np.ndarray, "N C H W"] | list[str]:
        """Draw images as bytes, of 1 or 3 colours; or lines of text.

        Args:
            n: Number of samples.
            seed: Seed of the draws; None continues torch's random numbers.

        Raises:
            UserError: A value is invalid.
        """
        if n < 1:
            raise UserError(f"--n {n}: it must be at least 1")
        with options.seeded(seed):
            x = self._run.draw(n)
        return self._run.form.lines(x) if self.writes_lines else self._run.form.colours(x).numpy()

    @python_call()
    def pictures(self, n: int = 10, *, seed: int | None = None) -> "Sequence[Image]":
        """The images of `sample` as objects of Pillow.

        Args:
            n: Number of images.
            seed: Seed of the draws.

        Raises:
            UserError: A value is invalid, or the run writes lines.
        """
        images = self.sample(n, seed=seed)
        if isinstance(images, list):
            raise UserError(f"{self.folder} writes lines of text, not pictures")
        return to_pictures(images)


Loaded = LoadedDiscrete
