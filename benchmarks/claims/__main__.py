"""Run the claims: `python -m benchmarks.claims [--only NAME ...] [--seeds 0 1 2] [--data DIR]`.

Each run of a claim is a process of its own, nice and within a limit of CPU seconds. A finished run
is a line of results/NAME.jsonl and is not made again while its command and the code that reads it
stay the same, so a stopped command goes on with the run that it was in. Then the tables of
docs/papers are made anew. The exit code is 1 if a run failed or an assertion does not hold.
"""

import argparse
import importlib
import itertools
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.claims.harness import tables
from benchmarks.claims.harness.claim import Claim, MissingFigure
from benchmarks.claims.harness.play import RunFailed, play
from benchmarks.claims.harness.results import (
    ROOT,
    add_record,
    new_record,
    read_records,
    valid_records,
)

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
DATA = Path(os.environ.get("SEQGAN_DATA", ROOT.parent / "shared" / "data"))


def load_claims() -> dict[str, Claim]:
    """All pages, by name."""
    names = sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))
    return {name: importlib.import_module(f"benchmarks.claims.{name}").CLAIM for name in names}


def run_claims(
    claims: Mapping[str, Claim],
    results: Path,
    *,
    data: Path,
    seeds: Sequence[int] = (),
    tiny: bool = False,
) -> bool:
    """Make the runs that are missing, and print the verdicts.

    Args:
        claims: Claims by name.
        results: Folder of the results.
        data: Folder for {data}.
        seeds: Seeds; those of each claim where there is none.
        tiny: Whether the commands are shrunk.

    Returns:
        Whether every run ended and no assertion fails.
    """
    good = True
    for name, claim in claims.items():
        chosen = seeds or claim.seeds
        for seed, run in itertools.product(chosen, claim.runs):
            good &= _make(name, claim, run, seed, results, data, tiny)
        records = valid_records(claim, read_records(results / f"{name}.jsonl"), tiny=tiny)
        try:
            found = tables.claim_verdict(claim, records, chosen)
        except MissingFigure as error:
            found = f"fails: {error}"
        print(f"{name}: {found}", flush=True)
        good &= tiny or found in ("holds", "one seed")
    return good


def _make(
    name: str, claim: Claim, run: str, seed: int, results: Path, data: Path, tiny: bool
) -> bool:
    """Make one run if it is missing; whether it is there now."""
    file = results / f"{name}.jsonl"
    there = valid_records(claim, read_records(file), tiny=tiny)
    if any((r.run, r.seed) == (run, seed) for r in there):
        return True
    command = claim.command(run, seed, tiny=tiny)
    with tempfile.TemporaryDirectory() as out:
        try:
            seconds = play(command, Path(out), data, claim.cpu_seconds)
            table = claim.read(Path(out))
        except (RunFailed, OSError, LookupError, ValueError) as error:  # the others go on
            print(f"{name}, {run}, seed {seed}: {error!r}", file=sys.stderr, flush=True)
            return False
    add_record(file, new_record(claim, run, seed, command, seconds, table))
    print(f"{name}, {run}, seed {seed}: {seconds:.0f} CPU seconds", file=sys.stderr, flush=True)
    return True


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    claims = load_claims()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.claims", description="Run the claims and fill the docs' tables."
    )
    parser.add_argument("--only", nargs="+", choices=claims, default=list(claims))
    parser.add_argument("--seeds", nargs="+", type=int, default=[], help="instead of the claim's")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of {data} ($SEQGAN_DATA)")
    parser.add_argument("--results", type=Path, help="folder of NAME.jsonl; results/ if left out")
    parser.add_argument("--tables", action="store_true", help="run nothing, fill the docs' tables")
    parser.add_argument("--tiny", action="store_true", help="try the pages with shrunk commands")
    c = parser.parse_args(given)
    if c.tiny and c.results is None:
        parser.error("--tiny needs --results, so that no figure of it is taken for a real one")
    results = c.results or RESULTS
    chosen = {name: claims[name] for name in c.only}
    good = True
    if not c.tables:
        good = run_claims(chosen, results, data=c.data.resolve(), seeds=c.seeds, tiny=c.tiny)
    if c.results is None:
        tables.write_docs(claims, results)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
