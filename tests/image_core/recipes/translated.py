"""What tests of translation runs share."""

from image_core.recipes.translate import recipe as translate
from image_core.recipes.translate.recipe import PAPERS
from tests.recipes.made import built

TINY = ("train", "translate", "--preset", "tiny")
NAMES = PAPERS.names()


def made(paper="pix2pix", preset="tiny", **changes):
    """A configuration as the command line would make it."""
    return built(translate, preset, paper, **{"out": "run", **changes})
