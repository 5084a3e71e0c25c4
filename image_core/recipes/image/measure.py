"""What an image run is measured by: features, scores against held-out images, the discriminator."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from image_core import metrics
from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS, Limit
from image_core.adversarial.discrimination import accuracy, auc
from image_core.data.images import ImageSet
from image_core.games.common import ImageGame, LatentGame, to_images
from image_core.games.energy import EnergyGAN
from image_core.games.logit import LogitGame
from image_core.games.semi import SemiSupervisedGAN
from image_core.metrics import features
from image_core.metrics.features import Extractor
from image_core.metrics.scores import Score
from image_core.recipes.image.config import ImageOptions, LogitOptions
from image_core.recipes.image.data import Sets

REDRAWS = 20
"""Draws of which held-out images are measured and which stand in the generator's place."""


class Measures(NamedTuple):
    """What is measured of a set of images.

    Args:
        scores: Scores by name.
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
        o: Extractor and number of images.
        sets: Images of the run.
        device: Where a classifier is trained.
    """

    def __init__(self, o: ImageOptions, sets: Sets, device: torch.device):
        self.net = _extractor(o, sets.train, device)
        most = min(o.eval_samples, len(sets.test.images))
        test, again = some(sets.test, most), some(sets.valid, most)
        learned = some(sets.train, 5 * o.eval_samples)
        self.count, self.resize = most, sets.test.resize
        self.test, self.again, self.train = map(self._features, (test, again, learned))
        self.shares: Tensor | None = None
        if self.net.classify is not None and sets.train.labels is not None:
            share = sets.train.labels.bincount(minlength=len(sets.train.names)).double()
            self.shares = share / share.sum()
        self.classes = self._classes(to_images(again.images)), self._classes(to_images(test.images))
        self.real_again = self._real_again()

    def measure(self, images: Float[Tensor, "N C H W"]) -> dict[str, float]:
        """Every score that the extractor allows, of images in the generator's place."""
        return self._scores(self.net.of(images), self.test, self._classes(images))

    def scores(self, found: Mapping[str, float], count: int) -> list[Score]:
        """Scores with the names of what they were made with.

        Args:
            found: Scores by name.
            count: Number of images in the generator's place.
        """
        resize = "+".join(dict.fromkeys([self.resize, self.net.resize]))
        made = self.net.name, self.net.digest, resize, len(self.test), count
        return [Score(name, value, *made) for name, value in found.items()]

    def _features(self, images: ImageSet) -> Float[Tensor, "N d"]:
        return self.net.of(to_images(images.images))

    def _classes(self, images: Tensor) -> Float[Tensor, "N K"] | None:
        return None if self.shares is None else self.net.probabilities(images)

    def _real_again(self) -> Measures:
        """Held-out images in the generator's place; intervals over draws of which these are."""
        of_again, of_test = self.classes
        found = self._scores(self.again, self.test, of_again)
        both = torch.cat([self.again, self.test])
        classes = None if of_again is None or of_test is None else torch.cat([of_again, of_test])
        draw, count, drawn = torch.Generator().manual_seed(0), len(self.again), []
        for _ in range(REDRAWS):
            order = torch.randperm(len(both), generator=draw)
            placed, kept = order[:count], order[count:]
            own = None if classes is None else classes[placed]
            drawn.append(self._scores(both[placed], both[kept], own))
        ends = {
            name: torch.tensor([one[name] for one in drawn]).quantile(torch.tensor([0.025, 0.975]))
            for name in found
        }
        low = {name: float(end[0]) for name, end in ends.items()}
        return Measures(found, low, {name: float(end[1]) for name, end in ends.items()})

    def _scores(
        self,
        x: Float[Tensor, "N d"],
        y: Float[Tensor, "M d"],
        p: Float[Tensor, "N K"] | None,
    ) -> dict[str, float]:
        size = min(len(x), len(y))
        whole = size <= 1000  # a subset of so many would be all of them
        kd = metrics.kernel(y, x) if whole else metrics.kernel_subsets(y, x, subsets=20)[0]
        found = {
            "fd": metrics.frechet(y, x),
            "kd": kd,
            **metrics.precision_recall(y, x),
            **metrics.density_coverage(y, x),
            **metrics.memorisation(self.train, y, x),
        }
        if p is not None and self.shares is not None:
            found["is"] = metrics.class_score(p)[0]
            found["mode_score"] = metrics.mode_score(p, self.shares)
            found |= metrics.modes_covered(p.argmax(1), p.shape[1])
        return found


_KNOWN: dict[tuple[object, ...], Ruler] = {}
"""A study's runs share their data, and so their ruler."""


def ruler(o: ImageOptions, sets: Sets, fingerprint: int, device: torch.device) -> Ruler:
    """The ruler of a run's scores.

    It is the same for every seed of a run, for only scores of one extractor compare.

    Args:
        o: Extractor and number of images.
        sets: Images of the run.
        fingerprint: A number that changes with the images.
        device: Where a classifier is trained.
    """
    key = (fingerprint, o.extractor, o.inception, o.eval_samples, device)
    if key not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[key] = Ruler(o, sets, device)
    return _KNOWN[key]


def _extractor(o: ImageOptions, train: ImageSet, device: torch.device) -> Extractor:
    name = o.extractor
    if name == "auto":
        name = "pixels" if train.labels is None else "clf"
    if name == "clf":
        assert train.labels is not None
        return features.classifier(train.images, train.labels, seed=0, device=device)
    if name == "efflite0":
        return features.efficientnet()
    if name == "inception":
        assert o.inception is not None
        return features.inception(o.inception)
    return features.pixels()


def some(images: ImageSet, most: int) -> ImageSet:
    """At most so many of a set, drawn evenly: the first ones may all be of one class."""
    order = torch.randperm(len(images.images), generator=torch.Generator().manual_seed(0))
    return images.pick(order[:most])


# -------------------------------------------------------------------------------- discriminator


def discrimination(game: ImageGame, images: ImageSet, seed: int) -> dict[str, float]:
    """How well the discriminator tells whole held-out images from fresh ones of its generator.

    `d_auc` is of logits, or of minus the energies, whose means are `energy_real` and `energy_fake`;
    `d_accuracy` is of logits alone, for energies have no threshold. Nothing is said of a game that
    has no single discriminator.

    Args:
        game: Game of the run.
        images: Held-out images.
        seed: Seed of the fresh ones; the run's own random numbers are left alone.
    """
    if not isinstance(game, LatentGame):
        return {}
    batch = {"images": images.images}
    if images.labels is not None:
        batch["labels"] = images.labels
    with torch.random.fork_rng([game.device] if game.device.type == "cuda" else []):
        torch.manual_seed(seed)
        real, fake = game.d_scores_of(batch)
    found = {"d_auc": float(auc(real, fake))}
    if isinstance(game, EnergyGAN):
        return {**found, "energy_real": -float(real.mean()), "energy_fake": -float(fake.mean())}
    return {**found, "d_accuracy": float(accuracy(real, fake))}


def limits(o: ImageOptions, game: ImageGame) -> list[Limit]:
    """Alarms of the discriminator: at chance; and too strong, where 0 is the logit of even odds."""
    if not isinstance(game, LatentGame):
        return []
    at_zero = isinstance(game, SemiSupervisedGAN) or (
        isinstance(game, LogitGame)
        and isinstance(o, LogitOptions)
        and game.loss.reward is not None
        and o.loss != "wasserstein"
    )
    wins = [DISCRIMINATOR_WINS._replace(metric="d_accuracy")] if at_zero else []
    return [DISCRIMINATOR_AT_CHANCE, *wins]


def objective(o: ImageOptions, game: ImageGame) -> dict[str, str]:
    """Names of loss and penalty, as tables print them; nothing of a game that is not known."""
    if isinstance(o, LogitOptions):
        return {"loss": o.loss, "penalty": o.penalty or "none"}
    if isinstance(game, EnergyGAN):
        pull = ", pulling away" if game.pull else ""
        return {"loss": f"energies, {game.rule.name}{pull}", "penalty": "none"}
    if isinstance(game, SemiSupervisedGAN):
        return {"loss": "classes and fakes; feature matching", "penalty": "none"}
    return {}
