"""Games by name, each imported when it is first used."""

from importlib import import_module
from typing import Any

_NAMES = {
    "DialogueGame": "seqgan.dialogue.game",
    "DiscreteGame": "seqgan.discrete.game",
    "LikelihoodGame": "seqgan.lm.likelihood_game",
    "RankingGame": "seqgan.retrieval.fit_game",
    "RelaxedGame": "seqgan.text.games.relaxed",
    "RetrievalGame": "seqgan.retrieval.game",
    "SequenceGame": "seqgan.text.games.sequence",
    "StackGame": "seqgan.text2image.games.stack",
    "TreeGame": "seqgan.text2image.games.tree",
    "attngan": "seqgan.text2image.papers.attngan",
    "bgan": "seqgan.discrete.papers.bgan",
    "dfgan": "seqgan.text2image.papers.dfgan",
    "irgan": "seqgan.retrieval.papers.irgan",
    "irgan_pairwise": "seqgan.retrieval.papers.irgan_pairwise",
    "maligan": "seqgan.text.papers.maligan",
    "maligan_mixed": "seqgan.text.papers.maligan_mixed",
    "rankgan": "seqgan.text.papers.rankgan",
    "relgan": "seqgan.text.papers.relgan",
    "seqgan": "seqgan.text.games.sequence",
    "stackgan_v2": "seqgan.text2image.papers.stackgan_v2",
}
__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'seqgan.games' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
