"""One picture: decoded to bytes (C, H, W), turned, scaled, composited; and brought to one form."""

import io
import warnings
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor
from torch.nn.functional import interpolate, pad

from image_core.adversarial.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif"),
    *(".ppm", ".pgm", ".jp2"),
)
"""What names of pictures end in."""

Fit = Literal["crop", "pad", "stretch"]
FITS: dict[str, str] = {
    "crop": "cut to the square in the middle",
    "pad": "padded with white to a square",
    "stretch": "stretched to a square",
}
"""What is done to a picture that is no square, by name."""


class DecodedPicture(NamedTuple):
    """One decoded picture.

    Args:
        pixels: Bytes, colours first; floats where the file holds floats, whose range only the
            whole set tells.
        changes: What was done to it, in words.
        kind: Format of the file and mode of its pixels, as in "PNG, RGBA".
    """

    pixels: UInt8[Tensor, "C H W"] | Float[Tensor, "C H W"]
    changes: tuple[str, ...]
    kind: str = ""


def decode(name: str, content: bytes) -> DecodedPicture:
    """Decode a picture of any kind that Pillow reads, as it is meant to be seen.

    It is turned as its EXIF tag says; 16 bits become 8; palettes and CMYK become colours; what is
    transparent lies on white; of an animated picture the first frame is taken.

    Args:
        name: Name of the picture, for complaints.
        content: Content of its file.

    Raises:
        UserError: It is corrupt, too large, or no picture.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                kind = f"{picture.format}, {picture.mode}"
                return _decoded(picture)._replace(kind=kind)
    except Exception as error:  # decoders raise errors of many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        reason = reason.partition(" <_io.BytesIO")[0]  # whose address differs from run to run
        raise UserError(f"{name} is not a readable picture ({reason})") from error


def _decoded(picture: "Image") -> DecodedPicture:
    from PIL import ImageOps

    if picture.mode == "LAB":
        raise ValueError("its colours are CIE L*a*b*; save it as RGB")
    changes = []
    if _is_animated(picture):
        changes.append("first of several frames")
    if picture.getexif().get(0x0112, 1) != 1:
        changes.append("turned by EXIF")
    picture.load()
    transparent = picture.info.get("transparency")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "F":
        levels = np.array(picture, np.float32)
        if not np.isfinite(levels).all():
            raise ValueError("it holds numbers that are not finite")
        return DecodedPicture(torch.from_numpy(levels[None]), tuple(changes))
    if picture.mode.startswith("I"):
        deep, told = _deep(picture, transparent)
        return DecodedPicture(torch.from_numpy(deep[None]), (*changes, told))
    if picture.mode in ("CMYK", "P"):
        changes.append({"CMYK": "CMYK to RGB", "P": "palette to colours"}[picture.mode])
    if "A" in picture.getbands() or "a" in picture.getbands() or transparent is not None:
        picture = _on_white(picture)
        changes.append("transparent laid on white")
    grey = picture.mode in ("1", "L")
    pixels = np.array(picture.convert("L" if grey else "RGB"))
    planes = pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return DecodedPicture(torch.from_numpy(planes), tuple(changes))


def _is_animated(picture: "Image") -> bool:
    try:
        picture.seek(1)
    except EOFError:
        return False
    picture.seek(0)
    return True


def _deep(picture: "Image", transparent: object) -> tuple[np.ndarray, str]:
    """Grey of 16 bits to 8; 32 bits by what they hold.

    Raises:
        ValueError: A level is below 0 or above 65,535.
    """
    levels = np.asarray(picture).astype(np.int64)
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > 65535:
        raise ValueError(f"levels from {low} to {high}; scale them to 16 bits")
    if picture.mode == "I" and high <= 255:
        found, told = levels.astype(np.uint8), "32 bits hold bytes"
    else:
        found, told = np.round(levels / 257).astype(np.uint8), "16 bits scaled to 8"
    if isinstance(transparent, int):
        found[levels == transparent] = 255
    return found, told


def _on_white(picture: "Image") -> "Image":
    """Composited on white; grey stays grey."""
    from PIL import Image

    grey = picture.mode in ("1", "L", "LA", "La")
    layer = picture.convert("LA" if grey else "RGBA").convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("L" if grey else "RGB")


# -------------------------------------------------------------------------------------- levels


def to_bytes(name: str, values: Shaped[np.ndarray, "*shape"]) -> tuple[np.ndarray, str]:
    """Levels from 0 to 255 of numbers of any kind, by the range of all of them.

    Args:
        name: Source of the numbers, for complaints.
        values: Booleans, whole numbers or floats.

    Returns:
        The levels, and in words what was done; "" for bytes.

    Raises:
        UserError: The range is none that pictures have.
    """
    if not values.size:
        raise UserError(f"{name} holds no pixels")
    if values.dtype.kind not in "buif" or not np.isfinite(values).all():
        raise UserError(
            f"{name} holds {values.dtype}, or numbers that are not finite; give bytes from 0 to "
            "255 or floats from 0 to 1"
        )
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.round(values * 255.0).astype(np.uint8), "floats of 0 to 1 scaled to 0 to 255"
    if values.dtype.kind == "f" and low >= -1 and high <= 1:
        levels = np.round((values + 1) * 127.5).astype(np.uint8)
        return levels, "floats of -1 to 1 scaled to 0 to 255"
    if low >= 0 and high == 1:
        return values.astype(np.uint8) * np.uint8(255), "0 and 1 read as black and white"
    if low >= 0 and high <= 255:
        told = "" if values.dtype == np.uint8 else f"{values.dtype} of 0 to 255 read as bytes"
        return np.round(values).astype(np.uint8), told
    if values.dtype.kind != "f" and low >= 0 and high <= 65535:
        return np.round(values / 257).astype(np.uint8), "16 bits scaled to 8"
    raise UserError(
        f"{name} holds {values.dtype} from {low:g} to {high:g}, which is no range of pictures; "
        "scale it to bytes from 0 to 255, or to floats from 0 to 1"
    )


def planes_first(
    name: str, values: Shaped[np.ndarray, " N *shape"]
) -> Shaped[np.ndarray, "N C H W"]:
    """Pictures (N, H, W), (N, H, W, C) or (N, C, H, W) with colours first.

    Args:
        name: Source of the pictures, for complaints.
        values: Pictures of 1, 3 or 4 colours; the fourth is opacity.

    Raises:
        UserError: The shape is none of these, or may be either of two.
    """
    shape = tuple(values.shape)
    if values.ndim == 3 and shape[-1] in (3, 4) and shape[0] not in (3, 4):
        raise UserError(
            f"{name} has the shape {shape}: one picture, or pictures of {shape[-1]} pixels' width; "
            "give (N, H, W, C)"
        )
    if values.ndim == 3:
        return values[:, None]
    if values.ndim != 4:
        raise UserError(
            f"{name} has the shape {shape}; give pictures as (N, H, W), (N, H, W, C) or "
            "(N, C, H, W)"
        )
    last, first = shape[3] in (1, 3, 4), shape[1] in (1, 3, 4)
    if last and first:
        raise UserError(
            f"{name} has the shape {shape}: its colours may be first or last; give pictures higher "
            "and wider than 4 pixels"
        )
    if not last and not first:
        raise UserError(
            f"{name} has the shape {shape}: pictures have 1, 3 or 4 colours; give (N, H, W, C) or "
            "(N, C, H, W), by np.transpose where the pictures are counted last"
        )
    return values.transpose(0, 3, 1, 2) if last else values


def drop_opacity(images: UInt8[Tensor, "N C H W"]) -> UInt8[Tensor, "N K H W"]:
    """Four planes to three, laid on white.

    a colour + (1 - a) 255,    a the fourth plane / 255

    Args:
        images: Pictures as bytes, (N, C, H, W); other than four planes are returned unchanged.
    """
    if images.shape[1] != 4:
        return images
    colours, opacity = images[:, :3].float(), images[:, 3:].float() / 255
    return (colours * opacity + 255 * (1 - opacity)).round().to(torch.uint8)


# ------------------------------------------------------------------------------------- one form


def to_channels(images: Shaped[Tensor, "N C H W"], channels: int) -> Shaped[Tensor, "N K H W"]:
    """Grey to three equal colours, or colours to grey by ITU-R 601.

    grey = 0.299 R + 0.587 G + 0.114 B

    Args:
        images: Pictures of 1 or 3 planes, (N, C, H, W).
        channels: Number K of planes that is wanted, 1 or 3.
    """
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = (images.float() * weights).sum(1, keepdim=True)
    return grey.round().to(torch.uint8) if images.dtype == torch.uint8 else grey


def to_size(
    images: Shaped[Tensor, "N C H W"], size: int, fit: str = "crop"
) -> Shaped[Tensor, "N C S S"]:
    """Squares of one size, scaled by antialiased bilinear interpolation.

    Args:
        images: Pictures as bytes, or as floats.
        size: Side of the squares in pixels.
        fit: What is done to pictures that are no squares, see `FITS`.
    """
    images = _square(images, fit)
    if images.shape[2:] == (size, size):
        return images
    parts = [
        interpolate(p.float(), (size, size), mode="bilinear", antialias=True, align_corners=False)
        for p in images.split(2000)
    ]
    if images.dtype != torch.uint8:
        return torch.cat(parts)
    return torch.cat([p.round().clamp(0, 255).to(torch.uint8) for p in parts])


def _square(images: Tensor, fit: str) -> Tensor:
    height, width = images.shape[2:]
    if height == width or fit == "stretch":
        return images
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return images[:, :, top : top + side, left : left + side]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    margins = (left, side - width - left, top, side - height - top)
    white = 255 if images.dtype == torch.uint8 else float(images.max())
    return pad(images, margins, value=white)
