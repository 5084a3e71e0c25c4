"""How many different pictures a generator draws: the birthday paradox (Arora & Zhang 2017).

    python benchmarks/birthday.py RUN --real IMAGES [--labels FILE] [--batch 100] --out DIR

Two pictures count as one if they are nearer, in features of a classifier of the real ones, than
the nearest pair in one of twenty batches of real pictures. So real pictures hold such a pair in a
share .05 of further batches, and the support of RUN is told relative to theirs. Writes
DIR/result.json and DIR/pairs.png, the nearest pair of each of twenty batches: look at them, since
the classifier's idea of alike is not yours.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from torch import Tensor

import seqgan as sg
from image_core import metrics
from image_core.data.images import Reading, read_images
from image_core.games.common import to_images
from image_core.metrics import features
from image_core.runs.image_grid import to_colours, write_image_grid

SHARE, BATCHES = 0.05, 400


def nearest(found: Tensor, batch: int) -> tuple[Tensor, Tensor]:
    """Distance of the nearest pair in each batch, and the two rows of the pair.

    Args:
        found: Features of all pictures, a multiple of the batch, (N, d).
        batch: Pictures of a batch.
    """
    parts = found.unflatten(0, (-1, batch))
    apart = torch.cdist(parts, parts)
    apart.diagonal(dim1=1, dim2=2).fill_(math.inf)
    least, place = apart.flatten(1).min(1)
    start = torch.arange(len(parts)) * batch
    return least, torch.stack([start + place // batch, start + place % batch], 1)


def batches_of(found: Tensor, batch: int, seed: int) -> Tensor:
    """Features of BATCHES batches, each drawn without replacement."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randperm(len(found), generator=generator)[:batch] for _ in range(BATCHES)]
    return found[torch.cat(rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description="How many different pictures a generator draws.")
    parser.add_argument("run", help="Folder of a trained image run.")
    parser.add_argument("--real", required=True, help="Pictures that the run has not seen.")
    parser.add_argument("--labels", help="File of their labels, where these stand apart.")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = sg.load(options.run)
    form = run._run.form
    how = Reading("--real", form.size, form.channels, labels=options.labels)
    real = read_images(options.real, how)
    assert real.labels is not None
    net = features.classifier(real.images, real.labels)
    of_real = net.of(to_images(real.images))
    near = nearest(batches_of(of_real, options.batch, 0), options.batch)[0].quantile(SHARE)
    drawn = torch.from_numpy(run.sample(BATCHES * options.batch, seed=0))
    rows = {
        "generated": nearest(net.of(to_images(drawn)), options.batch),
        "real again": nearest(batches_of(of_real, options.batch, 1), options.batch),
    }
    shares = {name: float((least < near).float().mean()) for name, (least, _) in rows.items()}
    bounded = {k: min(max(v, 0.5 / BATCHES), 1 - 0.5 / BATCHES) for k, v in shares.items()}
    whole = metrics.birthday_support(SHARE, options.batch)
    table = {
        name: {
            "batches with a pair": shares[name],
            "support of real": metrics.birthday_support(bounded[name], options.batch) / whole,
        }
        for name in rows
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps({"table": table}, indent=1))
    pairs = drawn[rows["generated"][1][:20].flatten()]
    write_image_grid(to_colours(to_images(pairs)), options.out / "pairs.png", scale=2, columns=10)
    print(json.dumps(table))


if __name__ == "__main__":
    main()
