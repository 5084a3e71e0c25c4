"""Labels of any kind as numbers of classes: names, whole numbers, columns."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from image_core.adversarial.errors import UserError


def number_labels(name: str, values: Sequence[Any]) -> tuple[Int64[Tensor, " N"], list[str]]:
    """Classes by number, and their names: numbers in their order, words in that of the alphabet.

    Args:
        name: Option and file of the labels, for complaints.
        values: Labels, all of them words or all of them whole numbers.

    Raises:
        UserError: A label is missing, or a number with a fraction.
    """
    plain = [_plain(name, i, value) for i, value in enumerate(values)]
    kinds = {type(value) for value in plain}
    if len(kinds) > 1:
        raise UserError(f"{name} mixes words and numbers as labels; use one of them")
    classes = sorted(set(plain))
    number = {value: i for i, value in enumerate(classes)}
    return torch.tensor([number[value] for value in plain]), [str(value) for value in classes]


def _plain(name: str, row: int, value: Any) -> int | str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, (bool, int, float)) and math.isfinite(value) and value == int(value):
        return int(value)
    raise UserError(
        f"{name}: label {row} is {value!r}; a label is a name of a class, or its whole number"
    )


def label_array(
    name: str, values: Shaped[np.ndarray, "*shape"], count: int
) -> tuple[Int64[Tensor, " N"], list[str]]:
    """Labels of an array: one a picture, or a column of them.

    Args:
        name: Option and file of the labels, for complaints.
        values: Words, whole numbers, or floats without a fraction, of the shape (N,) or (N, 1).
        count: Number N of pictures.

    Raises:
        UserError: There are more or fewer, they are one-hot or they have fractions.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and len(values) == count:
        raise UserError(
            f"{name} holds labels of the shape {values.shape}; give one a picture, (N,) or (N, 1), "
            "such as the argmax of rows that are one-hot"
        )
    if values.shape != (count,):
        raise UserError(f"{name} holds {values.shape} labels for {count} images")
    return number_labels(name, values.tolist())


def renumber(
    name: str, labels: Int64[Tensor, " N"], own: Sequence[str], known: Sequence[str]
) -> Int64[Tensor, " N"]:
    """Labels of a further set by the numbers that the classes have in the training set.

    Args:
        name: Option and file of the set, for complaints.
        labels: Labels by the set's own numbers.
        own: Names of the set's own classes.
        known: Names of the training set's classes.

    Raises:
        UserError: A class is not in the training set.
    """
    number = {text: i for i, text in enumerate(known)}
    used = [own[i] for i in labels.unique().tolist()]
    foreign = [text for text in used if text not in number]
    if foreign:
        raise UserError(
            f"{name} has the classes {', '.join(foreign[:5])}, which the training set has not; its "
            f"classes are {', '.join(list(known)[:10])}"
        )
    return torch.tensor([number.get(text, -1) for text in own])[labels]
