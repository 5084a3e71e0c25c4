"""The end of an image run: scores with honest names, grids, interpolation and arithmetic."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from image_core import metrics
from image_core.games.common import to_images
from image_core.games.semi import SemiSupervisedGAN
from image_core.metrics import features
from image_core.metrics.features import Extractor
from image_core.metrics.scores import Score
from image_core.runs import plots
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.table import print_table

if TYPE_CHECKING:
    from image_core.recipes.image.recipe import Run

CURVES = (
    *("D/critic", "D/loss", "G/loss", "D/d_real", "D/d_fake", "D/penalty", "D/e_real"),
    *("D/e_fake", "D/k", "D/convergence", "D/margin", "D/class_accuracy", "D/code_accuracy", "fd"),
)


_KNOWN: dict[tuple[object, ...], Extractor] = {}
"""A study's runs share their data, and so their extractor."""


def extractor(run: "Run") -> Extractor:
    """The feature extractor of the run's scores; a classifier is trained on its training images.

    It is the same for every seed of a run, for only scores of one extractor compare.
    """
    c = run.config
    key = (run.data_fingerprint(), c.extractor, c.inception, run.device)
    if key not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[key] = _make_extractor(run)
    return _KNOWN[key]


def _make_extractor(run: "Run") -> Extractor:
    c, data = run.config, run.train_set
    name = c.extractor
    if name == "auto":
        name = "pixels" if data.labels is None else "clf"
    if name == "clf":
        assert data.labels is not None
        return features.classifier(data.images, data.labels, seed=0, device=run.device)
    if name == "efflite0":
        return features.efficientnet()
    if name == "inception":
        assert c.inception is not None
        return features.inception(c.inception)
    return features.pixels()


def look(run: "Run") -> dict[str, float]:
    """Write a grid of samples and measure a few of them."""
    made = run.draw(min(200, run.config.judge_samples))
    write_grid(run, made[:64], f"round_{run.engine.round:06d}.png")
    some = to_images(run.test_set.images[:200])
    net = extractor(run)
    return {"fd": metrics.frechet(net.of(some), net.of(made))}


def write_report(run: "Run", cpu_seconds: float | None) -> None:
    """Scores of samples and of training images against the unseen, grids, curves, result.json."""
    c = run.config
    with torch.random.fork_rng([]):
        torch.manual_seed(c.seed + 1)
        made = run.draw(min(c.judge_samples, len(run.test_set.images)))
        write_grid(run, run.draw(100), "grid.png")
        write_grid(run, to_images(run.train_set.images[:100]), "real.png")
        write_grid(run, interpolation(run), "interpolation.png", columns=8)
        write_grid(run, arithmetic(run), "arithmetic.png", columns=4)
        order = torch.randperm(len(run.train_set.images))[: len(made)]
    real = to_images(run.train_set.images[order])
    scores = {c.game: judged(run, made), "real": judged(run, real)}
    table = {row: {s.short: s.value for s in found} for row, found in scores.items()}
    if isinstance(run.game, SemiSupervisedGAN):
        table[c.game]["test_accuracy"] = _test_accuracy(run, run.game)
    run.folder.write_result(
        {
            "table": table,
            "scores": {row: [s.as_dict() for s in found] for row, found in scores.items()},
            "extractor_accuracy": extractor(run).accuracy,
            "rounds": run.engine.round,
            "steps": run.engine.steps,
            "seed": c.seed,
            "config": run.as_dict(),
            "cpu_seconds": run.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
            "versions": {"torch": torch.__version__},
        }
    )
    run.folder.plots.mkdir(parents=True, exist_ok=True)
    plots.learning_curves(run.folder.log, run.folder.plots / "learning.png", CURVES)
    net = extractor(run)
    known = "" if net.accuracy is None else f", a classifier right on {net.accuracy:.1%}"
    print_table(
        f"{run.folder.folder}: {len(made)} samples, {len(run.test_set.images)} unseen images, "
        f"features {net.name}@{net.digest[:8]}{known}",
        table,
    )


def judged(run: "Run", images: Tensor) -> list[Score]:
    """Every score that the extractor allows, of samples against unseen images."""
    net, unseen = extractor(run), to_images(run.test_set.images[: run.config.judge_samples])
    learned = to_images(run.train_set.images[: 5 * run.config.judge_samples])
    x, y, train = net.of(images), net.of(unseen), net.of(learned)
    found = {
        "fd": metrics.frechet(y, x),
        "kd": metrics.kernel_subsets(y, x, subsets=20, size=min(len(x), len(y), 1000))[0],
        **metrics.precision_recall(y, x),
        **metrics.density_coverage(y, x),
        **metrics.memorisation(train, y, x),
    }
    if net.classify is not None and run.train_set.labels is not None:
        p = net.probabilities(images)
        share = torch.bincount(run.train_set.labels, minlength=p.shape[1]).double()
        found["is"] = metrics.class_score(p)[0]
        found["mode_score"] = metrics.mode_score(p, share / share.sum())
        found |= metrics.modes_covered(p.argmax(1), p.shape[1])
    resize = "+".join(dict.fromkeys([run.test_set.resize, net.resize]))
    return [
        Score(name, value, net.name, net.digest, resize, len(unseen), len(images))
        for name, value in found.items()
    ]


@torch.no_grad()
def interpolation(run: "Run", rows: int = 8, steps: int = 8) -> Float[Tensor, "N C H W"]:
    """Images along the way from one latent to another, on the sphere for a normal prior."""
    one, other = run.game.inputs(rows), run.game.inputs(rows)[0]
    share = torch.linspace(0, 1, steps, device=other.device).view(1, steps, 1)
    a, b = one[0][:, None], other[:, None]
    if run.game.prior == "normal":
        cosine = torch.nn.functional.cosine_similarity(a, b, dim=2).clamp(-0.999, 0.999)[..., None]
        angle = cosine.acos()
        way = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
    else:
        way = a + share * (b - a)
    labels = [x.repeat_interleave(steps, 0) for x in one[1:]]
    return run.sampler().eval()(way.flatten(0, 1), *labels).cpu()


@torch.no_grad()
def arithmetic(run: "Run", rows: int = 8) -> Float[Tensor, "N C H W"]:
    """Rows of images of a, b, c and a - b + c.

    Where classes are known, a, b and c are mean latents of samples of three classes each, as in
    Radford et al. 2016; else single latents.
    """
    net, inputs = extractor(run), run.game.inputs(500)
    latents = inputs[0]
    if net.classify is not None:
        shown = net.probabilities(run.sampler().eval()(*inputs)).argmax(1)
        kinds = [k for k in shown.unique().tolist() if int((shown == k).sum()) >= 3]
        if len(kinds) >= 3:
            latents = torch.stack(
                [latents[(shown == k).to(latents.device)][:3].mean(0) for k in kinds]
            )
    place = torch.arange(3 * rows).view(rows, 3) % len(latents)
    a, b, c = latents[place].unbind(1)
    all_four = torch.stack([a, b, c, a - b + c], 1).flatten(0, 1)
    labels = [x[: 4 * rows] for x in inputs[1:]]
    return run.sampler().eval()(all_four, *labels).cpu()


def write_grid(run: "Run", images: Float[Tensor, "N C H W"], name: str, columns: int = 0) -> None:
    """A PNG of many images, black to white as -1 to 1."""
    scale = max(1, 64 // images.shape[2])
    write_image_grid(to_colours(images), run.folder.samples / name, scale=scale, columns=columns)


def _test_accuracy(run: "Run", game: SemiSupervisedGAN) -> float:
    images, labels = run.test_set.images.to(run.device), run.test_set.labels
    assert labels is not None
    return float((game.classify(to_images(images)).cpu() == labels).float().mean())
