"""Pictures and pairs that a game draws from its prior: scores and grids."""

import torch
from torch import Tensor

from image_core.data.domains import pair_gap
from image_core.games.common import to_images
from image_core.games.translation import DrawingGame, PairDrawingGame
from image_core.recipes.image.measure import some
from image_core.recipes.translate.measure import AGAIN, DomainRuler, Examples, Scored
from image_core.recipes.translate.translated import SHOWN, TranslateSubject
from image_core.runs import options
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.picture_files import to_bytes


def pair_rows(subject: TranslateSubject, game: PairDrawingGame) -> dict[str, Scored]:
    """Scores of pairs drawn from the prior, domain by domain, and whether they are pairs.

    `coupling` is the distance of drawn pairs from true ones, as a share of that of the same
    pictures put together at random: 1 where nothing couples them.

    Args:
        subject: A run at its end.
        game: Its game.
    """
    c = subject.config
    most, rows = min(c.eval_samples, len(subject.sets.test.a.images)), {}
    with options.seeded(c.seed + 2):
        pairs = [images.cpu() for images in game.draw_pairs(most)]
    shown = torch.stack([to_colours(images[: 2 * SHOWN]) for images in pairs], 1)
    pairs_in_rows = shown.unflatten(0, (-1, SHOWN)).transpose(1, 2).flatten(0, 2)
    write_image_grid(pairs_in_rows, subject.folder.samples / "pairs.png", columns=SHOWN)
    gap = coupling(subject, *(torch.from_numpy(to_bytes(images)) for images in pairs))
    for name, made in zip(("a", "b"), pairs):
        ruler, held = subject.ruler(name), to_images(some(subject.sets.test.of(name), most).images)
        found = ruler.measure(made, ruler.moments(held), None, None)
        own = Scored({**found.scores, **gap}, found.ends)
        again = to_images(some(subject.sets.valid.of(name), most).images)
        rows[f"{subject.title}, {name.upper()} drawn"] = own
        rows[f"{AGAIN}, {name.upper()}"] = ruler.measure(again, ruler.moments(held), None, None)
    return rows


def coupling(subject: TranslateSubject, a: Tensor, b: Tensor) -> dict[str, float]:
    """Distance of drawn pairs from true ones, over that of pictures put together at random.

    Args:
        subject: A run at its end.
        a: Drawn pictures of A as bytes.
        b: Drawn pictures of B as bytes, of the same latents.
    """
    c = subject.config
    if c.a is not None or c.pairs is not None:
        return {}
    if c.swap:
        a, b = b, a
    own, apart = pair_gap(c.domains, a, b), pair_gap(c.domains, a, b.roll(1, 0))
    return {} if own is None or not apart else {"coupling": own / apart}


def drawn_row(
    subject: TranslateSubject, game: DrawingGame, ruler: DomainRuler, held: Examples
) -> Scored:
    """Scores of pictures drawn from the prior, of the classes of the held-out ones; a grid of some.

    Args:
        subject: A run at its end.
        game: Its game.
        ruler: Measures of the domain.
        held: Held-out pictures.
    """
    assert held.target_labels is not None
    classes = len(subject.sets.train.b.names)
    with options.seeded(subject.config.seed + 2):
        made = game.draw(held.target_labels).cpu()
        grid = game.draw(torch.arange(SHOWN * classes) // SHOWN).cpu()
    write_image_grid(to_colours(grid), subject.folder.samples / "drawn.png", columns=SHOWN)
    return ruler.measure(made, ruler.moments(held.target), None, held.target_labels)
