"""Files of bytes: gzipped or not, and arrays in the IDX format."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from image_core.adversarial.errors import UserError


def read_bytes(option: str, file: str | Path) -> bytes:
    """The content, unzipped if it was gzipped.

    Raises:
        UserError: the file cannot be read, or its compression is broken.
    """
    try:
        content = Path(file).read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{option} {file} is a broken gzip file; get it anew") from error
    except OSError as error:
        raise UserError(f"{option} {file} cannot be read: {error.strerror}") from error


def parse_idx(option: str, file: str | Path, content: bytes) -> UInt8[Tensor, "*shape"]:
    """Unsigned bytes in LeCun's IDX format: 0 0 8 D, D big-endian sizes, the data.

    Raises:
        UserError: there is more or less data than the sizes say, or none.
    """
    dimensions = content[3] if len(content) > 3 else 0
    start = 4 + 4 * dimensions
    sizes = np.frombuffer(content[4:start].ljust(4 * dimensions, b"\0"), ">u4").tolist()
    wanted = int(np.prod(sizes, dtype=np.int64)) if sizes else 0
    if not wanted or len(content) - start != wanted:
        raise UserError(
            f"{option} {file} is a broken IDX file: its head says {sizes}, "
            f"but {max(0, len(content) - start)} bytes follow"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).copy()).view(sizes)
