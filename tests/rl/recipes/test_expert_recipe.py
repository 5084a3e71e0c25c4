"""The recipe expert: its contradictions are refused; test_imitate_recipe.py runs it."""

import pytest

from image_core.adversarial.errors import UserError
from rl.recipes.expert import PRESETS, Config

SOUND = {**PRESETS["tiny"], "out": "run", "env": "CartPole-v1"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        *(({n: 0}, f"--{n} 0") for n in ("env_steps", "envs", "rollout", "epochs", "minibatch")),
        *(({n: 0.0}, f"--{n} 0") for n in ("g_lr", "gamma", "gae_lambda")),
        ({"gae_lambda": 1.0}, "--gae_lambda 1"),
        ({"max_episode_steps": -1}, "--max_episode_steps -1"),
    ],
)
def test_contradictions_are_refused_and_the_option_named(change, says):
    Config(**SOUND)
    with pytest.raises(UserError) as caught:
        Config(**{**SOUND, **change})
    assert says in str(caught.value)
