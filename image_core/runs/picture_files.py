"""Pictures in bytes on the disk: one PNG each, a grid of them, or an animation."""

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs.image_grid import LEAST, write_image_grid

if TYPE_CHECKING:
    from PIL.Image import Image

FRAME_MS = 80
"""Time in milliseconds that an animation shows each frame."""

STILL = 12
"""Times that the last picture of a film is shown again."""

Bytes = UInt8[np.ndarray, "N C H W"]


def to_bytes(images: Float[Tensor, "N C H W"]) -> Bytes:
    """Images in [-1, 1] as bytes; the bytes that a run learned from come back exactly.

    Args:
        images: Images in [-1, 1].
    """
    levels = ((images.float() + 1) * 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).cpu().numpy()


def to_pictures(images: Bytes) -> "list[Image]":
    """Images as objects of Pillow, grey or coloured.

    Args:
        images: Images of 1 or 3 channels as bytes.
    """
    from PIL import Image

    rows = [x[0] if len(x) == 1 else np.ascontiguousarray(x.transpose(1, 2, 0)) for x in images]
    return [Image.fromarray(row) for row in rows]


def check_new(option: str, name: str, *endings: str) -> None:
    """Refuse a name of an output that exists, or that ends otherwise than it should.

    Args:
        option: Name of the option.
        name: Value of the option.
        endings: Allowed endings; "" allows a folder.

    Raises:
        UserError: The name cannot be used.
    """
    path = Path(name)
    if path.suffix.lower() not in endings:
        folder = ", or name a new folder for single pictures" if "" in endings else ""
        raise UserError(f"--{option} {name}: end the name in {max(endings)}{folder}")
    if path.exists():
        raise UserError(
            f"--{option} {name} exists and nothing is overwritten; name another file or folder"
        )


def write_pictures(
    images: Bytes,
    out: Path,
    *,
    columns: int = 0,
    titles: Sequence[str] = (),
    folders: Sequence[str] = (),
) -> list[str]:
    """Write images to a grid where the name ends in .png, else one by one into a new folder.

    Args:
        images: Images of 1 or 3 channels.
        out: Path of a .png file or of a folder.
        columns: Number of images in a row of the grid; 0 makes it as square as possible.
        titles: Line of text above each row of the grid; empty for none.
        folders: Names of folders for equal parts of the images, such as classes; empty for none.

    Returns:
        Paths of the single pictures inside of the folder, in order; none of a grid.

    Raises:
        UserError: A file cannot be written.
    """
    if out.suffix.lower() == ".png":
        shown = torch.from_numpy(images).float().div(255).permute(0, 2, 3, 1)
        shown = shown.expand(*shown.shape[:-1], 3)
        write_image_grid(shown, out, columns=columns, titles=titles)
        return []
    each = len(images) // max(1, len(folders))
    digits = max(4, len(str(each - 1)))
    heads = [f"{name}/" for name in _safe(folders)] or [""]
    names = [f"{heads[i // each]}{i % each:0{digits}d}.png" for i in range(len(images))]
    try:
        for name, picture in zip(names, to_pictures(images), strict=True):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            picture.save(out / name)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    return names


def _safe(names: Sequence[str]) -> list[str]:
    """Names of folders, all different."""
    kept = ["".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:100] for name in names]
    if len({name.lower() for name in kept}) == len(kept):
        return kept
    return [f"{i}_{name}" for i, name in enumerate(kept)]


def write_gif(images: Bytes, file: Path) -> None:
    """Write an animation that repeats without end, each pixel a square.

    Args:
        images: Frames, of 1 or 3 channels.
        file: Path of a .gif file, written atomically.

    Raises:
        UserError: The file cannot be written.
    """
    scale = max(1, math.ceil(LEAST / images.shape[2]))
    _write_frames(to_pictures(images.repeat(scale, 2).repeat(scale, 3)), file)


def write_film(run: Path, film: str) -> None:
    """Join the grids of a run's evaluations, of the same latents each, into an animation.

    Args:
        run: Folder of the run.
        film: Name of a .gif that does not exist yet.

    Raises:
        UserError: The run has fewer than two such grids, or the file cannot be written.
    """
    check_new("film", film, ".gif")
    grids = sorted((run / "samples").glob("round_*.png"))
    if len(grids) < 2:
        raise UserError(
            f"{run} has {len(grids)} grids of evaluations in samples/; a film needs two: train "
            "for longer, or with a smaller --evaluate_every"
        )
    join_pictures(grids, Path(film))
    print(film)


def join_pictures(pictures: Sequence[Path], file: Path) -> None:
    """Write an animation of pictures of one size; the last one stands longer.

    Args:
        pictures: Picture files in order.
        file: Path of a .gif file, written atomically.

    Raises:
        UserError: A picture cannot be read, or the file cannot be written.
    """
    from PIL import Image

    try:
        frames = [Image.open(picture).convert("RGB") for picture in pictures]
    except OSError as error:
        raise UserError(f"a picture of {pictures[0].parent} cannot be read: {error}") from error
    _write_frames([*frames, *frames[-1:] * STILL], file)


def _write_frames(frames: "Sequence[Image]", file: Path) -> None:
    temporary = file.with_name(file.name + ".tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        frames[0].save(
            temporary,
            "gif",
            save_all=True,
            append_images=list(frames[1:]),
            duration=FRAME_MS,
            loop=0,
        )
        os.replace(temporary, file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UserError(f"cannot write {file}: {error.strerror or error}") from error
