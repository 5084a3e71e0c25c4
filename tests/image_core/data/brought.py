"""Pictures as people bring them: what is written to a folder, and how it must be read."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

HALF = np.zeros((16, 16, 3), np.uint8)
HALF[:, 8:] = 255
"""Black left, white right."""
DRAWN = np.random.default_rng(0).integers(2, 256, (6, 16, 16, 3)).astype(np.uint8)
RAMP = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))


def encoded(picture, kind="PNG", **options) -> bytes:
    content = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(content, kind, **options)
    return content.getvalue()


def put(folder, name, content) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else encoded(content))


def one(name, content):
    """A folder of one picture."""
    return lambda folder: put(folder, name, content) or folder


def many(**files):
    """A folder of files; two underscores stand for a slash, one at the end for a dot."""
    named = {name.replace("__", "/"): content for name, content in files.items()}

    def make(folder):
        for name, content in named.items():
            put(folder, name if "." in name else f"{name}.png", content)
        return folder

    return make


def zipped(members):
    def make(folder):
        with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return folder / "pictures.zip"

    return make


def tarred(members):
    def make(folder):
        with tarfile.open(folder / "pictures.tar", "w") as archive:
            for name, content in members.items():
                one = tarfile.TarInfo(name)
                one.size = len(content)
                archive.addfile(one, io.BytesIO(content))
            link = tarfile.TarInfo("link.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        return folder / "pictures.tar"

    return make


def arrays(**held):
    return lambda folder: np.savez(folder / "x.npz", **held) or folder / "x.npz"


def array(values):
    return lambda folder: np.save(folder / "x.npy", values) or folder / "x.npy"


def flat(colour, size=(16, 16)):
    return Image.new("RGB", size, colour)


def palette():
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([9, 9, 9, 200, 100, 50])
    return picture


def turned():
    """A picture whose top is white, stored on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(HALF, "JPEG", exif=exif, quality=95)


def animated(kind):
    frames = [flat((255, 0, 0)), flat((0, 0, 255))]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def corner(split):
    """Levels of the first picture's upper left pixel."""
    return split.images[0, :, 0, 0].tolist()


def first(*levels):
    return lambda s: corner(s["train"]) == pytest.approx(levels, abs=2)


def said(words, *levels):
    return lambda s: words in s["train"].told and corner(s["train"]) == pytest.approx(levels, abs=3)


def classes(names, labels):
    return lambda s: (list(s["train"].names), s["train"].labels.tolist()) == (names, labels)


def same(split="train"):
    wanted = torch.from_numpy(DRAWN.transpose(0, 3, 1, 2).copy())
    return lambda s: torch.equal(s[split].images, wanted)


def ramp(s):
    return s["train"].images[0, 0, 0].tolist() == np.round(RAMP[0] * 255).astype(int).tolist()


def deep(levels):
    return Image.fromarray(np.tile(levels.astype(np.uint16), (16, 1)))


R, G, B = flat((220, 40, 40)), flat((40, 200, 60)), flat((40, 60, 220))
PNG_R, PNG_G = encoded(R), encoded(G)
WIDE = np.concatenate([HALF, 255 - HALF], 1)
"""Black, white, white, black: twice as wide as high."""

READ = {
    # ---- kinds of pixels
    "16 bits": (one("a.png", deep(np.linspace(0, 65535, 16))), {}, ramp),
    "16 bits told": (one("a.png", deep(np.full(16, 32896))), {}, said("1 16 bits scaled", 128)),
    "16 bits with a transparent level": (
        one("a.png", encoded(deep(np.full(16, 257)), transparency=257)),
        {},
        first(255),
    ),
    "32 bits of bytes": (
        one("a.tiff", encoded(Image.fromarray(np.full((16, 16), 77, np.int32)), "TIFF")),
        {},
        said("32 bits hold bytes", 77),
    ),
    "float tiff": (one("a.tiff", encoded(Image.fromarray(RAMP), "TIFF")), {}, ramp),
    "float tiff of bytes": (
        one("a.tiff", encoded(Image.fromarray(RAMP * 255), "TIFF")),
        {},
        ramp,
    ),
    "float tiffs have one range": (
        many(
            **{
                "a.tiff": encoded(Image.fromarray(RAMP), "TIFF"),
                "b.tiff": encoded(Image.fromarray(RAMP * 255), "TIFF"),
            }
        ),
        {},
        lambda s: s["train"].images[:, 0, 0, -1].tolist() == [1, 255],
    ),
    "palette": (one("a.png", palette()), {}, said("1 palette to colours", 200, 100, 50)),
    "transparent palette": (
        one("a.png", encoded(palette(), transparency=1)),
        {},
        first(255, 255, 255),
    ),
    "transparent colour": (
        one("a.png", encoded(255 - HALF, transparency=(255, 255, 255))),
        {},
        lambda s: (
            s["train"].images[0, 0, 0, [0, -1]].tolist() == [255, 0]
            and "transparent laid on white" in s["train"].told
        ),
    ),
    "transparent grey": (
        one("a.png", encoded(Image.new("L", (16, 16), 5), transparency=5)),
        {},
        first(255),
    ),
    "half transparent": (
        one("a.png", Image.new("RGBA", (16, 16), (0, 0, 0, 128))),
        {},
        first(127, 127, 127),
    ),
    "grey with opacity": (one("a.png", Image.new("LA", (16, 16), (0, 0))), {}, first(255)),
    "one bit": (one("a.png", Image.new("1", (16, 16), 1)), {}, first(255)),
    "CMYK": (
        one("a.jpg", encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)),
        {},
        said("1 CMYK to RGB", 255, 0, 0),
    ),
    "EXIF": (
        one("a.jpg", turned()),
        {},
        lambda s: (
            s["train"].images[0, 0, [1, -2], 3].tolist() == pytest.approx([0, 255], abs=4)
            and "1 turned by EXIF" in s["train"].told
        ),
    ),
    "animated gif": (one("a.gif", animated("GIF")), {}, said("first of several", 255, 0, 0)),
    "animated webp": (one("a.webp", animated("WEBP")), {}, said("first of several", 254, 0, 0)),
    "avif": (one("a.avif", encoded(R, "AVIF", quality=95)), {}, said("", 220, 40, 40)),
    "jfif": (one("a.JFIF", encoded(R, "JPEG", quality=95)), {}, said("", 220, 40, 40)),
    "grey and colours with --channels": (
        many(a=Image.new("L", (16, 16), 90), b=R),
        {"channels": 3},
        first(90, 90, 90),
    ),
    # ---- forms
    "crop": (
        one("a.png", WIDE),
        {"size": 16},
        lambda s: (
            bool((s["train"].images == 255).all())
            and "--fit crop" in s["train"].told
            and s["train"].resize == "crop-bilinear-aa-16x32-16"
        ),
    ),
    "pad": (
        one("a.png", flat((0, 0, 0), (32, 16))),
        {"size": 32, "fit": "pad"},
        lambda s: s["train"].images[0, 0, [0, 16, 31], 0].tolist() == [255, 0, 255],
    ),
    "stretch": (
        one("a.png", WIDE),
        {"size": 16, "fit": "stretch"},
        lambda s: s["train"].images[0, 0, 5, [1, 8, 14]].tolist() == [0, 255, 0],
    ),
    "non-square of one size, none asked for": (
        one("a.png", WIDE),
        {},
        lambda s: s["train"].images.shape[2:] == (16, 16) and "--fit crop" in s["train"].told,
    ),
    # ---- folders
    "train and test": (
        many(train__cat__a=R, train__dog__a=G, test__cat__a=B, test__dog__a=R),
        {},
        lambda s: (
            list(s) == ["train", "test"]
            and s["test"].labels.tolist() == [0, 1]
            and corner(s["test"]) == [40, 60, 220]
            and s["train"].names == ["cat", "dog"]
        ),
    ),
    "Training, validation and testing": (
        many(Training__a=R, validation__a=G, testing__a=B),
        {},
        lambda s: list(s) == ["train", "valid", "test"] and corner(s["valid"]) == [40, 200, 60],
    ),
    "a test set without one class keeps the numbers": (
        many(train__a__1=R, train__b__1=G, test__b__1=B),
        {},
        lambda s: s["test"].labels.tolist() == [1],
    ),
    "one folder around": (many(all__cat__a=R, all__dog__a=G), {}, classes(["cat", "dog"], [0, 1])),
    "hidden": (
        many(**{"cat__a": R, "dog__a": G, ".cache__x.png": B, "cat__._a.png": b"\0\5\26"}),
        {},
        classes(["cat", "dog"], [0, 1]),
    ),
    "names in a table": (
        many(**{"a": R, "b": G, "labels.csv": b"file,label\na.png,red\nb.png,green\n"}),
        {},
        classes(["green", "red"], [1, 0]),
    ),
    "imagefolder's metadata": (
        many(
            **{
                "train__a": R,
                "test__b": G,
                "train__metadata.jsonl": b'{"file_name": "a.png", "label": 3}\n',
                "test__metadata.jsonl": b'{"file_name": "b.png", "label": 3}\n',
            }
        ),
        {},
        lambda s: s["train"].names == s["test"].names == ["3"],
    ),
    # ---- zips
    "zip": (
        zipped(
            {
                "p/cat/a.png": PNG_R,
                "p/dog/a.png": PNG_G,
                "p/dog/.b.png": b"x",
                "__MACOSX/p/cat/._a.png": b"\0\5",
                "p/empty/": b"",
                "p/notes.txt": b"x",
            }
        ),
        {},
        classes(["cat", "dog"], [0, 1]),
    ),
    "zip of a program of Windows": (
        zipped({"cat\\a.png": PNG_R, "dog\\a.png": PNG_G}),
        {},
        classes(["cat", "dog"], [0, 1]),
    ),
    "zip of train and test": (
        zipped({"train/a.png": PNG_R, "test/a.png": PNG_G}),
        {},
        lambda s: corner(s["test"]) == [40, 200, 60],
    ),
    # ---- arrays
    "colours last": (arrays(images=DRAWN), {}, same()),
    "colours first": (arrays(images=DRAWN.transpose(0, 3, 1, 2)), {}, same()),
    "floats of 0 to 1": (arrays(x=DRAWN / 255), {}, same()),
    "floats of -1 to 1": (arrays(x=(DRAWN / 127.5 - 1).astype(np.float32)), {}, same()),
    "floats of 0 to 255": (arrays(x=DRAWN.astype(np.float64)), {}, same()),
    "int64": (arrays(images=DRAWN.astype(np.int64)), {}, same()),
    "uint16": (arrays(images=DRAWN.astype(np.uint16) * 257), {}, same()),
    "booleans": (array(np.ones((4, 16, 16), bool)), {}, said("black and white", 255)),
    "zeros and ones": (array(np.ones((4, 16, 16), np.int64)), {}, said("black and white", 255)),
    "npy": (array(DRAWN), {}, same()),
    "opacity": (
        array(np.concatenate([DRAWN, np.zeros((6, 16, 16, 1), np.uint8)], 3)),
        {},
        first(255, 255, 255),
    ),
    "x_train and x_test": (
        arrays(x_train=DRAWN[:3], x_test=DRAWN, y_train=[1, 2, 1], y_test=[2] * 6),
        {},
        lambda s: same("test")(s) and s["test"].labels.tolist() == [1] * 6,
    ),
    "labels in words": (
        arrays(images=DRAWN, labels=np.array(["cat", "dog"] * 3)),
        {},
        classes(["cat", "dog"], [0, 1] * 3),
    ),
    "labels in a column": (
        arrays(images=DRAWN, labels=np.arange(6)[:, None] % 2),
        {},
        classes(["0", "1"], [0, 1] * 3),
    ),
    "X_train": (arrays(X_train=DRAWN, Y_train=[1] * 6), {}, same()),
    "labels as whole floats, with gaps": (
        arrays(images=DRAWN, labels=np.array([7.0, 2, 7, 2, 10, 2])),
        {},
        classes(["2", "7", "10"], [1, 0, 1, 0, 2, 0]),
    ),
}
