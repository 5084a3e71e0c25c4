"""Adversarial training where samples are discrete: the toolkit in one name.

    import seqgan as sg

Everything here is imported when first used, so that the command line's help and text-only programs
stay light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from image_core.adversarial import estimators as estimators
    from image_core.adversarial import losses as losses
    from image_core.adversarial import penalties as penalties
    from image_core.adversarial import returns as returns
    from image_core.adversarial.callbacks import CRITIC_WINS as CRITIC_WINS
    from image_core.adversarial.callbacks import Limit as Limit
    from image_core.adversarial.callbacks import alarms as alarms
    from image_core.adversarial.callbacks import checkpoint as checkpoint
    from image_core.adversarial.callbacks import every as every
    from image_core.adversarial.engine import Engine as Engine
    from image_core.adversarial.errors import UserError as UserError
    from image_core.adversarial.game import Game as Game
    from image_core.adversarial.game import Loss as Loss
    from image_core.adversarial.game import Turn as Turn
    from image_core.memory import keep_freed_memory as keep_freed_memory
    from image_core.runs.batches import Batches as Batches
    from seqgan import data as data
    from seqgan import games as games
    from seqgan import metrics as metrics
    from seqgan import rewards as rewards
    from seqgan.alarms import collapse_alarms as collapse_alarms
    from seqgan.alarms import limits_of as limits_of
    from seqgan.critics import CNNCritic as CNNCritic
    from seqgan.oracle import draw_oracle as draw_oracle
    from seqgan.oracle import load_oracle as load_oracle
    from seqgan.policies import LSTMPolicy as LSTMPolicy

_MODULES = {
    **{
        name: f"image_core.adversarial.{name}"
        for name in ("estimators", "losses", "penalties", "returns")
    },
    **{name: f"seqgan.{name}" for name in ("data", "games", "metrics", "rewards")},
}
_NAMES = {
    "CRITIC_WINS": "image_core.adversarial.callbacks",
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
    "collapse_alarms": "seqgan.alarms",
    "limits_of": "seqgan.alarms",
    "CNNCritic": "seqgan.critics",
    "draw_oracle": "seqgan.oracle",
    "load_oracle": "seqgan.oracle",
    "LSTMPolicy": "seqgan.policies",
}
__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'seqgan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
