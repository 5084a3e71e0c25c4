"""A trained run that answers questions, to work with from Python."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8

from image_core.adversarial.errors import UserError
from image_core.runs.loaded import LoadedRun
from seqgan.vqa.questions import ANSWERS, encode
from seqgan.vqa.recipe import Run


class LoadedAnswerer(LoadedRun[Run]):
    """A trained answerer.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures it reads, in pixels."""
        side = self._run.config.side
        return side, 2 * side

    def answer(
        self, images: UInt8[np.ndarray, "N C H W"], questions: Sequence[str]
    ) -> list[dict[str, float]]:
        """Probability of each answer, the likeliest first.

        Args:
            images: Pictures as bytes in three colours, of the run's size.
            questions: A question about each picture.

        Raises:
            UserError: A picture is of another size, a word is unknown, or their numbers differ.
        """
        height, width = self.size
        if images.ndim != 4 or images.shape[1:] != (3, height, width):
            raise UserError(
                f"pictures of {tuple(images.shape[1:])}: give three colours of {height}x{width} "
                "pixels, which the run learned from"
            )
        if len(images) != len(questions) or not len(images):
            raise UserError(
                f"{len(images)} pictures, {len(questions)} questions: give as many of both"
            )
        rows = {"pictures": torch.from_numpy(images), "words": encode(list(questions))}
        game = self._run.game
        found = game.logits(game.G, rows).softmax(1)
        return [
            {ANSWERS[a]: float(row[a]) for a in row.argsort(descending=True).tolist()}
            for row in found
        ]


Loaded = LoadedAnswerer
