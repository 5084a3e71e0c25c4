"""Rows of steps and of episodes, by the names and in the layouts that other packages have."""

import json

import numpy as np
import pytest

from image_core.adversarial.errors import UserError
from rl.envs import make_envs
from rl.formats import read_demonstrations

OBS = np.arange(24, dtype=np.float32).reshape(6, 4) / 1000
ACTS = np.array([0, 1, 0, 1, 1, 0])
AFTER = np.concatenate([OBS[1:], OBS[:1]])
AFTER[[2, 5]] = OBS[[2, 5]] + 1
FLAGS = {"end": np.array([0, 0, 1, 0, 0, 0], bool), "cut": np.array([0, 0, 0, 0, 0, 1], bool)}


@pytest.fixture(scope="module")
def envs():
    return make_envs("CartPole-v1", 1, max_episode_steps=3)


def read(folder, envs, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return read_demonstrations(str(folder / "a.npz"), envs, "CartPole-v1")


@pytest.mark.parametrize("names", [
    ("obs", "acts", "rews", "next_obs", "terminations", "truncations"),
    ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts"),
    ("obs", "actions", "rewards", "next_obs", "terminals", "truncations"),
])  # fmt: skip
def test_names_of_columns(tmp_path, envs, names):
    columns = (OBS, ACTS, np.ones(6), AFTER, FLAGS["end"], FLAGS["cut"])
    found = read(tmp_path, envs, **dict(zip(names, columns))).trajectories
    assert [len(t.obs) for t in found] == [3, 3]
    assert [t.terminated for t in found] == [True, False]
    assert [t.ret for t in found] == [3, 3]
    np.testing.assert_array_equal(np.stack([t.last_obs for t in found]), OBS[[2, 5]] + 1)
    np.testing.assert_array_equal(np.concatenate([t.act for t in found]), ACTS)


def test_arrays_of_a_buffer_of_one_environment(tmp_path, envs):
    columns = {"observations": OBS, "next_observations": AFTER, "actions": ACTS,
               "rewards": np.ones(6), "terminals": FLAGS["end"],
               "timeouts": FLAGS["cut"]}  # fmt: skip
    made = {name: values[:, None] for name, values in columns.items()}
    found = read(tmp_path, envs, **made).trajectories
    assert [(len(t.obs), t.terminated, t.ret) for t in found] == [(3, True, 3), (3, False, 3)]
    np.testing.assert_array_equal(np.concatenate([t.obs for t in found]), OBS)


def test_dones_at_the_time_limit_are_no_terminal_states(tmp_path, envs):
    dones = np.array([0, 1, 0, 0, 1, 1], bool)
    found = read(tmp_path, envs, obs=OBS, acts=ACTS, next_obs=AFTER, dones=dones)
    assert [len(t.obs) for t in found.trajectories] == [2, 3, 1]
    assert [t.terminated for t in found.trajectories] == [True, False, True]
    assert "dones do not tell terminal states from time limits" in found.told
    assert np.isnan(found.trajectories[0].ret)


COLUMNS = {"observation": OBS, "action": ACTS, "reward": np.ones(6), "next.done": FLAGS["end"],
           "episode_index": np.array([4, 4, 4, 7, 7, 7])}  # fmt: skip


def put(folder, name, content):
    """Rows of lines of JSON, a table, or arrays; the path."""
    file = folder / name
    if name.endswith(".npz"):
        np.savez(file, **content)
    elif name.endswith(".jsonl"):
        file.write_text("".join(json.dumps(row) + "\n" for row in content))
    else:
        file.write_text(content)
    return str(file)


def rows_of(**columns):
    return [dict(zip(columns, row)) for row in zip(*(c.tolist() for c in columns.values()))]


TABLE = "episode,obs_0,obs_1,obs_10,obs_2,action,reward,terminated\n" + "".join(
    f"{i // 3},{o[0]},{o[1]},{o[3]},{o[2]},{a},1,{int(i == 2)}\n"
    for i, (o, a) in enumerate(zip(OBS, ACTS))
)
SPREAD = TABLE.replace(",", ";").replace(".", ",")
"""The same as spreadsheets of many countries save it."""
THREE = {"obs": OBS.reshape(2, 3, 4), "acts": ACTS.reshape(2, 3), "rews": np.ones((2, 3))}
LONGER = {"obs": np.stack([OBS[:4], OBS[2:]]), "acs": ACTS.reshape(2, 3)}
WHOLE = [{"observations": OBS[:4].tolist(), "actions": [0, 1, 0], "terminated": True},
         {"observations": OBS[2:].tolist(), "actions": [1, 1, 0], "terminated": False}]  # fmt: skip
EQUAL = [{"obs": OBS[:3].tolist(), "acts": [0, 1, 0], "terminal": True, "rews": [1, 1, 1]},
         {"obs": OBS[3:].tolist(), "acts": [1, 1, 0], "terminal": False,
          "rews": [1, 1, 1]}]  # fmt: skip
NEXT = {"state": OBS, "action": ACTS, "next_state": AFTER, "done": FLAGS["end"] | FLAGS["cut"]}


@pytest.mark.parametrize(
    ("name", "content", "lengths", "ends", "told"),
    [
        ("a.jsonl", rows_of(**COLUMNS), [2, 2], [False, False], "dones do not tell"),
        ("a.csv", TABLE, [3, 2], [True, False], "table, a row a step"),
        ("a.npz", THREE, [2, 2], [False, False], "does not say how episodes ended"),
        ("a.npz", LONGER, [3, 3], [False, False], "npz, an episode a row"),
        ("a.jsonl", WHOLE, [3, 3], [True, False], "data set of trajectories"),
        ("a.jsonl", EQUAL, [3, 2], [True, False], "that step is left out"),
        ("a.jsonl", [{"s": OBS[:4].tolist(), "a": [0, 1, 0]}], [3], [False], "taken as cut"),
        ("a.jsonl", rows_of(**NEXT), [3, 3], [False, False], "dones do not tell"),
        ("a.json", json.dumps({k: v.tolist() for k, v in NEXT.items()}), [3, 3], [False, False],
         "a row a step"),
        ("a.csv", SPREAD, [3, 2], [True, False], "table, a row a step"),
        ("a.csv", TABLE.replace(",", ";"), [3, 2], [True, False], "table, a row a step"),
        ("a.csv", "\ufeff" + TABLE.replace("\n", "\r\n"), [3, 2], [True, False], "a row a step"),
    ],
)  # fmt: skip
def test_layouts_of_steps_and_episodes(tmp_path, envs, name, content, lengths, ends, told):
    found = read_demonstrations(put(tmp_path, name, content), envs, "CartPole-v1")
    assert [len(t.obs) for t in found.trajectories] == lengths
    assert [t.terminated for t in found.trajectories] == ends
    assert told in found.told
    first = found.trajectories[0]
    np.testing.assert_allclose(first.obs, OBS[: lengths[0]])
    np.testing.assert_array_equal(first.act, ACTS[: lengths[0]])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.npz", {"obs": OBS, "acts": ACTS}, "does not say where an episode ends; write a row a"),
        ("a.jsonl", rows_of(obs=OBS, act=ACTS), "does not say where an episode ends"),
        ("a.npz", {"x": OBS, "acts": ACTS}, "lacks obs, terminals, last_obs, traj_len and holds x"),
        ("a.npz", {"obs": np.array([OBS, None], object)}, "its array obs holds Python objects"),
        ("a.npz", {**NEXT, "episode": np.array([1, 1, 2, 2, 1, 1])}, "rows of one epis"),
        ("a.npz", {"obs": np.zeros((2, 3, 4)), "acts": ACTS.reshape(2, 3)}, "in rows of zeros"),
        ("a.npz", {**THREE, "mask": np.ones((2, 3))}, "holds mask, which says that .* padding off"),
        ("a.csv", "x,y\n1,2\n", "no columns of observations, only x, y; call them obs_0"),
        ("a.jsonl", [{"x": 1}], "no column obs, only x; call the columns obs, acts, terminal"),
    ],
)  # fmt: skip
def test_what_is_refused_says_what_to_write(tmp_path, envs, name, content, said):
    with pytest.raises(UserError, match=said):
        read_demonstrations(put(tmp_path, name, content), envs, "CartPole-v1")


def grouped(folder, demos, at="data", **about):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "a.hdf5", "w") as file:
        for name, arrays in demos.items():
            for key, array in arrays.items():
                file[f"{at}/{name}/{key}"] = array
        if about:
            file[at].attrs["env_args"] = json.dumps(about)
    return str(folder / "a.hdf5")


def test_groups_of_robomimic_and_maniskill(tmp_path, envs):
    one = {"obs/flat": OBS[:3], "next_obs/flat": OBS[:3] + 1, "actions": ACTS[:3]}
    demos = {f"demo_{i}": {**one, "dones": [0, 0, 1][: 3 - i]} for i in (10, 2)}
    demos["demo_1"] = {k: v[:2] for k, v in one.items()} | {"dones": [0, 1], "rewards": [1.0, 1.0]}
    demos = {name: {k: np.asarray(v) for k, v in of.items()} for name, of in demos.items()}
    demos["demo_2"]["dones"] = demos["demo_10"]["dones"] = np.array([0, 0, 1])
    found = read_demonstrations(grouped(tmp_path, demos, type=2, env_name="CartPole-v1"), envs,
                                "CartPole-v1")  # fmt: skip
    assert [len(t.obs) for t in found.trajectories] == [2, 3, 3]
    assert [t.terminated for t in found.trajectories] == [True, False, False]
    np.testing.assert_allclose(found.trajectories[0].last_obs, OBS[1] + 1)
    with pytest.raises(UserError, match="recorded in Other-v0"):
        read_demonstrations(grouped(tmp_path, demos, type=2, env_name="Other-v0"), envs,
                            "CartPole-v1")  # fmt: skip
    parts = {"demo_0": {"obs/a": OBS, "obs/b": OBS, "actions": ACTS}}
    with pytest.raises(UserError, match="made of a, b, and nothing says in which order"):
        read_demonstrations(grouped(tmp_path, parts), envs, "CartPole-v1")
    traj = {"traj_0": {"obs": OBS[:4], "actions": ACTS[:3], "terminated": np.array([0, 0, 1])}}
    (one,) = read_demonstrations(grouped(tmp_path, traj, "/"), envs, "CartPole-v1").trajectories
    assert (len(one.obs), one.terminated) == (3, True)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("buffer.pkl", b"\x80\x04", "is a pickle, which would run whatever it says"),
        ("agent.zip", b"PK", "is a pickle"),
        ("rows.csv", b"a,b\n1,2\n", "no columns of observations, only a, b"),
        ("bad.hdf5", b"no hdf5", "no readable data set of Minari or D4RL"),
        ("bad.jsonl", b"{}\n{", "bad.jsonl, row 2 is no JSON"),
        ("bad.jsonl", b'{"obs": "\xe9"}', "bad.jsonl, row 1 is not UTF-8; save it as UTF-8"),
        ("bad.json", b"", "bad.json is empty"),
        (
            "bad.csv",
            b"obs_0,obs_1,obs_2,act,terminated\n1,2,3,0,0\n1,,3,0,0\n",
            "row 3: obs_1 holds nothing, which is no number",
        ),
        (
            "bad.csv",
            b"obs_0,obs_1,obs_2,act,terminated\n1,2,3,0,no\n",
            "row 2: terminated holds 'no'",
        ),
        ("bad.parquet", b"PAR1", "no readable data set of trajectories"),
    ],
)
def test_other_files_are_refused_with_a_way_out(tmp_path, envs, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_demonstrations(str(tmp_path / name), envs, "CartPole-v1")
    assert says in str(caught.value)
