"""Adversarial training for discrete samples: the toolkit under one name.

    import seqgan as sg

All names are imported when first used, so that the command line's help and text-only programs
start quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seqgan.neighbours import check_neighbours

__version__ = "0.2.0"

if TYPE_CHECKING:
    from image_core.adversarial import attacks as attacks
    from image_core.adversarial import estimators as estimators
    from image_core.adversarial import losses as losses
    from image_core.adversarial import penalties as penalties
    from image_core.adversarial import returns as returns
    from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE as DISCRIMINATOR_AT_CHANCE
    from image_core.adversarial.callbacks import DISCRIMINATOR_WINS as DISCRIMINATOR_WINS
    from image_core.adversarial.callbacks import Limit as Limit
    from image_core.adversarial.callbacks import alarms as alarms
    from image_core.adversarial.callbacks import checkpoint as checkpoint
    from image_core.adversarial.callbacks import every as every
    from image_core.adversarial.ema import EMA as EMA
    from image_core.adversarial.engine import Engine as Engine
    from image_core.adversarial.errors import UserError as UserError
    from image_core.adversarial.game import Game as Game
    from image_core.adversarial.game import Loss as Loss
    from image_core.adversarial.game import Outsider as Outsider
    from image_core.adversarial.game import Turn as Turn
    from image_core.adversarial.losses import AdversarialLoss as AdversarialLoss
    from image_core.adversarial.losses import density_ratio as density_ratio
    from image_core.adversarial.replay import HistoryPool as HistoryPool
    from image_core.adversarial.replay import ReplayBuffer as ReplayBuffer
    from image_core.memory import keep_freed_memory as keep_freed_memory
    from image_core.runs.batches import Batches as Batches
    from rl.wrappers import RewardWrapper as RewardWrapper
    from seqgan import data as data
    from seqgan import games as games
    from seqgan import metrics as metrics
    from seqgan.commands.recipes import load as load
    from seqgan.dialogue.reward import as_reward as as_reward
    from seqgan.dialogue.reward import load_reward as load_reward
    from seqgan.lm.likelihood import jsd as jsd
    from seqgan.lm.likelihood import nll as nll
    from seqgan.lm.oracle import draw_oracle as draw_oracle
    from seqgan.lm.oracle import load_oracle as load_oracle
    from seqgan.lm.policies import LSTMPolicy as LSTMPolicy
    from seqgan.lm.policies import RecurrentPolicy as RecurrentPolicy
    from seqgan.lm.policies import SequencePolicy as SequencePolicy
    from seqgan.metrics.collapse import collapse_alarms as collapse_alarms
    from seqgan.metrics.collapse import limits_of as limits_of
    from seqgan.text import rewards as rewards
    from seqgan.text.discriminators import CNNDiscriminator as CNNDiscriminator
    from seqgan.text.discriminators import SequenceDiscriminator as SequenceDiscriminator

_MODULES = {
    **{
        name: f"image_core.adversarial.{name}"
        for name in ("attacks", "estimators", "losses", "penalties", "returns")
    },
    **{name: f"seqgan.{name}" for name in ("data", "games", "metrics")},
    "rewards": "seqgan.text.rewards",
}
_NAMES = {
    "DISCRIMINATOR_AT_CHANCE": "image_core.adversarial.callbacks",
    "DISCRIMINATOR_WINS": "image_core.adversarial.callbacks",
    "AdversarialLoss": "image_core.adversarial.losses",
    "density_ratio": "image_core.adversarial.losses",
    "EMA": "image_core.adversarial.ema",
    "Outsider": "image_core.adversarial.game",
    "HistoryPool": "image_core.adversarial.replay",
    "ReplayBuffer": "image_core.adversarial.replay",
    "SequencePolicy": "seqgan.lm.policies",
    "RecurrentPolicy": "seqgan.lm.policies",
    "SequenceDiscriminator": "seqgan.text.discriminators",
    "RewardWrapper": "rl.wrappers",
    "as_reward": "seqgan.dialogue.reward",
    "Limit": "image_core.adversarial.callbacks",
    "alarms": "image_core.adversarial.callbacks",
    "checkpoint": "image_core.adversarial.callbacks",
    "every": "image_core.adversarial.callbacks",
    "Engine": "image_core.adversarial.engine",
    "UserError": "image_core.adversarial.errors",
    "Game": "image_core.adversarial.game",
    "Loss": "image_core.adversarial.game",
    "Turn": "image_core.adversarial.game",
    "Batches": "image_core.runs.batches",
    "keep_freed_memory": "image_core.memory",
    "collapse_alarms": "seqgan.metrics.collapse",
    "limits_of": "seqgan.metrics.collapse",
    "CNNDiscriminator": "seqgan.text.discriminators",
    "draw_oracle": "seqgan.lm.oracle",
    "jsd": "seqgan.lm.likelihood",
    "load_oracle": "seqgan.lm.oracle",
    "load": "seqgan.commands.recipes",
    "load_reward": "seqgan.dialogue.reward",
    "LSTMPolicy": "seqgan.lm.policies",
    "nll": "seqgan.lm.likelihood",
}
__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    check_neighbours()
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'seqgan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
