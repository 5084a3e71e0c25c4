"""Options and tasks of imitation, built as the recipe builds them."""

import torch

from rl.envs import make_envs
from rl.nets import Normaliser
from rl.recipes.imitate.build import ImitationTask
from rl.recipes.imitate.recipe import PAPERS, PRESETS
from tests.rl.made import some_expert

ADVERSARIAL = (
    "airl",
    "airl_state",
    "amp",
    "dac",
    "dail",
    "drail",
    "fairl",
    "gaifo",
    "gail",
    "vail",
    "wail",
)
"""Papers with a discriminator."""
OTHERS = ("bc", "dagger", "iq_learn", "pwil", "sqil")
NEEDED = {"out": "run", "env": "CartPole-v1", "demos": "demos.npz"}


def options_of(paper, preset="tiny", **change):
    """The configuration of a run of a paper."""
    asked = {"expert_policy": "runs/expert"} if paper == "dagger" else {}
    values = PAPERS.preset(paper, PRESETS[preset], preset)
    return PAPERS.config(paper)(**{**values, **NEEDED, **asked, **change})


def task_of(env="CartPole-v1", count=4, trained=True):
    """Environments and an expert's rows, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expert = some_expert(env)
    envs = make_envs(env, count)
    normaliser = Normaliser(envs.observations)
    normaliser.see(expert.steps().obs)
    return ImitationTask(envs, expert, normaliser, trained, lambda option, where: None)
