"""Ragged tables: for each row a list of numbers, in compressed rows (CSR), on the device."""

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError


class Ragged(nn.Module):
    """Lists of numbers by row: row i is `values[offsets[i] : offsets[i + 1]]`.

    A module, so that a game moves it to its device; its buffers are data and stay out of
    checkpoints.

    Args:
        offsets: Place where each row begins, and the end of the last.
        values: Values of all rows, one row after the other.

    Raises:
        UserError: The offsets do not fit the values.
    """

    offsets: Tensor
    values: Tensor
    owner: Tensor

    def __init__(self, offsets: Int64[Tensor, " R1"], values: Int64[Tensor, " N"]):
        super().__init__()
        counts = offsets.diff()
        if len(offsets) < 1 or int(offsets[0]) or int(offsets[-1]) != len(values):
            raise UserError("offsets of a ragged table run from 0 to the number of its values")
        if bool((counts < 0).any()):
            raise UserError("offsets of a ragged table never fall")
        owner = torch.repeat_interleave(torch.arange(len(counts)), counts)
        self.longest = int(counts.max()) if len(counts) else 0
        for name, tensor in (("offsets", offsets), ("values", values), ("owner", owner)):
            self.register_buffer(name, tensor, persistent=False)

    @classmethod
    def from_pairs(
        cls, rows: Int64[np.ndarray, " N"], values: Int64[np.ndarray, " N"], count: int
    ) -> "Ragged":
        """The table of (row, value) pairs, values ascending within a row.

        Args:
            rows: Row of each pair, in [0, count).
            values: Value of each pair.
            count: Number of rows, those without a pair counted.
        """
        wide = int(values.max(initial=0)) + 1
        ordered = np.sort(rows.astype(np.int64) * wide + values)  # faster than by two keys
        offsets = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=count), out=offsets[1:])
        return cls(torch.from_numpy(offsets), torch.from_numpy(ordered % wide))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Int64[Tensor, " R"]:
        """Values of each row."""
        return self.offsets.diff()

    def take(self, rows: Int64[Tensor, " B"]) -> tuple[Int64[Tensor, " N"], Int64[Tensor, " N"]]:
        """All values of some rows: whose they are, as a position in `rows`, and what they are.

        Waits for the device once, to learn how many they are.
        """
        counts = self.counts[rows]
        owner = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), counts)
        first = counts.cumsum(0) - counts
        within = torch.arange(len(owner), device=rows.device) - first[owner]
        return owner, self.values[self.offsets[rows][owner] + within]

    def select(self, rows: Int64[Tensor, " B"]) -> "Ragged":
        """The table of some rows."""
        counts = self.counts[rows]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Ragged(offsets, self.take(rows)[1])

    def draw(self, rows: Int64[Tensor, " B"], count: int) -> Int64[Tensor, "B count"]:
        """`count` values of each row, uniform, with replacement; the rows must not be empty."""
        share = torch.rand(len(rows), count, device=rows.device, dtype=torch.float64)
        size = self.counts[rows][:, None]
        within = (share * size).long().minimum(size - 1)
        return self.values[self.offsets[rows][:, None] + within]

    def padded(self, rows: Int64[Tensor, " B"]) -> tuple[Int64[Tensor, "B K"], Bool[Tensor, "B K"]]:
        """Rows side by side, filled with 0 to the longest of the table, and which values count."""
        column = torch.arange(self.longest, device=rows.device)
        mask = column < self.counts[rows][:, None]
        index = (self.offsets[rows][:, None] + column).clamp(max=max(0, len(self.values) - 1))
        return torch.where(mask, self.values[index], 0), mask

    def mark(self, rows: Int64[Tensor, " B"], width: int) -> Bool[Tensor, "B width"]:
        """True at the values of each row."""
        owner, column = self.take(rows)
        marks = torch.zeros(len(rows), width, dtype=torch.bool, device=rows.device)
        marks[owner, column] = True
        return marks
