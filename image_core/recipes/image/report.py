"""The end of an image run: scores with honest names, grids, interpolation and arithmetic."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core import metrics
from image_core.data.images import ImageSet
from image_core.games.common import ImageGame, LatentGame, to_images
from image_core.games.semi import SemiSupervisedGAN
from image_core.metrics import features
from image_core.metrics.features import Extractor
from image_core.metrics.scores import Score
from image_core.recipes.image.config import ImageOptions
from image_core.runs import plots
from image_core.runs.folder import RunFolder
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.table import print_table

CURVES = (
    *("D/adversarial", "D/loss", "G/loss", "D/d_real", "D/d_fake", "D/penalty", "D/e_real"),
    *("D/e_fake", "D/k", "D/convergence", "D/margin", "D/class_accuracy", "D/code_accuracy", "fd"),
)


class ImageSubject(NamedTuple):
    """What of a run its report measures.

    Args:
        config: Options of the run.
        title: The paper's, as tables print it.
        folder: Where everything is written.
        train_set: Images that were learned from.
        test_set: Images that nothing has seen.
        fingerprint: A number that changes with the images.
        device: Where the game is.
        game: The game that is played.
        sampler: The generator that is measured, from what the game's `inputs` gives.
        draw: Gives so many of the sampler's images, in [-1, 1].
        rounds: Rounds played so far.
        steps: Optimizer steps of each player.
    """

    config: ImageOptions
    title: str
    folder: RunFolder
    train_set: ImageSet
    test_set: ImageSet
    fingerprint: int
    device: torch.device
    game: ImageGame
    sampler: nn.Module
    draw: Callable[[int], Tensor]
    rounds: int
    steps: Mapping[str, int]


_KNOWN: dict[tuple[object, ...], Extractor] = {}
"""A study's runs share their data, and so their extractor."""


def extractor(subject: ImageSubject) -> Extractor:
    """The feature extractor of the run's scores; a classifier is trained on its training images.

    It is the same for every seed of a run, for only scores of one extractor compare.
    """
    c = subject.config
    key = (subject.fingerprint, c.extractor, c.inception, subject.device)
    if key not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[key] = _make_extractor(subject)
    return _KNOWN[key]


def _make_extractor(subject: ImageSubject) -> Extractor:
    c, data = subject.config, subject.train_set
    name = c.extractor
    if name == "auto":
        name = "pixels" if data.labels is None else "clf"
    if name == "clf":
        assert data.labels is not None
        return features.classifier(data.images, data.labels, seed=0, device=subject.device)
    if name == "efflite0":
        return features.efficientnet()
    if name == "inception":
        assert c.inception is not None
        return features.inception(c.inception)
    return features.pixels()


def look(subject: ImageSubject) -> dict[str, float]:
    """Write a grid of samples and measure a few of them."""
    made = subject.draw(min(200, subject.config.eval_samples))
    write_grid(subject, made[:64], f"round_{subject.rounds:06d}.png")
    some = to_images(subject.test_set.images[:200])
    net = extractor(subject)
    return {"fd": metrics.frechet(net.of(some), net.of(made))}


def write_report(subject: ImageSubject, cpu_seconds: float | None) -> None:
    """Scores of samples and of training images against the unseen, grids, curves, result.json.

    Args:
        subject: A run at its end.
        cpu_seconds: CPU time of the training in this process; None keeps what `result.json` says.
    """
    c = subject.config
    with torch.random.fork_rng([]):
        torch.manual_seed(c.seed + 1)
        made = subject.draw(min(c.eval_samples, len(subject.test_set.images)))
        write_grid(subject, subject.draw(100), "grid.png")
        write_grid(subject, to_images(subject.train_set.images[:100]), "real.png")
        if isinstance(subject.game, LatentGame):
            walk = interpolation(subject, subject.game)
            write_grid(subject, walk, "interpolation.png", columns=8)
            write_grid(subject, arithmetic(subject, subject.game), "arithmetic.png", columns=4)
        order = torch.randperm(len(subject.train_set.images))[: len(made)]
    real = to_images(subject.train_set.images[order])
    scores = {subject.title: scores_of(subject, made), "real": scores_of(subject, real)}
    table = {row: {s.short: s.value for s in found} for row, found in scores.items()}
    if isinstance(subject.game, SemiSupervisedGAN):
        table[subject.title]["test_accuracy"] = _test_accuracy(subject, subject.game)
    subject.folder.write_result(
        {
            "table": table,
            "scores": {row: [s.as_dict() for s in found] for row, found in scores.items()},
            "extractor_accuracy": extractor(subject).accuracy,
            "rounds": subject.rounds,
            "steps": subject.steps,
            "seed": c.seed,
            "config": asdict(c),
            "cpu_seconds": subject.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
            "versions": {"torch": torch.__version__},
        }
    )
    subject.folder.plots.mkdir(parents=True, exist_ok=True)
    plots.learning_curves(subject.folder.log, subject.folder.plots / "learning.png", CURVES)
    net = extractor(subject)
    known = "" if net.accuracy is None else f", a classifier right on {net.accuracy:.1%}"
    print_table(
        f"{subject.folder.folder}: {len(made)} samples, {len(subject.test_set.images)} unseen "
        f"images, features {net.name}@{net.digest[:8]}{known}",
        table,
    )


def scores_of(subject: ImageSubject, images: Tensor) -> list[Score]:
    """Every score that the extractor allows, of samples against unseen images."""
    net, most = extractor(subject), subject.config.eval_samples
    unseen = to_images(subject.test_set.images[:most])
    learned = to_images(subject.train_set.images[: 5 * most])
    x, y, train = net.of(images), net.of(unseen), net.of(learned)
    found = {
        "fd": metrics.frechet(y, x),
        "kd": metrics.kernel_subsets(y, x, subsets=20, size=min(len(x), len(y), 1000))[0],
        **metrics.precision_recall(y, x),
        **metrics.density_coverage(y, x),
        **metrics.memorisation(train, y, x),
    }
    if net.classify is not None and subject.train_set.labels is not None:
        p = net.probabilities(images)
        share = torch.bincount(subject.train_set.labels, minlength=p.shape[1]).double()
        found["is"] = metrics.class_score(p)[0]
        found["mode_score"] = metrics.mode_score(p, share / share.sum())
        found |= metrics.modes_covered(p.argmax(1), p.shape[1])
    resize = "+".join(dict.fromkeys([subject.test_set.resize, net.resize]))
    return [
        Score(name, value, net.name, net.digest, resize, len(unseen), len(images))
        for name, value in found.items()
    ]


@torch.no_grad()
def interpolation(
    subject: ImageSubject, game: LatentGame, rows: int = 8, steps: int = 8
) -> Float[Tensor, "N C H W"]:
    """Images along the way from one latent to another, on the sphere for a normal prior."""
    one, other = game.inputs(rows), game.inputs(rows)[0]
    share = torch.linspace(0, 1, steps, device=other.device).view(1, steps, 1)
    a, b = one[0][:, None], other[:, None]
    if game.prior == "normal":
        cosine = torch.nn.functional.cosine_similarity(a, b, dim=2).clamp(-0.999, 0.999)[..., None]
        angle = cosine.acos()
        way = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
    else:
        way = a + share * (b - a)
    labels = [x.repeat_interleave(steps, 0) for x in one[1:]]
    return subject.sampler.eval()(way.flatten(0, 1), *labels).cpu()


@torch.no_grad()
def arithmetic(subject: ImageSubject, game: LatentGame, rows: int = 8) -> Float[Tensor, "N C H W"]:
    """Rows of images of a, b, c and a - b + c.

    Where classes are known, a, b and c are mean latents of samples of three classes each, as in
    Radford et al. 2016; else single latents.
    """
    net, inputs = extractor(subject), game.inputs(500)
    latents = inputs[0]
    if net.classify is not None:
        shown = net.probabilities(subject.sampler.eval()(*inputs)).argmax(1)
        kinds = [k for k in shown.unique().tolist() if int((shown == k).sum()) >= 3]
        if len(kinds) >= 3:
            latents = torch.stack(
                [latents[(shown == k).to(latents.device)][:3].mean(0) for k in kinds]
            )
    place = torch.arange(3 * rows).view(rows, 3) % len(latents)
    a, b, c = latents[place].unbind(1)
    all_four = torch.stack([a, b, c, a - b + c], 1).flatten(0, 1)
    labels = [x[: 4 * rows] for x in inputs[1:]]
    return subject.sampler.eval()(all_four, *labels).cpu()


def write_grid(
    subject: ImageSubject, images: Float[Tensor, "N C H W"], name: str, columns: int = 0
) -> None:
    """A PNG of many images, black to white as -1 to 1."""
    scale, file = max(1, 64 // images.shape[2]), subject.folder.samples / name
    write_image_grid(to_colours(images), file, scale=scale, columns=columns)


def _test_accuracy(subject: ImageSubject, game: SemiSupervisedGAN) -> float:
    images, labels = subject.test_set.images.to(subject.device), subject.test_set.labels
    assert labels is not None
    return float((game.classify(to_images(images)).cpu() == labels).float().mean())
