"""Options of dialogue runs: what every paper shares, and parts that a paper takes or leaves."""

from seqgan.dialogue.config.score import AdvantageOptions, ClippedOptions, CreditOptions, KLOptions
from seqgan.dialogue.config.shared import (
    DialogueLossOptions,
    DialogueOptions,
    DialogueRunOptions,
    DiscriminatorNetworkOptions,
    DiscriminatorSizeOptions,
    ReplayBufferOptions,
    StepDiscriminatorOptions,
    four_players,
    player,
    three_players,
)

__all__ = [
    "AdvantageOptions",
    "ClippedOptions",
    "CreditOptions",
    "DialogueLossOptions",
    "DialogueOptions",
    "DialogueRunOptions",
    "DiscriminatorNetworkOptions",
    "DiscriminatorSizeOptions",
    "KLOptions",
    "ReplayBufferOptions",
    "StepDiscriminatorOptions",
    "four_players",
    "player",
    "three_players",
]
