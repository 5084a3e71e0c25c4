"""What was read of discrete data, with examples; nothing is trained."""

import torch

from image_core.runs.image_grid import Sheet
from seqgan.discrete.config import DiscreteDataOptions
from seqgan.discrete.data import DiscreteData, form_of, read_discrete, read_labels

SHOWN = 5
"""Rows that are shown."""


def look(config: DiscreteDataOptions) -> Sheet | None:
    """Print what was read, and the first rows; pictures of a contact sheet where rows are some.

    Args:
        config: Options of a run on discrete data.

    Raises:
        UserError: The data cannot be read.
    """
    c = config
    data = read_discrete("--data", c.data, c.length)
    if c.labels is not None:
        data = data._replace(labels=read_labels("--labels", c.labels, len(data.rows)))
    print(f"data: {data.told}{_classes(data)}")
    for role, file in (("valid", c.valid), ("test", c.test)):
        if file is not None:
            more = read_discrete(f"--{role}", file, c.length, data.alphabet or None)
            print(f"{role}: {more.told}")
    form = form_of(data)
    if data.alphabet:
        lines = ("".join(data.alphabet[k] for k in row) for row in data.rows[:SHOWN].tolist())
        print("\n".join(f"  {line!r}" for line in lines))
        return None
    for i, row in enumerate(data.rows[:SHOWN]):
        print(f"  row {i}: {_told(row, form.classes)}{_label(data, i)}")
    grey = data.rows[:, None]
    images = grey if data.palette is None else data.palette[data.rows.long()].permute(0, 3, 1, 2)
    if data.classes is not None and data.palette is None:
        images = (255 * grey.float() / (data.classes - 1)).to(torch.uint8)
    return Sheet(images, [_label(data, i).lstrip(", ") for i in range(len(images))])


def _told(row: torch.Tensor, classes: int | None) -> str:
    size = f"{row.shape[1]}x{row.shape[0]}"
    if classes is None:
        return f"{size}, levels {int(row.min())} to {int(row.max())}"
    return f"{size}, {len(row.unique())} of {classes} colours"


def _label(data: DiscreteData, row: int) -> str:
    return "" if data.labels is None else f", label {int(data.labels[row])}"


def _classes(data: DiscreteData) -> str:
    """Numbers of the labels."""
    if data.labels is None:
        return ""
    counts = enumerate(data.labels.bincount().tolist())
    return ", labels: " + ", ".join(f"{label} {count:,}" for label, count in counts if count)
