"""The files of one run, each written atomically.

config.yaml  log.jsonl  checkpoint/  samples/  plots/*.png  result.json  report.html
.lock                     while a process trains the run
"""

import json
import math
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.runs import lock
from image_core.runs.groups import groups
from image_core.runs.outside import sources


def check_unused(out: Path) -> None:
    """Reject a folder that is not empty.

    Args:
        out: Folder to check.

    Raises:
        UserError: The folder is not empty, or is a file.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"--out {out} is not an empty folder and nothing is overwritten; choose another --out"
        )


def write_text(file: Path, text: str) -> None:
    """Write a file atomically; among several processes only the first writes.

    Args:
        file: Destination file; its folder is created.
        text: Content.

    Raises:
        UserError: The disk is full or the file cannot be written.
    """
    if not parallel.first():
        return
    temporary = _unfinished(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UserError(
            f"cannot write {file}: {error.strerror}; free some space or choose another --out"
        ) from error


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON of plain values; numbers that are not finite become null.

    Args:
        value: Mappings, sequences, numbers and text.
        indent: Spaces of one level; None writes a single line.
    """
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _unfinished(file: Path) -> Path:
    return file.with_name(file.name + ".tmp")


FORMAT = 2
"""Format of config.yaml; version 0.1 wrote none."""


def _as_yaml(recipe: str, config: Any) -> str:
    """The options in their groups, each under its title."""
    values = asdict(config)

    def dump(part: Mapping[str, Any]) -> str:
        return yaml.safe_dump(dict(part), sort_keys=False, allow_unicode=True)

    parts = [
        f"# {title}\n" + dump({name: values[name] for name in names})
        for title, names in groups(type(config))
    ]
    if found := sources(config):
        parts.append("# SHA-256 of own modules\n" + dump({"sources": found}))
    return "\n".join([dump({"recipe": recipe, "format": FORMAT}), *parts])


class RunFolder:
    """The files of one run.

    Args:
        folder: Path of the folder.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.config, self.log = self.folder / "config.yaml", self.folder / "log.jsonl"
        self.checkpoint, self.samples = self.folder / "checkpoint", self.folder / "samples"
        self.plots, self.result = self.folder / "plots", self.folder / "result.json"
        self.html, self.lock = self.folder / "report.html", self.folder / lock.NAME

    def check_unused(self) -> None:
        """Check that a run can start here: in a new or empty folder.

        Raises:
            UserError: The folder already contains files.
        """
        if not parallel.first():
            return
        if self.config.exists():
            raise UserError(
                f"--out {self.folder} holds a run and nothing is overwritten; continue it with "
                f"`seqgan resume {self.folder}` or choose another --out"
            )
        if self.folder.is_dir():
            # A run killed before it wrote its first file leaves only these
            ours = {_unfinished(self.config), self.lock, _unfinished(self.lock)}
            used = any(file not in ours for file in self.folder.iterdir())
        else:
            used = self.folder.exists()
        if used:
            raise UserError(
                f"--out {self.folder} is not empty and nothing is overwritten; choose another --out"
            )

    def locked(self) -> AbstractContextManager[None]:
        """Context in which no other process trains this run; see `lock.locked`."""
        return lock.locked(self.folder)

    def create(self, recipe: str, config: Any) -> None:
        """Start a run in an empty or new folder.

        Args:
            recipe: Name of the recipe.
            config: Options of the run, a dataclass.

        Raises:
            UserError: The folder already contains files, or cannot be created.
        """
        failure: UserError | None = None
        try:
            self.check_unused()
            self.write_config(recipe, config)
        except UserError as error:  # the other processes must not wait for this one
            failure = error
        # No process writes into the folder before the first has seen that it is empty
        succeeded = parallel.all_succeeded(failure is None)
        if failure is not None:
            raise failure
        if not succeeded:
            raise UserError(f"{self.folder} was not begun; see the message of the first process")

    def write_config(self, recipe: str, config: Any) -> None:
        """Write `config.yaml`.

        Args:
            recipe: Name of the recipe.
            config: Options of the run, a dataclass.
        """
        write_text(self.config, _as_yaml(recipe, config))

    def read_config(self) -> dict[str, Any]:
        """The configuration that the run was started with, its recipe's name under "recipe".

        Raises:
            UserError: The configuration is missing or cannot be read.
        """
        try:
            config = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.folder} is not a run: {self.config} cannot be read") from error
        except yaml.YAMLError as error:
            raise UserError(
                f"{self.config} is not valid YAML; restore it or start a new run"
            ) from error
        if not isinstance(config, dict) or "recipe" not in config:
            raise UserError(
                f"{self.config} does not name its recipe; restore it or start a new run"
            )
        return config

    def keep_log_until(self, round_: int) -> None:
        """Drop what was logged after the checkpoint: those rounds are played again identically.

        Args:
            round_: Number of rounds that the checkpoint has played.

        Raises:
            UserError: The log is corrupt or does not belong to the checkpoint.
        """
        if not parallel.first():
            return
        kept = []
        if self.log.exists():
            try:
                for line in self.log.read_text(encoding="utf-8").splitlines(keepends=True):
                    if not line.endswith("\n") or json.loads(line)["round"] > round_:
                        break
                    kept.append(line)
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise UserError(f"{self.log} is corrupt; restore it or start a new run") from error
        if len(kept) != round_:
            raise UserError(
                f"{self.log} holds {len(kept)} of the {round_} rounds that the checkpoint has "
                "played; restore it or start a new run"
            )
        if self.log.exists() and self.log.stat().st_size != sum(
            len(line.encode()) for line in kept
        ):
            write_text(self.log, "".join(kept))

    def sync_log(self) -> None:
        """Flush the log to disk, so that no checkpoint is ahead of its log."""
        if not parallel.first():
            return
        with self.log.open("rb") as stream:
            os.fsync(stream.fileno())

    def write_log(self, record: Mapping[str, Any]) -> None:
        """Append one line to the log.

        Args:
            record: Values of one round by name.

        Raises:
            UserError: The disk is full.
        """
        if not parallel.first():
            return
        try:
            with self.log.open("a", encoding="utf-8") as stream:
                stream.write(as_json(record) + "\n")
        except OSError as error:
            raise UserError(
                f"cannot write {self.log}: {error.strerror}; free some space and resume"
            ) from error

    def cpu_seconds(self) -> float | None:
        """CPU time of the training in seconds, from `result.json`; None if it is missing."""
        try:
            return json.loads(self.result.read_text(encoding="utf-8"))["cpu_seconds"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget_results(self, of: str) -> None:
        """Remove the results of a run that goes on past its end, since they are no longer its own.

        Args:
            of: What they are the results of, for the message.
        """
        old = [file for file in (self.result, self.html) if file.exists()]
        if not old or not parallel.first():
            return
        for file in old:
            file.unlink()
        names = " and ".join(map(str, old))
        print(f"{names}: removed, since they are of {of}", file=sys.stderr)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`, strict JSON.

        Args:
            result: Numbers of the run by name.
        """
        write_text(self.result, as_json(result, indent=1) + "\n")
