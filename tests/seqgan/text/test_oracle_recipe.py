"""The oracle recipe: what it logs, sweeps and reports."""

import math

import numpy as np
import pytest
import torch

from image_core.runs.run import play
from seqgan.cli import main
from seqgan.lm.likelihood import nll
from seqgan.lm.oracle import GATES, SHAPES, draw_oracle
from seqgan.text import oracle_recipe
from seqgan.text.config import TEMPERATURES
from seqgan.text.oracle_recipe import OracleRun
from tests.data_folder import data_folder
from tests.recipes.made import TINY_ORACLE, built, read_log, read_result, refusal
from tests.recipes.made import short_report as short_report


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("oracle") / "run"
    assert main([*TINY_ORACLE, "--out", str(folder), "--evaluate_every", "2"]) == 0
    return folder


def opened(folder, **changes) -> OracleRun:
    return OracleRun(built(oracle_recipe, out=str(folder), **changes))


def test_each_round_logs_who_played_and_metrics_where_they_are_due(run):
    rows = read_log(run)
    assert [row["round"] for row in rows] == list(range(1, 7))
    assert [row["phase"] for row in rows] == ["mle"] * 2 + ["warmup"] + ["adversarial"] * 3
    for row in rows:
        played = {key.split("/")[0] for key in row if "/" in key}
        assert played == {"mle": {"mle"}, "warmup": {"D"}, "adversarial": {"G", "D"}}[row["phase"]]
        assert all(math.isfinite(v) for k, v in row.items() if k != "phase")
        assert row.keys() >= {f"{player}/{n}" for player in played for n in ("loss", "grad_norm")}
    # The first of a phase, every second from there, and the last
    measured = [row["round"] for row in rows if {"nll_oracle", "nll_test"} <= row.keys()]
    assert measured == [1, 2, 4, 6]
    assert all(0 <= row["D/accuracy"] <= 1 for row in rows if "D/accuracy" in row)
    assert all(0 <= row["G/reward"] <= 1 for row in rows if "G/reward" in row)


def test_maximum_likelihood_learns(run):
    rows = [row for row in read_log(run) if row["phase"] == "mle"]
    assert rows[-1]["mle/loss"] < rows[0]["mle/loss"]
    assert rows[-1]["nll_test"] < rows[0]["nll_test"]


def test_the_result_holds_a_sweep_of_both_policies_and_the_oracle(run):
    result = read_result(run)
    best = min(result["sweep"]["MLE"], key=lambda point: point["jsd"])
    extra = (
        [] if best["temperature"] == 1 else [f"MLE T{best['temperature']:.2g}".replace("T0", "T")]
    )
    assert list(result["table"]) == ["MLE", "SeqGAN", *extra, "oracle"]
    assert all(result["table"][name]["jsd"] == best["jsd"] for name in extra)
    assert {tuple(row) for row in result["table"].values()} == {("nll_oracle", "nll_test", "jsd")}
    for name in ("MLE", "SeqGAN"):
        sweep = result["sweep"][name]
        assert [point["temperature"] for point in sweep] == pytest.approx(TEMPERATURES)
        own = next(point for point in sweep if point["temperature"] == 1)
        bands = own.pop("bands")
        assert result["table"][name] == {k: v for k, v in own.items() if k != "temperature"}
        assert {"nll_test"} < bands.keys() <= own.keys()
        assert all(low < own[metric] < high for metric, (low, high) in bands.items())
        # Sharper samples please the oracle more than flatter ones: 2 to 1/2 are the two ends
        assert sweep[-1]["nll_oracle"] < sweep[0]["nll_oracle"]
        assert all(0 < point["jsd"] <= math.log(2) for point in sweep)
    assert result["rounds"] == 6
    assert result["steps"] == {"G": 3, "mle": 2 * 128 // 16, "D": 4 * 4}
    assert result["config"]["out"] == str(run)


def test_the_oracles_row_is_its_entropy_as_its_own_samples_estimate_it(run):
    row = read_result(run)["table"]["oracle"]
    made = opened(run)
    truth = nll(draw_oracle(20, 0), made.test)
    assert (row["nll_test"], row["jsd"]) == (truth, 0.0)
    # Other samples of the oracle stand in the policy's place
    low, high = read_result(run)["bands"]["oracle"]["nll_oracle"]
    assert row["nll_oracle"] != truth
    assert low < truth < high
    assert row["nll_test"] < min(r["nll_test"] for r in read_log(run) if "nll_test" in r)


def test_the_sequences_of_every_row_are_kept(run):
    table, told = read_result(run)["table"], opened(run)
    files = {name: "mle_best" for name in table if name.startswith("MLE T")}
    for row, file in {"MLE": "mle", "SeqGAN": "seqgan", "oracle": "oracle", **files}.items():
        lines = (run / "samples" / f"{file}.txt").read_text().splitlines()
        found = nll(told.oracle, told.encode_sentences(lines))
        assert found == pytest.approx(table[row]["nll_oracle"], abs=1e-6), row
    references = (run / "samples" / "references.txt").read_text().splitlines()
    assert torch.equal(told.encode_sentences(references), told.test)


def test_the_mle_row_is_the_policy_that_adversarial_training_began_with(run):
    made = opened(run)
    made.load()
    last = [row for row in read_log(run) if row["phase"] == "mle"][-1]
    assert nll(made.game.mle.eval(), made.test) == pytest.approx(last["nll_test"], abs=1e-6)
    assert read_result(run)["table"]["MLE"]["nll_test"] == pytest.approx(last["nll_test"], abs=1e-6)
    assert not torch.equal(made.game.mle.output_weight, made.game.G.output_weight)


def test_the_discriminator_is_scored_beside_real_sequences_in_the_policys_place(run):
    result = read_result(run)
    assert list(result["discriminator"]) == ["MLE", "SeqGAN", "oracle"]
    # 32 held-out sequences on either side: four standard errors of a chance AUC are 0.29
    assert abs(result["discriminator"]["oracle"]["d_auc"] - 0.5) < 0.29
    made = opened(run)
    made.load()
    made.game.discriminate = lambda tokens: (tokens[:, 0] == 1).float() - 0.5
    fake, real = torch.zeros_like(made.test), torch.ones_like(made.test)
    rows = made.quality({"MLE": fake}, real, "oracle")
    assert rows == {
        "MLE": {"d_auc": 1.0, "d_accuracy": 1.0},
        "oracle": {"d_auc": 0.5, "d_accuracy": 0.5},
    }


def test_the_result_names_reward_loss_and_estimator(run):
    assert read_result(run)["method"] == {
        "reward": "mean D of 2 completions",
        "loss": "non_saturating",
        "estimator": "reinforce",
    }


def test_a_run_leaves_two_pictures(run):
    assert {file.name for file in (run / "plots").iterdir()} == {"nll.png", "learning.png"}


@pytest.mark.usefixtures("short_report")
def test_the_seed_decides_everything(run, tmp_path):
    logs = []
    for seed in ("0", "1"):
        other = tmp_path / seed
        words = ("--out", str(other), "--seed", seed, "--evaluate_every", "2")
        assert main([*TINY_ORACLE, *words]) == 0
        logs.append((other / "log.jsonl").read_bytes())
    assert logs[0] == (run / "log.jsonl").read_bytes() != logs[1]


def test_samples_are_token_ids_that_begin_with_the_prompt(run, capsys):
    assert main(["sample", str(run), "--n", "5", "--prompt", "3 19 0"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 5
    assert all(len(row) == 10 and row[:3] == ["3", "19", "0"] for row in rows)
    assert all(0 <= int(token) < 20 for row in rows for token in row)


@pytest.mark.parametrize("prompt", ["3 20", "a cat", "-1", "1 2 3 4 5 6 7 8 9 10"])
def test_a_prompt_that_is_none_is_refused(run, capsys, prompt):
    assert "--prompt" in refusal(capsys, "sample", str(run), f"--prompt={prompt}")


# ------------------------------------------------------------------------------- an oracle's file


def saved_oracle(file, seed: int):
    oracle = draw_oracle(20, seed, embedding=4, hidden=4)
    arrays = {"emb": oracle.embedding, "W_out": oracle.output_weight, "b_out": oracle.output_bias}
    parts = {"W": oracle.input_weight[0].t(), "U": oracle.state_weight[0].t()}
    for i, gate in enumerate(GATES):
        own = slice(4 * i, 4 * i + 4)
        arrays |= {f"{letter}{gate}": part[:, own] for letter, part in parts.items()}
        arrays[f"b{gate}"] = oracle.bias[0][own]
    assert arrays.keys() == SHAPES.keys()
    np.savez(file, **{name: array.detach().numpy() for name, array in arrays.items()})
    return oracle


@pytest.mark.usefixtures("short_report")
def test_an_oracle_from_a_file_is_the_one_that_is_learned_and_no_other_later(tmp_path, capsys):
    file, run = tmp_path / "oracle.npz", tmp_path / "run"
    oracle = saved_oracle(file, seed=5)
    assert main([*TINY_ORACLE, "--oracle", str(file), "--out", str(run)]) == 0
    truth = nll(oracle, opened(run, oracle=str(file)).test)
    assert read_result(run)["table"]["oracle"]["nll_test"] == pytest.approx(truth, abs=1e-6)
    saved_oracle(file, seed=6)
    assert f"--oracle {file} is not what {run} began with" in refusal(capsys, "resume", str(run))


@pytest.mark.parametrize("held", [None, b"", b"text"])
def test_a_damaged_oracle_is_refused(tmp_path, capsys, held):
    file = tmp_path / "oracle.npz"
    if held is not None:
        file.write_bytes(held)
    run = tmp_path / "run"
    assert f"--oracle {file}" in refusal(
        capsys, *TINY_ORACLE, "--oracle", str(file), "--out", str(run)
    )
    assert not run.exists()


@pytest.mark.slow
def test_one_epoch_on_the_released_oracle_scores_as_measured(tmp_path):
    """NLL_oracle after one epoch of the released schedule's maximum likelihood."""
    file = data_folder("text") / "seqgan_oracle.npz"
    config = oracle_recipe.PAPERS.config("seqgan")(
        oracle=str(file), out=str(tmp_path), mle_epochs=1, test_size=2000, device="cpu"
    )
    run = OracleRun(config)
    play(run.engine, run.data, run.phases()[:1], run.folder, save_seconds=1e6, show=())
    (row,) = read_log(tmp_path)
    assert row["nll_oracle"] == pytest.approx(10.19, abs=0.15)
