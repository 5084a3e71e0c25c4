"""Shapes under another colour by a TD-GAN run, beside their true pictures: `retagging.py RUN`.

Draws shapes that the run has not seen and the same shapes in another colour, exchanges the tag of
the colour alone, and writes RUN/retagged.json: `hue`, the share whose mean ink is nearest to that
of the new colour, and `share`, the squared error over that of the picture as it was.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

import seqgan as sg
from image_core.data.toy_shapes import COLOURS, draw_shapes
from image_core.games.common import to_images

INK = torch.tensor(list(COLOURS.values())).float() / 127.5 - 1


def hue(images: Tensor) -> Tensor:
    """Colour whose ink is nearest to the mean of the eighth of the pixels with most colour."""
    pixels = images.flatten(2).transpose(1, 2)
    vivid = (pixels.amax(2) - pixels.amin(2)).topk(pixels.shape[1] // 8).indices
    mean = pixels.gather(1, vivid[..., None].expand(-1, -1, 3)).mean(1)
    return torch.cdist(mean, INK).argmin(1)


def measure(folder: str, seed: int, count: int) -> dict[str, dict[str, float]]:
    """Rows of the retagged pictures, and of the pictures as they were."""
    loaded = sg.load(folder)
    size = loaded._run.form.size[0]
    names = loaded._run.form.names[0]
    drawn, labels, known = draw_shapes(count, size, 1_000_003 + seed)
    moved = labels + torch.where(labels % 3 == 2, -2, 1)  # colour varies fastest
    truth, _, _ = draw_shapes(count, size, 1_000_003 + seed, labels=moved)
    targets = torch.tensor([names.index(known[k]) for k in moved.tolist()])
    place = 0  # a name is "colour shape"
    before, wanted = to_images(drawn), to_images(truth)
    made = loaded._run.game.retagged(before, targets, [place])
    error = (before - wanted).square().mean()
    rows = {}
    for name, images in (("another colour", made), ("as it was", before)):
        rows[name] = {
            "hue": float((hue(images) == moved % 3).float().mean()),
            "share": float((images - wanted).square().mean() / error),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="Folder of a run of td_gan on shapes.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=600)
    options = parser.parse_args()
    found = measure(options.run, options.seed, options.count)
    (Path(options.run) / "retagged.json").write_text(json.dumps(found), encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
