"""Pools of earlier samples, which keep a discriminator from forgetting earlier generators.

A pool is a ring of rows, each a set of tensors of any shapes and types that stay together. It
consists of buffers: as an attribute of a game it is in the checkpoint. All processes hold the same
ring, of the samples of all processes, so that a checkpoint of the first is complete; each process
must provide the same number of rows. There is no host synchronisation.
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError


class _Ring(nn.Module):
    """Rows of tensors, and how many have been stored; a tensor must not be named "filled"."""

    filled: Tensor

    def __init__(self, rows: int, row: Mapping[str, Tensor], share: float):
        super().__init__()
        if rows < 0 or not 0.0 <= share <= 1.0:
            raise UserError(
                f"a pool of {rows} rows and a share of {share}; give at least 0 rows and a share "
                "from 0 to 1"
            )
        if not row or "filled" in row or not all(map(str.isidentifier, row)):
            raise UserError(
                f"a pool of the names {list(row)}; give one row of each tensor by name, which is "
                "an identifier other than 'filled'"
            )
        self.rows, self.share, self.names = rows, share, list(row)
        for name, tensor in row.items():
            self.register_buffer(
                name, torch.zeros(rows, *tensor.shape, dtype=tensor.dtype, device=tensor.device)
            )
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def _check(self, fresh: Mapping[str, Tensor]) -> None:
        if not isinstance(fresh, Mapping):
            kind = type(fresh).__name__
            raise UserError(f"the pool was given a {kind}; give rows of each tensor by name")
        for name in self.names:
            wanted = tuple(self.get_buffer(name).shape[1:])
            given = fresh.get(name)
            if given is not None and not isinstance(given, Tensor):
                raise UserError(
                    f"the pool was given {name!r} as a {type(given).__name__}; give a tensor"
                )
            found = None if given is None else tuple(given.shape[1:])
            if found != wanted:
                raise UserError(
                    f"the pool holds {name!r} of shape {wanted} a row and was given {found}; "
                    "give rows of that shape"
                )
            held = self.get_buffer(name)
            if held.is_floating_point() != fresh[name].is_floating_point():
                raise UserError(
                    f"the pool holds {name!r} of {held.dtype} and was given {fresh[name].dtype}, "
                    "which would be rounded; give rows of that type"
                )
        counts = {name: len(fresh[name]) for name in self.names}
        if len(set(counts.values())) > 1:
            raise UserError(f"the pool was given {counts} rows; give as many of each")

    def _put(self, fresh: Mapping[str, Tensor]) -> None:
        for name in self.names:
            ring = self.get_buffer(name)
            # More rows than places would overwrite one another
            new = parallel.join(fresh[name].to(ring.dtype))[-self.rows :]
            place = (self.filled + torch.arange(len(new), device=ring.device)) % self.rows
            ring[place] = new
        self.filled += len(new)

    def _choose(self, old: Bool[Tensor, " N"], earlier: Tensor, fresh: Tensor) -> Tensor:
        # Mask of N, with as many axes of size 1 as the rows have axes
        return torch.where(old.view(-1, *[1] * (fresh.ndim - 1)), earlier.to(fresh.dtype), fresh)


@final
class ReplayBuffer(_Ring):
    """The last rows; some fresh rows are replaced by earlier ones, and all fresh ones are stored.

    Args:
        rows: Number of rows in the ring; 0 disables it.
        row: One row of each tensor by name; the ring takes its shapes and types.
        share: Probability, in [0, 1], that a fresh row is replaced by an earlier one, once the ring
            is full.

    Raises:
        UserError: The number of rows is negative, or the share is not in [0, 1].
    """

    @python_call()
    def __init__(self, rows: int, row: Mapping[str, Tensor], share: float):
        super().__init__(rows, row, share)

    @torch.no_grad()
    def mix(self, fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Fresh rows, some replaced by earlier ones; then the fresh ones are stored.

        Args:
            fresh: Rows (N, ...) of each tensor by name.

        Raises:
            UserError: A tensor is missing or its rows have another shape.
        """
        if not self.rows:
            return dict(fresh)
        self._check(fresh)
        count = len(fresh[self.names[0]])
        device = self.filled.device
        old = (torch.rand(count, device=device) < self.share) & (self.filled >= self.rows)
        pick = torch.randint(self.rows, (count,), device=device)
        mixed = {
            name: self._choose(old, self.get_buffer(name)[pick], fresh[name]) for name in self.names
        }
        self._put(fresh)
        return mixed


@final
class RecentRows(_Ring):
    """The last rows, of which all that are there are drawn alike, with replacement.

    Args:
        rows: Number of rows in the ring.
        row: One row of each tensor by name; the ring takes its shapes and types.

    Raises:
        UserError: The number of rows is not at least 1.
    """

    @python_call()
    def __init__(self, rows: int, row: Mapping[str, Tensor]):
        if rows < 1:
            raise UserError(f"rows={rows}: give a number of at least 1")
        super().__init__(rows, row, 1.0)

    @torch.no_grad()
    def store(self, fresh: Mapping[str, Tensor]) -> None:
        """Store rows in the place of the oldest.

        Args:
            fresh: Rows (N, ...) of each tensor by name.

        Raises:
            UserError: A tensor is missing or its rows have another shape.
        """
        self._check(fresh)
        self._put(fresh)

    @torch.no_grad()
    def draw(self, count: int) -> dict[str, Tensor]:
        """Rows that were stored; zeros as long as there is none.

        Args:
            count: Number of rows.
        """
        uniform = torch.rand(count, device=self.filled.device, dtype=torch.float64)
        pick = (uniform * self.filled.clamp(max=self.rows)).long()
        return {name: self.get_buffer(name)[pick] for name in self.names}


@final
class HistoryPool(_Ring):
    """A pool that exchanges rows: a row returned from the pool is replaced by a fresh one.

    Row by row: until the pool is full, a fresh row is stored and returned. Afterwards it is
    returned with probability 1 - share; otherwise a random stored row is returned and the fresh one
    takes its place. A row therefore stays for rows / share queries on average.

    Args:
        rows: Number of rows in the pool; 0 disables it.
        row: One row of each tensor by name; the pool takes its shapes and types.
        share: Probability, in [0, 1], that a fresh row is exchanged, once the pool is full.

    Raises:
        UserError: The number of rows is negative, or the share is not in [0, 1].

    Source: Shrivastava et al. 2017 (SimGAN), section 2.3; Zhu et al. 2017 (CycleGAN), section 4,
        with 50 rows.
    """

    @python_call()
    def __init__(self, rows: int, row: Mapping[str, Tensor], share: float = 0.5):
        super().__init__(rows, row, share)

    @torch.no_grad()
    def mix(self, fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Fresh rows, some exchanged for earlier ones, in the order of the rows.

        Args:
            fresh: Rows (N, ...) of each tensor by name.

        Raises:
            UserError: A tensor is missing or its rows have another shape.
        """
        if not self.rows:
            return {name: value.detach() for name, value in fresh.items()}
        self._check(fresh)
        count = len(fresh[self.names[0]])
        device = self.filled.device
        swap = parallel.join(torch.rand(count, device=device)) < self.share
        place = parallel.join(torch.randint(self.rows, (count,), device=device))
        turn = self.filled + torch.arange(len(swap), device=device)
        stored = turn < self.rows
        place, swap = torch.where(stored, turn, place), swap & ~stored
        before, last = _writers(place, swap | stored)
        own = slice(parallel.world()[0] * count, (parallel.world()[0] + 1) * count)
        mixed = {}
        for name in self.names:
            ring, value = self.get_buffer(name), fresh[name]
            new = parallel.join(value.to(ring.dtype))
            held = ring[place]
            earlier = self._choose(before >= 0, new[before.clamp(min=0)], held)
            mixed[name] = self._choose(swap[own], earlier[own], value)
            # All rows of one place write the value of its last writer
            ring[place] = self._choose(last >= 0, new[last.clamp(min=0)], held)
        self.filled.copy_((self.filled + len(swap)).clamp(max=self.rows))
        return mixed


def _writers(
    place: Int[Tensor, " N"], writes: Bool[Tensor, " N"]
) -> tuple[Int[Tensor, " N"], Int[Tensor, " N"]]:
    """For each row, the last earlier row of the batch that wrote its place, and the last of all.

    Args:
        place: Index of each row's place in the pool, (N,).
        writes: Whether a row writes there, (N,).

    Returns:
        Indices (N,) of the last earlier writer and of the last writer; -1 = no row.
    """
    order = torch.arange(len(place), device=place.device)
    writer = torch.where(writes & (place == place[:, None]), order, -1)
    earlier = torch.where(order < order[:, None], writer, -1)
    return earlier.amax(1), writer.amax(1)
