"""Policies as ONNX files: the actions that the environment would get, of every kind of space."""

import sys

import jaxtyping
import numpy as np
import pytest
import torch
from gymnasium import spaces

from image_core.adversarial.errors import UserError
from rl.envs.spaces import actions, observations
from rl.export import LikeliestAction, write_onnx
from rl.nets import Normaliser
from rl.policies import make_policy
from rl.sac import SquashedPolicy
from rl.soft import SoftChoices

ROWS = 40
BOX = spaces.Box(np.array([-2.0, 0]), np.array([2.0, 0.01]), dtype=np.float64)
PARTS = spaces.Dict(a=spaces.Box(-1, 1, (2,)), b=spaces.Discrete(3))
SPACES = {
    "choices from 2": (spaces.Box(-1, 1, (3,)), spaces.Discrete(3, start=2), make_policy),
    "soft values": (spaces.Box(-1, 1, (3,)), spaces.Discrete(3), None),
    "several choices": (
        spaces.Box(-1, 1, (2, 3), np.float64),
        spaces.MultiDiscrete([[3, 2], [2, 2]], start=[[1, 0], [0, -4]]),
        make_policy,
    ),
    "switches": (PARTS, spaces.MultiBinary(4), make_policy),
    "pictures": (spaces.Box(0, 255, (12, 10, 3), np.uint8), spaces.Discrete(4), make_policy),
    "box": (spaces.Box(-1, 1, (3,)), BOX, make_policy),
    "squashed": (spaces.Box(-1, 1, (3,)), BOX, SquashedPolicy),
}


def made(name):
    """Policy and model, with weights at random, and raw observations as a batch."""
    seen, acted, make = SPACES[name]
    obs, act = observations(seen), actions(acted)
    normaliser = Normaliser(obs)
    if not obs.image:
        normaliser.see(torch.randn(50, *obs.shape))
    parts = (obs, act, normaliser, (8, 8))
    policy = make(*parts) if make else SoftChoices(*parts, temperature=0.1, tau=0.1).policy
    for p in policy.parameters():
        p.data.normal_() if p.ndim > 1 else p.data.zero_()
    seen.seed(0)
    raw = [seen.sample() for _ in range(ROWS)]
    if obs.image:  # some light alone, at a place of its own, so that choices differ
        raw = [np.where(np.arange(12)[:, None, None] == i % 12, x, 0) for i, x in enumerate(raw)]
    batch = np.stack(raw) if isinstance(seen, spaces.Box) else obs.encode(raw)
    rows = torch.from_numpy(np.ascontiguousarray(obs.encode(raw)))
    expected = act.to_env(policy.act(rows, deterministic=True))
    return LikeliestAction(policy, obs, act, acted), batch, expected.reshape(ROWS, *acted.shape)


@pytest.mark.parametrize("name", SPACES)
def test_the_model_takes_and_gives_what_the_environment_does(name):
    torch.manual_seed(0)
    model, batch, expected = made(name)
    found = model(torch.from_numpy(batch))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-6, atol=1e-6)
    space = SPACES[name][1]
    assert found.numpy().dtype == space.dtype
    assert all(space.contains(act) for act in found.numpy())
    assert len(np.unique(expected)) > 1
    example = model.example()
    assert (example.dtype, example.shape[1:]) == (torch.from_numpy(batch).dtype, batch.shape[1:])


@pytest.fixture
def plain():
    """Without checks of shapes, which a traced graph does not have."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["several choices", "pictures", "soft values", "squashed"])
def test_the_file_gives_the_same_without_torch_and_for_any_batch(name, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model, batch, expected = made(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    write_onnx(tmp_path / "policy.onnx", model)
    assert list(tmp_path.iterdir()) == [tmp_path / "policy.onnx"]
    assert all(value.equal(before[key]) for key, value in model.state_dict().items())
    session = runtime.InferenceSession(tmp_path / "policy.onnx")
    for rows in (slice(0, ROWS), slice(3, 4)):
        (found,) = session.run(["act"], {"obs": batch[rows]})
        assert found.dtype == SPACES[name][1].dtype
        np.testing.assert_allclose(found, expected[rows], rtol=1e-5, atol=1e-5)


def test_without_the_package_that_writes_it_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"run `pip install \"seqgan\[onnx\]\"`"):
        write_onnx(tmp_path / "policy.onnx", made("box")[0])
    assert not list(tmp_path.iterdir())
