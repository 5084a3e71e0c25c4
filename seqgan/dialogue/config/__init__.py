"""Options of dialogue runs: what every paper shares, and parts that a paper takes or leaves."""

from seqgan.dialogue.config.score import BaselineOptions, ClippedOptions, KLOptions, ScoreOptions
from seqgan.dialogue.config.shared import (
    DialogueOptions,
    LossOptions,
    NetworkOptions,
    ReplayOptions,
    SharedOptions,
    SizeOptions,
    StepOptions,
    four_players,
    player,
    three_players,
)

__all__ = [
    "BaselineOptions",
    "ClippedOptions",
    "DialogueOptions",
    "KLOptions",
    "LossOptions",
    "NetworkOptions",
    "ReplayOptions",
    "ScoreOptions",
    "SharedOptions",
    "SizeOptions",
    "StepOptions",
    "four_players",
    "player",
    "three_players",
]
