"""Batches as a function of their number, so that a resumed run sees the same batches."""

from collections.abc import Mapping
from numbers import Integral

import torch
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError

Rows = Tensor | Mapping[str, Tensor]


class Batches:
    """Complete batches of rows, epoch after epoch; rows left over are skipped in that epoch.

    Args:
        rows: Tensor, or mapping of tensors with the same number of rows.
        size: Number of rows per batch.
        seed: Seed of the shuffles, a new shuffle each epoch; None keeps the order of the rows.

    Raises:
        UserError: The rows are no tensors, or fewer than one batch needs.
    """

    @python_call(batch="size")
    def __init__(self, rows: Rows, size: int, *, seed: int | None):
        if not isinstance(rows, Tensor | Mapping):
            raise UserError(
                f"rows are a {type(rows).__name__}; give a tensor, or a mapping of tensors by name"
            )
        if size < 1:
            raise UserError(f"a batch of {size} rows is none; give at least 1")
        self.rows, self.size, self.seed = rows, size, seed
        tensors = [rows] if isinstance(rows, Tensor) else list(rows.values())
        if not all(r.dim() for r in tensors):
            raise UserError(
                "rows hold a tensor without axes; give tensors whose first axis is rows"
            )
        lengths = {len(r) for r in tensors}
        if len(lengths) != 1:
            raise UserError(f"tensors of one batch have {sorted(lengths)} rows; they must agree")
        self.count = lengths.pop()
        if self.count < size:
            raise UserError(
                f"{self.count} rows of data do not fill one batch of {size}; lower --batch"
            )
        self._epoch = -1
        self._order = torch.arange(self.count)

    def __len__(self) -> int:
        """Number of batches per epoch."""
        return self.count // self.size

    def __call__(self, index: int) -> Rows:
        """Batch number `index`, counted over all epochs from 0."""
        if not isinstance(index, Integral) or index < 0:
            raise UserError(f"batch number {index!r} is none; give a whole number of at least 0")
        epoch, within = divmod(index, len(self))
        if self.seed is not None and epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            order = torch.randperm(self.count, generator=generator, device="cpu")
            self._order, self._epoch = order, epoch
        picked = self._order[within * self.size : (within + 1) * self.size]
        if isinstance(self.rows, Tensor):
            return self.rows[picked]
        return {name: values[picked] for name, values in self.rows.items()}
