"""What was read of pictures with captions, with examples; nothing is trained."""

from image_core.data.gather import SHOWN
from image_core.runs.image_grid import Sheet
from seqgan.text2image.captions import read_captioned
from seqgan.text2image.config import Text2ImageOptions

COLUMNS = 3
"""Pictures of a row of the sheet: their captions stand above it."""


def look(config: Text2ImageOptions) -> Sheet:
    """Print what was read, and the first training pictures; those of a contact sheet.

    Args:
        config: Options of a run on captioned pictures.

    Raises:
        UserError: The pictures or captions cannot be read.
    """
    c = config
    size, seed, fit = c.size, c.seed, c.fit
    found = read_captioned(c.data, c.side, captions=c.captions, size=size, seed=seed, fit=fit)
    told = [f"{role}: {own.summary()}" for role, own in found.items()]
    print(f"data: {c.data}: {'; '.join(told)}")
    for role, place in (("valid", c.valid), ("test", c.test)):
        if place is not None:
            table = c.captions if place.endswith((".npz", ".npy")) else None
            own = read_captioned(place, c.side, captions=table, option=f"--{role}", fit=fit)
            print(f"data: --{role} {place}: {own.get(role, own['train']).summary()}")
    train = found["train"]
    rows = [f"row {i}: {c.side}x{c.side}" for i in range(min(SHOWN, len(train.images)))]
    for example, captions in zip(train.examples or rows, train.captions):
        print(f"  {example}")
        print("\n".join(f"    {caption}" for caption in captions))
    return Sheet(train.images, [captions[0] for captions in train.captions], COLUMNS)
