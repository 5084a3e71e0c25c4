"""A recipe whose result is known: w <- (1 - rate) w from 1, so that w = (1 - rate) ** rounds."""

import functools
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import nn

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game, Loss, Turn
from image_core.runs.phase import Phase
from image_core.runs.recipe import Run, RunConfig
from image_core.runs.uniform import Uniform


@dataclass(kw_only=True)
class Config(RunConfig):
    """A bowl.

    Args:
        rate: Step of gradient descent.
        rounds: Rounds.
        shift: Added to the score, as a data set would.
    """

    rate: float = 0.5
    rounds: int = 4
    shift: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if self.rate == 0.25:
            raise UserError("--rate 0.25: not here")


class Bowl(Game):
    moves = 0
    """Moves of all bowls of this process."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(()))

    def players(self):
        return {"G": [self.w]}

    def turns(self):
        return [Turn("G", self.move)]

    def move(self, batches):
        Bowl.moves += 1
        yield Loss(self.w**2 / 2)


class BowlRun(Run):
    recipe = "text"

    def __init__(self, config, *, data=True):
        super().__init__(config)
        optimizer = functools.partial(torch.optim.SGD, lr=config.rate)
        self.engine = Engine(Bowl(), {"G": optimizer})
        self.data = Uniform(1, config.seed)

    def phases(self):
        return [Phase("adversarial", None, self.config.rounds, self.look)]

    def look(self):
        return {"w": float(self.engine.game.w.detach())}

    def report(self, cpu_seconds=None):
        score = self.look()["w"] + self.config.shift + self.config.seed / 100
        self.folder.write_result({"table": {"a/b": {"w": score}}, "config": self.as_dict()})

    def data_fingerprint(self):
        return 0

    def data_source(self):
        return "--data"


MODULE = SimpleNamespace(PRESETS={"default": {}}, PAPERS=None, Config=Config, Run=BowlRun)
CONTENT = {
    "search": {"rate": {"float": [0.1, 0.9]}},
    "metric": {"path": "table/a/b/w", "direction": "minimize"},
}
