"""Claims: intervals, verdicts, what is made again and what is not, and docs that cannot drift."""

import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from scipy import stats

from benchmarks.claims import __main__ as program
from benchmarks.claims.harness import tables
from benchmarks.claims.harness.claim import (
    Check,
    Claim,
    MissingFigure,
    t_interval,
    verdict,
    verdict_of_all,
)
from benchmarks.claims.harness.play import RunFailed, play
from benchmarks.claims.harness.results import Record, read_records, valid_records
from image_core.student import t_quantile
from seqgan.cli import main as seqgan

CLAIMS = program.load_claims()

SCRIPT = """
import json, sys
from pathlib import Path

mode, seed, out, data, *_ = sys.argv[1:]
with (Path(data) / "played").open("a") as file:
    file.write(f"{mode}{seed} ")
if mode == "fail" and seed == "1":
    sys.exit("seed 1 is refused")
if mode == "busy":
    while True:
        pass
(Path(out) / "run").mkdir()
value = 10 * (mode == "good") + int(seed)
(Path(out) / "run" / "result.json").write_text(json.dumps({"table": {"row": {"x": value}}}))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program that takes the place of a recipe."""
    file = tmp_path / "program.py"
    file.write_text(SCRIPT)
    return file


def toy(script: Path, *, worse: str = "bad", by: float = 0.0) -> Claim:
    """A claim of two runs whose figures differ by 10 for every seed."""
    words = "{seed} {out} {data}"
    return Claim(
        says="Good is better than bad.",
        runs={"good": f"python {script} good {words}", "bad": f"python {script} {worse} {words}"},
        checks=[
            Check(
                says="good above bad",
                figure=("good", "row", "x"),
                against=("bad", "row", "x"),
                by=by,
            )
        ],
        rows=[("good", "row"), ("bad", "row")],
        columns=["x"],
        cpu_seconds=30,
    )


def run(claim: Claim, folder: Path, **more: object) -> bool:
    """Run a claim with its data in the folder."""
    return program.run_claims({"toy": claim}, folder / "results", data=folder, **more)  # type: ignore[arg-type]


def played(folder: Path) -> str:
    """What the program was called with so far."""
    file = folder / "played"
    return file.read_text() if file.exists() else ""


def test_t_quantiles_are_those_of_scipy():
    for seeds in range(2, 11):
        assert t_quantile(seeds) == pytest.approx(stats.t.ppf(0.975, seeds - 1), abs=1e-4)


def test_interval_of_known_values():
    # Mean 2, deviation 1: half width 4.3027 / sqrt(3)
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, -0.48414, 4.48414), abs=1e-4)
    single = t_interval([5.0])
    assert single.mean == 5.0
    assert math.isnan(single.low)


def test_verdict_needs_the_whole_interval_above_the_bound():
    assert verdict(t_interval([1.0, 2.0, 3.0]), -0.4) == "fails"
    assert verdict(t_interval([1.0, 2.0, 3.0]), -0.5) == "holds"
    assert verdict(t_interval([100.0]), 0) == "one seed"
    assert verdict(None, 0) == "not run"
    assert verdict_of_all(["holds", "one seed", "fails"]) == "fails"
    assert verdict_of_all(["holds", "one seed"]) == "one seed"
    assert verdict_of_all(["holds", "holds"]) == "holds"


def test_differences_are_of_equal_seeds_and_name_what_is_missing(script):
    check = toy(script).checks[0]
    assert check.difference({"good": {"row": {"x": 3.0}}, "bad": {"row": {"x": 1.0}}}) == 2.0
    with pytest.raises(MissingFigure, match="no row 'row', but other"):
        check.difference({"good": {"other": {"x": 3.0}}, "bad": {"row": {"x": 1.0}}})
    with pytest.raises(MissingFigure, match="no 'x': y"):
        check.difference({"good": {"row": {"y": 3.0}}, "bad": {"row": {"x": 1.0}}})


def test_a_claim_is_run_recorded_and_not_run_again(script, tmp_path, capsys):
    assert run(toy(script), tmp_path)
    assert capsys.readouterr().out == "toy: holds\n"
    assert played(tmp_path) == "good0 bad0 good1 bad1 good2 bad2 "
    records = read_records(tmp_path / "results" / "toy.jsonl")
    assert [(r.run, r.seed) for r in records] == [
        *(("bad", 0), ("good", 0), ("bad", 1), ("good", 1), ("bad", 2), ("good", 2)),
    ]
    assert records[1].table == {"row": {"x": 10}}
    assert "{out}" in records[0].command
    assert str(tmp_path / "results") not in records[0].command
    assert run(toy(script), tmp_path)
    assert played(tmp_path) == "good0 bad0 good1 bad1 good2 bad2 "


def test_a_changed_command_or_script_is_run_again(script, tmp_path):
    run(toy(script), tmp_path, seeds=[0])
    changed = toy(script, worse="also_bad")
    run(changed, tmp_path, seeds=[0])
    assert played(tmp_path) == "good0 bad0 also_bad0 "
    script.write_text(SCRIPT + "# changed\n")
    file = tmp_path / "results" / "toy.jsonl"
    assert valid_records(changed, read_records(file)) == []
    run(changed, tmp_path, seeds=[0])
    assert played(tmp_path) == "good0 bad0 also_bad0 good0 also_bad0 "
    assert len(read_records(file)) == 2


def test_a_failed_run_loses_no_other_and_is_tried_again(script, tmp_path, capsys):
    claim = toy(script, worse="fail")
    assert not run(claim, tmp_path)
    said = capsys.readouterr()
    assert "toy, fail" not in said.out
    assert "toy, bad, seed 1: RunFailed('seed 1 is refused')" in said.err
    assert said.out == "toy: 2 of 3 seeds\n"
    before = played(tmp_path)
    assert not run(claim, tmp_path)
    assert played(tmp_path) == before + "fail1 "


def test_an_assertion_that_does_not_hold_fails(script, tmp_path, capsys):
    assert not run(toy(script, by=10.5), tmp_path)
    assert capsys.readouterr().out == "toy: fails\n"


def test_one_seed_is_told(script, tmp_path, capsys):
    assert run(toy(script), tmp_path, seeds=[4])
    assert capsys.readouterr().out == "toy: one seed\n"


def test_a_run_that_passes_its_limit_is_ended(script, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(RunFailed, match="its limit is 1 CPU seconds"):
        play(f"python {script} busy 0 {{out}} {{data}}", out, tmp_path, 1)


def test_cpu_seconds_are_those_of_all_commands(script, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    burn = tmp_path / "burn.py"
    burn.write_text("import time\nwhile time.process_time() < 0.3:\n    pass\n")
    assert play(f"python {burn}\npython {burn}", out, tmp_path, 30) >= 0.6


def test_a_line_that_was_cut_short_is_left_out(script, tmp_path):
    run(toy(script), tmp_path, seeds=[0])
    file = tmp_path / "results" / "toy.jsonl"
    whole = file.read_text()
    file.write_text(whole[:-20])
    assert [r.run for r in read_records(file)] == ["bad"]
    run(toy(script), tmp_path, seeds=[0])
    assert [r.run for r in read_records(file)] == ["bad", "good"]


def test_tiny_results_are_never_taken_for_real_ones(script, tmp_path, capsys):
    shrunk = replace(toy(script), tiny={"python": "--small"}, cpu_seconds=20)
    assert run(shrunk, tmp_path, tiny=True)
    records = read_records(tmp_path / "results" / "toy.jsonl")
    assert valid_records(shrunk, records, tiny=True) == records
    assert valid_records(shrunk, records) == []
    with pytest.raises(SystemExit):
        program.main(["--tiny"])


def test_table_of_a_claim(script, tmp_path):
    run(toy(script), tmp_path)
    block = tables.claim_block("toy", toy(script), tmp_path / "results")
    assert "**Good is better than bad.** Verdict: **holds**. Seeds 0, 1, 2; " in block
    assert "| good above bad | 10 (10 to 10) | 0 | holds |" in block
    assert "| good | row | 11 (10, 11, 12) |" in block
    assert f"python {script} bad 0 {{out}} {{data}}" in block
    page = "before\n<!-- claim: toy -->\nold\n<!-- end -->\nafter\n"
    filled = tables.fill(page, {"toy": toy(script)}, tmp_path / "results")
    assert filled == f"before\n<!-- claim: toy -->\n{block}<!-- end -->\nafter\n"
    assert tables.fill(filled, {"toy": toy(script)}, tmp_path / "results") == filled
    line = tables.overview({"toy": toy(script)}, tmp_path / "results").splitlines()[-1]
    assert re.fullmatch(
        r"\| `toy` \| Good is better than bad\. \| 0, 1, 2 \| \d{4}-\d\d-\d\d \| holds \|", line
    )


def test_a_claim_that_was_not_run_says_so(script, tmp_path):
    block = tables.claim_block("toy", toy(script), tmp_path)
    assert "Verdict: **not run**." in block
    assert "| good |" not in block


def pages() -> Mapping[str, str]:
    return {page.name: page.read_text(encoding="utf-8") for page in tables.DOCS.glob("*.md")}


def test_the_docs_tables_are_what_the_results_give():
    for name, text in pages().items():
        made = tables.fill(text, CLAIMS, program.RESULTS)
        assert text == made, f"{name}: run `python -m benchmarks.claims --tables`"


def test_every_claim_stands_in_the_docs_once():
    found = re.findall(r"<!-- claim: (\w+) -->", "\n".join(pages().values()))
    assert sorted(found) == sorted(CLAIMS)


def test_every_committed_record_is_whole():
    for file in program.RESULTS.glob("*.jsonl"):
        assert file.stem in CLAIMS
        for line in file.read_text(encoding="utf-8").splitlines():
            assert set(json.loads(line)) == set(Record.__dataclass_fields__)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_commands_of_a_page_are_accepted(name, capsys, tmp_path):
    claim = CLAIMS[name]
    for run_ in claim.runs:
        for line in (
            *claim.command(run_, 0).splitlines(),
            *claim.command(run_, 0, tiny=True).splitlines(),
        ):
            if not line.startswith(("seqgan train", "seqgan rivals")):
                continue
            words = shlex.split(line.replace("{out}", str(tmp_path)))[1:]
            with pytest.raises(SystemExit) as stop:
                seqgan([*words, "--print_config"])
            assert stop.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", CLAIMS)
def test_every_place_of_a_page_names_one_of_its_runs(name):
    claim = CLAIMS[name]
    places = [p for c in claim.checks for p in (c.figure, c.against) if not isinstance(p, float)]
    assert {run_ for run_, *_ in places} | {run_ for run_, _ in claim.rows} <= set(claim.runs)
    assert all(len(place) == 3 for place in places)
    assert claim.checks


def test_a_seed_whose_run_withholds_a_figure_is_left_out_and_named(script, tmp_path, capsys):
    claim = toy(script)
    assert run(claim, tmp_path)
    results = tmp_path / "results"
    records = read_records(results / "toy.jsonl")

    def without(*seeds: int) -> None:
        for r in records:
            if r.run == "good" and r.seed in seeds:
                r.table["row"].pop("x", None)
        lines = [json.dumps(asdict(r)) + "\n" for r in records]
        (results / "toy.jsonl").write_text("".join(lines))

    without(1)
    block = tables.claim_block("toy", claim, results)
    assert (
        "| good above bad | 10 (10 to 10); without seed 1, whose run withholds a figure |" in block
    )
    assert "| good | row | 11 (10, withheld, 12) |" in block
    without(0, 2)
    with pytest.raises(MissingFigure):
        tables.claim_block("toy", claim, results)
