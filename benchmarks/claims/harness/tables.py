"""The docs' tables of claims: what stands between two markers is made from the results."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.claims.harness.claim import Claim, Interval, t_interval, verdict, verdict_of_all
from benchmarks.claims.harness.results import (
    ROOT,
    Record,
    complete_seeds,
    differences,
    differences_by_seed,
    read_records,
    valid_records,
)

DOCS = ROOT / "docs" / "papers"

BLOCK = re.compile(r"(<!-- (claims|claim: (\w+)) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
"""A place in the docs: `<!-- claim: NAME -->` or `<!-- claims -->`, up to `<!-- end -->`."""


def fill(text: str, claims: Mapping[str, Claim], results: Path) -> str:
    """A page with its tables made from the results.

    Args:
        text: Page.
        claims: Claims by name.
        results: Folder of the results, NAME.jsonl.
    """

    def made(block: re.Match[str]) -> str:
        first, _, name, _, last = block.groups()
        if name is None:
            return f"{first}{overview(claims, results)}{last}"
        return f"{first}{claim_block(name, claims[name], results)}{last}"

    return BLOCK.sub(made, text)


def write_docs(claims: Mapping[str, Claim], results: Path) -> None:
    """Make the tables of all pages."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(fill(text, claims, results), encoding="utf-8")


def overview(claims: Mapping[str, Claim], results: Path) -> str:
    """One line a claim: sentence, seeds, date, verdict."""
    lines = ["| claim | sentence | seeds | date | verdict |", "|---|---|---|---|---|"]
    for name, claim in claims.items():
        records = valid_records(claim, read_records(results / f"{name}.jsonl"))
        done = complete_seeds(claim, records, claim.seeds)
        dates = max((r.date for r in records if r.seed in done), default="-")
        seeds = _listed(done) or "-"
        lines.append(
            f"| `{name}` | {claim.says} | {seeds} | {dates} | {claim_verdict(claim, records)} |"
        )
    return "\n".join(lines) + "\n"


def claim_verdict(
    claim: Claim, records: Sequence[Record], seeds: Sequence[int] | None = None
) -> str:
    """The verdict on a claim from the runs that are there."""
    seeds = claim.seeds if seeds is None else seeds
    done = len(complete_seeds(claim, records, seeds))
    if 1 < done < len(seeds):
        return f"{done} of {len(seeds)} seeds"
    found = differences(claim, records, seeds)
    return verdict_of_all([verdict(f, c.by) for f, c in zip(found, claim.checks, strict=True)])


def claim_block(name: str, claim: Claim, results: Path) -> str:
    """Verdict, checks, figures and commands of one claim."""
    records = valid_records(claim, read_records(results / f"{name}.jsonl"))
    done = complete_seeds(claim, records, claim.seeds)
    parts = [f"**{claim.says}** Verdict: **{claim_verdict(claim, records)}**."]
    if done:
        used = [r for r in records if r.seed in done]
        parts[0] += " " + _provenance(claim, used)
        parts += [_checks(claim, records), _figures(claim, used, done)]
    parts += [_commands(name, claim)]
    return "\n\n".join(parts) + "\n"


def _provenance(claim: Claim, records: Sequence[Record]) -> str:
    seeds = sorted({r.seed for r in records})
    cost = [r.cpu_seconds for r in records]
    facts = [
        f"{'Seeds' if len(seeds) > 1 else 'Seed'} {_listed(seeds)}",
        " and ".join(sorted({r.date for r in records})),
        f"{min(cost):.0f} to {max(cost):.0f} CPU seconds a run (limit {claim.cpu_seconds})",
        "torch " + ", ".join(sorted({r.torch for r in records})),
        "commit " + ", ".join(sorted({r.commit for r in records})),
    ]
    return "; ".join(facts) + "."


def _checks(claim: Claim, records: Sequence[Record]) -> str:
    lines = [
        "| asserted | mean difference (95 % t interval over seeds) | must be above | verdict |",
        "|---|---|---|---|",
    ]
    done = complete_seeds(claim, records, claim.seeds)
    for check in claim.checks:
        values = differences_by_seed(check, claim, records, claim.seeds)
        difference = t_interval(list(values.values()))
        left_out = [seed for seed in done if seed not in values]
        shown = _shown(difference) + (
            f"; without seed {_listed(left_out)}, whose run withholds a figure" if left_out else ""
        )
        lines.append(f"| {check.says} | {shown} | {check.by:g} | {verdict(difference, check.by)} |")
    return "\n".join(lines)


def _shown(found: Interval) -> str:
    if math.isnan(found.low):
        return f"{_number(found.mean)} (one seed)"
    return f"{_number(found.mean)} ({_number(found.low)} to {_number(found.high)})"


def _figures(claim: Claim, records: Sequence[Record], seeds: Sequence[int]) -> str:
    """Mean over seeds, each seed's value behind it."""
    lines = [
        f"| run | row | {' | '.join(claim.columns)} |",
        "|---" * (len(claim.columns) + 2) + "|",
    ]
    tables = {(r.run, r.seed): r.table for r in records}
    for run, row in claim.rows:
        cells = []
        for column in claim.columns:
            cells.append(_cell([tables[run, seed].get(row, {}).get(column) for seed in seeds]))
        lines.append(f"| {run} | {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return ""
    each = ", ".join("withheld" if value is None else _number(value) for value in values)
    return f"{_number(sum(there) / len(there))} ({each})" if len(values) > 1 else each


def _number(value: float) -> str:
    return f"{value:.4g}"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(str(seed) for seed in seeds)


def _commands(name: str, claim: Claim) -> str:
    """The commands of the page, by run."""
    runs = [f"# {run}\n{claim.command(run, claim.seeds[0])}" for run in claim.runs]
    return (
        f"<details><summary>Commands of seed {claim.seeds[0]}; all of them: "
        f"<code>python -m benchmarks.claims --only {name}</code></summary>\n\n"
        "```\n" + "\n".join(runs) + "\n```\n\n</details>"
    )
