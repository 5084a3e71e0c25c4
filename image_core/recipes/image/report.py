"""The end of an image run: scores with honest names, grids, interpolation and arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core import metrics
from image_core.games.bayesian import BayesianGAN
from image_core.games.common import ImageGame, PriorGame, to_images
from image_core.games.latents import interpolate
from image_core.games.semi import SemiSupervisedGAN
from image_core.recipes.image.build import objective
from image_core.recipes.image.config import ImageOptions
from image_core.recipes.image.data import Sets
from image_core.recipes.image.measure import REDRAWS, Ruler, discrimination, some
from image_core.runs import plots
from image_core.runs.folder import RunFolder
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.run_page import told_facts, write_page
from image_core.runs.table import print_table

CURVES = (
    *("D/adversarial", "D/loss", "G/loss", "D/d_real", "D/d_fake", "D/penalty", "D/e_real"),
    *("D/e_fake", "D/k", "D/convergence", "D/margin", "D/class_accuracy", "D/code_accuracy", "fd"),
    *("d_auc", "d_accuracy"),
)
AGAIN = "real again"
"""Row of held-out real images in the generator's place."""
OVER = f"held-out images in the generator's place, {REDRAWS} draws of which those are"
PICTURES = {
    "Samples of the generator": "grid.png",
    "Real images to learn from": "real.png",
    "From the latent on the left to that on the right": "interpolation.png",
    "Latents a, b, c and a - b + c": "arithmetic.png",
    "Curves of the log": "learning.png",
}
"""File of each picture of the report, by its caption."""
LOOKED = 200
"""Most images of either kind that the log measures with."""


class ImageSubject(NamedTuple):
    """What of a run its report measures.

    Args:
        config: Options of the run.
        title: The paper's, as tables print it.
        folder: Where everything is written.
        sets: Images learned from, of the log, and of the report.
        ruler: Gives what scores are made with.
        device: Where the game is.
        game: The game that is played.
        sampler: The generator that is measured, from what the game's `inputs` gives.
        draw: Gives so many of the sampler's images, in [-1, 1].
        alarms: Sentences on signs of collapse.
        rounds: Rounds played so far.
        steps: Optimizer steps of each player.
    """

    config: ImageOptions
    title: str
    folder: RunFolder
    sets: Sets
    ruler: Callable[[], Ruler]
    device: torch.device
    game: ImageGame
    sampler: nn.Module
    draw: Callable[[int], Tensor]
    alarms: Sequence[str]
    rounds: int
    steps: Mapping[str, int]


def look(subject: ImageSubject) -> dict[str, float]:
    """Write a grid of samples and measure a few of them, with images that the report leaves.

    The grid is of the same latents each time, so that the grids of a run make a film.
    """
    most = min(LOOKED, subject.config.eval_samples)
    made, valid = subject.draw(most), some(subject.sets.valid, most)
    with torch.random.fork_rng():
        torch.manual_seed(subject.config.seed)
        write_grid(subject, subject.draw(min(most, 64)), f"round_{subject.rounds:06d}.png")
    net = subject.ruler().net
    fd = metrics.frechet(net.of(to_images(valid.images)), net.of(made))
    c = subject.config
    return {"fd": fd, **discrimination(subject.game, valid, c.seed, diagnose=c.diagnose)}


def write_report(subject: ImageSubject, cpu_seconds: float | None) -> None:
    """Scores of samples and of real images in their place, grids, curves, result.json.

    Args:
        subject: A run at its end.
        cpu_seconds: CPU time of the training in this process; None keeps what `result.json` says.
    """
    c, ruler = subject.config, subject.ruler()
    with torch.random.fork_rng([]):
        torch.manual_seed(c.seed + 1)
        made = subject.draw(ruler.count)
        _write_grids(subject)
    again = ruler.real_again
    rows = {subject.title: ruler.measure(made), AGAIN: again.scores}
    counts = {subject.title: len(made), AGAIN: len(ruler.again.x)}
    scores = {row: ruler.scores(found, counts[row]) for row, found in rows.items()}
    table = {row: {s.short: s.value for s in found} for row, found in scores.items()}
    short = {score.measure: score.short for score in scores[AGAIN]}
    interval = {short[name]: [again.low[name], again.high[name]] for name in again.low}
    table[subject.title] |= _test_accuracy(subject)
    test = some(subject.sets.test, c.eval_samples)
    table[subject.title] |= subject.game.own_scores(test.images)
    told = objective(c, subject.game)
    judged = discrimination(subject.game, test, c.seed, diagnose=c.diagnose)
    subject.folder.write_result(
        {
            "table": table,
            "intervals": {AGAIN: interval, "over": OVER},
            "objective": told,
            "discriminator": judged,
            "data": subject.sets.facts,
            "scores": {row: [s.as_dict() for s in found] for row, found in scores.items()},
            "extractor_accuracy": ruler.net.accuracy,
            "alarms": list(subject.alarms),
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
    notes = [
        f"{heading(subject, told)}.",
        f"{AGAIN}: held-out real images in the generator's place; its intervals are of 95 %, over "
        f"{OVER}.",
        "Discriminator on held-out images: "
        + (", ".join(f"{name} {value:.3f}" for name, value in judged.items()) or "not one alone")
        + " (an AUC of 0.5 is chance).",
        *told_facts(subject.sets.facts),
    ]
    write_page(
        subject.folder.html,
        f"{subject.title} on {c.data}",
        facts=asdict(c),
        table=table,
        intervals={AGAIN: interval},
        notes=notes,
        pictures={
            caption: (subject.folder.plots if file == "learning.png" else subject.folder.samples)
            / file
            for caption, file in PICTURES.items()
        },
    )
    _print(subject, table, interval, told)


def _write_grids(subject: ImageSubject) -> None:
    write_grid(subject, subject.draw(100), "grid.png")
    write_grid(subject, to_images(some(subject.sets.train, 100).images), "real.png")
    if isinstance(subject.game, PriorGame):
        walk = interpolation(subject, subject.game)
        write_grid(subject, walk, "interpolation.png", columns=8)
        write_grid(subject, arithmetic(subject, subject.game), "arithmetic.png", columns=4)


def _print(
    subject: ImageSubject,
    table: Mapping[str, Mapping[str, float]],
    interval: Mapping[str, Sequence[float]],
    told: Mapping[str, str],
) -> None:
    ends = {name: f"{low:.3f} - {high:.3f}" for name, (low, high) in interval.items()}
    print_table(
        f"{subject.folder.folder}: {heading(subject, told)}; {AGAIN}: {OVER}",
        {**table, f"{AGAIN}, 95 %": ends},
    )


def heading(subject: ImageSubject, told: Mapping[str, str]) -> str:
    """What the figures of a table were made with."""
    net, count = subject.ruler().net, subject.ruler().count
    known = "" if net.accuracy is None else f", a classifier right on {net.accuracy:.1%}"
    parts = "".join(f", {name} {value}" for name, value in told.items())
    return (
        f"{count} samples of one seed{parts}, against {count} test images, features "
        f"{net.name}@{net.digest[:8]}{known}"
    )


@torch.no_grad()
def interpolation(
    subject: ImageSubject, game: PriorGame, rows: int = 8, steps: int = 8
) -> Float[Tensor, "N C H W"]:
    """Images along the way from one latent to another, on the sphere for a normal prior."""
    one, other = game.inputs(rows), game.inputs(rows)[0]
    share = torch.linspace(0, 1, steps, device=other.device).view(1, steps, 1)
    way = interpolate(one[0][:, None], other[:, None], share, game.prior)
    labels = [x.repeat_interleave(steps, 0) for x in one[1:]]
    return subject.sampler.eval()(way.flatten(0, 1), *labels).cpu()


@torch.no_grad()
def arithmetic(subject: ImageSubject, game: PriorGame, rows: int = 8) -> Float[Tensor, "N C H W"]:
    """Rows of images of a, b, c and a - b + c.

    Where classes are known, a, b and c are mean latents of samples of three classes each, as in
    Radford et al. 2016; else single latents.
    """
    net, inputs = subject.ruler().net, game.inputs(500)
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


def _test_accuracy(subject: ImageSubject) -> dict[str, float]:
    """How often the discriminator names a test image rightly; of several, also their mean."""
    game, labels = subject.game, subject.sets.test.labels
    if labels is None or not isinstance(game, SemiSupervisedGAN | BayesianGAN):
        return {}
    images = to_images(subject.sets.test.images.to(subject.device))
    if isinstance(game, SemiSupervisedGAN):
        return {"test_accuracy": float((game.classify(images).cpu() == labels).float().mean())}
    if not game.labelled:
        return {}
    each = game.probabilities(images).cpu()
    return {
        "test_accuracy": float((each.mean(0).argmax(1) == labels).float().mean()),
        "member_accuracy": float((each.argmax(2) == labels).float().mean()),
    }
