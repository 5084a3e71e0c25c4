"""Games of discrete sequences, and the papers that are aliases of them."""

from importlib import import_module
from typing import Any

from seqgan.games.attn import attngan as attngan
from seqgan.games.df import dfgan as dfgan
from seqgan.games.dialogue import DialogueGame as DialogueGame
from seqgan.games.discrete import DiscreteGame as DiscreteGame
from seqgan.games.discrete import bgan as bgan
from seqgan.games.likelihood import LikelihoodGame as LikelihoodGame
from seqgan.games.ranking import RankingGame as RankingGame
from seqgan.games.relaxed import RelaxedGame as RelaxedGame
from seqgan.games.retrieval import RetrievalGame as RetrievalGame
from seqgan.games.retrieval import irgan as irgan
from seqgan.games.retrieval import irgan_pairwise as irgan_pairwise
from seqgan.games.sequence import SequenceGame as SequenceGame
from seqgan.games.sequence import seqgan as seqgan
from seqgan.games.stack import StackGame as StackGame
from seqgan.games.tree import TreeGame as TreeGame
from seqgan.games.tree import stackgan_v2 as stackgan_v2
from seqgan.papers import __all__ as PAPERS

__all__ = [
    "DialogueGame",
    "DiscreteGame",
    "LikelihoodGame",
    "RankingGame",
    "RelaxedGame",
    "RetrievalGame",
    "SequenceGame",
    "StackGame",
    "TreeGame",
    "attngan",
    "bgan",
    "dfgan",
    "irgan",
    "irgan_pairwise",
    "stackgan_v2",
    *PAPERS,
]


def __getattr__(name: str) -> Any:
    """A paper's own module, which stands on the games and so comes after them."""
    if name in PAPERS:
        return getattr(import_module(f"seqgan.papers.{name}"), name)
    raise AttributeError(f"module 'seqgan.games' has no attribute {name!r}")
