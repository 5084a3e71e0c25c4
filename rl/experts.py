"""Experts of other libraries as actors: stored weights (npz), and Stable-Baselines3 agents."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.archives import npz_arrays, npz_names
from rl.envs.spaces import Actions
from rl.policies import Actor, GaussianPolicy, Policy

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu_0.01": torch.nn.functional.leaky_relu,
}


HEADS = ("gibbs", "gaussian_clip", "squash_tanh")
OPTIONAL = ("obs_mean", "obs_std", "obs_clip", "log_std", "logstd_W", "logstd_b", "mean_clip")


@final
class StoredPolicy(Actor):
    """A dense network from an npz file: `W0, b0, W1, ...`, `act`, and a head.

    Heads: gibbs (softmax logits), gaussian_clip (mean, `log_std`), squash_tanh (tanh of the mean,
    scaled to the box; `logstd_W`, `logstd_b` where its width depends on the state). Optional
    `obs_mean`, `obs_std`, `obs_clip`; missing inputs at the end are zeros.

    Args:
        path: Path of the file.
        actions: Actions of the environment.

    Raises:
        UserError: The file cannot be read, or is not of that environment.
    """

    def __init__(self, path: str, actions: Actions):
        super().__init__()
        stored = _read_network(path)
        self.actions, self.head = actions, str(stored["head"])
        self.activation = ACTIVATIONS[str(stored["act"])]
        layers = _depth(stored)
        for i in range(layers):
            for name in (f"W{i}", f"b{i}"):
                self.register_buffer(name, _float(stored[name]))
        self.layers = layers
        for name in OPTIONAL:
            if name in stored:
                self.register_buffer(name, _float(stored[name]))
        outputs = stored[f"b{layers - 1}"].shape[-1]
        single = actions.discrete and not actions.parts
        if outputs != actions.features or actions.parts or (self.head == "gibbs") != single:
            raise UserError(
                f"{path} acts by {outputs} numbers ({self.head}): of another environment"
            )

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        x = self._normalised(obs.float())
        weights = dict(self.named_buffers())
        missing = weights["W0"].shape[0] - x.shape[1]
        if missing < 0:
            raise UserError(f"the expert reads {weights['W0'].shape[0]} features, not {x.shape[1]}")
        x = torch.nn.functional.pad(x, (0, missing))
        for i in range(self.layers - 1):
            x = self.activation(x @ weights[f"W{i}"] + weights[f"b{i}"])
        said = x @ weights[f"W{self.layers - 1}"] + weights[f"b{self.layers - 1}"]
        if self.head == "gibbs":
            if deterministic:
                return said.argmax(1)
            return torch.distributions.Categorical(logits=said).sample()
        if self.head == "gaussian_clip":
            noise = 0.0 if deterministic else weights["log_std"].exp() * torch.randn_like(said)
            return said + noise
        return self._squashed(said, x, weights, deterministic)

    def _normalised(self, obs: Tensor) -> Tensor:
        weights = dict(self.named_buffers())
        if "obs_mean" not in weights:
            return obs
        x = (obs - weights["obs_mean"][: obs.shape[1]]) / weights["obs_std"][: obs.shape[1]]
        if "obs_clip" in weights:
            limit = float(weights["obs_clip"])
            x = x.clamp(-limit, limit)
        return x

    def _squashed(
        self, said: Tensor, x: Tensor, weights: dict[str, Tensor], deterministic: bool
    ) -> Tensor:
        if "mean_clip" in weights:
            limit = float(weights["mean_clip"])
            said = said.clamp(-limit, limit)
        if not deterministic and "logstd_W" in weights:
            log_std = (x @ weights["logstd_W"] + weights["logstd_b"]).clamp(-20, 2)
            said = said + log_std.exp() * torch.randn_like(said)
        low, high = self.actions.low, self.actions.high
        return low + (torch.tanh(said) + 1) / 2 * (high - low)


def _read_network(path: str) -> dict[str, np.ndarray]:
    """The arrays of a network, and nothing that is none.

    Raises:
        UserError: They cannot be read, do not fit together, or are not finite.
    """
    stored = npz_arrays(path, Path(path), npz_names(path, Path(path)))
    layers = _depth(stored)
    needed = {f"{kind}{i}" for kind in "Wb" for i in range(max(1, layers))} | {"act", "head"}
    if str(stored.get("head")) == "gaussian_clip":
        needed.add("log_std")
    if not needed <= stored.keys() or str(stored["act"]) not in ACTIVATIONS:
        raise UserError(f"{path} holds no network: it needs {', '.join(sorted(needed))}")
    if str(stored["head"]) not in HEADS:
        raise UserError(f"{path}: head is {stored['head']}, none of {', '.join(HEADS)}")
    shapes = [(stored[f"W{i}"].shape, stored[f"b{i}"].shape) for i in range(layers)]
    widths = [shape[-1:] for shape, _ in shapes]
    if any(len(w) != 2 or b != w[1:] for w, b in shapes) or any(
        w[:1] != width for (w, _), width in zip(shapes[1:], widths)
    ):
        raise UserError(f"{path}: the shapes of its layers do not follow each other")
    for name in {*needed, *OPTIONAL} & stored.keys() - {"act", "head"}:
        if stored[name].dtype.kind not in "iuf" or not np.isfinite(stored[name]).all():
            raise UserError(f"{path}: {name} holds what is no finite number")
    return stored


def _depth(stored: Mapping[str, np.ndarray]) -> int:
    return sum(1 for name in stored if name.startswith("W") and name[1:].isdigit())


def _float(array: Any) -> Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32))


@final
class StableBaselines(Actor):
    """An agent of stable-baselines3, loaded by the caller.

    Its files hold pickles, which run whatever they say: nothing here opens them.

    Args:
        agent: Agent of stable-baselines3, which is shown observations in the shape of its own
            space.
        actions: Actions of the environment.
    """

    def __init__(self, agent: Any, actions: Actions):
        super().__init__()
        self.agent, self.actions = agent, actions

    def act(self, obs: Tensor, deterministic: bool = False) -> Tensor:
        shown = self._decode(obs.cpu().numpy())
        found, _ = self.agent.predict(shown, deterministic=deterministic)
        act = np.asarray(found)
        return torch.from_numpy(act - self.actions.start if self.actions.discrete else act)

    def _decode(self, rows: np.ndarray) -> Any:
        """Encoded observations as the agent's space has them; images may have channels last."""
        space = self.agent.observation_space
        if isinstance(space, spaces.Box):
            if rows.ndim == 4 and rows.shape[1:] != space.shape:
                rows = np.moveaxis(rows, 1, -1)
            return rows.reshape(len(rows), *space.shape)
        found = [spaces.unflatten(space, row) for row in rows]
        if isinstance(space, spaces.Dict):
            return {key: np.stack([one[key] for one in found]) for key in space}
        return np.stack(found)


def to_stable_baselines(policy: Policy, value: nn.Module | None = None) -> dict[str, Tensor]:
    """A policy as the state dict of stable-baselines3's `ActorCriticPolicy` of equal shape.

    That one acts in the environment's units, so the scale of the box goes into its last layer and
    its deviations.

    Load it by `agent.policy.load_state_dict(..., strict=False)`. The agent must see observations
    as this policy's normaliser makes them: put its mean and variance into a VecNormalize.

    Args:
        policy: Policy of two dense layers, as `make_policy` builds it.
        value: Value network of the policy, if that is wanted too.
    """
    found = _layers(policy.net.dense, "mlp_extractor.policy_net", "action_net")
    if isinstance(policy, GaussianPolicy):
        half = policy.half_width
        found["action_net.weight"] = half[:, None] * found["action_net.weight"]
        found["action_net.bias"] = policy.middle + half * found["action_net.bias"]
        found["log_std"] = policy.log_std.detach() + half.log()
    if value is not None:
        found |= _layers(value.dense, "mlp_extractor.value_net", "value_net")  # type: ignore[arg-type]
    return found


def from_stable_baselines(policy: Policy, state: dict[str, Tensor]) -> None:
    """Fill a policy with what `to_stable_baselines` names, of an agent of equal shape.

    Args:
        policy: Policy to be filled.
        state: State dict of an `ActorCriticPolicy`.

    Raises:
        UserError: The shapes differ.
    """
    mine = _layers(policy.net.dense, "mlp_extractor.policy_net", "action_net")
    if isinstance(policy, GaussianPolicy):
        mine["log_std"] = policy.log_std.detach()
    for name, tensor in mine.items():
        if name not in state or state[name].shape != tensor.shape:
            theirs = tuple(state[name].shape) if name in state else "nothing"
            raise UserError(
                f"the agent's {name} is {theirs}, not {tuple(tensor.shape)}; build a policy of the "
                "agent's widths"
            )
    with torch.no_grad():
        for name, tensor in mine.items():
            tensor.copy_(state[name])
        if isinstance(policy, GaussianPolicy):
            half = policy.half_width
            mine["action_net.weight"].div_(half[:, None])
            mine["action_net.bias"].sub_(policy.middle).div_(half)
            mine["log_std"].sub_(half.log())


def _layers(dense: nn.Module, body: str, head: str) -> dict[str, Tensor]:
    assert isinstance(dense, nn.Sequential)
    last = len(dense) - 1
    return {
        f"{head if i == last else f'{body}.{i}'}.{name}": parameter.data
        for i, layer in enumerate(dense)
        for name, parameter in layer.named_parameters()
    }


def load_actor(path: str, actions: Actions, option: str = "--expert") -> Actor:
    """An expert from a file of weights.

    Args:
        path: Path of the file.
        actions: Actions of the environment.
        option: Option that named the file, for complaints.

    Raises:
        UserError: It cannot be read.
    """
    if not Path(path).is_file():
        raise UserError(f"{option} {path}: there is no such file")
    if path.endswith(".npz"):
        return StoredPolicy(path, actions)
    raise UserError(
        f"{option} {path}: give an .npz of weights; agents of stable-baselines3 are loaded from "
        "Python, see rl.experts.StableBaselines"
    )
