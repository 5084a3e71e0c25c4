"""Demonstrations: every format comes back as it went in, and bad ones are refused in a sentence."""

import bz2
import gzip
import json
import lzma
import re
import shlex
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from gymnasium import spaces

from image_core.adversarial.errors import UserError
from rl.demos import record
from rl.envs import make_envs
from rl.envs.spaces import Actions, observations
from rl.experts import (
    StableBaselines,
)
from rl.formats import Raw, encode, load_demonstrations, read_demonstrations, save_npz


@pytest.fixture
def envs():
    return make_envs("CartPole-v1", 3)


@pytest.fixture
def recorded():
    torch.manual_seed(0)
    return record(make_envs("CartPole-v1", 3), None, 5)


def arrays(trajectories, envs, folder):
    """What a sound file holds, to be spoiled."""
    folder.mkdir(exist_ok=True)
    file = folder / "sound.npz"
    save_npz(file, trajectories, envs, "CartPole-v1")
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-6)


def test_episodes_are_whole_and_follow_each_other(recorded):
    """Each step's successor, by gymnasium's equations, is the next row, to the last observation."""
    from rl.envs.classic import cart_pole

    assert len(recorded) == 5
    for t in recorded:
        after, _, ends = cart_pole(t.obs.astype(np.float64), t.act)
        np.testing.assert_allclose(np.vstack([t.obs[1:], t.last_obs]), after, atol=1e-5)
        assert ends[:-1].sum() == 0
        assert bool(ends[-1]) == t.terminated
        assert t.ret == len(t.obs)


def test_no_environment_is_favoured_for_ending_early():
    torch.manual_seed(0)
    found = record(make_envs("CartPole-v1", 4), None, 200)
    alone = record(make_envs("CartPole-v1", 200), None, 200)
    means = [np.mean([t.ret for t in some]) for some in (found, alone)]
    assert means[0] == pytest.approx(means[1], rel=0.15)


def test_npz_comes_back(tmp_path, envs, recorded):
    save_npz(tmp_path / "d.npz", recorded, envs, "CartPole-v1")
    assert_same(load_demonstrations(str(tmp_path / "d.npz"), envs, "CartPole-v1"), recorded)
    with pytest.raises(UserError, match="nothing is overwritten"):
        save_npz(tmp_path / "d.npz", recorded, envs, "CartPole-v1")


def test_environments_are_told_apart_by_id_and_not_by_who_registers_them(tmp_path, envs, recorded):
    """Specifications know no module: Minari writes "Env-v0" where --env is "module:Env-v0"."""
    for i, (made_for, asked) in enumerate([("A-v0", "mine:A-v0"), ("mine:A-v0", "A-v0")]):
        save_npz(tmp_path / f"{i}.npz", recorded, envs, made_for)
        assert_same(load_demonstrations(str(tmp_path / f"{i}.npz"), envs, asked), recorded)
        with pytest.raises(UserError, match="recorded in"):
            load_demonstrations(str(tmp_path / f"{i}.npz"), envs, "mine:B-v0")


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "folder"])
def test_data_sets_of_trajectories_come_back(tmp_path, envs, recorded, kind):
    datasets = pytest.importorskip("datasets")
    rows = [
        {
            "obs": np.vstack([t.obs, t.last_obs]).tolist(),
            "acts": t.act.tolist(),
            "rews": t.rewards.tolist(),
            "terminal": t.terminated,
        }
        for t in recorded
    ]
    path = tmp_path / f"demos.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    elif kind == "parquet":
        datasets.Dataset.from_list(rows).to_parquet(str(path))
    else:
        datasets.Dataset.from_list(rows).save_to_disk(str(path))
    assert_same(load_demonstrations(str(path), envs, "CartPole-v1"), recorded)


def test_minari_data_sets_come_back(tmp_path, envs, recorded):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "set" / "data").mkdir(parents=True)
    with h5py.File(tmp_path / "set" / "data" / "main_data.hdf5", "w") as file:
        file.attrs["env_spec"] = json.dumps({"id": "CartPole-v1"})
        for i, t in enumerate(recorded):
            group = file.create_group(f"episode_{i}")
            group["observations"] = np.vstack([t.obs, t.last_obs])
            group["actions"], group["rewards"] = t.act, t.rewards
            group["terminations"] = [False] * (len(t.act) - 1) + [t.terminated]
    path = str(tmp_path / "set")
    assert_same(load_demonstrations(path, envs, "CartPole-v1"), recorded)
    with pytest.raises(UserError, match="recorded in CartPole-v1, not in --env Other-v0"):
        load_demonstrations(path, envs, "Other-v0")


def test_an_agent_of_stable_baselines_is_recorded_and_does_what_it_says():
    sb3 = pytest.importorskip("stable_baselines3")
    agent = sb3.PPO("MlpPolicy", "CartPole-v1", device="cpu", seed=0)
    envs = make_envs("CartPole-v1", 2)
    actor = StableBaselines(agent, envs.actions)
    torch.manual_seed(0)
    (first, *_) = record(envs, actor, 2, deterministic=True)
    assert np.array_equal(first.act, agent.predict(first.obs, deterministic=True)[0])


class Agent:
    """Keeps what it is shown, as an agent of stable-baselines3 of that space would see it."""

    def __init__(self, space):
        self.observation_space = space

    def predict(self, obs, deterministic):
        self.shown = obs
        return np.array([4, 5]), None


PLACE, PICTURE = spaces.Box(-1, 1, (2, 3), np.float32), spaces.Box(0, 255, (6, 5, 3), np.uint8)


@pytest.mark.parametrize(
    "space", [PLACE, PICTURE, spaces.Discrete(7), spaces.Dict(gear=spaces.Discrete(3), at=PLACE)]
)
def test_agents_are_shown_observations_of_their_own_space(space):
    space.seed(0)
    seen = [space.sample() for _ in range(2)]
    agent = Agent(space)
    rows = torch.from_numpy(observations(space).encode(seen))
    actor = StableBaselines(agent, Actions(3, 4, torch.zeros(0), torch.zeros(0)))
    assert actor.act(rows).tolist() == [0, 1]
    columns = agent.shown if isinstance(space, spaces.Dict) else {None: agent.shown}
    for key, column in columns.items():
        wanted = [one if key is None else one[key] for one in seen]
        np.testing.assert_array_equal(column, np.stack(wanted))


def test_agents_of_pictures_with_channels_first_are_shown_these():
    """Stable-baselines3 transposes pictures for its convolutions."""
    agent = Agent(spaces.Box(0, 255, (3, 6, 5), np.uint8))
    rows = observations(PICTURE).encode([PICTURE.sample()])
    StableBaselines(agent, Actions(3, 4, torch.zeros(0), torch.zeros(0))).act(
        torch.from_numpy(rows)
    )
    np.testing.assert_array_equal(agent.shown, rows)


def with_(name, value):
    return lambda a: {**a, name: value(a[name])}


def without(name):
    return lambda a: {n: v for n, v in a.items() if n != name}


def nan_at(x):
    x = x.copy()
    x[3] = np.nan
    return x


def one_at(row, value):
    def put(x):
        x = x.astype(np.result_type(x, type(value)))
        x[row] = value
        return x

    return put


def first(n):
    """Only some of the trajectories."""

    def cut(a):
        rows = int(a["traj_len"][:n].sum())
        flat = {k: a[k][:rows] for k in ("obs", "acts", "rews", "terminals")}
        return {**a, **flat, "traj_len": a["traj_len"][:n], "last_obs": a["last_obs"][:n]}

    return cut


SPOILED = [
    (with_("acts", lambda x: x + 1), "actions from 1 to 2, but the environment takes 0 to 1"),
    (with_("acts", lambda x: x + 0.5), "whole numbers"),
    (with_("acts", lambda x: x[:-1]), "traj_len"),
    (with_("acts", lambda x: x.astype(str)), "no numbers"),
    (with_("obs", lambda x: x[:, :3]), "last_obs"),
    (with_("traj_len", lambda x: x + 1), "traj_len"),
    (with_("traj_len", lambda x: x * 0), "traj_len"),
    (with_("terminals", lambda x: x[:-2]), "terminals has"),
    (with_("env_id", lambda x: np.array("Acrobot-v1")), "recorded in Acrobot-v1"),
    (without("last_obs"), "lacks last_obs"),
    (with_("obs", lambda x: x.reshape(len(x), 2, 2)), "last_obs"),
    (with_("obs", lambda x: x + 1j), "no array of numbers"),
    (with_("acts", one_at(2, 1e30)), "but the environment takes 0 to 1"),
    (with_("traj_len", lambda x: x + np.linspace(-0.5, 0.5, len(x))), "traj_len"),
    (with_("terminals", lambda x: np.where(x, "yes", "no")), "True or False"),
    (with_("terminals", one_at(2, True)), "terminals is True inside a trajectory"),
    (with_("rews", lambda x: x[:-1]), "rews has"),
    (with_("rews", lambda x: np.append(x, 1)), "rews has"),
    (with_("rews", lambda x: x.astype(str)), "rewards that are no finite numbers"),
    (with_("rews", lambda x: np.stack([x, x], 1)), "rewards of shape"),
    *((with_(name, lambda x: np.array(1)), "is one value") for name in ("obs", "acts", "traj_len")),
    (first(0), "hold no trajectory"),
    (
        lambda a: {
            **first(2)(a),
            "obs": first(2)(a)["obs"][:, :2],
            "last_obs": a["last_obs"][:2, :2],
        },
        "shape (2,), but the environment shows (4,)",
    ),
]


@pytest.mark.parametrize(("spoil", "says"), SPOILED)
def test_bad_files_are_refused_in_one_sentence(tmp_path, envs, recorded, spoil, says):
    file = tmp_path / "bad.npz"
    np.savez(file, **spoil(arrays(recorded, envs, tmp_path)))
    with pytest.raises(UserError) as caught:
        load_demonstrations(str(file), envs, "CartPole-v1")
    assert says in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


ONE_BAD = [
    (with_("obs", nan_at), "observations that are not finite"),
    (with_("obs", lambda x: one_at((3, 1), 1e200)(x.astype(np.float64))), "not finite"),
    (with_("acts", one_at(2, np.inf)), "actions that are not finite"),
    (with_("rews", one_at(2, np.nan)), "rewards that are no finite numbers"),
]


@pytest.mark.parametrize(("spoil", "says"), ONE_BAD)
def test_one_bad_episode_is_left_out_and_counted(tmp_path, envs, recorded, spoil, says):
    """A file of nothing else is refused."""
    file = tmp_path / "bad.npz"
    np.savez(file, **spoil(arrays(recorded, envs, tmp_path)))
    found = read_demonstrations(str(file), envs, "CartPole-v1")
    assert_same(found.trajectories, recorded[1:])
    assert found.skipped == 1
    assert "4 episodes" in found.told
    assert "1 skipped, the first because trajectory 0 has" in found.told
    assert says in found.told
    np.savez(tmp_path / "none.npz", **first(1)(spoil(arrays(recorded, envs, tmp_path / "again"))))
    with pytest.raises(UserError, match=says):
        load_demonstrations(str(tmp_path / "none.npz"), envs, "CartPole-v1")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty; get or save it anew"),
        (b"PK\x03\x04 not a zip", "is cut short: the list of its arrays, at its end, is missing"),
        (b"obs,acts\n1,2\n", "is no .npz file (it begins with b'obs,ac'); get it anew"),
        (b"\x80\x04.", "is a pickle, which would run whatever it says; if you trust it, load it"),
    ],
)
def test_files_that_are_no_archives_are_refused(tmp_path, envs, content, says):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(UserError, match=f"--demos {tmp_path}/bad.npz {re.escape(says)}"):
        load_demonstrations(str(tmp_path / "bad.npz"), envs, "CartPole-v1")
    for name in ("missing.npz", "bad.txt"):
        (tmp_path / "bad.txt").write_bytes(content)
        with pytest.raises(UserError, match="--demos"):
            load_demonstrations(str(tmp_path / name), envs, "CartPole-v1")


def test_one_array_and_an_archive_of_words_are_refused(tmp_path, envs):
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with zipfile.ZipFile(tmp_path / "words.npz", "w") as archive:
        for name in ("obs", "acts", "terminals", "last_obs", "traj_len"):
            archive.writestr(f"{name}.npy", "no array")
    for name, says in (
        ("one.npz", "holds one array without"),
        ("words.npz", "obs in it is no"),
    ):
        with pytest.raises(UserError, match=says):
            load_demonstrations(str(tmp_path / name), envs, "CartPole-v1")


WHOLE = {"obs": [[0.0, 0, 0, 0]] * 3, "acts": [0, 1], "terminal": True}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"terminal": "no"}, "terminal is 'no'"),
        ({"terminal": None}, "terminal is None"),
        ({"acts": None}, "has no actions"),
        ({"acts": []}, "is empty"),
        ({"acts": [0, None]}, "no numbers"),
        ({"obs": None}, "no array of numbers"),
        ({"obs": [[0.0, 0, 0], [0.0] * 4, [0.0] * 4]}, "no array of numbers"),
        ({"obs": [[0.0] * 4] * 4}, "4 observations for 2 actions"),
        ({"rews": [1.0]}, "rewards of shape"),
    ],
)
def test_bad_rows_of_data_sets_are_refused_in_one_sentence(tmp_path, envs, change, says, capfd):
    file = tmp_path / "bad.jsonl"
    file.write_text(json.dumps({**WHOLE, **change}) + "\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_demonstrations(str(file), envs, "CartPole-v1")
    assert says in str(caught.value)
    assert f"{file}, trajectory 0" in str(caught.value)
    assert capfd.readouterr().err == ""  # no bars of the library beside the sentence


def test_images_are_bytes_or_refused(envs):
    """Shares of 1 would all be 0 as bytes."""
    envs.observations = observations(spaces.Box(0, 255, (4, 4, 3), np.uint8))
    raw = np.random.default_rng(0).integers(256, size=(3, 4, 4, 3))
    found = encode(Raw(raw, np.array([0, 1]), True, np.empty(0)), envs, "here")
    assert np.array_equal(np.moveaxis(found.obs, 1, -1), raw[:2])
    for bad in (raw / 255, raw - 1, raw + 1, raw + 0.5):
        with pytest.raises(UserError, match="whole numbers from 0 to 255"):
            encode(Raw(bad, np.array([0, 1]), True, np.empty(0)), envs, "here")


def test_a_pickle_in_an_archive_is_never_opened(tmp_path, envs, recorded):
    spoiled = arrays(recorded, envs, tmp_path)
    spoiled["obs"] = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "bad.npz", **spoiled)
    with pytest.raises(UserError, match="its array obs holds Python objects, which are pickles"):
        load_demonstrations(str(tmp_path / "bad.npz"), envs, "CartPole-v1")


def test_episodes_in_arrays_of_objects_are_read_after_what_the_refusal_says(
    tmp_path, envs, recorded
):
    held = {"obs": [np.vstack([t.obs, t.last_obs]) for t in recorded]}
    held |= {"acts": [t.act for t in recorded], "terminal": [t.terminated for t in recorded]}
    cells = {name: np.empty(len(recorded), object) for name in held}
    for name, values in held.items():
        for i, value in enumerate(values):
            cells[name][i] = value
    np.savez(tmp_path / "bad.npz", **cells)
    with pytest.raises(UserError) as refused:
        load_demonstrations(str(tmp_path / "bad.npz"), envs, "CartPole-v1")
    command = re.search("by `python (.*) > NEW.jsonl`", str(refused.value))
    written = subprocess.check_output([sys.executable, *shlex.split(command[1])])
    (tmp_path / "new.jsonl").write_bytes(written)
    found = load_demonstrations(str(tmp_path / "new.jsonl"), envs, "CartPole-v1")
    assert [len(t.act) for t in found] == [len(t.act) for t in recorded]
    np.testing.assert_allclose(found[0].obs, recorded[0].obs, rtol=1e-6)


def test_a_damaged_array_is_named(tmp_path, envs, recorded):
    np.savez(tmp_path / "bad.npz", **arrays(recorded, envs, tmp_path))
    content = bytearray((tmp_path / "bad.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "bad.npz") as archive:
        place = archive.getinfo("acts.npy").header_offset
    content[place + 250] ^= 0xFF
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"bad.npz: its array acts is broken \(Bad CRC.*save it an"):
        load_demonstrations(str(tmp_path / "bad.npz"), envs, "CartPole-v1")


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.xz"])
def test_packed_lines_are_read_or_refused_by_name(tmp_path, envs, name):
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[name.rpartition(".")[2]]
    whole = pack(f"{json.dumps(WHOLE)}\n".encode() * 3)
    (tmp_path / name).write_bytes(whole)
    found = load_demonstrations(str(tmp_path / name), envs, "CartPole-v1")
    assert [t.act.tolist() for t in found] == [[0, 1]] * 3
    (tmp_path / name).write_bytes(whole[:-9])
    with pytest.raises(UserError, match=f"--demos {tmp_path}/{name} is not a whole .*download it"):
        load_demonstrations(str(tmp_path / name), envs, "CartPole-v1")
    (tmp_path / name).write_bytes(b"{}\n")
    with pytest.raises(UserError, match=r"is not a whole .* file .it begins with"):
        load_demonstrations(str(tmp_path / name), envs, "CartPole-v1")


def test_continuous_actions_outside_the_box_are_refused(tmp_path):
    torch.manual_seed(0)
    envs = make_envs("Pendulum-v1", 2)
    found = record(make_envs("Pendulum-v1", 2), None, 2)
    save_npz(tmp_path / "d.npz", [t._replace(act=t.act * 2) for t in found], envs, "Pendulum-v1")
    with pytest.raises(UserError, match=r"outside the environment's box -2 to 2"):
        load_demonstrations(str(tmp_path / "d.npz"), envs, "Pendulum-v1")
