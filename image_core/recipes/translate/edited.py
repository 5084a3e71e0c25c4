"""Pictures under another class: scores beside controls, and a grid."""

from pathlib import Path

import torch

from image_core.data.domains import Domains
from image_core.games.common import to_images
from image_core.games.translation import EditingGame
from image_core.recipes.image.measure import some
from image_core.recipes.translate.measure import AGAIN, COPY, DomainRuler, Scored
from image_core.runs.image_grid import to_colours, write_image_grid

SHOWN = 10
"""Pictures in a row of a grid; below them stand the same under another class."""


def edited_rows(
    game: EditingGame, ruler: DomainRuler, held: Domains, again: Domains, most: int, grid: Path
) -> dict[str, Scored]:
    """Scores of held-out pictures, each under a class drawn from the others; a grid of some.

    The row of the game is "". Accuracy is the share that shows the class that is wanted: the new
    one of edited pictures and of copies, the own one of real pictures.

    Args:
        game: Game of the run.
        ruler: Measures of domain A.
        held: Held-out pictures.
        again: Further ones, which stand in the place of edited pictures.
        most: Number of pictures.
        grid: File of the grid.
    """
    a, b = some(held.a, most), some(held.b, most)
    assert a.labels is not None
    further = torch.randint(1, len(a.names), (len(a.labels),))
    targets = (a.labels + further) % len(a.names)
    source = to_images(a.images)
    made = game.edit(source, to_images(b.images), targets)
    both = torch.stack([to_colours(images[:SHOWN]) for images in (source, made)])
    write_image_grid(both.flatten(0, 1), grid, columns=min(SHOWN, len(source)))
    real, more = ruler.moments(source), some(again.a, most)
    return {
        "": ruler.measure(made, real, None, targets),
        COPY: ruler.measure(source, real, None, targets),
        AGAIN: ruler.measure(to_images(more.images), real, None, more.labels),
    }
