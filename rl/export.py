"""A policy as one ONNX file, which other programs run without torch."""

import copy
import logging
import warnings
from pathlib import Path
from typing import Any, final

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from rl.envs.spaces import Actions, Observations
from rl.policies import Actor

INPUT, OUTPUT = "obs", "act"
"""Names of the file's input and output."""


@final
class LikeliestAction(nn.Module):
    """From observations as an environment shows them to the likeliest actions as it takes them.

    Args:
        policy: Policy of encoded observations.
        observations: How observations are encoded.
        actions: How actions are encoded.
        space: Space of one environment's actions.
    """

    def __init__(
        self,
        policy: Actor,
        observations: Observations,
        actions: Actions,
        space: gymnasium.Space[Any],
    ):
        super().__init__()
        self.policy, self.observations, self.actions = policy, observations, actions
        self.shape = tuple(space.shape or ())
        self.dtype = torch.from_numpy(np.zeros(0, space.dtype)).dtype
        self.register_buffer("start", torch.as_tensor(actions.start))

    start: Tensor

    def forward(self, obs: Tensor) -> Tensor:
        """(B, ...) in the environment's own form -> (B, ...).

        Observations of Dict, Tuple and Discrete spaces come flattened by gymnasium, (B, features).
        """
        o = self.observations
        if o.image:
            seen = obs.movedim(-1, 1) if o.channels_last else obs
        else:
            seen = obs.flatten(1).float()
        act = self.policy.act(seen, deterministic=True)
        act = act + self.start if self.actions.discrete else self.actions.clip(act)
        return act.reshape(obs.shape[0], *self.shape).to(self.dtype)

    def example(self) -> Tensor:
        """A batch of two observations in the environment's own form."""
        space = self.observations.space
        if isinstance(space, spaces.Box):
            return torch.zeros(2, *space.shape, dtype=torch.from_numpy(space.low).dtype)
        return torch.zeros(2, *self.observations.shape)


def write_onnx(path: Path, model: LikeliestAction) -> None:
    """Write a model as an ONNX file with one input, `obs`, and one output, `act`.

    Args:
        path: Path of the file.
        model: Model, which is left as it is.

    Raises:
        UserError: The package that writes ONNX is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            'ONNX files are written by the package onnxscript: run `pip install "seqgan[onnx]"`'
        ) from error
    model = copy.deepcopy(model).cpu().eval()
    # The exporter reports each operator of packages that are not installed, and its own old calls
    said = logging.getLogger("torch.onnx")
    before = said.level
    said.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            torch.onnx.export(
                model,
                (model.example(),),
                path,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        said.setLevel(before)
