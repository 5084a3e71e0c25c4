"""A run as its report sees it, and what its game makes of held-out pictures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from image_core.games.translation import Direction, DomainGame, TranslationGame
from image_core.recipes.translate.config import TranslateOptions
from image_core.recipes.translate.data import DomainSets
from image_core.recipes.translate.measure import (
    ENDS,
    DomainRuler,
    Examples,
    Scored,
    discrimination,
    examples,
    neighbours,
    round_trip,
)
from image_core.runs import options
from image_core.runs.folder import RunFolder
from image_core.runs.image_grid import to_colours, write_image_grid

SHOWN = 10
"""Pictures in a row of a grid: what is translated, the translations, and the true ones."""


class TranslateSubject(NamedTuple):
    """What of a run its report measures.

    Args:
        config: Options of the run.
        title: Title of the paper, as tables print it.
        folder: Folder where everything is written.
        sets: Domains learned from, of the log, and of the report.
        ruler: Function that gives the measures of the domain "a" or "b".
        game: Game that is played.
        alarms: Sentences on signs of collapse.
        rounds: Number of rounds played so far.
        steps: Optimizer steps of each player.
    """

    config: TranslateOptions
    title: str
    folder: RunFolder
    sets: DomainSets
    ruler: Callable[[str], DomainRuler]
    game: DomainGame
    alarms: Sequence[str]
    rounds: int
    steps: Mapping[str, int]


class Translated(NamedTuple):
    """What a game makes of held-out pictures.

    Args:
        held: Held-out pictures.
        made: Translations.
        row: Scores of the translations.
        judged: Quality of the discriminator.
    """

    held: Examples
    made: Float[Tensor, "N C H W"]
    row: Scored
    judged: dict[str, float]


def translated(
    subject: TranslateSubject, direction: Direction, *, role: str, most: int
) -> Translated:
    """Translations of held-out pictures, and their scores.

    Args:
        subject: A run as it is.
        direction: Direction of the translation.
        role: Set to measure with, valid or test.
        most: Number of pictures of each domain.
    """
    domains = subject.sets.valid if role == "valid" else subject.sets.test
    held = examples(domains, direction, most)
    game, ruler = subject.game, subject.ruler(ENDS[direction][1])
    assert isinstance(game, TranslationGame)
    with options.seeded(subject.config.seed + 1):  # dropout may be a generator's noise
        made = game.translate(held.source, direction)
        trip = round_trip(game, held.source, made, direction)
    found = ruler.measure(made, ruler.moments(held.target), held.true, held.labels)
    codes = neighbours(game, subject.sets, held)
    row = Scored({**found.scores, **trip, **codes}, found.ends)
    judged = discrimination(game, held, made, direction, diagnose=subject.config.diagnose)
    return Translated(held, made, row, judged)


def directions(game: DomainGame) -> list[Direction]:
    """Directions that a game has learned, none where it translates nothing."""
    return list(game.translators()) if isinstance(game, TranslationGame) else []


def write_grid(subject: TranslateSubject, now: Translated, name: str, groups: int = 1) -> Path:
    """Rows of pictures, below them their translations, below these the true ones.

    Args:
        subject: A run.
        now: Translations.
        name: Name of the file among the samples.
        groups: Number of such groups of rows.
    """
    parts = []
    for start in range(0, min(groups * SHOWN, len(now.made)), SHOWN):
        rows = slice(start, start + SHOWN)
        parts += [enlarged(now.held.source[rows], now.made), now.made[rows]]
        if now.held.true is not None:
            parts.append(now.held.true[rows])
    shown = torch.cat([to_colours(part) for part in parts])
    file = subject.folder.samples / name
    columns = min(SHOWN, len(now.made))
    write_image_grid(shown, file, scale=max(1, 48 // int(shown.shape[1])), columns=columns)
    return file


def enlarged(images: Float[Tensor, "N C H W"], like: Tensor) -> Float[Tensor, "N C G F"]:
    """Pictures with pixels repeated to the size of others."""
    return interpolate(images, (int(like.shape[2]), int(like.shape[3])), mode="nearest")
