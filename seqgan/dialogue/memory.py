"""A memory of earlier samples, so that a critic does not forget what the generator once wrote."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from image_core.adversarial import parallel


@final
class Memory(nn.Module):
    """A ring of rows; the rows a critic learns from are mixed with rows from it.

    All processes hold one ring, of what all of them wrote, so that a checkpoint of the first has
    all of it.

    Args:
        rows: how many it holds; 0 keeps none.
        share: chance of a row to be replaced by an earlier one, once the ring is full.
        widths: columns of each tensor.
    """

    filled: Tensor

    def __init__(self, rows: int, share: float, widths: Mapping[str, int]):
        super().__init__()
        self.rows, self.share, self.names = rows, share, list(widths)
        for name, width in widths.items():
            self.register_buffer(name, torch.zeros(rows, width, dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def mix(self, fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Fresh rows, some replaced by earlier ones; then the fresh ones are remembered."""
        if not self.rows:
            return dict(fresh)
        count = len(fresh[self.names[0]])
        device = self.filled.device
        old = (torch.rand(count, device=device) < self.share) & (self.filled >= self.rows)
        pick = torch.randint(self.rows, (count,), device=device)
        mixed = {}
        for name in self.names:
            ring, value = self.get_buffer(name), fresh[name]
            mixed[name] = torch.where(old[:, None], ring[pick].to(value.dtype), value)
            # More rows than there are places would fall on one another
            new = parallel.join(value.to(ring.dtype))[-self.rows :]
            place = (self.filled + torch.arange(len(new), device=device)) % self.rows
            ring[place] = new
        self.filled += len(new)
        return mixed
