"""Finished runs of a claim, a JSON line each; what the docs' tables are made of."""

import hashlib
import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.claims.harness.claim import Check, Claim, Interval, MissingFigure, Table, t_interval

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished run.

    Args:
        run: Name of the run.
        seed: Seed.
        command: Commands, without the folders of this machine.
        code: Digest of the code that made and read the figures, the packages left out.
        cpu_seconds: CPU time of all processes of the run, in seconds.
        date: Day, UTC.
        torch: Version of torch.
        commit: Commit of the repository, with "+changes" where files of the packages differ.
        table: Figures, by row and column.
    """

    run: str
    seed: int
    command: str
    code: str
    cpu_seconds: float
    date: str
    torch: str
    commit: str
    table: Table


def new_record(
    claim: Claim, run: str, seed: int, command: str, seconds: float, table: Table
) -> Record:
    """A record of a run that ends now."""
    return Record(
        run=run,
        seed=seed,
        command=command,
        code=code_digest(claim, command),
        cpu_seconds=round(seconds, 1),
        date=datetime.now(UTC).date().isoformat(),
        torch=version("torch"),
        commit=commit(),
        table=table,
    )


def read_records(file: Path) -> list[Record]:
    """All records of a file; a last line that was cut short is left out."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").split("\n")
    return [Record(**json.loads(line)) for line in lines[:-1]]


def add_record(file: Path, record: Record) -> None:
    """Add a record to a file in the place of an older one of its run and seed; atomic."""
    others = [r for r in read_records(file) if (r.run, r.seed) != (record.run, record.seed)]
    records = sorted([*others, record], key=lambda r: (r.seed, r.run))
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text("".join(json.dumps(asdict(r)) + "\n" for r in records), encoding="utf-8")
    os.replace(unfinished, file)


def valid_records(claim: Claim, records: Sequence[Record], *, tiny: bool = False) -> list[Record]:
    """The records that the claim's commands and code of today would make again."""
    return [
        r
        for r in records
        if r.run in claim.runs
        and r.command == claim.command(r.run, r.seed, tiny=tiny)
        and r.code == code_digest(claim, r.command)
    ]


def code_digest(claim: Claim, command: str) -> str:
    """Digest of the function that reads figures, and of scripts and options in the command."""
    scripts = [word for word in shlex.split(command) if word.endswith((".py", ".yaml"))]
    sources = [claim.source(), *((ROOT / s).read_text(encoding="utf-8") for s in scripts)]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:12]


def complete_seeds(claim: Claim, records: Sequence[Record], seeds: Sequence[int]) -> list[int]:
    """The seeds whose runs are all there."""
    there = {(r.run, r.seed) for r in records}
    return [seed for seed in seeds if all((run, seed) in there for run in claim.runs)]


def differences(
    claim: Claim, records: Sequence[Record], seeds: Sequence[int]
) -> list[Interval | None]:
    """The interval of each check over the seeds whose runs are all there; None without a seed."""
    found = [differences_by_seed(check, claim, records, seeds) for check in claim.checks]
    return [t_interval(list(values.values())) if values else None for values in found]


def differences_by_seed(
    check: Check, claim: Claim, records: Sequence[Record], seeds: Sequence[int]
) -> dict[int, float]:
    """The difference of a check for each seed whose runs are all there.

    A run leaves a figure out where its own control fails, such as a judge that tells real samples
    from real ones; such a seed is left out here, and the tables name it.

    Raises:
        MissingFigure: No seed has the figure.
    """
    done = complete_seeds(claim, records, seeds)
    values: dict[int, float] = {}
    missing: MissingFigure | None = None
    for seed in done:
        try:
            values[seed] = check.difference({r.run: r.table for r in records if r.seed == seed})
        except MissingFigure as error:
            missing = error
    if missing is not None and not values:
        raise missing
    return values


def commit() -> str:
    """Commit of the repository; "unknown" where it is none."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    changed = git("status", "--porcelain", "--", "seqgan", "rl", "image_core")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+changes" if changed else "")
