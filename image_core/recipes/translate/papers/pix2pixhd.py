"""pix2pixHD (Wang et al. 2018): label maps to pictures, coarse to fine, at several scales.

Red of a picture of A is the number of a pixel's class, green that of its object. There is no VGG
loss; with --looks a network reads the looks of objects from the true pictures, and they are drawn
afterwards.
"""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.stream import Data
from image_core.data.domains import Domains
from image_core.games.coarse import CoarseToFineGAN
from image_core.nets.enhancer import Enhancer, LabelPlanes
from image_core.nets.looks import ObjectLooks
from image_core.nets.translator import Translator
from image_core.recipes.translate.build import (
    adversarial,
    check_side,
    domain_data,
    falls,
    form,
    limits,
    patches,
    player,
    same_side,
)
from image_core.recipes.translate.config import AdamOfAll, PairedOptions, TranslatorOptions
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "data", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll, PairedOptions, TranslatorOptions):
    """pix2pixHD.

    Args:
        classes: Number of classes of the label maps, that of the ground included.
        coarse_rounds: Rounds of the game of half the size, before the others.
        enhancer_rounds: Rounds in which the layers of the whole size learn alone, before --rounds.
        enhancer_blocks: Residual blocks of the layers of the whole size; 3 in the paper.
        looks: Numbers that say how an object looks; 3 in the paper, 0 = none.
    """

    domains: str = "mosaics"
    loss: str = "least_squares"
    reconstruction: float = 0.0
    feature_matching: float = 40.0
    scales: int = 2
    classes: int = 11
    coarse_rounds: int = 500
    enhancer_rounds: int = 100
    enhancer_blocks: int = 1
    looks: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 2, "classes")
        options.check_least(self, 0, "coarse_rounds", "enhancer_rounds", "enhancer_blocks", "looks")


MOST = 1_000
"""Training pictures whose objects' looks are kept."""

PRESETS = {"tiny": {"g_width": 2, "coarse_rounds": 1, "enhancer_rounds": 1, "blocks": 1}}


def game(o: Options, domains: Domains) -> CoarseToFineGAN:
    """The game of a run's options.

    Raises:
        UserError: A holds no label maps.
    """
    if form(domains.a)[0] != 3 or domains.a.resize != "none":
        raise UserError(
            "--paper pix2pixhd reads label maps in A: red is the number of a class, green that of "
            "an object; give three colours, and --size 0, since scaled numbers name no class"
        )
    side, out = same_side(domains.a, domains.b), form(domains.b)[0]
    check_side(side, 2 << o.halvings, f"--halvings {o.halvings}")
    planes = LabelPlanes(o.classes)
    read, norm = planes.planes, o.generator_norm
    given = read + o.looks
    coarse = Translator(given, out, 2 * o.g_width, o.halvings, o.blocks, norm)
    return CoarseToFineGAN(
        planes,
        Enhancer(coarse, given, out, o.g_width, o.enhancer_blocks, norm),
        patches(o, read + out, side // 2),
        patches(o, read + out, side),
        looks=_looks(o, out),
        adversarial=o.adversarial,
        reconstruction=o.reconstruction,
        feature_matching=o.feature_matching,
        **adversarial(o),
    )


def _looks(o: Options, channels: int) -> ObjectLooks | None:
    if not o.looks:
        return None
    net = Translator(channels, o.looks, o.g_width, o.halvings, 0, o.generator_norm)
    return ObjectLooks(net, o.looks, o.classes)


def players(o: Options) -> list[Player]:
    """Generator and discriminator of half the size, the layers around, and those of the whole."""
    rounds = {
        "G1": o.coarse_rounds,
        "D1": o.coarse_rounds * o.d_steps,
        "E": o.enhancer_rounds,
        "G": o.rounds,
        "D": (o.enhancer_rounds + o.rounds) * o.d_steps,
    }
    made = [player(o, name, o.d_lr if name[0] == "D" else o.g_lr) for name in rounds]
    return [own._replace(schedule=falls(o, rounds[own.name])) for own in made]


def phases(run: Any) -> list[Phase]:
    """Half the size; the layers around it alone; all. Looks to draw are those of the moment."""
    o, made = run.config, []

    def look() -> dict[str, float]:
        if o.looks:
            known = run.sets.train
            run.game.remember_looks(known.a.images[:MOST], known.b.images[:MOST])
        return run.look()

    for name, turns, rounds in (
        ("coarse", run.game.coarse_turns(), o.coarse_rounds),
        ("enhancer", run.game.fine_turns("E"), o.enhancer_rounds),
        ("adversarial", run.game.fine_turns("G"), o.rounds),
    ):
        if rounds:
            made.append(Phase(name, turns, rounds, look, o.evaluate_every, limits=limits(o)))
    return made


def data(o: Options, domains: Domains) -> Data:
    """Pairs of label maps and pictures.

    Raises:
        UserError: The label maps hold more classes than are named.
    """
    most = int(domains.a.images[:, 0].max())
    if most >= o.classes:
        raise UserError(
            f"the label maps of A name class {most}, and --classes {o.classes} ends at "
            f"{o.classes - 1}; give --classes {most + 1}"
        )
    return domain_data(o, domains)
