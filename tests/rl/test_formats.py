"""What users bring: layouts of other packages, read rightly or refused in a sentence."""

import json
import math

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from image_core.adversarial.errors import UserError
from rl.demos import record
from rl.envs import make_envs
from rl.formats import load_demonstrations, read_demonstrations, save_npz
from tests.rl.pendulum import ACTS, LENGTHS, OBS, REWS
from tests.rl.pendulum import envs as envs

gymnasium.register("Several-v0", "tests.rl.made:Several", max_episode_steps=4)


def flat(parts):
    return np.concatenate(parts)


def marks(*places):
    """Ten flags."""
    return np.isin(np.arange(10), places)


def ours(**change):
    made = {"obs": flat([o[:-1] for o in OBS]), "acts": flat(ACTS), "rews": flat(REWS)}
    made |= {"terminals": marks(), "last_obs": np.stack([o[-1] for o in OBS])}
    return changed({**made, "traj_len": np.array(LENGTHS)}, change)


def d4rl(**change):
    made = {"observations": flat([o[:-1] for o in OBS]), "actions": flat(ACTS)}
    made |= {"rewards": flat(REWS), "terminals": marks(), "timeouts": marks(3, 9)}
    return changed({**made, "next_observations": flat([o[1:] for o in OBS])}, change)


def steps(**change):
    made = {"obs": flat([o[:-1] for o in OBS]), "acts": flat(ACTS), "rews": flat(REWS)}
    made |= {"next_obs": flat([o[1:] for o in OBS]), "terminations": marks()}
    return changed({**made, "truncations": marks(3, 9)}, change)


def expert_dataset(**change):
    made = {"obs": flat([o[:-1] for o in OBS]), "actions": flat(ACTS), "rewards": flat(REWS)}
    made |= {"episode_starts": marks(0, 4), "episode_returns": np.array([r.sum() for r in REWS])}
    return changed(made, change)


def imitation(**change):
    made = {"obs": flat(OBS), "acts": flat(ACTS), "rews": flat(REWS), "indices": np.array([4])}
    return changed({**made, "terminal": np.array([True, False])}, change)


def changed(made, change):
    return {name: x for name, x in {**made, **change}.items() if x is not None}


def as_hdf5(path, arrays):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def written(folder, arrays, suffix="npz"):
    file = folder / f"demos.{suffix}"
    np.savez(file, **arrays) if suffix == "npz" else as_hdf5(file, arrays)
    return str(file)


class Want:
    """What must come of the two episodes.

    Args:
        ends: Whether each ended in a terminal state.
        short: Whether the last step of each is left out.
        acts: Whether actions are known.
        returns: Whether returns are known.
        keep: Episodes that are kept.
        says: What the line of what was understood holds.
    """

    def __init__(
        self, ends=(False, False), short=False, acts=True, returns=True, keep=(0, 1), says=""
    ):
        self.ends, self.short, self.acts, self.keep = ends, short, acts, keep
        self.returns, self.says = returns, says


def assert_as_wanted(found, want):
    assert want.says in found.told
    assert "\n" not in found.told
    assert found.skipped == 2 - len(want.keep)
    for t, i in zip(found.trajectories, want.keep, strict=True):
        n = LENGTHS[i] - want.short
        np.testing.assert_array_equal(t.obs, OBS[i][:n])
        np.testing.assert_array_equal(t.act, ACTS[i][: n if want.acts else 0])
        if not (want.ends[i] and "its own observation" in found.told):
            np.testing.assert_array_equal(t.last_obs, OBS[i][n])
        assert t.terminated == want.ends[i]
        if want.returns:  # of whole episodes, whatever is left out
            assert t.ret == pytest.approx(float(REWS[i].sum()), abs=1e-5)
        else:
            assert math.isnan(t.ret)


STATES = {"obs": flat(OBS), "traj_len": np.array(LENGTHS)}
"""States alone, of which it is told how many belong together."""
LEFT_OUT, OWN = "that step is left out", "its own observation stands there"
READ = {
    "ours": (ours(), Want(says="npz, 2 episodes of 4 to 6 steps (10 in all), 0 ended in")),
    "ours with ends": (ours(terminals=marks(3)), Want((True, False), says="1 ended in")),
    "ours without rewards": (ours(rews=None), Want(returns=False, says="return unknown")),
    "ours in doubles": (
        ours(obs=ours()["obs"].astype(float), acts=flat(ACTS).astype(float)),
        Want(),
    ),
    "ours, flags as numbers": (ours(terminals=marks(9) * 1.0), Want((False, True))),
    "ours, flat actions": (ours(acts=flat(ACTS)[:, 0]), Want()),
    "ours, column rewards": (ours(rews=flat(REWS)[:, None]), Want()),
    "ours with infos": (ours(infos=np.array([{"a": 1}] * 10)), Want()),
    "ours with truncations": (ours(truncations=marks(3, 9)), Want()),
    "d4rl": (d4rl(), Want(says="D4RL, 2 episodes")),
    "d4rl, terminal": (d4rl(terminals=marks(3), timeouts=marks(9)), Want((True, False))),
    "d4rl, both flags": (d4rl(terminals=marks(3)), Want((True, False))),
    "d4rl, columns": (
        d4rl(
            rewards=flat(REWS)[:, None],
            terminals=marks(3, 9)[:, None],
            timeouts=marks()[:, None],
        ),
        Want((True, True)),
    ),
    "d4rl, bytes as flags": (d4rl(timeouts=marks(3, 9).astype(np.uint8)), Want()),
    "d4rl without rewards": (d4rl(rewards=None), Want(returns=False)),
    "d4rl without successors": (d4rl(next_observations=None), Want(short=True, says=LEFT_OUT)),
    "d4rl, terminals without successors": (
        d4rl(next_observations=None, terminals=marks(3, 9), timeouts=marks()),
        Want((True, True), says=OWN),
    ),
    "d4rl, interrupted": (
        d4rl(timeouts=marks(3)),
        Want(keep=(0,), says="1 skipped, the first because trajectory 1 breaks off"),
    ),
    "expert dataset": (expert_dataset(), Want(short=True, says="ExpertDataset")),
    "expert dataset, column starts": (
        expert_dataset(episode_starts=marks(0, 4)[:, None]),
        Want(short=True, says="taken as cut"),
    ),
    "expert dataset without rewards": (
        expert_dataset(rewards=None, episode_returns=None),
        Want(short=True, returns=False),
    ),
    "imitation": (imitation(), Want((True, False), says="npz of imitation")),
    "imitation without rewards": (imitation(rews=None), Want((True, False), returns=False)),
    "imitation with pickled infos": (
        imitation(infos=np.array([{"a": 1}] * 10)),
        Want((True, False)),
    ),
    "ours, big-endian": (
        {n: x.astype(x.dtype.newbyteorder(">")) for n, x in ours().items()},
        Want(),
    ),
    "ours, columns first in memory": ({n: np.asfortranarray(x) for n, x in ours().items()}, Want()),
    "ours, lengths of 8 bits": (ours(traj_len=np.array(LENGTHS, np.uint8)), Want()),
    "steps": (steps(), Want(says="npz, a row a step")),
    "steps in capitals": ({n.upper(): x for n, x in steps().items()}, Want()),
    "steps with ends": (steps(terminations=marks(3), truncations=marks(9)), Want((True, False))),
    "steps without rewards": (steps(rews=None), Want(returns=False)),
    "steps, columns of flags": (
        steps(terminations=marks(3, 9)[:, None], truncations=marks()[:, None]),
        Want((True, True)),
    ),
    "steps without successors": (steps(next_obs=None), Want(short=True, says=LEFT_OUT)),
    "steps, episodes by number": (
        steps(
            next_obs=None, terminations=None, truncations=None, episode=marks(*range(4, 10)) * -3
        ),
        Want(short=True, says="taken as cut"),
    ),
    "steps, episodes by name": (
        steps(terminations=None, truncations=None, episode=np.array(["a"] * 4 + ["b"] * 6)),
        Want(says="taken as cut"),
    ),
    "steps, one episode out of order": (
        steps(next_obs=np.concatenate([OBS[0][1:], OBS[1][:-1]])),
        Want(
            keep=(0,), says="1 skipped, the first because trajectory 1: next_observations are not"
        ),
    ),
    "d4rl, an infinite reward": (
        d4rl(rewards=np.where(np.arange(10) == 2, np.inf, flat(REWS))),
        Want(keep=(1,), says="trajectory 0 has rewards that are no finite numbers"),
    ),
    "imitation with ends as numbers": (imitation(terminal=np.array([1, 0])), Want((True, False))),
    "expert dataset, starts as numbers": (
        expert_dataset(episode_starts=marks(0, 4).astype(np.int64)),
        Want(short=True),
    ),
    "nan in one": (
        ours(obs=np.where(np.arange(10)[:, None] == 2, np.nan, ours()["obs"])),
        Want(keep=(1,), says="1 skipped, the first because trajectory 0 has observations that are"),
    ),
    "inf action in one": (
        d4rl(actions=np.where(np.arange(10)[:, None] == 5, np.inf, flat(ACTS))),
        Want(keep=(0,), says="1 skipped"),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_layouts_are_read_to_the_right_values(tmp_path, envs, name):
    arrays, want = READ[name]
    found = read_demonstrations(written(tmp_path, arrays), envs, "Pendulum-v1")
    assert_as_wanted(found, want)


@pytest.mark.parametrize("name", [n for n in READ if n.startswith("d4rl")])
def test_d4rl_is_read_from_its_own_files(tmp_path, envs, name):
    arrays, want = READ[name]
    arrays = {**arrays, "metadata": np.zeros(2), "infos": np.zeros(3)}
    found = read_demonstrations(written(tmp_path, arrays, "hdf5"), envs, "Pendulum-v1")
    assert_as_wanted(found, want)


def test_d4rl_without_timeouts_is_cut_at_the_time_limit(tmp_path):
    envs = make_envs("Pendulum-v1", 1, max_episode_steps=5)
    arrays = d4rl(timeouts=None)
    found = load_demonstrations(written(tmp_path, arrays), envs, "Pendulum-v1")
    assert [len(t.obs) for t in found] == [5, 5]
    np.testing.assert_array_equal(found[1].obs, arrays["observations"][5:])


def test_states_alone_are_read_where_actions_are_not_needed(tmp_path, envs):
    for name, arrays in {"ours": ours(acts=None), "d4rl": d4rl(actions=None)}.items():
        (tmp_path / name).mkdir()
        file = written(tmp_path / name, arrays)
        with pytest.raises(UserError, match="no actions; only --paper gaifo learns from states"):
            read_demonstrations(file, envs, "Pendulum-v1")
        found = read_demonstrations(file, envs, "Pendulum-v1", needs_actions=False)
        assert_as_wanted(found, Want(acts=False, says="states alone, no actions"))
        again = tmp_path / name / "again.npz"
        save_npz(again, found.trajectories, envs, "Pendulum-v1")
        with np.load(again) as kept:
            assert "acts" not in kept


def test_returns_of_whole_episodes_survive_being_written_again(tmp_path, envs):
    """Though their last steps are not in the file."""
    found = load_demonstrations(written(tmp_path, expert_dataset()), envs, "Pendulum-v1")
    save_npz(tmp_path / "again.npz", found, envs, "Pendulum-v1")
    again = load_demonstrations(str(tmp_path / "again.npz"), envs, "Pendulum-v1")
    for one, other in zip(again, found, strict=True):
        assert one.ret == pytest.approx(other.ret, abs=1e-5)
        np.testing.assert_array_equal(one.act, other.act)


@pytest.mark.parametrize("change", [
    {}, {"traj_len": np.array(LENGTHS) + 1},
    {"obs": flat([o[:-1] for o in OBS]), "last_obs": np.stack([o[-1] for o in OBS])},
])  # fmt: skip
def test_states_alone_and_how_many_each_episode_has(tmp_path, envs, change):
    file = written(tmp_path, {**STATES, **change})
    found = read_demonstrations(file, envs, "Pendulum-v1", needs_actions=False)
    assert_as_wanted(found, Want(acts=False, returns=False, says="taken as cut by a time limit"))


REFUSED = {
    "states, other lengths": (
        {**STATES, "traj_len": np.array([3, 4])},
        "does not add up to the 12",
    ),
    "states, lengths of words": (
        {**STATES, "traj_len": np.array(["4"])},
        "one whole number for each",
    ),
    "d4rl, short flags": (d4rl(timeouts=marks(3)[:5]), "timeouts has 5 rows, not 10"),
    "ours, action out of the box": (ours(acts=2 * flat(ACTS)), "outside the environment's box"),
    "ours, another environment": (ours(obs=ours()["obs"][:, :2]), "last_obs has shape"),
    "ours, two components": (ours(acts=np.tile(flat(ACTS), 2)), "2 components, but the"),
    "ours without terminals": (ours(terminals=None), "lacks terminals"),
    "ours, returns of another": (ours(episode_returns=np.zeros(3)), "episode_returns"),
    "d4rl, flags of words": (d4rl(terminals=np.array(["a"] * 10)), "terminals are not True"),
    "d4rl, flags of 2": (d4rl(timeouts=2 * marks(3)), "timeouts are not True or False"),
    "d4rl, short actions": (d4rl(actions=flat(ACTS)[:-1]), "actions has 9 rows, not 10"),
    "d4rl, one reward": (d4rl(rewards=np.array(1.0)), "rewards has 1 rows, not 10"),
    "d4rl, all interrupted": (d4rl(timeouts=marks()), "trajectory 0 breaks off before it has"),
    "d4rl, nothing": (
        {name: array[:0] for name, array in d4rl().items()},
        "hold no trajectory",
    ),
    "d4rl, other observations": (
        d4rl(observations=np.zeros((10, 5)), next_observations=None),
        "shape (5,), but the environment shows (3,)",
    ),
    "expert dataset, starts late": (expert_dataset(episode_starts=marks(2)), "False in row 0"),
    "expert dataset, pictures": (
        expert_dataset(obs=np.array(["a.png"] * 10)),
        "names pictures by their files",
    ),
    "expert dataset, short": (expert_dataset(rewards=np.zeros(3)), "rewards has 3 rows, not 10"),
    "expert dataset, single steps": (expert_dataset(episode_starts=marks(*range(10))), "is empty"),
    "imitation, no split": (imitation(indices=np.array([], int)), "do not belong together"),
    "imitation, split backwards": (imitation(indices=np.array([11])), "do not belong together"),
    "nothing known": ({"a": np.zeros(3)}, "lacks obs, terminals, last_obs, traj_len"),
    "no archive": (None, "is no .npz file (it begins with b'no arc')"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_sentence_with_the_files_name(tmp_path, envs, name):
    arrays, says = REFUSED[name]
    file = tmp_path / "demos.npz"
    file.write_bytes(b"no archive") if arrays is None else np.savez(file, **arrays)
    with pytest.raises(UserError) as caught:
        read_demonstrations(str(file), envs, "Pendulum-v1", option="--valid")
    assert says in str(caught.value)
    assert f"--valid {file}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["episode_0/rewards", "data/demo_0/obs", "traj_0/actions", "x"])
@pytest.mark.parametrize("kind", ["storage", "virtual"])
def test_hdf5_groups_that_read_another_file_are_refused(tmp_path, envs, place, kind):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret.bin").write_bytes(bytes(400))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["rows"] = np.zeros((5, 3))
    with h5py.File(tmp_path / "demos.h5", "w") as file:
        for name in ("observations", "actions", "terminations"):
            file[f"episode_0/{name}"] = np.zeros((5, 1))
        if kind == "storage":
            outside = [(str(tmp_path / "secret.bin"), 0, 120)]
            file.create_dataset(place, (5, 3), "f8", external=outside)
        else:
            layout = h5py.VirtualLayout((5, 3), "f8")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "rows", (5, 3))
            file.create_virtual_dataset(place, layout)
    with pytest.raises(UserError, match=f"demos.h5: {place} lies in another file; copy it"):
        load_demonstrations(str(tmp_path / "demos.h5"), envs, "Pendulum-v1")


def test_a_group_in_place_of_an_array_is_refused(tmp_path, envs):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "demos.h5", "w") as file:
        for name in ("observations/a", "actions", "terminations/b"):
            file[f"episode_0/{name}"] = np.zeros((5, 1))
    with pytest.raises(UserError, match=r"demos.h5 is no readable data set of Minari or D4RL"):
        load_demonstrations(str(tmp_path / "demos.h5"), envs, "Pendulum-v1")


@pytest.mark.parametrize("kind", ["link", "storage"])
def test_hdf5_that_reads_another_file_is_refused(tmp_path, envs, kind):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret.bin").write_bytes(bytes(400))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["observations"] = np.zeros((5, 3))
    with h5py.File(tmp_path / "demos.h5", "w") as file:
        file["terminals"] = np.zeros(5, bool)
        if kind == "link":
            file["observations"] = h5py.ExternalLink("other.h5", "observations")
        else:
            outside = [(str(tmp_path / "secret.bin"), 0, 120)]
            file.create_dataset("observations", (5, 3), "f8", external=outside)
    with pytest.raises(UserError, match=r"demos.h5.* in another file"):
        load_demonstrations(str(tmp_path / "demos.h5"), envs, "Pendulum-v1")


def test_hdf5_of_neither_kind_says_what_it_lacks(tmp_path, envs):
    with pytest.raises(UserError, match="lacks observations, terminals, and groups episode_0"):
        load_demonstrations(written(tmp_path, {"a": np.zeros(3)}, "hdf5"), envs, "Pendulum-v1")


def rows_of(**change):
    """The two episodes as rows of a data set, the first changed."""
    rows = [
        {"obs": o.tolist(), "acts": a.tolist(), "rews": r.tolist(), "terminal": i == 0}
        for i, (o, a, r) in enumerate(zip(OBS, ACTS, REWS))
    ]
    rows[0] = {**rows[0], **change}
    return rows


SKIPPED = [
    ({}, (0, 1), "2 episodes"),
    ({"terminal": None}, (1,), "trajectory 0: terminal is None"),
    ({"acts": None}, (1,), "trajectory 0 has no actions"),
    ({"acts": []}, (1,), "trajectory 0 is empty"),
    ({"obs": OBS[0][:-1].tolist()}, (1,), "has 4 observations for 4 actions"),
    ({"rews": [1.0]}, (1,), "trajectory 0 has rewards of shape (1,)"),
    ({"acts": [[0.0], [0.0, 1.0], [0.0], [0.0]]}, (1,), "not of one shape"),
    ({"obs": [[0.0] * 3, [0.0] * 2]}, (1,), "no array of numbers"),
]


@pytest.mark.parametrize(("change", "keep", "says"), SKIPPED)
def test_one_bad_row_of_a_data_set_is_left_out(tmp_path, envs, change, keep, says):
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows_of(**change))), encoding="utf-8")
    found = read_demonstrations(str(file), envs, "Pendulum-v1")
    assert_as_wanted(found, Want((True, False), keep=keep, says=says))


def test_rows_of_states_alone(tmp_path, envs):
    rows = [{k: v for k, v in row.items() if k in ("obs", "terminal")} for row in rows_of()]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_demonstrations(str(tmp_path / "r.jsonl"), envs, "Pendulum-v1", needs_actions=False)
    assert_as_wanted(found, Want((True, False), acts=False, returns=False))


# ------------------------------------------------------------------------------ several choices


@pytest.mark.parametrize("space", ["MultiDiscrete", "MultiBinary"])
def test_several_choices_at_once_are_recorded_and_come_back(tmp_path, space):
    made = {
        "MultiDiscrete": spaces.MultiDiscrete([3, 2], start=[5, -1]),
        "MultiBinary": spaces.MultiBinary(3),
    }[space]
    options = {"act": made}
    torch.manual_seed(0)
    found = record(make_envs("Several-v0", 2, options), None, 3)
    envs = make_envs("Several-v0", 2, options)
    for t in found:
        assert t.act.shape == (len(t.obs), envs.actions.components)
        assert t.act.min() >= 0
    save_npz(tmp_path / "d.npz", found, envs, "Several-v0")
    with np.load(tmp_path / "d.npz") as kept:
        assert all(made.contains(row.astype(made.dtype)) for row in kept["acts"])
    for one, other in zip(load_demonstrations(str(tmp_path / "d.npz"), envs, "Several-v0"), found):
        np.testing.assert_array_equal(one.act, other.act)
