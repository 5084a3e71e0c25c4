"""What a run of imitation leaves: evaluated again to the last digit, drawn, compared over seeds."""

import json
import re
import shutil

import numpy as np
import pytest

from rl.recipes.curves import Curve, curves_of, draw_returns
from rl.recipes.imitate.report import learning_of
from seqgan.cli import main
from tests.recipes.made import is_png, read_log, read_result, refusal


@pytest.fixture(scope="module")
def run(tmp_path_factory, painted):
    folder = tmp_path_factory.mktemp("reports")
    file = str(folder / "demos.npz")
    assert main(["demos", "--env", "CartPole-v1", "--episodes", "3", "--out", file]) == 0
    words = ["--preset", "tiny", "--env", "CartPole-v1", "--demos", file, "--ema_decay=0.5"]
    words += ["--trajectories=2", "--eval_episodes=4", "--out", str(folder / "gail")]
    with painted():
        assert main(["train", "imitate", *words]) == 0
    return folder / "gail"


def test_its_first_evaluated_episodes_are_its_samples(run):
    kept = np.load(run / "samples" / "episodes.npz")
    ends = np.cumsum(kept["traj_len"])[:-1]
    returns = [float(part.sum()) for part in np.split(kept["rews"], ends)]
    assert returns == read_result(run)["returns"]["imitation"]
    assert len(returns) == 4
    assert str(kept["env_id"]) == "CartPole-v1"


@pytest.mark.pictures
def test_evaluating_a_run_gives_its_result_and_report_again(run, capsys):
    files = ("result.json", "report.html", "plots/returns.png", "plots/learning.png")
    before = {name: (run / name).read_bytes() for name in files}
    for name in files[1:]:
        (run / name).unlink()
    # What the training took is all that is read of an earlier result
    took = read_result(run)["cpu_seconds"]
    (run / "result.json").write_text(json.dumps({"cpu_seconds": took}))
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 0
    assert {name: (run / name).read_bytes() for name in files} == before
    out = capsys.readouterr().out
    assert f"{read_result(run)['table']['GAIL']['return']:.3f}" in out


def test_returns_of_all_games_lie_on_one_axis_beside_expert_and_random_lines(run):
    result, log = read_result(run), read_log(run)
    learning = result["learning"]
    phases = ["imitation", "untrained", "random"]
    names = ["GAIL", "discriminator never trained", "random demonstrations"]
    assert list(learning["curves"]) == names
    for phase, name in zip(phases, names, strict=True):
        seen = [row["return"] for row in log if row["phase"] == phase and "return" in row]
        # Rounds of 4 environments x 16 steps
        assert learning["curves"][name] == {"steps": [64, 128], "return": seen}
    cloned = [row["return"] for row in log if row["phase"] == "clone"][-1]
    table = result["table"]
    assert learning["levels"] == {
        "expert": table["expert"]["return"],
        "random policy": table["random policy"]["return"],
        "behavioural cloning before it": cloned,
    }
    page = (run / "report.html").read_text()
    assert page.count("<figure>") == 2
    assert result["conclusion"] in page
    assert f"d_auc {result['d_auc']:.3f}" in page
    low, high = result["intervals"]["return"]["random policy"]
    assert f"({low:.1f} .. {high:.1f})" in page
    assert is_png(run / "plots" / "returns.png")


def test_a_figure_holds_what_it_was_given():
    curves = {"a": Curve([1, 2], [3, 4], ([2, 2], [5, 6])), "b": Curve([1, 2], [1, 1])}
    (axes,) = draw_returns(curves, {"expert": 9.0, "random policy": -1.0}, "steps").axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert lines == {"a": [3, 4], "b": [1, 1], "expert": [9, 9], "random policy": [-1, -1]}
    (band,) = axes.collections
    corners = {tuple(point) for point in band.get_paths()[0].vertices}
    assert {(1, 2), (1, 5), (2, 2), (2, 6)} <= corners


def test_without_rewards_or_environment_steps_there_is_less_to_draw():
    rows = [{"round": n, "phase": "clone", "return": float(n)} for n in (1, 2)]
    table = {"expert": {"return": None}, "random policy": {"return": 1.0}}
    learning = learning_of("BC", rows, 0, table)
    assert learning == ({"BC": Curve([1, 2], [1, 2])}, {"random policy": 1.0}, "optimizer steps")
    later = [{"round": 7, "phase": "x"}, {"round": 8, "phase": "x", "return": 2.0}]
    assert curves_of([*rows, *later], 10)["x"] == Curve([20], [2])
    after = learning_of("GAIL", [*rows, *later], 10, table)  # cloning ended at 2
    assert after.curves == {"x": Curve([20], [2])}
    assert after.levels == {"random policy": 1, "behavioural cloning before it": 2}


def again(run, name, seed, *, add, **options):
    """The run as another seed would leave it, all its returns raised."""
    folder = run.parent / name
    shutil.copytree(run, folder)
    result = read_result(folder)
    result["seed"] = result["config"]["seed"] = seed
    result["config"] |= options
    for row in result["table"].values():
        row["return"] += add
    for curve in result["learning"]["curves"].values():
        curve["return"] = [value + add for value in curve["return"]]
    (folder / "result.json").write_text(json.dumps(result))
    return str(folder)


@pytest.mark.pictures
def test_seeds_become_one_curve_with_a_band(run, tmp_path, capsys):
    second, third = (again(run, f"s{n}", n, add=3.0 * n) for n in (1, 2))
    other = again(run, "other", 0, add=0.5, paper="airl")
    out = tmp_path / "out"
    assert main(["compare", str(run), second, third, other, "--out", str(out)]) == 0
    found, table = read_result(out), read_result(run)["table"]
    assert found["seeds"] == {"gail (3 seeds)": [0, 1, 2], "other (one seed)": [0]}
    mine = read_result(run)["learning"]["curves"]["GAIL"]["return"]
    curve = found["curves"]["gail (3 seeds): GAIL"]
    assert curve["returns"] == pytest.approx([value + 3 for value in mine])
    low, high = curve["band"]
    assert low == pytest.approx(mine)  # of 0, 3 and 6 above it, 1 of 27 draws is the least alone
    assert high == pytest.approx([value + 6 for value in mine])
    assert found["curves"]["other (one seed): GAIL"]["band"] is None
    shown = found["table"]["gail (3 seeds): GAIL"]["return"]
    value = table["GAIL"]["return"]
    assert shown == f"{value + 3:.2f} [{value:.2f} .. {value + 6:.2f}]"
    single = found["table"]["other (one seed): GAIL"]["return"]
    assert single == f"{value + 0.5:.2f}"
    assert found["levels"]["expert"] == table["expert"]["return"]
    assert is_png(out / "plots" / "returns.png")
    page = (out / "report.html").read_text()
    assert re.search(r"interval over seeds", page)
    said = refusal(capsys, "compare", str(run), str(run), "--out", str(tmp_path / "no"))
    assert "no further evidence" in said
    elsewhere = again(run, "elsewhere", 0, add=0.0, env="Acrobot-v1")
    said = refusal(capsys, "compare", str(run), elsewhere, "--out", str(tmp_path / "no"))
    assert "--env is CartPole-v1 in" in said
