"""`--reward module:function` of imitation: what it is called with, and how it is mixed in."""

import sys

import numpy as np
import pytest
import torch
import yaml
from gymnasium.spaces import Box

from image_core.adversarial.errors import UserError
from rl.envs import make_envs
from rl.envs.spaces import observations
from rl.recipes.imitate.own import own_reward
from rl.recipes.imitate.papers.bc import game as bc
from rl.recipes.imitate.papers.dac import game as dac
from rl.sac import transitions
from seqgan.cli import main
from tests.rl.made import rollout
from tests.rl.recipes.imitate.made import options_of, task_of

MINE = """
seen = []

def far(obs, act, next_obs, done):
    seen.append((obs, act, next_obs, done))
    return abs(next_obs[:, 0]) + 10 * act

def ended(obs, act, next_obs, done):
    return done.astype(float)

def cost(obs, act, next_obs, done):
    assert act.shape == (len(obs), 1)
    return -abs(obs[:, 0])

def few(obs, act, next_obs, done):
    return [1.0]

def broken(obs, act, next_obs, done):
    return obs[:, 0] * float("nan")
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("mine", None)


def test_it_is_called_with_transitions_as_the_environment_has_them(mine):
    envs = make_envs("CartPole-v1", 3)
    valid = torch.ones(6, 3, dtype=torch.bool)
    valid[2, 1] = False  # a reset
    roll = rollout(features=4, valid=valid)
    rows = transitions(roll, absorbing=True)
    found = own_reward("mine:far", envs)(rows)
    torch.testing.assert_close(found, (roll.next_obs[..., 0].abs() + 10 * roll.act)[valid])
    obs, act, _, done = sys.modules["mine"].seen[0]
    assert obs.shape == (17, 4)
    np.testing.assert_array_equal(obs, roll.obs[valid].numpy())
    assert set(act.tolist()) <= {0, 1}
    assert done.dtype == bool
    flags = torch.arange(len(rows.obs)) % 2 == 0
    halved = own_reward("mine:far", envs)(rows._replace(absorbing=flags))
    torch.testing.assert_close(halved, found * ~flags)


@pytest.mark.parametrize(
    "box",
    [Box(0, 255, (4, 5, 3), np.uint8), Box(0, 255, (3, 40, 50), np.uint8), Box(-9, 9, (2, 3))],
)
def test_observations_come_back_as_the_environment_shows_them(box):
    box.seed(0)
    shown, space = np.stack([box.sample() for _ in range(2)]), observations(box)
    back = space.as_shown(torch.from_numpy(np.ascontiguousarray(space.encode(shown))))
    np.testing.assert_array_equal(back, shown)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("few", r"for 18 transitions it returned values of shape \(1,\); return one number"),
        ("broken", "it returned a number that is not finite"),
    ],
)
def test_what_it_must_return(mine, name, says):
    reward = own_reward(f"mine:{name}", make_envs("CartPole-v1", 3))
    with pytest.raises(UserError, match=f"--reward mine:{name}: {says}"):
        reward(transitions(rollout(features=4), absorbing=True))


def test_it_has_its_share_beside_both_other_rewards():
    o = options_of("gail", env_weight=0.25)
    from rl.recipes.imitate.papers.gail import game

    torch.manual_seed(0)
    played = game(o, task_of())
    roll = played.collector.collect(played.policy)
    before = played.rewards(roll)
    played.add_reward(lambda rows: rows.obs[:, 0] + 7, 0.2)
    own = (roll.obs[..., 0] + 7) * roll.valid
    torch.testing.assert_close(played.rewards(roll), 0.8 * before + 0.2 * own)


def test_the_discriminators_reward_stays_the_papers_where_none_is_named(mine):
    o = options_of("airl", reward="mine:ended", reward_weight=0.3)
    assert (o.d_reward(), o.own_reward()) == ("log_ratio", "mine:ended")
    assert o.objective()["reward"] == "0.7 x log_ratio + 0.3 x mine:ended"
    o = options_of("gail", reward="negative,mine:ended")
    assert (o.d_reward(), o.own_reward()) == ("negative", "mine:ended")
    with pytest.raises(UserError, match="--reward a:b,c:d: give one name, one module:function"):
        options_of("gail", reward="a:b,c:d")
    with pytest.raises(UserError, match=r"--reward_weight 1\.5: it is a share, at most 1"):
        options_of("gail", reward="mine:ended", reward_weight=1.5)
    with pytest.raises(UserError, match="has no 'hope'"):
        options_of("gail", reward="mine:hope")


def test_a_run_learns_from_it_and_records_it(mine):
    short = ["--max_episode_steps", "10"]
    demos = ["demos", "--env", "CartPole-v1", "--episodes", "2", "--out", "demos.npz"]
    assert main([*demos, *short]) == 0
    words = ["train", "imitate", "--preset", "tiny", "--env", "CartPole-v1", *short]
    own = [
        "--demos",
        "demos.npz",
        "--reward",
        "mine:far",
        "--reward_weight",
        "1",
        "--eval_episodes",
        "2",
        "--out",
        "run",
        *short,
    ]
    small = ["--env_steps", "32", "--envs", "2", "--rollout", "16", "--controls", "false"]
    assert main([*words, *own, *small, "--report", "none"]) == 0
    saved = yaml.safe_load((mine / "run" / "config.yaml").read_text())
    assert len(saved["sources"]["mine"]) == 64
    log = [yaml.safe_load(line) for line in (mine / "run" / "log.jsonl").read_text().splitlines()]
    seen = sys.modules["mine"].seen
    wanted = np.mean(np.abs(seen[0][2][:, 0]) + 10 * seen[0][1])
    first = next(row for row in log if "G/reward" in row)
    assert first["G/reward"] == pytest.approx(wanted, rel=0.2)  # resets earn 0 and are in the mean


def test_a_paper_with_a_replay_buffer_learns_from_it_too(mine):
    played = dac(options_of("dac", reward="mine:cost"), task_of("Pendulum-v1"))
    played.add_reward(own_reward("mine:cost", played.collector.envs), 0.5)
    played._collect()
    count = int(played.replay.count)
    obs = played.replay.now[:count, 0] * played.normaliser.var[0].sqrt()
    near = played.replay.now[:count, 0].abs() < 4
    wanted = -(obs + played.normaliser.mean[0]).abs()
    torch.testing.assert_close(played.replay.own[:count][near], wanted[near], atol=1e-4, rtol=0)
    assert count == 64


def test_a_game_that_learns_from_no_reward_takes_none_beside_it():
    o = options_of("bc")
    with pytest.raises(
        UserError, match="--reward: the policy of BehaviouralCloning learns from no"
    ):
        bc(o, task_of()).add_reward(lambda rows: rows.obs[:, 0], 0.2)
