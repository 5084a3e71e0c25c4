"""Pictures gathered one by one into one form; what was changed or could not be read is counted."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.pictures import FITS, decode, to_bytes, to_channels, to_size

SHOWN = 5
"""Pictures that are described as examples."""


@dataclass(frozen=True)
class Reading:
    """How to read.

    Args:
        option: Option that names the data, for complaints.
        size: Side of the square images; 0 = theirs, rounded up to a power of two of at least 16.
        channels: Colours of the images, 1 or 3; 0 = theirs.
        strict: Whether a set is refused for one unreadable image.
        labels: File of labels: IDX or .npy beside arrays, a table beside pictures.
        fit: What is done to images that are no squares: crop, pad or stretch.
    """

    option: str = "--data"
    size: int = 0
    channels: int = 0
    strict: bool = False
    labels: str | None = None
    fit: str = "crop"


AS_IT_IS = Reading()
"""Nothing is asked for."""


class Pictures:
    """Pictures of one form.

    Args:
        source: Source of the pictures, for complaints.
        how: Form, and whether an unreadable picture is refused.
    """

    def __init__(self, source: str, how: Reading):
        self.source, self.how = source, how
        self.kept: list[Tensor] = []
        self.bad: list[str] = []
        self.changes: Counter[str] = Counter()
        self.sizes: set[tuple[int, int]] = set()
        self.first: tuple[str, Tensor] | None = None
        self.examples: list[str] = []

    def add(self, name: str, content: Callable[[], bytes]) -> bool:
        """Decode one picture; whether it could be read.

        Args:
            name: Name of the picture, for complaints.
            content: Reads its file.

        Raises:
            UserError: It cannot be read and `strict` is set; or it differs from the first one in
                size or colours and none is asked for.
        """
        try:
            picture = decode(name, content())
        except UserError as error:
            if self.how.strict:
                raise
            self.bad.append(str(error))
            return False
        self.changes.update(picture.changes)
        if len(self.examples) < SHOWN:
            height, width = picture.pixels.shape[1:]
            said = [f"{width}x{height} {picture.kind}", *picture.changes]
            self.examples.append(f"{name}: {', '.join(said)}")
        self.first = self.first or (name, picture.pixels)
        self.kept.append(self._formed(name, picture.pixels))
        return True

    def _formed(self, name: str, pixels: Tensor) -> Tensor:
        assert self.first is not None
        how, (leader, form) = self.how, self.first
        if how.channels:
            pixels = to_channels(pixels[None], how.channels)[0]
        elif len(pixels) != len(form):
            raise UserError(
                f"{name} has {len(pixels)} colour channels, but {leader} has {len(form)}; "
                "give --channels 1 or 3 to convert all"
            )
        height, width = (int(n) for n in pixels.shape[1:])
        self.sizes.add((height, width))
        if how.size:
            if height != width:
                self.changes[f"{FITS[how.fit]} (--fit {how.fit})"] += 1
            if (height, width) != (how.size, how.size):
                self.changes[f"resized to {how.size} pixels"] += 1
            return to_size(pixels[None], how.size, how.fit)[0]
        if pixels.shape[1:] != form.shape[1:]:
            raise UserError(
                f"{name} is {width}x{height} pixels, but {leader} is "
                f"{form.shape[2]}x{form.shape[1]}; give --size to scale all to one size"
            )
        return pixels

    def stacked(self) -> UInt8[Tensor, "N C H W"]:
        """All of them; floats are scaled by the range of all floats.

        Raises:
            UserError: None could be read, or the range of floats is none of pictures.
        """
        if not self.kept:
            reason = f": {self.bad[0]}" if self.bad else ""
            raise UserError(
                f"{self.how.option} {self.source}: none of {len(self.bad)} pictures is "
                f"readable{reason}"
            )
        floats = [i for i, p in enumerate(self.kept) if p.dtype != torch.uint8]
        if floats:
            values = torch.stack([self.kept[i] for i in floats]).numpy()
            levels, told = to_bytes(f"{self.how.option} {self.source}", values)
            self.changes[told] += len(floats)
            for i, own in zip(floats, torch.from_numpy(levels)):
                self.kept[i] = own
        return torch.stack(self.kept)

    def told(self) -> list[str]:
        """What was skipped, and what was changed."""
        found = []
        if self.bad:
            count = len(self.kept) + len(self.bad)
            found.append(f"{len(self.bad)} of {count} pictures skipped, the first: {self.bad[0]}")
        found += [f"{count:,} {what}" for what, count in self.changes.items()]
        return found

    def resize(self) -> str:
        """What was done to reach the size, in words that a score can carry."""
        return resize_name(self.sizes, self.how.size or 0, self.how.fit)


def resize_name(sizes: set[tuple[int, int]], size: int, fit: str) -> str:
    """What is done to reach a size, in words that a score can carry.

    Args:
        sizes: Heights and widths that there are.
        size: Side that all come to; 0 leaves them.
        fit: What is done to those that are no squares.
    """
    if not size or sizes == {(size, size)}:
        return "none"
    was = "{}x{}".format(*next(iter(sizes))) if len(sizes) == 1 else "mixed"
    square = all(height == width for height, width in sizes)
    return f"bilinear-aa-{was}-{size}" if square else f"{fit}-bilinear-aa-{was}-{size}"
