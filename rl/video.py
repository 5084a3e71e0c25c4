"""Films of episodes: animated GIF by pillow, MP4 by imageio."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from image_core.adversarial.errors import UserError

KINDS = (".gif", ".mp4")
SLOWEST_GIF_MS = 20
"""Least time between two pictures of a GIF, milliseconds; viewers show faster ones slowly."""


def check_video(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is played.

    Args:
        path: File to write, a .gif or an .mp4.

    Raises:
        UserError: The file exists, its kind is unknown, or what writes that kind is missing.
    """
    if path.suffix.lower() not in KINDS:
        raise UserError(f"--video {path}: end the name in .gif or .mp4")
    if path.exists():
        raise UserError(f"--video {path} exists and nothing is overwritten; choose another")
    if path.suffix.lower() == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError as error:
            raise UserError(
                f'--video {path}: MP4 needs `pip install "imageio[ffmpeg]"`; or name a .gif'
            ) from error


def write_video(
    path: Path, frames: Sequence[UInt8[np.ndarray, "height width 3"]], fps: float
) -> None:
    """Write pictures as a film, atomically.

    Args:
        path: Path of a .gif or .mp4 file; its folder is created.
        frames: Pictures, all of one size.
        fps: Pictures a second.

    Raises:
        UserError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        (_write_gif if path.suffix.lower() == ".gif" else _write_mp4)(temporary, frames, fps)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _write_gif(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    from PIL import Image

    first, *others = (Image.fromarray(frame) for frame in frames)
    # In hundredths of a second, as the format counts
    wait = max(SLOWEST_GIF_MS, round(100 / fps) * 10)
    first.save(path, save_all=True, append_images=others, duration=wait, loop=0)


def _write_mp4(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    import imageio.v2 as imageio

    # H.264 takes even sizes alone
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    with imageio.get_writer(path, fps=fps, macro_block_size=1) as writer:
        for frame in frames:
            writer.append_data(frame[:height, :width])
