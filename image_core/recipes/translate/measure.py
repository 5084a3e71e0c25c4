"""What a translation run is measured by: the true pictures, a judge, features, discriminators."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import interpolate

from image_core import metrics
from image_core.adversarial.discrimination import qualities
from image_core.data.domains import Domains
from image_core.data.images import ImageSet
from image_core.data.pictures import to_channels
from image_core.games.common import to_images
from image_core.games.translation import (
    ClassifyingGame,
    Direction,
    EncodingGame,
    TranslationGame,
)
from image_core.metrics.distances import Moments, moments
from image_core.metrics.features import Extractor
from image_core.metrics.intervals import REACH
from image_core.recipes.image.measure import RulerOptions, make_extractor, some
from image_core.recipes.translate.data import DomainSets

Images = Float[Tensor, "_ _ _ _"]
ENDS: Mapping[Direction, tuple[str, str]] = {"ab": ("a", "b"), "ba": ("b", "a")}
"""Source and target domain of a direction."""
COPY, MEAN, AGAIN = "copy of the input", "mean picture", "real again"
"""Rows of what stands in the translations' place: the pictures to translate, one picture that is
the mean of those learned from, and further held-out pictures of the target domain."""


class Scored(NamedTuple):
    """Scores of translations.

    Args:
        scores: Scores by name.
        ends: 95 % intervals over pictures, of the scores that are means over them.
    """

    scores: dict[str, float]
    ends: dict[str, tuple[float, float]]


class Examples(NamedTuple):
    """Held-out pictures of a direction.

    Args:
        source: Pictures to translate.
        true: Their true translations; None where they are not known.
        target: Pictures of the target domain.
        labels: What each source shows; None where it is not known.
        target_labels: What each picture of the target domain shows; None likewise.
    """

    source: Images
    true: Images | None
    target: Images
    labels: Int64[Tensor, " N"] | None
    target_labels: Int64[Tensor, " M"] | None


def examples(domains: Domains, direction: Direction, most: int) -> Examples:
    """At most so many pictures of either domain, pairs together.

    Args:
        domains: Held-out pictures.
        direction: Direction of the translation.
        most: Number of pictures of each domain.
    """
    source, target = (some(domains.of(name), most) for name in ENDS[direction])
    shown = to_images(target.images)
    return Examples(
        to_images(source.images),
        shown if domains.paired else None,
        shown,
        source.labels,
        target.labels,
    )


class DomainRuler:
    """Scores of pictures in the place of those of one domain.

    Everything that is fitted, the judge and the sharpness, comes from pictures to learn from.

    Args:
        extractor: Features: auto, clf, pixels or efflite0.
        learned: Pictures of the domain to learn from.
        device: Where a judge is trained.
    """

    def __init__(self, extractor: str, learned: ImageSet, device: torch.device):
        known = learned.labels is not None and len(learned.names) > 1
        images = learned if known else learned._replace(labels=None)
        self.net: Extractor = make_extractor(RulerOptions(extractor), images, device)
        self.sharp = metrics.sharpness(to_images(some(learned, 1000).images)).mean()

    def measure(
        self,
        made: Images,
        real: Moments,
        true: Images | None,
        labels: Int64[Tensor, " N"] | None,
    ) -> Scored:
        """Every score that is known of pictures.

        Args:
            made: Pictures in the place of those of the domain.
            real: Moments of the features of held-out pictures of the domain.
            true: What each picture should be; None where it is not known.
            labels: What each picture should show; None where it is not known.
        """
        each: dict[str, Tensor] = {}
        if true is not None:
            gap = made - true
            each["l1"] = gap.abs().flatten(1).mean(1)
            each["mse"] = gap.square().flatten(1).mean(1)
            each["psnr"] = metrics.psnr(made, true)
            each["ssim"] = metrics.ssim(made, true)
        if labels is not None and self.net.classify is not None:
            each["accuracy"] = (self.net.probabilities(made).argmax(1) == labels).float()
        found = {name: float(values.mean()) for name, values in each.items()}
        found["fd"] = metrics.frechet(real, self.net.of(made))
        if self.sharp:  # pictures whose rows are all flat are no measure of it
            found["sharpness"] = float(metrics.sharpness(made).mean() / self.sharp)
        return Scored(found, {name: ends(values) for name, values in each.items()})

    def moments(self, images: Images) -> Moments:
        """Moments of the features of pictures of the domain."""
        return moments(self.net.of(images))


def ends(values: Float[Tensor, " N"]) -> tuple[float, float]:
    """95 % interval of the mean of values.

    Args:
        values: Value of each picture or object.
    """
    middle, error = float(values.mean()), float(values.std() / len(values) ** 0.5)
    return middle - REACH * error, middle + REACH * error


def copied(source: Images, like: Images) -> Images:
    """The pictures to translate in the place of their translations, of their size and colours.

    Args:
        source: Pictures to translate.
        like: Pictures of the target domain.
    """
    shown = to_channels(source, int(like.shape[1]))
    if shown.shape[2:] == like.shape[2:]:
        return shown
    size = (int(like.shape[2]), int(like.shape[3]))
    return interpolate(shown, size, mode="bicubic", align_corners=False).clamp(-1, 1)


def round_trip(
    game: TranslationGame, source: Images, made: Images, direction: Direction
) -> dict[str, float]:
    """Mean absolute distance of a round trip from where it began, of games of both directions.

    Args:
        game: Game of the run.
        source: Pictures to translate.
        made: Their translations.
        direction: Direction of the translation.
    """
    back: Direction = "ba" if direction == "ab" else "ab"
    if back not in game.translators():
        return {}
    return {"cycle_l1": float((game.translate(made, back) - source).abs().mean())}


def neighbour_accuracy(
    known: Float[Tensor, "K F"],
    labels: Int64[Tensor, " K"],
    asked: Float[Tensor, "N F"],
    true: Int64[Tensor, " N"],
) -> float:
    """Share of vectors whose nearest known vector has their label.

    Args:
        known: Vectors whose labels are known.
        labels: Their labels.
        asked: Vectors to label.
        true: The right labels.
    """
    nearest = torch.cat([torch.cdist(part, known).argmin(1) for part in asked.split(500)])
    return float((labels[nearest] == true).float().mean())


def neighbours(game: TranslationGame, sets: DomainSets, held: Examples) -> dict[str, float]:
    """Accuracy of nearest neighbours in the codes of a game that has some, and in pixels.

    `knn` is of the codes and `knn_pixels` of the pictures themselves; both know the pictures of B
    to learn from, at most 5,000 of them. Nothing is said where classes are not known.

    Args:
        game: Game of the run.
        sets: All pictures of the run.
        held: Held-out pictures.
    """
    learned = some(sets.train.b, 5_000)
    if not isinstance(game, EncodingGame) or learned.labels is None or held.labels is None:
        return {}
    known, found = to_images(learned.images), {}
    for name, of in (("knn", game.codes), ("knn_pixels", lambda x: x.flatten(1))):
        found[name] = neighbour_accuracy(of(known), learned.labels, of(held.source), held.labels)
    return found


def named_right(game: ClassifyingGame, held: Domains, most: int) -> dict[str, float]:
    """Share of held-out pictures that are named rightly, by the system "" and by controls.

    Args:
        game: Game of the run.
        held: Held-out pictures.
        most: Number of pictures.
    """
    a, b = some(held.a, most), some(held.b, most)
    assert b.labels is not None
    right: dict[str, list[Tensor]] = {}
    for one, other, labels in zip(a.images.split(250), b.images.split(250), b.labels.split(250)):
        named = game.classify(*(to_images(x).to(game.device) for x in (one, other)))
        for name, found in named.items():
            right.setdefault(name, []).append(found.cpu() == labels)
    return {name: float(torch.cat(parts).float().mean()) for name, parts in right.items()}


def discrimination(
    game: TranslationGame,
    held: Examples,
    made: Images,
    direction: Direction,
    *,
    diagnose: bool = False,
) -> dict[str, float]:
    """How well a discriminator tells held-out pictures of the target domain from translations.

    Args:
        game: Game of the run.
        held: Held-out pictures.
        made: Translations of the pictures to translate.
        direction: Direction of the translations.
        diagnose: Whether the mean distance of D from 1/2 is wanted too.
    """
    n = min(len(held.source), len(held.target))
    scores: list[Tensor] = []
    with torch.no_grad():
        for images in (held.target[:n], made[:n]):
            parts = [
                game.d_scores(direction, s.to(game.device), x.to(game.device)).cpu()
                for s, x in zip(held.source[:n].split(250), images.split(250))
            ]
            scores.append(torch.cat(parts))
    return qualities(*scores, diagnose=diagnose)


def control_rows(
    ruler: DomainRuler, held: Examples, sets: DomainSets, direction: Direction, most: int
) -> dict[str, Scored]:
    """Scores of what stands in the translations' place: copies, the mean picture, real ones.

    Args:
        ruler: Measures of the target domain.
        held: Held-out pictures to measure with.
        sets: All pictures of the run.
        direction: Direction of the translation.
        most: Number of pictures.
    """
    target = ENDS[direction][1]
    learned = to_images(sets.train.of(target).images)
    mean = learned.mean(0, keepdim=True).repeat(len(held.source), 1, 1, 1)
    real = ruler.moments(held.target)
    copies = copied(held.source, held.target)
    return {
        COPY: ruler.measure(copies, real, held.true, held.labels),
        MEAN: ruler.measure(mean, real, held.true, held.labels),
        AGAIN: again_row(ruler, held, sets, target, most),
    }


def again_row(ruler: DomainRuler, held: Examples, sets: DomainSets, name: str, most: int) -> Scored:
    """Scores of further held-out pictures in the place of made ones.

    Args:
        ruler: Measures of the domain.
        held: Held-out pictures to measure with.
        sets: All pictures of the run.
        name: Name of the domain.
        most: Number of pictures.
    """
    again = some(sets.valid.of(name), most)
    real = ruler.moments(held.target)
    return ruler.measure(to_images(again.images), real, None, again.labels)
