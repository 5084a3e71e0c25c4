"""Share of samples that are training sentences, without keeping those in memory."""

import hashlib

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from seqgan.data.compact import TokenRows
from seqgan.data.encode import mask_of

ROWS = 4096
"""Training sentences that are read at a time."""


class TrainingKeys:
    """A checksum of 8 bytes of each different training sentence.

    Args:
        train: Training sentences.
        end: Token id of the end; None where there is none.
    """

    def __init__(self, train: TokenRows, end: int | None):
        self._end = end
        parts = [self._keys(train[first : first + ROWS]) for first in range(0, len(train), ROWS)]
        self._known = np.unique(np.concatenate(parts))

    def copied(self, rows: Int64[Tensor, "N T"]) -> float:
        """Share of some sentences that are training sentences.

        Args:
            rows: Token ids, (N, T).
        """
        return float(np.isin(self._keys(rows), self._known).mean())

    def _keys(self, rows: Tensor) -> np.ndarray:
        lengths = mask_of(rows, self._end).sum(1).tolist()
        content = (row[:n].tobytes() for row, n in zip(rows.cpu().numpy(), lengths, strict=True))
        digests = b"".join(hashlib.blake2b(one, digest_size=8).digest() for one in content)
        return np.frombuffer(digests, "<u8")
