"""What an image run is measured by: features, scores against held-out images, the discriminator."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from image_core import metrics
from image_core.adversarial.discrimination import auc, qualities
from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet
from image_core.games.common import ImageGame, JudgedGame, to_images
from image_core.games.energy import EnergyGAN
from image_core.metrics import features
from image_core.metrics.features import Extractor
from image_core.metrics.manifold import compare_nearest, nearest_distances
from image_core.metrics.scores import Score
from image_core.recipes.image.data import Sets

EXTRACTORS = ("auto", "clf", "pixels", "efflite0", "inception")
"""Names of features; auto is clf where labels are known, else pixels."""
REDRAWS = 20
"""Draws of which held-out images are measured and which stand in the generator's place."""
MANY = 2000
"""Images beyond which nearest neighbours among them are too slow to be found for every draw."""


class RealAgain(NamedTuple):
    """What is measured of a set of images.

    Args:
        scores: Scores by name, means over draws of the held-out images.
        low: Lower ends of their 95 % intervals over draws of the held-out images.
        high: Upper ends.
    """

    scores: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]


class Ruler:
    """Scores of images against the test images, by one extractor.

    Everything that is fitted, the extractor and the class shares, comes from training images.

    Args:
        by: Features and number of images.
        sets: Images of the run.
        device: Where a classifier is trained.
    """

    def __init__(self, by: "RulerOptions", sets: Sets, device: torch.device):
        self.net = make_extractor(by, sets.train, device)
        most = min(by.eval_samples, len(sets.test.images))
        learned = some(sets.train, 5 * by.eval_samples)
        self.count, self.resize = most, sets.test.resize
        self.train = self.net.of(to_images(learned.images))
        self.shares = class_shares(sets.train) if self.net.classify is not None else None
        self.test = self._seen(to_images(some(sets.test, most).images))
        self.again = self._seen(to_images(some(sets.valid, most).images))

    def measure(self, images: Float[Tensor, "N C H W"]) -> dict[str, float]:
        """Every score that the extractor allows, of images in the generator's place."""
        return place_scores(self._seen(images), self.test, self.shares)

    def scores(self, found: Mapping[str, float], count: int) -> list[Score]:
        """Scores with the names of what they were made with.

        Args:
            found: Scores by name.
            count: Number of images in the generator's place.
        """
        resize = "+".join(dict.fromkeys([self.resize, self.net.resize]))
        made = self.net.name, self.net.digest, resize, len(self.test.x), count
        return [Score(name, value, *made) for name, value in found.items()]

    def _seen(self, images: Float[Tensor, "N C H W"]) -> "Seen":
        x = self.net.of(images)
        classes = None if self.shares is None else self.net.probabilities(images)
        return Seen(x, nearest_distances(self.train, x), classes)

    @functools.cached_property
    def real_again(self) -> RealAgain:
        """Means and intervals over draws of which held-out images stand in the generator's place.

        The draws leave classes as they fall, as a generator does. The sets themselves hold each
        class in one proportion and would score better than a generator that equals the data.
        """
        found, drawn = place_scores(self.again, self.test, self.shares), []
        both, count = self.again.joined(self.test), len(self.again.x)
        draw = torch.Generator().manual_seed(0)
        for _ in range(REDRAWS):
            order = torch.randperm(len(both.x), generator=draw)
            placed, kept = both.pick(order[:count]), both.pick(order[count:])
            drawn.append(place_scores(placed, kept, self.shares, neighbours=count <= MANY))
        low, high = {}, {}
        for name in drawn[0]:
            values = torch.tensor([one[name] for one in drawn], dtype=torch.float64)
            found[name] = float(values.mean())
            low[name], high[name] = (float(values.quantile(share)) for share in (0.025, 0.975))
        return RealAgain(found, low, high)


def class_shares(images: ImageSet) -> Float[Tensor, " K"] | None:
    """Share of each class; None where classes are not known."""
    if images.labels is None:
        return None
    counts = images.labels.bincount(minlength=len(images.names)).double()
    return counts / counts.sum()


def place_scores(
    place: "Seen", test: "Seen", shares: Tensor | None = None, *, neighbours: bool = True
) -> dict[str, float]:
    """Scores of what stands in the generator's place against what it is measured with.

    Args:
        place: Images in the generator's place.
        test: Real images.
        shares: Share of each class in the training data; None where classes are not known.
        neighbours: Whether precision, recall, density and coverage are measured.
    """
    x, y = place.x, test.x
    whole = min(len(x), len(y)) <= 1000  # a subset of so many would be all of them
    kd = metrics.kernel(y, x) if whole else metrics.kernel_subsets(y, x, subsets=20)[0]
    found = {"fd": metrics.frechet(y, x), "kd": kd}
    if neighbours:
        found |= metrics.precision_recall(y, x) | metrics.density_coverage(y, x)
    if test.nearest is not None and place.nearest is not None:
        found |= compare_nearest(test.nearest, place.nearest)
    if place.classes is not None and shares is not None:
        p = place.classes
        found["is"] = metrics.class_score(p)[0]
        found["mode_score"] = metrics.mode_score(p, shares)
        found |= metrics.modes_covered(p.argmax(1), p.shape[1])
    return found


class RulerOptions(NamedTuple):
    """What a ruler is made with.

    Args:
        extractor: Features: auto, clf, pixels, efflite0 or inception.
        eval_samples: Most images of either kind.
        inception: File of FID's own weights, for inception.
    """

    extractor: str = "auto"
    eval_samples: int = 1000
    inception: str | None = None


class Seen(NamedTuple):
    """What an extractor makes of images.

    Args:
        x: Features.
        nearest: Distance of each from the training image most like it; None without those.
        classes: Probabilities of classes; None where the extractor knows none.
    """

    x: Float[Tensor, "N d"]
    nearest: Float[Tensor, " N"] | None
    classes: Float[Tensor, "N K"] | None

    def pick(self, rows: Tensor) -> "Seen":
        """Some of the images."""
        nearest = None if self.nearest is None else self.nearest[rows]
        classes = None if self.classes is None else self.classes[rows]
        return Seen(self.x[rows], nearest, classes)

    def joined(self, other: "Seen") -> "Seen":
        """These images, then the others."""
        nearest = classes = None
        if self.nearest is not None and other.nearest is not None:
            nearest = torch.cat([self.nearest, other.nearest])
        if self.classes is not None and other.classes is not None:
            classes = torch.cat([self.classes, other.classes])
        return Seen(torch.cat([self.x, other.x]), nearest, classes)


_KNOWN: dict[tuple[object, ...], Ruler] = {}
"""A study's runs share their data, and so their ruler."""


def ruler(by: RulerOptions, sets: Sets, fingerprint: int, device: torch.device) -> Ruler:
    """The ruler of a run's scores.

    It is the same for every seed of a run, for only scores of one extractor compare.

    Args:
        by: Features and number of images.
        sets: Images of the run.
        fingerprint: A number that changes with the images.
        device: Where a classifier is trained.
    """
    key = (fingerprint, *by, device)
    if key not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[key] = Ruler(by, sets, device)
    return _KNOWN[key]


def make_extractor(by: RulerOptions, train: ImageSet | None, device: torch.device) -> Extractor:
    """The extractor of the chosen name.

    Args:
        by: Its name, and the file of its weights.
        train: Training images, which a classifier learns from; None for none.
        device: Where a classifier is trained.

    Raises:
        UserError: A classifier has no labels to learn from, or a package or file is missing.
    """
    name = by.extractor
    if name == "auto":
        name = "pixels" if train is None or train.labels is None else "clf"
    if name == "clf":
        if train is None or train.labels is None:
            raise UserError(
                "--extractor clf is trained on labels: give --train with a folder for each class, "
                "or use pixels or efflite0"
            )
        return features.classifier(train.images, train.labels, seed=0, device=device)
    if name == "efflite0":
        return features.efficientnet()
    if name == "inception":
        assert by.inception is not None
        return features.inception(by.inception)
    return features.pixels()


def some(images: ImageSet, most: int) -> ImageSet:
    """At most so many of a set, drawn evenly: the first ones may all be of one class."""
    order = torch.randperm(len(images.images), generator=torch.Generator().manual_seed(0))
    return images.pick(order[:most])


# -------------------------------------------------------------------------------- discriminator


def discrimination(
    game: ImageGame, images: ImageSet, seed: int, *, diagnose: bool = False
) -> dict[str, float]:
    """How well the discriminator tells whole held-out images from fresh ones of its generator.

    `d_auc` is of logits, or of minus the energies, whose means are `energy_real` and `energy_fake`;
    `d_accuracy` is of logits alone, for energies have no threshold. Nothing is said of a game that
    has no single discriminator.

    Args:
        game: Game of the run.
        images: Held-out images.
        seed: Seed of the fresh ones; the run's own random numbers are left alone.
        diagnose: Whether the mean distance of D from 1/2 is wanted too.
    """
    if not isinstance(game, JudgedGame):
        return {}
    batch = {"images": images.images}
    if images.labels is not None:
        batch["labels"] = images.labels
    with torch.random.fork_rng([game.device] if game.device.type == "cuda" else []):
        torch.manual_seed(seed)
        real, fake = game.d_scores_of(batch)
    if isinstance(game, EnergyGAN):
        energies = {"energy_real": -float(real.mean()), "energy_fake": -float(fake.mean())}
        return {"d_auc": float(auc(real, fake)), **energies}
    return qualities(real, fake, diagnose=diagnose)
