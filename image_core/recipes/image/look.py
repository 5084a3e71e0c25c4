"""What was read of some pictures, with examples; nothing is trained."""

from image_core.data.gather import SHOWN
from image_core.data.images import ImageSet, Reading, read_splits
from image_core.recipes.image.config import ImageOptions
from image_core.recipes.image.data import told_of
from image_core.runs.image_grid import Sheet


def look(config: ImageOptions) -> Sheet:
    """Print what was read, and the first training pictures; those of a contact sheet.

    Args:
        config: Options of a run on pictures.

    Raises:
        UserError: The pictures cannot be read.
    """
    c = config
    how = Reading(size=c.size, channels=c.channels, strict=c.strict, labels=c.labels, fit=c.fit)
    sets = read_splits(c.data, how)
    print(f"data: {c.data}: {told_of(sets)}")
    for role, own in (("valid", c.valid), ("test", c.test)):
        if own is not None:
            print(f"{role}: {own}: {told_of(read_splits(own, how))}")
    train = sets["train"]
    for line in train.examples or _rows(train):
        print(f"  {line}")
    return Sheet(train.images, [_label(train, i) for i in range(len(train.images))])


def _rows(train: ImageSet) -> list[str]:
    """The first pictures of arrays, which have no names."""
    size = f"{train.images.shape[-1]}x{train.images.shape[-2]}"
    shown = range(min(SHOWN, len(train.images)))
    labels = (f", label {label}" if (label := _label(train, i)) else "" for i in shown)
    return [f"row {i}: {size}{label}" for i, label in enumerate(labels)]


def _label(train: ImageSet, row: int) -> str:
    return "" if train.labels is None else train.names[int(train.labels[row])]
