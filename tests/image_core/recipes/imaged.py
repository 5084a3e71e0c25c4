"""What tests of image runs share."""

import pytest

from image_core.recipes.image import measure as image_measure
from image_core.recipes.image import recipe as image
from image_core.recipes.image.recipe import PAPERS, Run
from tests.recipes.made import built

TINY = ("train", "image", "--preset", "tiny")
NAMES = PAPERS.names()


def made(paper="sngan", preset="digits", **changes):
    """A configuration as the command line would make it."""
    return built(image, preset, paper, **{"out": "run", **changes})


def tiny(paper="sngan", **changes):
    return Run(made(paper, "tiny", **changes))


@pytest.fixture(autouse=True)
def one_small_classifier(monkeypatch):
    """Most of the time of a tiny run would go into its judge."""
    plain = image_measure.features.classifier
    monkeypatch.setattr(
        image_measure.features, "classifier", lambda *a, **o: plain(*a, **{**o, "steps": 5})
    )
