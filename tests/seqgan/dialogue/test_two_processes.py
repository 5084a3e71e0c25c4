"""Two processes that play the dialogue game: one policy, discriminator and replay buffer."""

from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file

from seqgan.cli import main
from tests.recipes.made import read_log, read_result, refusal
from tests.seqgan.dialogue import run_of_two
from tests.seqgan.dialogue.test_dialogue_recipe import talks, written
from tests.seqgan.dialogue.test_models_by_path import TEMPLATE, saved
from tests.two_processes import launch

ADAPTED = ("adapters", "whole_adapters")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of games and runs of two processes, started as users start them."""
    folder = tmp_path_factory.mktemp("runs")
    written(folder, talks(60))
    written(folder, talks(60, seed=2), "test.jsonl")
    if find_spec("peft") is not None:
        saved(folder / "adapted", "llama", template=TEMPLATE, pad="<pad>")
    launch(run_of_two.run, folder, 280)
    return folder


@pytest.fixture(scope="module")
def pair(runs):
    """What both processes found."""
    return [torch.load(runs / f"{rank}.pt") for rank in range(2)]


def different(one, other):
    return [name for name, value in one.items() if not torch.equal(value, other[name])]


@pytest.mark.slow
def test_both_hold_one_policy_one_discriminator_and_one_memory(pair):
    one, two = pair
    assert different(one["whole"], two["whole"]) == []
    moved = different(one["half"], one["whole"])
    assert {"replay_buffer.reply", "G.model.lm_head.weight"} <= set(moved)
    # Eight contexts a round with two samples each, of both processes
    assert one["whole"]["replay_buffer.filled"] == 4 * 8


@pytest.mark.slow
def test_each_draws_samples_of_its_own(pair):
    assert not torch.equal(pair[0]["drawn"], pair[1]["drawn"])


@pytest.mark.slow
def test_both_go_on_exactly_with_the_memory_of_both(pair):
    for found in pair:
        assert different(found["whole"], found["resumed"]) == []


@pytest.mark.slow
def test_a_policy_cut_in_two_samples_learns_and_is_kept_as_a_whole_one(pair):
    """FSDP2: each process holds half of it; the reference is put together."""
    for found in pair:
        plain, sharded = found["plain"], found["sharded"]
        assert sharded.pop("local") < 0.6 * plain.pop("local")
        for name, value in plain.items():
            assert torch.allclose(value, sharded[name], rtol=0, atol=1e-5), name
        kept = [name for name in sharded if name.startswith("G.model.")]
        assert all(torch.equal(sharded[n], sharded["mle" + n.removeprefix("G")]) for n in kept)


@pytest.mark.slow
def test_a_reward_of_trl_holds_one_discriminator_that_learns_of_both_processes_completions(pair):
    one, two = (found["rewards"] for found in pair)
    for name, value in one.items():
        if name.startswith("reward."):
            assert torch.equal(value, two[name])
            assert torch.allclose(value, one["alone." + name[7:]], atol=1e-5), name
    assert torch.allclose(torch.cat([one["own"], two["own"]]), one["all"], atol=1e-4)


@pytest.mark.slow
def test_a_run_of_shared_models_is_that_of_whole_ones_saved_and_measured(runs):
    """The first process must wait for nobody while it trains a judge of the replies."""
    shared, whole = (read_log(runs / name) for name in ("sharded", "whole"))
    assert [row["phase"] for row in shared] == [row["phase"] for row in whole]
    for key in ("mle/loss", "nll_valid"):
        assert shared[0][key] == pytest.approx(whole[0][key], abs=1e-4)
    assert shared[-1]["D/loss"] == pytest.approx(whole[-1]["D/loss"], abs=0.05)
    table = read_result(runs / "sharded")["table"]
    assert table["GAN T=1.0"]["nll_test"] > 0
    assert "ere" in read_result(runs / "whole")["table"]["GAN T=1.0"]
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(runs / "sharded" / "model")
    kept = load_file(runs / "sharded" / "checkpoint" / "game.safetensors")
    assert "G.model.lm_head.weight" not in kept  # tied, and so stored once
    for name, value in model.named_parameters():
        assert torch.equal(value, kept[f"G.model.{name}"])


@pytest.mark.slow
def test_a_run_of_shared_models_goes_on_exactly(runs):
    left, undisturbed = (runs / name for name in ("left", "sharded"))
    assert (left / "log.jsonl").read_bytes() == (undisturbed / "log.jsonl").read_bytes()
    name = "checkpoint/game.safetensors"
    weights, expected = load_file(left / name), load_file(undisturbed / name)
    assert all(torch.equal(weights[key], value) for key, value in expected.items())


def check_adapters(runs):
    """Adapters on a shared model end as those on a whole one, and nothing else has moved."""
    one, two = (load_file(runs / name / "mle/model.safetensors") for name in ADAPTED)
    before = load_file(runs / "adapted/model.safetensors")
    assert all(torch.allclose(p, two[name], rtol=0, atol=1e-5) for name, p in one.items())
    moved = {name for name, p in before.items() if not torch.equal(p, one[name])}
    assert moved
    assert all("proj" in name for name in moved)
    played = load_file(runs / "adapters/model/model.safetensors")
    assert any(not torch.equal(played[name], p) for name, p in one.items())
    assert {n for n, p in before.items() if not torch.equal(p, played[n])} <= moved


@pytest.mark.slow
def test_adapters_on_a_shared_model_learn_as_on_a_whole_one(runs):
    if not (runs / "adapted").exists():
        pytest.skip("peft is not installed")
    check_adapters(runs)


@pytest.mark.slow
def test_one_process_talks_to_what_two_have_trained_but_shares_nothing(runs, capsys, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("do you like tea ?\n"))
    assert main(["chat", str(runs / "sharded"), "--no_color"]) == 0
    assert "[0." in capsys.readouterr().out
    data = str(runs / "talks.jsonl")
    words = ["train", "dialogue", "--preset", "tiny", "--data", data, "--out", str(runs / "alone")]
    assert "accelerate launch" in refusal(capsys, *words, "--shard", "true")
    assert not (runs / "alone").exists()
