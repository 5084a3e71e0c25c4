"""Sources of batches: a function of the batch's number, or any iterable, repeated."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, islice

import torch

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch

Data = Callable[[int], Batch] | Iterable[Batch]
"""Function from i to batch number i, which a resumed run continues at once; or an iterable."""


def batches(data: Data, drawn: int) -> Iterator[Batch]:
    """The endless stream of batches after the first `drawn`.

    Args:
        data: Function from i to batch number i, or an iterable of batches.
        drawn: Number of batches already drawn.

    Raises:
        UserError: An iterable holds no batch.
    """
    if callable(data):
        return (data(i) for i in count(drawn))
    return islice(_again_and_again(data), drawn, None)


def _again_and_again(data: Iterable[Batch]) -> Iterator[Batch]:
    while True:
        empty = True
        for batch in data:
            empty = False
            yield batch
        if empty:
            raise UserError("the data is empty: no batch could be drawn; give at least one batch")


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A tensor, or a mapping of tensors, on the device.

    Args:
        batch: Tensor, or mapping of tensors.
        device: Target device.
    """
    if isinstance(batch, Mapping):
        return {name: to_device(value, device) for name, value in batch.items()}
    return batch.to(device, non_blocking=True)
