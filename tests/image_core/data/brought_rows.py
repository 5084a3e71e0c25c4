"""Pictures as rows of pixels, tables of pixels and tar archives, and how they must be read."""

import numpy as np

from tests.image_core.data.brought import (
    PNG_G,
    PNG_R,
    G,
    R,
    array,
    arrays,
    classes,
    corner,
    many,
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
    # ---- what lies beside pictures
    "pictures of detectors, by split": (
        many(**{"images__train__a": R, "images__val__b": G, "labels/train/a.txt": b"0 .5 .5 1 1"}),
        {},
        lambda s: [len(s[n].images) for n in s] == [1, 1] and s["train"].labels is None,
    ),
    "splits of one folder, with a table beside it": (
        many(**{"p__train__a": R, "p__test__b": G, "train.csv": b"id,breed\na,pug\n"}),
        {},
        lambda s: s["train"].names == ["pug"] and s["test"].labels is None,
    ),
    "labels by paths of Windows": (
        many(x__a=R, x__b=G, **{"labels.csv": b"file,label\nx\\a.png,w\n./x/b.png,x\n"}),
        {},
        lambda s: s["train"].labels.tolist() == [0, 1] and s["train"].names == ["w", "x"],
    ),
    "labels in capitals": (
        many(a=R, b=G, **{"labels.csv": b"Image,Label\na.png,x\nb.png,w\n"}),
        {},
        lambda s: s["train"].labels.tolist() == [1, 0],
    ),
    "a name that two pictures have": (
        many(x__a=R, y__a=G, y__b=G, **{"labels.csv": b"file,label\na.png,w\nb.png,x\n"}),
        {},
        lambda s: s["train"].names == ["x"] and "2 of 3 pictures skipped" in s["train"].told,
    ),
    "labels.json": (
        many(a=R, b=G, **{"labels.json": b'{"a.png": "x", "b.png": "w"}'}),
        {},
        classes(["w", "x"], [1, 0]),
    ),
    "labels.json of FiftyOne": (
        many(
            data__a=R,
            data__b=G,
            **{"labels.json": b'{"classes": ["x", "w"], "labels": {"a": 1, "b": 0}}'},
        ),
        {},
        classes(["w", "x"], [0, 1]),
    ),
    "labels.json of objects": (
        many(a=R, **{"labels.json": b'{"images": [], "annotations": []}'}),
        {},
        lambda s: "labels.json passed over: it is of objects" in s["train"].told,
    ),
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
