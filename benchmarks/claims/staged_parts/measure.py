"""What a trained image run draws, stage by stage, under one judge.

    python benchmarks/claims/staged_parts/measure.py RUN --judge_data IMAGES --out DIR

The judge is a small classifier of pictures that the run has not seen: half of them teach it, a
quarter is what distances are measured from, the last quarter stands in the generator's place. Its
seed is fixed, so that figures of several runs compare. Writes DIR/result.json.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn

import seqgan as sg
from image_core import metrics
from image_core.data.images import ImageSet, Reading, read_images
from image_core.games.bayesian import BayesianGAN
from image_core.games.common import LatentGame, PriorGame, evaluating, to_images
from image_core.games.latents import turn_vector
from image_core.games.pyramid import PyramidGAN
from image_core.games.semi import SemiSupervisedGAN
from image_core.games.stacked import StackedGAN
from image_core.metrics import features
from image_core.metrics.attributes import slant
from image_core.metrics.features import Extractor
from image_core.nets.laplacian import PyramidGenerator, expanded, halved

SEED, SAMPLES = 100, 2_500
PIXELS = 16
"""Side of the pictures from which noise is read."""

Row = dict[str, float]


class Judge:
    """A classifier of pictures that the run has not seen, and the pictures to measure against.

    Args:
        images: Pictures with their classes.
    """

    def __init__(self, images: ImageSet):
        assert images.labels is not None
        order = torch.randperm(len(images.images), generator=torch.Generator().manual_seed(SEED))
        half, last = len(order) // 2, len(order) * 3 // 4
        learn = images.pick(order[:half])
        assert learn.labels is not None
        self.net: Extractor = features.classifier(learn.images, learn.labels, seed=SEED)
        self.real = to_images(images.images[order[half:last]])
        self.again = to_images(images.images[order[last:]])
        self.classes = images.labels[order[last:]]

    def row(self, images: Tensor, classes: Tensor | None = None) -> Row:
        """Distance of pictures from real ones, and how many are of the class that was asked for."""
        found: Row = {"fd": metrics.frechet(self.net.of(self.real), self.net.of(images))}
        if classes is not None:
            named = self.net.probabilities(images).argmax(1)
            found["accuracy"] = float((named == classes).float().mean())
            own, real = (deviation(*x) for x in ((images, classes), (self.again, self.classes)))
            found["deviation of real"] = own / real
        return found


def deviation(images: Tensor, classes: Tensor) -> float:
    """Deviation of a pixel in [0, 1] within a class, the mean over pixels and classes."""
    inside = [((images[classes == k] + 1) / 2).std(0).mean() for k in classes.unique()]
    return float(torch.stack(inside).mean())


def read_noise(images: Tensor, noise: Tensor) -> float:
    """R^2 of the noise as a ridge regression reads it off other pictures than it learned from."""
    x = nn.functional.adaptive_avg_pool2d(images, PIXELS).flatten(1).double()
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    half, z = len(x) // 2, noise.double()
    gram = x[:half].T @ x[:half] + 1e-2 * half * torch.eye(x.shape[1], dtype=x.dtype)
    left = z[half:] - x[half:] @ torch.linalg.solve(gram, x[:half].T @ z[:half])
    return 1 - float(left.square().mean() / (z[half:] - z[half:].mean(0)).square().mean())


def drawn(game: LatentGame, generator: nn.Module, count: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Pictures, and what the generator was called with."""
    inputs = game.inputs(count)
    chunks = zip(*(x.split(500) for x in inputs))
    with torch.no_grad(), evaluating(generator):
        return torch.cat([shown(game.render(generator, *some)) for some in chunks]), inputs


def shown(images: Tensor) -> Tensor:
    """Images as a file would hold them."""
    return images.clamp(-1, 1)


def of_pyramid(game: PyramidGAN, generator: PyramidGenerator, judge: Judge) -> dict[str, Row]:
    """Each level after the smallest: blurred pictures, and the same with their band."""
    real = judge.again
    z, *planes = game.inputs(len(real))
    rows: dict[str, Row] = {}
    with torch.no_grad(), evaluating(generator):
        small = real
        for _ in generator.bands:
            small = halved(small)
        starts = {"drawn": generator.coarse(z), "real": small}
        for name, images in starts.items():
            for band, plane in zip(generator.bands, planes, strict=True):
                blurred = expanded(images)
                images = blurred + band(plane, blurred)
            before, after = judge.row(shown(blurred)), judge.row(shown(images))
            after["fd of blurred"] = after["fd"] / before["fd"]
            rows |= {f"{name} small, blurred": before, f"{name} small, sharpened": after}
        same = blurred[:1].expand(200, -1, -1, -1)
        over = generator.bands[-1](planes[-1][:200], same)
    rows["drawn small, sharpened"]["noise"] = float(over.std(0).mean())
    return rows


def of_stacked(game: StackedGAN, generator: nn.Module, judge: Judge) -> dict[str, Row]:
    """Pictures of wanted classes, and what of their noise can be read off them."""
    images, (noise, classes) = drawn(game, generator, SAMPLES)
    lower = noise[:, game.G.upper_noise :]
    inside = [read_noise(images[classes == k], lower[classes == k]) for k in classes.unique()]
    read = {"noise read": sum(inside) / len(inside)}
    return {"generated": judge.row(images, classes.cpu()) | read}


def of_ensemble(game: BayesianGAN, generator: nn.Module, judge: Judge) -> dict[str, Row]:
    """Digits that all generators together draw, and each alone: a hundredth of a member's or more.

    A member of the discriminators is as right as `accuracy` of its row, all of them as that of all.
    """
    rows: dict[str, Row] = {}
    shares = []
    for i, member in enumerate(game.G.members):
        with torch.no_grad(), evaluating(member):
            images = torch.cat([shown(member(z)) for z in game.draw(SAMPLES // 5).split(250)])
        named = judge.net.probabilities(images).argmax(1)
        shares.append(torch.bincount(named, minlength=10) / len(named))
        rows[f"generator {i}"] = judge.row(images) | {"digits": float((shares[-1] > 0.01).sum())}
    union = torch.stack(shares).mean(0)
    images, _ = drawn(game, generator, SAMPLES)
    rows["generated"] = judge.row(images) | {"digits": float((union > 0.01).sum())}
    return rows


def of_run(folder: str) -> dict[str, Row]:
    """What the run's own report says, such as how many test pictures its discriminators name."""
    table = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))["table"]
    return {"by its own report": next(iter(table.values()))}


def of_plain(game: PriorGame, generator: nn.Module, judge: Judge) -> dict[str, Row]:
    """The turn vector of slant, and a random direction of its length."""
    images, (z, *_) = drawn(game, generator, 4_000)
    rows = {"generated": judge.row(images[:SAMPLES])}
    way = turn_vector(z, slant((images + 1) / 2), 200)
    other = torch.randn_like(way)
    other *= way.norm() / other.norm()
    fresh = game.draw(500)
    with torch.no_grad(), evaluating(generator):
        still = judge.net.probabilities(generator(fresh)).argmax(1)
        for name, direction in (("turned", way), ("turned at random", other)):
            for share in (-1.0, -0.5, 0.0, 0.5, 1.0):
                moved = shown(generator(fresh + share * direction))
                kept = (judge.net.probabilities(moved).argmax(1) == still).float().mean()
                leaning = float(slant((moved + 1) / 2).mean())
                rows[f"{name} by {share:g}"] = {"slant": leaning, "class kept": float(kept)}
    own, random = (
        abs(rows[f"{name} by 1"]["slant"] - rows[f"{name} by -1"]["slant"])
        for name in ("turned", "turned at random")
    )
    rows["turned by 1"]["of random"] = own / random
    return rows


def measure(folder: str, judge: Judge) -> dict[str, Row]:
    """The rows of a run."""
    torch.manual_seed(SEED)
    run = sg.load(folder)._run
    game, generator = run.game.eval(), run.sampler().eval()
    real = {"real again": judge.row(judge.again, judge.classes)}
    if isinstance(game, PyramidGAN):
        return of_pyramid(game, generator, judge) | real
    if isinstance(game, StackedGAN):
        return of_stacked(game, generator, judge) | real
    if isinstance(game, BayesianGAN):
        return of_ensemble(game, generator, judge) | of_run(folder) | real
    if isinstance(game, SemiSupervisedGAN):
        return of_run(folder) | real
    return of_plain(game, generator, judge) | real


def main() -> None:
    parser = argparse.ArgumentParser(description="A trained image run under one judge.")
    parser.add_argument("run", help="Folder of a trained run.")
    parser.add_argument("--judge_data", required=True, help="Pictures that the run has not seen.")
    parser.add_argument("--judge_labels", help="File of their labels, where these stand apart.")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    form = sg.load(options.run)._run.form
    how = Reading("--judge_data", form.size, form.channels, labels=options.judge_labels)
    table = measure(options.run, Judge(read_images(options.judge_data, how)))
    options.out.mkdir(parents=True, exist_ok=True)
    found = json.dumps({"table": table}, indent=1)
    (options.out / "result.json").write_text(found, encoding="utf-8")


if __name__ == "__main__":
    main()
