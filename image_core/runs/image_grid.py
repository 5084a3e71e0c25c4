"""Many small images in one picture."""

import math
import os
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError


def write_image_grid(
    images: Float[Tensor, "N H W 3"], path: Path, scale: int = 2, columns: int = 0
) -> None:
    """Write them row by row, whole or not at all.

    Args:
        images: red, green, blue in [0, 1].
        path: of a PNG file.
        scale: pixels of the picture a pixel of an image, each way.
        columns: images a row; 0 = as square as can be.

    Raises:
        UserError: the place cannot be written.
    """
    import matplotlib.image

    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    grid = torch.ones(rows * columns, height + 1, width + 1, 3)
    grid[:count, :height, :width] = images
    grid = grid.view(rows, columns, height + 1, width + 1, 3).transpose(1, 2).flatten(2, 3)
    picture = grid.flatten(0, 1).repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        matplotlib.image.imsave(temporary, picture.clamp(0, 1).numpy(), format="png")
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
