"""A trained translation run to work with, without its training data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.data.pictures import to_channels
from image_core.games.common import to_images
from image_core.games.translation import (
    Direction,
    DrawingGame,
    EditingGame,
    PairDrawingGame,
    TranslationGame,
)
from image_core.recipes.translate.measure import ENDS
from image_core.recipes.translate.recipe import Run
from image_core.runs import options
from image_core.runs.loaded import LoadedRun
from image_core.runs.picture_files import to_bytes, to_pictures

if TYPE_CHECKING:
    from PIL.Image import Image


def check_count(n: int) -> None:
    """Refuse a number of pictures below 1.

    Args:
        n: Number of pictures.

    Raises:
        UserError: It is too small.
    """
    if n < 1:
        raise UserError(f"--n {n}: it must be at least 1")


class LoadedTranslator(LoadedRun[Run]):
    """A trained translation run.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    @property
    def directions(self) -> list[str]:
        """Directions that the run has learned: ab, and ba where it goes back too."""
        game = self._run.game
        return list(game.translators()) if isinstance(game, TranslationGame) else []

    @python_call()
    def translate(
        self,
        images: UInt8[np.ndarray, "N C H W"],
        direction: str = "ab",
        *,
        seed: int | None = None,
    ) -> UInt8[np.ndarray, "N D G F"]:
        """Translations of pictures of any size.

        Args:
            images: Pictures as bytes, of 1 or 3 colours; they are brought to the source domain's.
            direction: ab, or ba where the run has learned it.
            seed: Seed of a generator's noise; None continues torch's random numbers.

        Raises:
            UserError: The run has not learned the direction, or these are no pictures.
        """
        game, way = self._translating(direction)
        shown = self._of_domain(images, ENDS[way][0])
        with options.seeded(seed):
            return to_bytes(game.translate(shown, way))

    @property
    def edits(self) -> bool:
        """Whether the run turns pictures into those of another class."""
        return isinstance(self._run.game, EditingGame)

    @python_call()
    def edit(
        self,
        images: UInt8[np.ndarray, "N C H W"],
        label: str,
        masks: UInt8[np.ndarray, "N D H W"] | None = None,
    ) -> UInt8[np.ndarray, "N G H W"]:
        """Pictures as of another class.

        Args:
            images: Pictures as bytes, of 1 or 3 colours; they are brought to the run's.
            label: Name of the class.
            masks: Masks of the same size, white where pictures may change; needed by runs that
                learned with masks.

        Raises:
            UserError: The run edits none, has no such class, or these are no pictures.
        """
        game, names = self._run.game, self._run.form.names[0]
        if not isinstance(game, EditingGame):
            raise UserError(f"{self.folder} turns no pictures into those of another class")
        if label not in names:
            raise UserError(
                f"label {label!r} is none of the run's classes: {', '.join(names[:20])}"
            )
        if game.masked and masks is None:
            raise UserError(
                f"{self.folder} changes pictures within masks; name their folder by --masks"
            )
        shown = self._of_domain(images, "a")
        beside = shown if masks is None else self._of_domain(masks, "b")
        if beside.shape[2:] != shown.shape[2:] or len(beside) != len(shown):
            raise UserError("pictures and their masks are of different sizes or numbers")
        targets = torch.full((len(shown),), names.index(label))
        return to_bytes(game.edit(shown, beside, targets))

    def _of_domain(self, images: UInt8[np.ndarray, "N C H W"], name: str) -> Tensor:
        """Pictures in [-1, 1] with the colours of a domain."""
        given = torch.from_numpy(np.asarray(images))
        if given.dtype != torch.uint8 or given.dim() != 4 or given.shape[1] not in (1, 3):
            raise UserError(
                f"these images are {given.dtype} {tuple(given.shape)}; give bytes (N, C, H, W) of "
                "1 or 3 colours"
            )
        return to_images(to_channels(given, self._run.form.channels["ab".index(name)]))

    @python_call()
    def pictures(
        self, images: "Sequence[Image]", direction: str = "ab", *, seed: int | None = None
    ) -> "list[Image]":
        """Translations of objects of Pillow, each of its own size.

        Args:
            images: Pictures.
            direction: ab, or ba where the run has learned it.
            seed: Seed of a generator's noise; None continues torch's random numbers.

        Raises:
            UserError: The run has not learned the direction.
        """
        from PIL.Image import Image

        if not all(isinstance(image, Image) for image in images):
            raise UserError("images are no objects of Pillow; give [PIL.Image.open(file)]")
        arrays = [np.array(image.convert("RGB")).transpose(2, 0, 1) for image in images]
        with options.seeded(seed):
            made = [self.translate(array[None], direction)[0] for array in arrays]
        return [to_pictures(one[None])[0] for one in made]

    @property
    def draws_pairs(self) -> bool:
        """Whether the run draws pairs from a prior."""
        return isinstance(self._run.game, PairDrawingGame)

    @property
    def classes(self) -> list[str]:
        """Names of the classes that the run draws from a prior; empty where it draws none."""
        drawn = isinstance(self._run.game, DrawingGame)
        return list(self._run.form.names[1]) if drawn else []

    @python_call()
    def draw(
        self, n: int = 10, *, labels: Sequence[str] = (), seed: int | None = None
    ) -> UInt8[np.ndarray, "N C H W"]:
        """Draw n pictures of each class from the prior, in the order of the classes.

        Args:
            n: Number of pictures of each class.
            labels: Names of classes; empty takes all.
            seed: Seed of the draws; None continues torch's random numbers.

        Raises:
            UserError: The run draws none, or has no such class.
        """
        game, names = self._run.game, self.classes
        if not isinstance(game, DrawingGame):
            raise UserError(f"{self.folder} draws no pictures of classes")
        check_count(n)
        unknown = [label for label in labels if label not in names]
        if unknown:
            raise UserError(
                f"label {unknown[0]!r} is none of the run's classes: {', '.join(names[:20])}"
            )
        numbers = torch.tensor([names.index(label) for label in labels or names])
        with options.seeded(seed):
            return to_bytes(game.draw(numbers.repeat_interleave(n)))

    @python_call()
    def draw_pairs(
        self, n: int = 10, *, seed: int | None = None
    ) -> tuple[UInt8[np.ndarray, "N C H W"], UInt8[np.ndarray, "N D H W"]]:
        """Draw pairs of pictures of A and of B from the prior.

        Args:
            n: Number of pairs.
            seed: Seed of the draws; None continues torch's random numbers.

        Raises:
            UserError: The run draws none.
        """
        game = self._run.game
        if not isinstance(game, PairDrawingGame):
            raise UserError(f"{self.folder} draws no pairs")
        check_count(n)
        with options.seeded(seed):
            a, b = game.draw_pairs(n)
        return to_bytes(a), to_bytes(b)

    def _translating(self, name: str) -> tuple[TranslationGame, Direction]:
        game = self._run.game
        if isinstance(game, TranslationGame):
            for known in game.translators():
                if known == name:
                    return game, known
        raise UserError(
            f"--direction {name}: {self.folder} has learned "
            f"{', '.join(self.directions) or 'no translation'}"
        )


Loaded = LoadedTranslator
