"""Sources of batches: a function of the batch's number, or any iterable, repeated."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

from image_core.adversarial.border import takes
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch
from image_core.adversarial.randomness import untouched

Data = Callable[[int], Batch] | Iterable[Batch]
"""Function from i to batch number i, which a resumed run continues at once; or an iterable."""


def batches(data: Data, drawn: int, device: torch.device) -> Iterator[Batch]:
    """The endless stream of batches after the first `drawn`.

    The batches of an iterable that were drawn before are drawn again and dropped, which leaves the
    global random number generators where they are. A `DataLoader` shuffles each epoch by a seed of
    its own, made of its generator's or torch's initial seed, so a resumed run sees the same order.

    Args:
        data: Function from i to batch number i, or an iterable of batches.
        drawn: Number of batches already drawn.
        device: Device of the game.

    Raises:
        UserError: The data are no source of batches, or an iterable holds no batch.
    """
    if callable(data):
        if not takes(data, 1):
            raise UserError(
                "data is a function that does not take the number of a batch; give one from i to "
                "batch number i"
            )
        return _numbered(data, drawn)
    _check_source(data)
    return _after(_again_and_again(data), drawn, device)


def _numbered(data: Callable[[int], Batch], drawn: int) -> Iterator[Batch]:
    for i in count(drawn):
        try:
            batch = data(i)
        except StopIteration:
            raise UserError(
                f"data, a function, has ended at batch number {i}, as next() of an iterator does; "
                "give the iterable itself, or a function of the number alone"
            ) from None
        yield batch


def _check_source(data: Any) -> None:
    name = type(data).__name__
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        raise UserError(f"data is a {name}, whose elements are no batches; give DataLoader(data)")
    whole = isinstance(data, Tensor | np.ndarray | Mapping | str | bytes)
    if whole or not isinstance(data, Iterable):
        raise UserError(
            f"data is a {name}; give a function from i to batch number i, a DataLoader, or a list "
            "of batches"
        )
    if isinstance(data, DataLoader) and isinstance(data.sampler, DistributedSampler):
        raise UserError(
            "data has a DistributedSampler, but the engine itself gives each process its rows of a "
            "batch; leave the sampler out"
        )


def _after(stream: Iterator[Batch], drawn: int, device: torch.device) -> Iterator[Batch]:
    if drawn:
        with untouched(device):
            next(islice(stream, drawn - 1, None))
    yield from stream


def _again_and_again(data: Iterable[Batch]) -> Iterator[Batch]:
    for epoch in count():
        empty = True
        for batch in _epoch(data, epoch) if isinstance(data, DataLoader) else data:
            empty = False
            yield batch
        if empty and epoch:
            raise UserError(
                f"the data ended after {epoch} epoch: an iterator is read once; give the iterable "
                "itself, a list, or a function from i to batch number i"
            )
        if empty:
            raise UserError("the data is empty: no batch could be drawn; give at least one batch")


def _epoch(loader: DataLoader[Any], epoch: int) -> Iterator[Batch]:
    """One epoch, whose order and seeds of worker processes are a function of its number."""
    sampler: Any = loader.sampler
    drawing = isinstance(sampler, RandomSampler | SubsetRandomSampler | WeightedRandomSampler)
    given = loader.generator, sampler.generator if drawing else None
    own = next((each for each in given if each is not None), torch.default_generator)
    seeded = torch.Generator().manual_seed((own.initial_seed() + epoch) % (1 << 63))
    try:
        loader.generator = seeded
        if drawing:
            sampler.generator = seeded
        iterator = iter(loader)
        first = next(iterator, None)  # the sampler takes its generator when it starts
    finally:
        loader.generator = given[0]
        if drawing:
            sampler.generator = given[1]
    if first is not None:
        yield first
        yield from iterator


def as_tensors(batch: Any) -> Batch:
    """The batch with arrays and numbers as tensors, in the same containers.

    Floating numbers that are no tensor take torch's default type, which networks have.

    Args:
        batch: Tensor, array, number, or mappings and sequences of them.

    Raises:
        UserError: The batch holds something else.
    """
    if isinstance(batch, Tensor):
        return batch
    if isinstance(batch, Mapping):
        return {name: as_tensors(value) for name, value in batch.items()}
    if isinstance(batch, np.ndarray | np.generic) and batch.dtype.kind in "biuf":
        tensor = torch.as_tensor(batch)
        return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor
    if _is_numbers(batch):
        try:
            return torch.tensor(batch)
        except ValueError as error:
            raise UserError(
                f"a batch holds lists of different lengths: {error}; pad them"
            ) from None
    if isinstance(batch, list | tuple):
        return [as_tensors(part) for part in batch]
    raise UserError(
        f"a batch holds a {type(batch).__name__}; a batch is a tensor, an array, a number, or a "
        "mapping or sequence of them"
    )


def _is_numbers(batch: Any) -> bool:
    if isinstance(batch, list | tuple):
        return bool(batch) and all(_is_numbers(part) for part in batch)
    return isinstance(batch, bool | int | float)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The tensors of a batch on the device, in the same containers.

    Args:
        batch: Tensor, or mappings and lists of tensors.
        device: Target device.
    """
    if isinstance(batch, Mapping):
        return {name: to_device(value, device) for name, value in batch.items()}
    if isinstance(batch, list):
        return [to_device(part, device) for part in batch]
    return batch.to(device, non_blocking=True)
