"""The recipe expert: its contradictions are refused; test_imitate_recipe.py runs it."""

import pytest

from image_core.adversarial.errors import UserError
from rl.recipes.expert import PRESETS, Config

SOUND = {**PRESETS["tiny"], "out": "run", "env": "CartPole-v1"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        *(({n: 0}, f"--{n} 0") for n in ("steps", "envs", "rollout", "epochs", "minibatch")),
        *(({n: 0.0}, f"--{n} 0") for n in ("lr", "gamma", "lam")),
        ({"lam": 1.0}, "--lam 1"),
        ({"horizon": -1}, "--horizon -1"),
    ],
)
def test_contradictions_are_refused_and_the_option_named(change, says):
    Config(**SOUND)
    with pytest.raises(UserError) as caught:
        Config(**{**SOUND, **change})
    assert says in str(caught.value)
