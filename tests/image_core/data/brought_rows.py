"""Pictures as rows of pixels, tables of pixels and tar archives, and how they must be read."""

import numpy as np

from tests.image_core.data.brought import (
    PNG_G,
    PNG_R,
    array,
    arrays,
    classes,
    corner,
    put,
    tarred,
)

SMOOTH = np.stack([np.tile(np.arange(16, dtype=np.uint8) * 9 + k, (16, 1)) for k in (0, 60, 110)])
"""A picture, colours first, whose neighbours are alike."""
SMOOTHS = np.stack([SMOOTH, SMOOTH.transpose(0, 2, 1), SMOOTH[:, ::-1]])


def table(head, *rows, name="a.csv", encoding="utf-8"):
    text = "\n".join([*head, *(",".join(map(str, row)) for row in rows)]) + "\n"
    return lambda folder: put(folder, name, text.encode(encoding)) or folder / name


def smooth(split="train", channels=3):
    return lambda s: (
        s[split].images.tolist() == SMOOTHS[:, :channels].tolist() and "rows of" in s[split].told
    )


GREYS = [row.ravel().tolist() for row in SMOOTHS[:, 0]]
PIXELS = "label," + ",".join(f"pixel{i}" for i in range(256))


READ_ROWS = {
    # ---- rows of pixels
    "CIFAR's rows": (array(SMOOTHS.reshape(3, -1)), {}, smooth()),
    "rows of colours side by side": (
        arrays(data=SMOOTHS.transpose(0, 2, 3, 1).reshape(3, -1), labels=[0, 1, 1]),
        {},
        smooth(),
    ),
    "rows of grey": (array(SMOOTHS[:, 0].reshape(3, -1)), {}, smooth(channels=1)),
    "MNIST's table": (
        table([PIXELS], *([7 + i, *row] for i, row in enumerate(GREYS))),
        {},
        lambda s: smooth(channels=1)(s) and s["train"].names == ["7", "8", "9"],
    ),
    "MNIST's table without a header": (
        table([], *([7, *row] for row in GREYS), encoding="utf-8-sig"),
        {},
        lambda s: smooth(channels=1)(s) and s["train"].names == ["7"],
    ),
    "a table of pixels without labels": (table([], *GREYS), {}, smooth(channels=1)),
    "a table of pixels with ids, UTF-16": (
        table(
            [PIXELS.replace("label", "id")],
            *([i, *r] for i, r in enumerate(GREYS)),
            encoding="utf-16",
        ),
        {},
        lambda s: smooth(channels=1)(s) and s["train"].labels is None,
    ),
    "FER-2013": (
        table(
            ["emotion,pixels,Usage"],
            *(
                (i, " ".join(map(str, row)), usage)
                for usage in ("Training", "PublicTest")
                for i, row in enumerate(GREYS)
            ),
        ),
        {},
        lambda s: list(s) == ["train", "valid"] and smooth("valid", 1)(s),
    ),
    # ---- tar archives
    "WebDataset": (
        tarred({"a.png": PNG_R, "a.cls": b"1", "b.png": PNG_G, "b.cls": b"0\n"}),
        {},
        lambda s: classes(["0", "1"], [1, 0])(s) and corner(s["train"]) == [220, 40, 40],
    ),
    "tar of classes": (
        tarred({"./p/cat/a.png": PNG_R, "./p/dog/a.png": PNG_G, "p/cat/._a.png": b"\0"}),
        {},
        classes(["cat", "dog"], [0, 1]),
    ),
}
