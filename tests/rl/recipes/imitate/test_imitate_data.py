"""What is held out, and how far it overlaps with what is learned from."""

import numpy as np
import pytest

from image_core.adversarial.errors import UserError
from rl.envs import make_envs
from rl.formats import save_npz
from rl.recipes.imitate.data import DemonstrationSplit, facts_of, read, told_of
from tests.rl.made import trajectory

FOUR = [trajectory(length=5 + i, seed=i) for i in range(4)]


@pytest.fixture(scope="module")
def envs():
    return make_envs("CartPole-v1", 1)


def file_of(folder, name, trajectories, envs):
    save_npz(folder / name, trajectories, envs, "CartPole-v1")
    return str(folder / name)


def test_what_is_beyond_the_trajectories_asked_for_is_held_out_and_nothing_else(tmp_path, envs):
    demos = file_of(tmp_path, "d.npz", FOUR, envs)
    more = file_of(tmp_path, "v.npz", [trajectory(length=9, seed=9)], envs)
    for asked, valid, learned, held_out in (
        (0, "", (5, 6, 7, 8), ()),
        (4, "", (5, 6, 7, 8), ()),
        (1, "", (8,), (5, 6, 7)),
        (0, more, (5, 6, 7, 8), (9,)),
        (3, more, (5, 6, 8), (9,)),
    ):
        found = read(envs, "CartPole-v1", demos, valid=valid, trajectories=asked)
        assert tuple(len(t.obs) for t in found.learned) == learned
        assert tuple(len(t.obs) for t in found.held_out) == held_out
    with pytest.raises(UserError, match=r"every episode of --valid .* is one of those learned"):
        read(envs, "CartPole-v1", demos, valid=demos)
    with pytest.raises(UserError, match=r"--trajectories 5: --demos .* hold only 4"):
        read(envs, "CartPole-v1", demos, trajectories=5)


def test_of_sorted_demonstrations_both_sides_are_of_everywhere(tmp_path, envs):
    """Sorted by length, as by return: the first ones would be the worst."""
    ordered = [trajectory(length=5 + i, seed=i) for i in range(40)]
    demos = file_of(tmp_path, "d.npz", ordered, envs)
    found = read(envs, "CartPole-v1", demos, trajectories=20)
    for side in (found.learned, found.held_out):
        lengths = [len(t.obs) for t in side]
        assert len(set(lengths)) == 20
        assert 19 < sum(lengths) / 20 < 30
    again = read(envs, "CartPole-v1", demos, trajectories=20)
    assert [len(t.obs) for t in again.learned] == [len(t.obs) for t in found.learned]


def test_copied_and_nearly_copied_steps_are_counted(envs):
    """Of four held-out episodes one is a copy, one is nearly one, and two are new."""
    learned = [trajectory(length=50, seed=i) for i in range(2)]
    nearly = learned[1]._replace(obs=learned[1].obs + np.float32(0.001))
    new = [trajectory(length=50, seed=i) for i in (7, 8)]
    shown = DemonstrationSplit(learned, [learned[0], nearly, *new], "--valid x", 3, ["one line"])
    facts = facts_of(shown, 100, seed=0)
    assert (facts["train_episodes"], facts["train_rows"], facts["valid_rows"]) == (2, 100, 200)
    assert facts["skipped_episodes"] == 3
    assert facts["valid_in_train"] == pytest.approx(0.25)
    assert facts["valid_near_train"] == pytest.approx(0.5)
    told = told_of(shown, facts, judged=True)
    assert told[0] == "one line"
    assert told[1].endswith(
        "25.0% of their steps are training steps too, 50.0% are near one of them"
    )


def test_another_action_at_the_same_state_is_no_copy(envs):
    learned = [trajectory(length=50, seed=0)]
    other = learned[0]._replace(act=1 - learned[0].act)
    facts = facts_of(DemonstrationSplit(learned, [other], "--valid x", 0, []), 50, seed=0)
    assert facts["valid_in_train"] == facts["valid_near_train"] == 0
    # States alone cannot tell
    bare = [t._replace(act=t.act[:0]) for t in (learned[0], other)]
    facts = facts_of(DemonstrationSplit(bare[:1], bare[1:], "--valid x", 0, []), 50, seed=0)
    assert facts["valid_in_train"] == facts["valid_near_train"] == 1
