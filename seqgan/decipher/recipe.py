"""Decipherment from one command: text, a cipher of one half of it, a game, and rivals."""

import functools
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS
from image_core.adversarial.game import Batch
from image_core.games.cycle import CycleGAN
from image_core.runs import options, plots, recipe
from image_core.runs.batches import Batches
from image_core.runs.fingerprint import fingerprint
from image_core.runs.folder import write_text
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine
from image_core.runs.run_page import write_page
from image_core.runs.table import print_table
from seqgan.decipher.ciphers import make_cipher
from seqgan.decipher.config import PAPERS as PAPERS
from seqgan.decipher.config import PRESETS as PRESETS
from seqgan.decipher.config import DecipherOptions
from seqgan.decipher.data import CipherSets, cut, read_letters
from seqgan.decipher.measures import (
    REAL_AGAIN,
    discrimination,
    read,
    right,
    rivals,
    soft,
)

CURVES = ("accuracy", "G/cycle_a", "G/cycle_b", "DA/loss", "DB/loss", "d_auc")
SHOWN = 5
"""Windows that are written beside what is read of them."""
LOOKED = 200
"""Most windows that the log measures with."""


class Run(recipe.Run):
    """A system that deciphers.

    Args:
        config: Its options.
        data: Whether the text is read; to decipher, the options are enough.
    """

    recipe = "decipher"
    show = ("G/loss", "DB/loss", "accuracy", "d_auc")
    movable = ("data", "valid", "test")
    config: DecipherOptions
    game: CycleGAN
    sets: CipherSets

    def __init__(self, config: DecipherOptions, *, data: bool = True):
        super().__init__(config, data=data)
        c, self.paper = config, PAPERS.load(config.paper)
        self.letters = len(c.alphabet)
        self.cipher = make_cipher(c.cipher, c.alphabet, key=c.key, seed=c.cipher_seed)
        if data:
            own = {
                role: None if source is None else read_letters(source, c.alphabet)
                for role, source in (("valid", c.valid), ("test", c.test))
            }
            text = read_letters(c.data, c.alphabet)
            self.sets = cut(text, c.length, self.cipher, c.split_seed, **own)
        self.device = options.pick_device(c.device)
        self.game = self.paper.game(c, self.cipher).to(self.device)
        players = self.paper.players(c)
        self.engine = make_engine(
            self.game, players, c.precision, source=self.paper.file, shard=c.shard
        )
        if data:
            cipher = Batches(self.sets.cipher, c.batch, seed=c.seed)
            plain = Batches(self.sets.plain, c.batch, seed=c.seed + 1)

            def both(index: int) -> Batch:
                rows = {"a": cipher(index), "b": plain(index)}
                return {name: self._soft(own) for name, own in rows.items()}

            self.data = both

    def _soft(self, rows: Any) -> torch.Tensor:
        return soft(rows, self.letters)

    def phases(self) -> list[Phase]:
        """The paper's phases; the game's own rounds where it has none."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        c = self.config
        limits = [DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS._replace(metric="d_accuracy")]
        return [Phase("adversarial", None, c.rounds, self.look, c.evaluate_every, limits=limits)]

    def data_fingerprint(self) -> int:
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> int:
        return fingerprint([*self.sets[:4]])

    def data_source(self) -> str:
        return f"--data {self.config.data}"

    def start(self) -> None:
        """Create the run's folder, and say what the parts hold."""
        super().start()
        facts = ", ".join(f"{name} {value:g}" for name, value in self.sets.facts.items())
        print(f"{self.data_source()}: {facts}", file=sys.stderr)

    def look(self) -> dict[str, float]:
        """Share of letters of validation windows that are read rightly."""
        valid = self.sets.valid  # of a file of one's own the first windows are of one passage
        draw = torch.Generator().manual_seed(0)
        true = valid[torch.randperm(len(valid), generator=draw)[:LOOKED]]
        found = read(self.game, self.cipher.encipher(true), self.letters)
        return {"accuracy": right(found, true)[0], **self._judged(self.sets.valid)}

    def _judged(self, held: Int64[Tensor, "N T"]) -> dict[str, float]:
        return discrimination(
            self.game, held, self.cipher, self.letters, diagnose=self.config.diagnose
        )

    def report(self, cpu_seconds: float | None = None) -> None:
        c, folder, true = self.config, self.folder, self.sets.test
        given = self.cipher.encipher(true)
        found = {self.paper.title: read(self.game, given, self.letters)}
        rows: Mapping[str, torch.Tensor] = {
            **found,
            **rivals(
                self.sets,
                self.cipher,
                self.letters,
                restarts=c.restarts,
                iterations=c.iterations,
                most=c.em_rows,
                seed=c.seed,
            ),
            REAL_AGAIN: true,
        }
        scored = {name: right(own, true) for name, own in rows.items()}
        table = {name: {"accuracy": share} for name, (share, _) in scored.items()}
        ends = {name: {"accuracy": list(own)} for name, (_, own) in scored.items()}
        folder.write_result(
            {
                "table": table,
                "intervals": {**ends, "over": "windows of text"},
                "discriminator": self._judged(true),
                "data": self.sets.facts,
                "alarms": self.engine.notes.get("alarms", []),
                "rounds": self.engine.round,
                "steps": self.engine.steps,
                "seed": c.seed,
                "config": asdict(c),
                "cpu_seconds": folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
                "versions": {"torch": torch.__version__},
            }
        )
        folder.samples.mkdir(parents=True, exist_ok=True)
        shown = [(name, own[:SHOWN]) for name, own in (("cipher text", given), *rows.items())]
        lines = [
            f"{self.written(row)}  {name}"
            for i in range(SHOWN)
            for name, own in shown
            for row in own[i : i + 1]
        ]
        write_text(folder.samples / "read.txt", "\n".join(lines) + "\n")
        folder.plots.mkdir(parents=True, exist_ok=True)
        plots.learning_curves(folder.log, folder.plots / "learning.png", CURVES)
        what = f"{c.cipher} of {self.letters} letters, {len(true):,} held-out windows, one seed"
        write_page(
            folder.html,
            f"{self.paper.title} on {c.data}",
            facts=asdict(c),
            table=table,
            intervals=ends,
            notes=[f"{what}. Share of letters that are read rightly; intervals are over windows."],
            pictures={"Curves of the log": folder.plots / "learning.png"},
        )
        print_table(f"{folder.folder}: {what}", table)

    def written(self, row: torch.Tensor) -> str:
        """Numbers of letters as text."""
        return "".join(self.config.alphabet[i] for i in row.tolist())
