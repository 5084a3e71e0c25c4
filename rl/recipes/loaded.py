"""A trained run with a policy to work with, in the environment's own observations and actions."""

from typing import Any

import gymnasium
import numpy as np
import torch

from image_core.adversarial.arguments import python_call
from image_core.runs.loaded import LoadedRun
from rl.envs import Envs, keywords
from rl.envs.fixed import FixedHorizon
from rl.envs.sync import make
from rl.envs.window import stacked
from rl.export import LikeliestAction
from rl.formats.raw import encode_observations
from rl.policies import Actor
from rl.recipes.policy_run import PolicyRun


class LoadedPolicy(LoadedRun[PolicyRun]):
    """A trained run of the recipe expert or imitate.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    def __init__(self, run: PolicyRun):
        super().__init__(run)
        run.engine.game.eval()
        self._envs: Envs = run.make_envs(1)
        self.policy: Actor = run.policy().eval()
        self._space = self.env().action_space

    @property
    def env_id(self) -> str:
        """Id of the run's environment."""
        return str(self._run.config.env)

    @python_call()
    def env(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """A fresh gymnasium environment of the run's kind, with its time limit.

        That of a run with --window shows its newest observations at once, as `predict` takes them.

        Args:
            render_mode: What `render` returns, as in gymnasium, such as rgb_array.

        Raises:
            UserError: It cannot be made.
        """
        c = self._run.config
        options = keywords(c.env_kwargs)
        if render_mode is not None:
            options["render_mode"] = render_mode
        _, made = make(c.env, options, c.max_episode_steps or None)
        if c.fixed_horizon:
            limit = self._envs.max_episode_steps
            made = gymnasium.wrappers.TimeLimit(FixedHorizon(made), limit)
        return made if self._run.window == 1 else stacked(made, self._run.window)

    @python_call()
    def predict(self, obs: Any, deterministic: bool = False) -> np.ndarray | np.generic:
        """Actions as the environment takes them; one of a Discrete space is a numpy number.

        Args:
            obs: One observation as the environment shows it, or a batch (N, ...); of a Dict or
                Tuple space a batch is a list; of a run with --window those that `env` shows.
            deterministic: Whether the likeliest action is taken instead of a draw.

        Raises:
            UserError: It is no observation of the environment.
        """
        single = self._is_one(obs)
        rows = encode_observations([obs] if single else obs, self._envs, "predict")
        seen = torch.from_numpy(np.ascontiguousarray(rows)).to(
            next(self.policy.parameters()).device
        )
        act = self._envs.actions.to_env(self.policy.act(seen, deterministic))
        found = act.reshape(len(act), *(self._space.shape or ())).astype(self._space.dtype)
        return found[0] if single else found

    def likeliest_action(self) -> LikeliestAction:
        """The policy from observations to its likeliest actions, both in the environment's form.

        It is a module of torch, which `rl.export.write_onnx` makes an ONNX file of.
        """
        return LikeliestAction(
            self.policy, self._envs.observations, self._envs.actions, self._space
        )

    def _is_one(self, obs: Any) -> bool:
        """Whether it is one observation and no batch."""
        space = self._envs.observations.space
        if isinstance(space, gymnasium.spaces.Dict | gymnasium.spaces.Tuple):
            return not isinstance(obs, list)
        return np.shape(obs) == space.shape


Loaded = LoadedPolicy
