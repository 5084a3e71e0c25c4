"""Games of discrete sequences, and the papers that are aliases of them."""

from seqgan.games.discrete import DiscreteGame as DiscreteGame
from seqgan.games.discrete import bgan as bgan
from seqgan.games.likelihood import LikelihoodGame as LikelihoodGame
from seqgan.games.ranking import RankingGame as RankingGame
from seqgan.games.retrieval import RetrievalGame as RetrievalGame
from seqgan.games.retrieval import irgan as irgan
from seqgan.games.retrieval import irgan_pairwise as irgan_pairwise
from seqgan.games.sequence import SequenceGame as SequenceGame
from seqgan.games.sequence import seqgan as seqgan

__all__ = [
    "DiscreteGame",
    "LikelihoodGame",
    "RankingGame",
    "RetrievalGame",
    "SequenceGame",
    "bgan",
    "irgan",
    "irgan_pairwise",
    "seqgan",
]
