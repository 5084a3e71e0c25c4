"""Files of bytes: packed or not, and arrays in the IDX format."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.packed import unpack

MAGIC = b"\0\0\x08"
"""What an IDX file of unsigned bytes begins with; the number of dimensions follows."""


def read_bytes(option: str, file: str | Path) -> bytes:
    """The content, unpacked if it was packed.

    Args:
        option: Name of the option, for messages.
        file: File to read.

    Raises:
        UserError: The file cannot be read, or its compression is broken.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{option} {file} cannot be read: {error.strerror}") from error
    return unpack(f"{option} {file}", content)


def parse_idx(option: str, file: str | Path, content: bytes) -> UInt8[Tensor, "*shape"]:
    """Unsigned bytes in LeCun's IDX format: 0 0 8 D, D big-endian sizes, the data.

    Args:
        option: Name of the option, for messages.
        file: Name of the file, for messages.
        content: Bytes of the file.

    Raises:
        UserError: The magic number is another's, or more or less data follow than announced.
    """
    if content[:3] != MAGIC or len(content) < 4 or not content[3]:
        raise UserError(
            f"{option} {file} has the magic number {content[:4].hex() or 'missing'}; IDX files of "
            "bytes begin with 0000080x"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise UserError(f"{option} {file} is a truncated IDX file: its head is cut short")
    sizes = [int(n) for n in np.frombuffer(content[4:start], ">u4")]
    wanted, held = math.prod(sizes), len(content) - start
    if not wanted or held != wanted:
        raise UserError(
            f"{option} {file} is a {'truncated' if held < wanted else 'broken'} IDX file: its head "
            f"announces {wanted:,} bytes of {sizes}, but {held:,} follow"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).copy()).view(sizes)
