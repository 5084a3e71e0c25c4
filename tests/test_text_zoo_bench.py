"""The table of all text papers: what runs, from which start, beside which controls."""

import importlib
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seqgan.text import oracle_recipe

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SMALL = {"vocab": 12, "length": 10, "test_size": 16, "d_warmup_steps": 1, "mle_epochs": 1}


@pytest.fixture(scope="module")
def zoo():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        patch.setattr(oracle_recipe, "TEMPERATURES", (0.5, 1.0))
        yield importlib.import_module("text_zoo")


@pytest.fixture(scope="module")
def table(zoo):
    return importlib.import_module("text_zoo_table")


def cell(zoo, row, control="none", out=Path("zoo"), **changes):
    return zoo.Cell("oracle", row, control, 0, 0.01, out, {**zoo.TINY, **SMALL, **changes})


# ------------------------------------------------------------------------------------ what is run


def test_every_paper_has_a_row_its_own_schedule_and_its_controls(zoo):
    rows = zoo.rows_of("oracle")
    assert {"seqgan", "scratchgan", "maskgan", "residual", "spin", "leakgan_random"} <= set(rows)
    plain = zoo.Cell("oracle", "seqgan", "none", 0, 1.0, Path("zoo"), {})
    steps = {row: zoo.configured(plain._replace(row=row), Path("x")) for row in rows}
    assert [steps[n].d_steps for n in ("seqgan", "gcn", "scratchgan", "maskgan")] == [62, 62, 1, 2]
    assert (steps["leakgan_released"].credit_assignment, steps["leakgan_random"].leak) == (
        "released",
        "random",
    )
    cells = zoo.planned(plain, rows, ("permuted", "more_mle", "none_real"))
    assert [c.row for c in cells[: len(rows)]] == rows
    controls = {row: {c.control for c in cells if c.row == row} - {"none"} for row in rows}
    for row in rows:  # each likelihood once: that of the same start and rate is a twin's
        assert controls[row] - {"more_mle"} == set(steps[row].controls()) - {"more_mle"}
    twin = zoo.twins(plain, rows)
    captions = plain._replace(world="captions", changes={"data": "x.txt", "test": "y.txt"})
    assert zoo.twins(captions, zoo.rows_of("captions")) == twin
    assert {twin[row] for row in ("psi_mle", "gcn", "maligan")} == {"gcn"}
    assert twin["cot"] == "cot" != twin["ddo"]
    for row in rows:
        if "more_mle" in steps[row].controls():
            assert "more_mle" in controls[twin[row]]


def test_papers_start_from_one_likelihood_or_are_said_to_be_alone(zoo, tmp_path):
    start = load_file(zoo.likelihood(cell(zoo, "seqgan", out=tmp_path)))
    for row in ("gold", "maskgan"):
        run = zoo.begun(cell(zoo, row, out=tmp_path), tmp_path / row, start, 1)
        shared = not run.config.mle_epochs
        assert shared == (row not in zoo.ALONE)
        if shared:
            for policy in (run.game.G, run.game.mle):
                assert all(torch.equal(value, start[k]) for k, value in policy.state_dict().items())


def test_a_paper_and_a_control_from_start_to_table(zoo, table, tmp_path, capsys):
    """A run that fails is told and ends no other; what is finished is not made again."""
    cells = [
        cell(zoo, "iq_learn", out=tmp_path, batch=-1),
        cell(zoo, "iq_learn", out=tmp_path),
        cell(zoo, "iq_learn", "none_real", out=tmp_path),
    ]
    wrong = list(zoo.played(cells, 1))
    assert "iq_learn.none-0: UserError: --batch -1" in wrong[0]
    assert wrong[1:] == ["", ""]
    assert zoo.rounds_of(cells[1]) == zoo.rounds_of(cells[2])  # a control has the paper's rounds
    before = (cells[1].folder / "log.jsonl").stat().st_mtime_ns
    assert list(zoo.played(cells[1:], 1)) == ["", ""]
    assert (cells[1].folder / "log.jsonl").stat().st_mtime_ns == before
    runs = [(c.row, c.control, c.folder, zoo.rounds_of(c)) for c in cells[1:]]
    capsys.readouterr()
    rows = table.tabulate("oracle", runs, {"iq_learn": "iq_learn"})
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("| iq_learn | ")
    assert line.endswith("| one seed |")
    own = json.loads((cells[1].folder / "result.json").read_text())["sweep"]
    lowest = [min(p["jsd"] for p in own[name]) for name in own]
    assert rows["iq_learn"]["none"][0]["lowest"] == pytest.approx(lowest[1] - lowest[0])
    table.draw("oracle", rows, tmp_path / "zoo.png")
    assert (tmp_path / "zoo.png").read_bytes()[1:4] == b"PNG"


# ------------------------------------------------------------------------------------- the figures


def finished(folder, shift, d_auc=0.7):
    """A run whose temperature curve lies `shift` from that of maximum likelihood."""
    folder.mkdir(parents=True)

    def points(by):
        return [
            {"temperature": t, "nll_test": 3 + a, "nll_oracle": 5 - a + by, "jsd": 0.6 + by / 2}
            for t, a in ((1.3, -0.5), (1.0, 0.0), (0.8, 0.5), (0.5, 1.5))
        ]

    result = {
        "sweep": {"MLE": points(0.0), "Mine": points(shift)},
        "discriminator": {"Mine": {"d_auc": d_auc}},
        "alarms": [],
        "cpu_seconds": 3.0,
    }
    (folder / "result.json").write_text(json.dumps(result))
    rows = [{"phase": "mle", "round": 0, "nll_test": 9}]
    rows += [{"phase": "adversarial", "round": n, "nll_test": 3 - n / 10} for n in (1, 2)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_distance_and_lowest_figure_of_curves_that_are_known(table, tmp_path):
    found = table.measured("oracle", finished(tmp_path / "a.none-0", -0.2), 2)
    assert found["distance"] == pytest.approx(-0.2)
    assert found["lowest"] == pytest.approx(-0.1)
    assert found["curve"] == [[1, 2.9], [2, 2.8]]


def verdicts(table, **distances):
    its = {
        name: [{"seed": seed, "distance": value} for seed, value in enumerate(values)]
        for name, values in distances.items()
    }
    return table.verdict(its, -1)


def test_better_is_better_than_the_curve_and_than_every_control(table):
    good = [-0.30, -0.31, -0.29]
    assert verdicts(table, none=good) == "no controls"
    assert verdicts(table, none=good[:1], permuted=[0.0]) == "one seed"
    assert verdicts(table, none=good, permuted=[0.0, 0.01, 0.0]).startswith(
        "better than MLE and its"
    )
    as_good = {"permuted": [0.0, 0.01, 0.0], "more_mle": [-0.29, -0.32, -0.30]}
    assert verdicts(table, none=good, **as_good) == "better than MLE, not than its controls"
    assert verdicts(table, none=[0.3, 0.31, 0.29], permuted=[0.0] * 3) == "worse than MLE"
    assert verdicts(table, none=[0.3, -0.31, 0.2], permuted=[0.0] * 3) == "as MLE"
    assert table.verdict({"none": [{"seed": 0, "distance": math.nan}], "permuted": []}, -1) == (
        "no distance"
    )


def test_more_likelihood_of_a_twin_stands_beside_every_paper(table, tmp_path, capsys):
    folders = {("a", "none"): -0.2, ("a", "more_mle"): -0.1, ("b", "none"): 0.3}
    runs = [
        (row, control, finished(tmp_path / f"{row}.{control}-0", shift), 2)
        for (row, control), shift in folders.items()
    ]
    rows = table.tabulate("oracle", runs, {"a": "a", "b": "a"})
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split("|")[4].strip() for line in lines] == ["-0.100"] * 2
    assert lines[1].split("|")[2].strip() == "+0.300"
    assert table.order(rows, rows) != 1  # two papers have no order to speak of
    third = {**rows, "c": {"none": [{"distance": 0.1}]}}
    assert table.order(third, third) == pytest.approx(1)
    turned = {"a": third["b"], "b": third["a"], "c": third["c"]}
    assert table.order(third, turned) == pytest.approx(-1)
