"""Small objects in scenes of held-out pictures: how many are named and placed rightly."""

from image_core.data.crowds import LARGE, OBJECTS, SMALL, crowd, overlap
from image_core.data.images import ImageSet
from image_core.games.common import to_images
from image_core.games.detector import DetectorGAN
from image_core.recipes.translate.measure import Scored, ends

ENOUGH = 0.5
"""Overlap with the true box from which an object counts as found."""
ALONE, WHOLE = "the same detector without it", "the same detector on large objects"


def detected_rows(game: DetectorGAN, held: ImageSet, seed: int) -> dict[str, Scored]:
    """Scores of small objects, by the system "" and by its detector alone, and of large ones.

    `test_accuracy` is the share of objects whose class is right; `found` that of objects whose box
    overlaps the true one by half, too; `overlap` the mean overlap.

    Args:
        game: Game of the run.
        held: Held-out pictures with labels.
        seed: Seed of the scenes.
    """
    scenes, rows = crowd(held, seed), {}
    images = to_images(scenes.images)
    for name, which, brought in (("", SMALL, True), (ALONE, SMALL, False), (WHOLE, LARGE, False)):
        boxes, true, labels = (part[:, which] for part in scenes[1:])
        found = game.detect(images, boxes, brought=brought)
        right = (found.labels == labels)[:, :OBJECTS].flatten().float()
        near = overlap(found.boxes, true)[:, :OBJECTS].flatten()
        values = {
            "test_accuracy": right,
            "found": right * (near >= ENOUGH),
            "overlap": near,
        }
        rows[name] = Scored(
            {key: float(value.mean()) for key, value in values.items()},
            {key: ends(value) for key, value in values.items()},
        )
    return rows
