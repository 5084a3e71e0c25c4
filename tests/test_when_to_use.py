"""The page on when to use an adversary says what the claims' results give."""

import math
from dataclasses import replace

from benchmarks import when_to_use
from benchmarks.claims import __main__ as program
from benchmarks.claims.harness.claim import Interval
from benchmarks.claims.harness.results import Record, add_record, code_digest

CLAIMS = program.load_claims()


def test_the_page_is_what_the_results_give():
    text = when_to_use.PAGE.read_text(encoding="utf-8")
    made = when_to_use.table(when_to_use.measured(CLAIMS, program.RESULTS))
    said = "run `python -m benchmarks.when_to_use`"
    assert when_to_use.filled(text, made) == text, said


def test_every_comparison_is_of_a_run_of_its_claim():
    for one in when_to_use.COMPARED:
        for place in (one.adversary, one.rival):
            assert isinstance(place, float) or place[0] in CLAIMS[one.claim].runs


def test_differences_are_of_equal_seeds(tmp_path):
    claim = replace(CLAIMS["cartpole"], seeds=(0, 1))
    returns = {("gail", 0): ("GAIL", 5.0), ("bc", 0): ("BC", 1.0)}
    returns |= {("gail", 1): ("GAIL", 4.0), ("bc", 1): ("BC", 2.0)}
    for (run, seed), (row, value) in returns.items():
        command = claim.command(run, seed)
        known = {"cpu_seconds": 1.0, "date": "-", "torch": "-", "commit": "-"}
        code = code_digest(claim, command)
        record = Record(
            run=run, seed=seed, command=command, code=code, table={row: {"return": value}}, **known
        )
        add_record(tmp_path / "cartpole.jsonl", record)
    found = when_to_use.measured({**CLAIMS, "cartpole": claim}, tmp_path)
    first = when_to_use.COMPARED[0]
    interval, seeds = found[first]
    assert seeds == 2
    assert interval.mean == 3.0  # 4 and 2
    assert math.isclose(interval.high - interval.mean, 12.7062, rel_tol=1e-4)
    assert f"| {first.task} | return | 3 (-9.71 to 15.7) | 2 | neither |" in when_to_use.table(
        found
    )
    assert found[when_to_use.COMPARED[1]] == (None, 0)


def test_one_seed_has_no_interval_and_large_numbers_no_exponent():
    pair = dict(zip(when_to_use.COMPARED, [(Interval(0.09, math.nan, math.nan), 1)]))
    assert "| return | 0.09 | 1 | one seed |" in when_to_use.table(pair)
    assert [when_to_use.number(x) for x in (1784.2, 0.08247, -3.2)] == ["1,784", "0.0825", "-3.2"]


def test_who_is_ahead():
    assert when_to_use.ahead(Interval(1.0, 0.1, 1.9)) == "adversary"
    assert when_to_use.ahead(Interval(-1.0, -1.9, -0.1)) == "rival"
    assert when_to_use.ahead(Interval(1.0, -0.1, 2.1)) == "neither"
    assert when_to_use.ahead(Interval(1.0, math.nan, math.nan)) == "one seed"
