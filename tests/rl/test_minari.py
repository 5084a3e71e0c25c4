"""Data sets that Minari itself wrote, arrays and parts; and as the Hugging Face hub holds them."""

import importlib

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from image_core.adversarial.errors import UserError
from rl.envs import make_envs
from rl.formats import load_demonstrations

gymnasium.register("Parts-v0", "tests.rl.made:Parts", max_episode_steps=5)


def columns(parts):
    """Observations one a step -> as Minari's buffers want them: parts of lists."""
    if isinstance(parts[0], dict):
        return {key: columns([part[key] for part in parts]) for key in parts[0]}
    if isinstance(parts[0], tuple):
        return tuple(columns(list(column)) for column in zip(*parts, strict=True))
    return list(parts)


def written(env, monkeypatch, folder, kind="hdf5"):
    """Three episodes that Minari wrote: its folder, and (observations, actions, return) of each."""
    pytest.importorskip("h5py")
    minari = pytest.importorskip("minari")
    buffer = importlib.import_module("minari.data_collector").EpisodeBuffer
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    made, seen, buffers = gymnasium.make(env), [], []
    for episode in range(3):
        obs = [made.reset(seed=episode)[0]]
        rewards, ends = [], []
        while not (ends and ends[-1]):
            step = made.step(episode % 2)
            obs.append(step[0])
            rewards.append(float(step[1]))
            ends.append(step[2])
        acts = [episode % 2] * len(rewards)
        no = [False] * len(rewards)
        seen.append((obs, acts, sum(rewards)))
        buffers.append(
            buffer(
                id=episode,
                observations=columns(obs),
                actions=acts,
                rewards=rewards,
                terminations=ends,
                truncations=no,
            )
        )
    minari.create_dataset_from_buffers("made/set-v0", buffers, env=env, data_format=kind)
    return str(folder / "made" / "set-v0"), seen


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["hdf5", "arrow", "parquet"])
@pytest.mark.parametrize("env", ["CartPole-v1", "Parts-v0"])
def test_what_minari_wrote_comes_back(tmp_path, monkeypatch, env, kind):
    """Beside what was seen while it was written; by its folder, and by its id."""
    path, seen = written(env, monkeypatch, tmp_path, kind)
    envs = make_envs(env, 1)
    found = load_demonstrations("made/set-v0" if kind == "arrow" else path, envs, env)
    for t, (obs, acts, total) in zip(found, seen, strict=True):
        flat = np.stack([spaces.flatten(envs.observations.space, one) for one in obs])
        np.testing.assert_allclose(np.vstack([t.obs, t.last_obs]), flat, rtol=1e-6)
        assert (t.act.tolist(), t.terminated, t.ret) == (acts, True, total)
    with pytest.raises(UserError, match=f"recorded in {env}, not in --env Other-v0"):
        load_demonstrations(path, envs, "Other-v0")
    with pytest.raises(UserError, match="get it by `minari download made/none-v0`"):
        load_demonstrations("made/none-v0", envs, env)


@pytest.mark.filterwarnings("ignore")
def test_parts_of_another_environment_are_refused(tmp_path, monkeypatch):
    path, _ = written("Parts-v0", monkeypatch, tmp_path)
    with pytest.raises(UserError, match="nor parts of the environment's"):
        load_demonstrations(path, make_envs("CartPole-v1", 1), "Parts-v0")


def test_data_sets_as_the_hub_holds_them_come_back(tmp_path):
    """The columns that the imitation package publishes: obs, acts, infos, terminal, rews."""
    datasets = pytest.importorskip("datasets")
    draw = np.random.default_rng(0)
    rows = [
        {
            "obs": draw.normal(size=(length + 1, 4)).tolist(),
            "acts": draw.integers(2, size=length).tolist(),
            "infos": ["{}"] * length,
            "terminal": bool(length == 4),
            "rews": [1.0] * length,
        }
        for length in (4, 6)
    ]
    made = datasets.DatasetDict({"train": datasets.Dataset.from_list(rows)})
    made["train"].save_to_disk(str(tmp_path / "one"))
    made.save_to_disk(str(tmp_path / "splits"))
    for name in ("one", "splits"):
        found = load_demonstrations(
            str(tmp_path / name), make_envs("CartPole-v1", 1), "CartPole-v1"
        )
        for t, row in zip(found, rows, strict=True):
            np.testing.assert_allclose(np.vstack([t.obs, t.last_obs]), row["obs"], rtol=1e-6)
            assert (t.act.tolist(), t.terminated, t.ret) == (
                row["acts"],
                row["terminal"],
                len(row["acts"]),
            )
