"""Triangle GAN (Gan, Chen et al. 2017): translation both ways from few pairs and many pictures.

U-Nets and discriminators of patches; the generators step before the discriminators.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.adversarial.stream import Data
from image_core.data.domains import Domains
from image_core.games.triangle import TriangleGAN
from image_core.nets.patch import PatchDiscriminator
from image_core.recipes.translate.build import even_rows, form, patch, player, unet
from image_core.recipes.translate.config import AdamOfAll, PatchOptions, UNetOptions
from image_core.runs import options
from image_core.runs.batches import Batches
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "data", "game", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll, PatchOptions, UNetOptions):
    """Triangle GAN.

    Args:
        pairs_seen: Number of pairs that are seen, of every class equally many; of the others, one
            half is seen in A and the other half in B.
    """

    domains: str = "rotation"
    d_steps: int = 5
    pairs_seen: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "pairs_seen")


PRESETS = {"tiny": {"pairs_seen": 20, "d_steps": 2}}


def game(o: Options, domains: Domains) -> TriangleGAN:
    """The game of a run's options.

    Raises:
        UserError: There are too few pairs.
    """
    a, b = domains.a, domains.b
    if o.pairs_seen + 2 * o.batch > len(a.images):
        raise UserError(
            f"--pairs_seen {o.pairs_seen}: of {len(a.images)} pairs to learn from, too few are "
            "left for a batch of either domain"
        )
    (channels, side), (others, _) = form(a), form(b)
    judges: list[PatchDiscriminator] = [patch(o, channels + others, side) for _ in range(2)]
    return TriangleGAN(unet(o, a, b), unet(o, b, a), judges[0], judges[1], d_steps=o.d_steps)


def players(o: Options) -> list[Player]:
    """Both generators as one player, and both discriminators."""
    return [player(o, "G", o.g_lr), player(o, "D", o.d_lr, o.d_steps)]


def data(o: Options, domains: Domains) -> Data:
    """Batches {"a", "b", "pair_a", "pair_b"}: unpaired pictures, and the pairs that are seen."""
    a, b, labels = domains.a.images, domains.b.images, domains.a.labels
    known = torch.zeros(len(a), dtype=torch.long) if labels is None else labels
    seen = even_rows(known, o.pairs_seen, o.seed)
    draw = torch.Generator().manual_seed(o.seed)
    others = torch.ones(len(a), dtype=torch.bool)
    others[seen] = False
    rest = others.nonzero()[:, 0]
    one, other = rest[torch.randperm(len(rest), generator=draw)].tensor_split(2)
    every = [
        Batches({name: images[rows]}, o.batch, seed=o.seed + place)
        for place, (name, images, rows) in enumerate((("a", a, one), ("b", b, other)))
    ]
    pairs = {"pair_a": a[seen], "pair_b": b[seen]}
    few = Batches(pairs, min(o.batch, len(seen)), seed=o.seed + 2)

    def all_three(index: int) -> Mapping[str, Tensor]:
        found: dict[str, Tensor] = {}
        for stream in (*every, few):
            some = stream(index)
            assert isinstance(some, Mapping)
            found |= some
        return found

    return all_three
