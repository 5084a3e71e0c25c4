"""Controls: a run without what its paper is said to learn from."""

import pytest
import torch
from safetensors.torch import load_file

from seqgan.cli import main
from seqgan.text import controls, oracle_recipe
from seqgan.text.compare import controls_told
from seqgan.text.games.generator import shuffled
from seqgan.text.games.offline import tiny as tiny_offline
from seqgan.text.games.sequence import tiny as tiny_sequence
from seqgan.text.games.token import tiny as tiny_token
from seqgan.text.games.weighted import tiny as tiny_weighted
from tests.recipes.made import TINY_ORACLE, built, read_log, read_result, refusal, shorten

SMALL = ("--rounds", "2", "--mle_epochs", "1", "--train_size", "64", "--test_size", "32")
SMALL = (*SMALL, "--evaluate_every", "9", "--rollouts", "1", "--d_warmup_steps", "1")

# ---------------------------------------------------------------------------------- permuted


def test_values_are_shuffled_over_the_rows_among_those_that_count():
    values = torch.arange(24.0).view(8, 3)
    mask = torch.ones(8, 3, dtype=torch.bool)
    mask[5:, 1] = False
    mask[:, 2] = False
    torch.manual_seed(0)
    found = shuffled(values, mask)
    for t, rows in enumerate((8, 5, 0)):
        assert sorted(found[:rows, t].tolist()) == values[:rows, t].tolist()
        assert torch.equal(found[rows:, t], values[rows:, t])
    assert not torch.equal(found[:, 0], values[:, 0])
    first = torch.stack([shuffled(values, mask)[:, 0] for _ in range(2000)])
    # Each row gets the mean of all: a standard error is 6.9 / sqrt(2000)
    torch.testing.assert_close(first.mean(0), torch.full((8,), 10.5), atol=0.65, rtol=0)


@pytest.mark.parametrize("tiny", [tiny_sequence, tiny_token, tiny_weighted, tiny_offline])
def test_a_permuted_game_learns_the_same_from_values_of_any_row(tiny):
    """With a reward that differs by row the gradient changes; with one that does not, it stays."""
    for level, changes in ((0.0, False), (1.0, True)):
        grads = []
        for permuted in (False, True):
            torch.manual_seed(0)
            game, data = tiny()
            game.permuted = permuted

            def told(values, mask, game=game, level=level):
                given = torch.linspace(0.2, 1.7, len(values))[:, None] ** level
                return type(game).told(game, given.expand(values.shape).clone(), mask)

            game.told = told
            torch.manual_seed(1)
            (loss,) = game.policy_move(iter([data]))
            grads.append(torch.autograd.grad(loss.total, game.G.output_bias)[0])
        assert torch.allclose(*grads, atol=1e-6) is not changes


# ------------------------------------------------------------------------------------- phases


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The paper and its controls from one seed, after the same maximum likelihood."""
    folder = tmp_path_factory.mktemp("controls")
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0, 0.5)
        for name in ("none", *controls.NAMES):
            words = [*TINY_ORACLE, *SMALL, "--control", name]
            assert main([*words, "--out", str(folder / name)]) == 0
    return folder


def weights(run, part: str):
    kept = load_file(next((run / "checkpoint").rglob("*.safetensors")))
    return {k.removeprefix(part): v for k, v in kept.items() if k.startswith(part)}


def test_controls_start_from_the_same_maximum_likelihood_and_end_elsewhere(runs):
    start = weights(runs / "none", "mle.")
    ends = []
    for name in ("none", *controls.NAMES):
        mine = weights(runs / name, "mle.")
        assert all(torch.equal(value, mine[key]) for key, value in start.items()), name
        ends.append(weights(runs / name, "G.")["output_bias"])
    assert len({tuple(end.tolist()) for end in ends}) == 4


def test_more_mle_is_likelihood_with_the_policys_optimizer(runs):
    rows = [row for row in read_log(runs / "more_mle") if row["phase"] != "mle"]
    assert [row["phase"] for row in rows] == ["adversarial"] * 2
    assert all("D/loss" not in row and "G/reward" not in row for row in rows)
    assert read_result(runs / "more_mle")["steps"] == {"mle": 4, "G": 2, "D": 0}
    assert read_result(runs / "more_mle")["discriminator"] == {}


def test_none_real_shows_the_discriminator_samples_in_both_places():
    torch.manual_seed(0)
    run = oracle_recipe.OracleRun(built(oracle_recipe, out="unused", control="none_real"))
    game, seen = run.game, []
    game._discriminator_loss = lambda real, fake: seen.append((real, fake))
    game.sample = lambda count, **_: torch.zeros(count, 10, dtype=torch.int64)
    game.G.sample = lambda count, length, **_: torch.ones(count, length, dtype=torch.int64)
    (turn,) = run.phases()[1].turns
    moves = turn.move(iter(lambda: torch.full((16, 10), 7), None))
    next(moves)
    ((real, fake),) = seen
    assert (real == 1).all()
    assert (fake == 0).all()
    # Maximum likelihood still reads the data
    assert run.phases()[0].turns[0].move == game.mle_move


# ------------------------------------------------------------------------------------- result


def test_the_result_says_which_controls_stand_beside_it(runs, capsys):
    found = read_result(runs / "none")["controls"]
    assert found["in_table"] == ["swept_mle"]
    assert found["told"].endswith("--control permuted, --control none_real, --control more_mle.")
    assert "This run is a control, permuted" in read_result(runs / "permuted")["controls"]["told"]
    out = runs / "compared"
    assert main(["compare", *(str(runs / n) for n in ("none", "permuted")), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Controls beside none: permuted, swept_mle." in said
    assert "permuted is a control: permuted." in said


def test_a_table_without_any_says_so(runs):
    assert controls.told("none", ("more_mle",), swept=False).startswith("No controls stand in")
    result = read_result(runs / "none")
    result["controls"]["in_table"] = []
    from seqgan.text.compare import Result

    alone = Result(runs / "none", "oracle", result)
    assert controls_told(alone, [alone]) == "none: no controls."
    other = Result(runs / "permuted", "oracle", read_result(runs / "permuted"))
    assert controls_told(alone, [alone, other]) == "Controls beside none: permuted."
    apart = {**other.content, "config": {**other.content["config"], "rounds": 3}}
    assert controls_told(alone, [alone, other._replace(content=apart)]) == "none: no controls."


def test_controls_that_a_paper_does_not_have_are_refused(capsys, tmp_path):
    for paper, name, choices in (
        ("relgan", "permuted", "none, none_real, more_mle"),
        ("residual", "more_mle", "none, none_real"),
        ("pg_bleu", "none_real", "none, permuted, more_mle"),
        ("seqgan", "real", "none, permuted, none_real, more_mle"),
    ):
        words = [*TINY_ORACLE, "--paper", paper, "--control", name, "--out", str(tmp_path / "x")]
        said = refusal(capsys, *words)
        assert f"--control {name}: choose one of {choices} for this paper" in said
