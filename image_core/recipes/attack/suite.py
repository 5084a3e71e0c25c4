"""Every attack on one classifier, and what it leaves."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial import attacks
from image_core.adversarial.attacks.descent import draw_in_ball
from image_core.adversarial.attacks.victim import Victim
from image_core.adversarial.engine import Engine
from image_core.games.perturbation import AdvGAN
from image_core.metrics.intervals import wilson
from image_core.nets.perturbation import PerturbationNet
from image_core.nets.sndcgan import sndcgan
from image_core.recipes.attack.config import WITHIN, AttackOptions

Attack = Callable[[Tensor, Tensor], Tensor]
"""(images, classes) -> changed images."""


class Attacked(NamedTuple):
    """What the attacks leave of one classifier.

    Args:
        table: Figures by row.
        intervals: 95 % intervals over images, by row and figure.
        changed: First images after each attack, by row.
    """

    table: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, tuple[float, float]]]
    changed: dict[str, Tensor]


class Known(NamedTuple):
    """Images that an attack may learn from.

    Args:
        images: Images in the victim's range, (N, C, H, W).
        classes: Classes, (N,).
    """

    images: Float[Tensor, "N C H W"]
    classes: Int64[Tensor, " N"]


def measure(
    victim: Victim,
    images: Float[Tensor, "N C H W"],
    classes: Int64[Tensor, " N"],
    learn: Known,
    c: AttackOptions,
    shown: int = 8,
) -> Attacked:
    """Attack images that the victim gets right, by every attack and by its control.

    Args:
        victim: Classifier.
        images: Images to attack, (N, C, H, W).
        classes: Classes of the images, (N,).
        learn: Images for the attacks that learn.
        c: Options.
        shown: Number of changed images to return.
    """
    rows = Attacked({}, {}, {"clean": images[:shown]})
    for name, attack in suite(victim, learn, c).items():
        torch.manual_seed(c.seed)
        began = time.process_time()
        changed = torch.cat(
            [attack(x, y) for x, y in zip(images.split(c.batch), classes.split(c.batch))]
        )
        seconds = time.process_time() - began
        left = float((victim.classify(changed) == classes).float().mean())
        away = (changed - images).flatten(1)
        rows.table[name] = {
            "accuracy": left,
            "mean_l2": float(away.norm(dim=1).mean()),
            "max_linf": float(away.abs().max()),
            "max_l1": float(away.abs().sum(1).max()),
            "cpu_seconds": seconds,
        }
        rows.intervals[name] = {"accuracy": wilson(left, len(images))}
        rows.changed[name] = changed[:shown]
    return rows


def suite(victim: Victim, learn: Known, c: AttackOptions) -> Mapping[str, Attack]:
    """The attacks by row; each radius has its control, a random change as long.

    Args:
        victim: Classifier.
        learn: Images for the attacks that learn.
        c: Options.
    """
    found: dict[str, Attack] = {}
    radii = c.radii() if set(c.names()) & set(WITHIN) else []
    for r in radii:
        found[f"control: random, {c.norm} {r:g}"] = _random(victim, r, c)
    for name in c.names():
        if name not in WITHIN:
            found[name] = _nearest(victim, name)
            continue
        for r in radii:
            norm = "linf" if name in ("fgsm", "advgan") else c.norm
            found[f"{name}, {norm} {r:g}"] = _within(victim, name, r, learn, c)
    return found


def _within(victim: Victim, name: str, r: float, learn: Known, c: AttackOptions) -> Attack:
    if name == "fgsm":
        return lambda x, y: attacks.fgsm(victim, x, y, r)
    if name == "pgd":
        return lambda x, y: attacks.pgd(
            victim,
            x,
            y,
            r,
            norm=c.norm,  # type: ignore[arg-type]
            steps=c.steps,
            restarts=c.restarts,
        )
    if name == "advgan":
        return _advgan(victim, r, learn, c)
    some = learn.images[:1000], learn.classes[:1000]
    torch.manual_seed(c.seed)
    rate = 2 * r / 30
    v = attacks.universal(victim, *some, r, norm=c.norm, rate=rate)  # type: ignore[arg-type]
    return lambda x, y: (x + v).clamp(victim.low, victim.high)


def _nearest(victim: Victim, name: str) -> Attack:
    if name == "deepfool":
        return lambda x, y: attacks.deepfool(victim, x)
    if name == "one_pixel":
        return lambda x, y: attacks.one_pixel(victim, x, y)
    return lambda x, y: attacks.carlini_wagner(
        victim, x, y, steps=150, rounds=5, rate=0.05, weight=0.1
    )


def _random(victim: Victim, r: float, c: AttackOptions) -> Attack:
    """Random changes at the border of the ball."""

    def act(x: Tensor, y: Tensor) -> Tensor:
        if c.norm == "linf":
            return (x + r * torch.randn_like(x).sign()).clamp(victim.low, victim.high)
        away = draw_in_ball(x, 1.0, c.norm)  # type: ignore[arg-type]
        p = 1 if c.norm == "l1" else 2
        length = away.flatten(1).norm(p=p, dim=1).view(-1, 1, 1, 1)
        return (x + r * away / length).clamp(victim.low, victim.high)

    return act


def _advgan(victim: Victim, r: float, learn: Known, c: AttackOptions) -> Attack:
    """A generator of changes that has learned on the training images."""
    module = victim.logits
    assert isinstance(module, nn.Module)
    torch.manual_seed(c.seed)
    channels, side = learn.images.shape[1:3]
    _, D = sndcgan(int(side), int(channels), 8, width=0.25)
    middle, half = (victim.high + victim.low) / 2, (victim.high - victim.low) / 2
    game = AdvGAN(
        PerturbationNet(int(channels)),
        nn.Sequential(Centred(middle, half), D),
        module,
        r,
        low=victim.low,
        high=victim.high,
    ).to(learn.images.device)
    draw = torch.Generator().manual_seed(c.seed)

    def batch(index: int) -> dict[str, Tensor]:
        rows = torch.randint(len(learn.images), (64,), generator=draw).to(learn.images.device)
        return {"x": learn.images[rows], "y": learn.classes[rows]}

    adam = lambda ps: torch.optim.Adam(ps, lr=1e-3)  # noqa: E731
    Engine(game, {"D": adam, "G": adam}).run(batch, c.train_steps)
    game.eval()
    return lambda x, y: _detached(game, x)


@torch.no_grad()
def _detached(game: AdvGAN, x: Tensor) -> Tensor:
    return game.changed(x)


class Centred(nn.Module):
    """Images in a range to images in [-1, 1]: (x - middle) / half.

    Args:
        middle: Middle of the range.
        half: Half of its width.
    """

    def __init__(self, middle: float, half: float):
        super().__init__()
        self.middle, self.reach = middle, half

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        return (images - self.middle) / self.reach
