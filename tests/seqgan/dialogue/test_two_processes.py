"""Two processes that play the dialogue game: one policy, one critic, one memory, other samples."""

import pytest
import torch

from tests.two_processes import play


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What both processes found."""
    folder = tmp_path_factory.mktemp("pair")
    return play("tests.seqgan.dialogue.one_of_two", folder, 250)


def different(one, other):
    return [name for name, value in one.items() if not torch.equal(value, other[name])]


@pytest.mark.slow
def test_both_hold_one_policy_one_critic_and_one_memory(pair):
    one, two = pair
    assert different(one["whole"], two["whole"]) == []
    moved = different(one["half"], one["whole"])
    assert {"memory.reply", "G.model.lm_head.weight"} <= set(moved)
    # Eight contexts a round with two samples each, of both processes
    assert one["whole"]["memory.filled"] == 4 * 8


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
