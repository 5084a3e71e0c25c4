"""Papers of imitation: each plays and learns, has a reward of its own, and no two are the same."""

import dataclasses
import itertools
import math

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.runs.players import make_engine
from rl.discriminators import ShapedDiscriminator
from rl.policies import Actor
from rl.recipes.imitate import recipe
from rl.recipes.imitate.papers import airl_state
from rl.recipes.imitate.recipe import PAPERS, PRESETS
from tests.rl.made import rollout
from tests.rl.recipes.imitate.made import ADVERSARIAL, OTHERS, options_of, task_of

REWARDS = {
    "airl": "log_ratio",
    "airl_state": "log_ratio",
    "dac": "log_ratio",
    "amp": "quadratic",
    "dail": "discovered",
    "drail": "log_ratio",
    "fairl": "density_ratio",
    "gaifo": "positive",
    "gail": "positive",
    "vail": "positive",
    "wail": "log_ratio",
}
"""What each paper's reward is."""
TITLES = {"airl_state": "State-only AIRL", "dagger": "DAgger", "gaifo": "GAIfO"}
TITLES |= {"iq_learn": "IQ-Learn"}
SMALL = {"hidden": 8, "d_hidden": 8, "envs": 4, "rollout": 8, "minibatch": 16, "d_batch": 8}


def uniform(index):
    return torch.rand(8, generator=torch.Generator().manual_seed(index))


def test_the_papers_are_these():
    assert PAPERS.names() == sorted([*ADVERSARIAL, *OTHERS])


@pytest.mark.parametrize("paper", PAPERS.names())
def test_every_paper_says_who_it_is_and_explains_each_option(paper):
    from image_core.runs.groups import meanings

    assert PAPERS.load(paper).title == TITLES.get(paper, paper.upper())
    config = PAPERS.config(paper)
    told = meanings(config)
    for option in dataclasses.fields(config):
        assert len(told[option.name].split()) > 1 or option.name == "seed", option.name


# ------------------------------------------------------------------------- a reward of their own


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("paper", ADVERSARIAL)
def test_no_preset_of_the_recipe_changes_a_papers_reward_loss_or_penalty(paper, preset):
    found, own = options_of(paper, preset), PAPERS.load(paper)
    told = own.presets.get(preset, {})
    declared = {f.name: f.default for f in dataclasses.fields(own.options)}
    for name in ("reward", "loss", "penalty"):
        assert getattr(found, name) == told.get(name, declared[name])
        assert name not in PRESETS[preset]
    assert declared["reward"] == REWARDS[paper]


def test_the_classic_preset_gives_gail_alone_a_reward_of_either_sign():
    for paper in ADVERSARIAL:
        own = "log_ratio" if paper == "gail" else REWARDS[paper]
        assert options_of(paper, "classic").reward == own


class Still(Actor):
    """An expert that always does the same."""

    def act(self, obs, deterministic=False):
        return torch.full((len(obs), 1), 0.5)


def first_round(paper, **change):
    """Gradients of a paper's first steps of D and of G, in one round of one task."""
    torch.manual_seed(0)
    small = {n: v for n, v in SMALL.items() if n in fields(paper)}
    o = options_of(paper, "classic", **{**small, **change})
    task = task_of("Pendulum-v1")._replace(load_policy=lambda *_: Still())
    game = PAPERS.load(paper).game(o, task)
    batches = iter(map(uniform, itertools.count()))
    found = {}
    for turn in game.turns():
        steps = turn.move(batches)
        loss, parameters = next(steps), game.players()[turn.player]
        slopes = torch.autograd.grad(loss.total, parameters, allow_unused=True)
        found[turn.player] = [torch.zeros(()) if slope is None else slope for slope in slopes]
        steps.close()
    return found


def same(one, other):
    """Whether policy and discriminator both learn the same, as far as each has one."""
    return one.keys() == other.keys() and all(
        len(one[player]) == len(other[player])
        and all(
            s.shape == o.shape and torch.equal(s, o) for s, o in zip(one[player], other[player])
        )
        for player in one
    )


def test_no_two_papers_play_the_same_first_round_under_the_default_preset():
    assert next(iter(PRESETS)) == "classic"
    found = {paper: first_round(paper) for paper in PAPERS.names()}
    alike = [pair for pair in itertools.combinations(found, 2) if same(*map(found.get, pair))]
    assert alike == []
    for slopes in found.values():
        assert all(any(bool(s.abs().sum() > 0) for s in some) for some in slopes.values())
    # Were FAIRL's reward overridden, as the preset once did, it would be GAIL
    assert same(found["gail"], first_round("fairl", reward="log_ratio"))


@pytest.mark.parametrize("paper", PAPERS.names())
def test_every_paper_names_what_it_learns_from(paper):
    told = options_of(paper, "classic").objective()
    assert told["loss"]
    if paper in ADVERSARIAL:
        own = {"gail": "log_ratio"}.get(paper, REWARDS[paper])
        assert told["reward"] == own
        assert told["estimator"]
        assert told["penalty"] == (options_of(paper, "classic").penalty or "none")


# --------------------------------------------------------------------------------- they all play


@pytest.mark.parametrize("learner", ["ppo", "trpo"])
@pytest.mark.parametrize("paper", [p for p in ADVERSARIAL if p != "dac"])
def test_every_on_policy_paper_plays_and_learns_by_either_learner(paper, learner):
    torch.manual_seed(0)
    o = options_of(paper, "classic", **SMALL, learner=learner, epochs=1)
    own = PAPERS.load(paper)
    game = own.game(o, task_of("Pendulum-v1"))
    engine = make_engine(game, own.players(o), "no")
    before = {n: [p.detach().clone() for p in ps] for n, ps in engine.players.items()}
    (logs,) = engine.rounds(uniform, 1)
    assert all(math.isfinite(float(v)) for v in logs.values())
    for player, ps in engine.players.items():
        weights = [(p, q) for p, q in zip(ps, before[player], strict=True) if p.dim() > 1]
        assert all(bool((p != q).any()) for p, q in weights), player


@pytest.mark.parametrize("paper", ADVERSARIAL)
def test_a_control_never_trains_its_discriminator(paper):
    o = options_of(paper, **SMALL)
    game = PAPERS.load(paper).game(o, task_of("Pendulum-v1", trained=False))
    assert "D" in game.players()
    assert "D" not in {turn.player for turn in game.turns()}


@pytest.mark.parametrize("paper", ADVERSARIAL)
def test_spectral_weights_have_norm_one(paper):
    """In the discriminator of every paper; without, the first layers' orthogonal gain is sqrt 2."""
    o = options_of(paper, **{**SMALL, "d_hidden": 16}, spectral=True)
    D = PAPERS.load(paper).game(o, task_of("Pendulum-v1")).D.train()
    for _ in range(50):
        D.score(torch.randn(4, D.features))
    layers = [m for m in D.modules() if isinstance(m, torch.nn.Linear)]
    assert len(layers) >= 3
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight, 2).detach()) < 1.02


def test_a_reward_of_states_sees_neither_actions_nor_what_follows():
    """So it can be carried to where other actions lead elsewhere."""
    torch.manual_seed(0)
    game = airl_state.game(options_of("airl_state"), task_of())
    D, rows = game.D, game._transitions(rollout(features=4))
    assert isinstance(D, ShapedDiscriminator)
    other = rows._replace(act=1 - rows.act, next_obs=rows.next_obs + 1)
    found = D.transferable(D.encode(rows))
    torch.testing.assert_close(D.transferable(D.encode(other)), found)
    assert not torch.allclose(D.score(D.encode(other)), D.score(D.encode(rows)))
    moved = rows._replace(obs=rows.obs + 1)
    assert not torch.allclose(D.transferable(D.encode(moved)), found)


def test_options_of_one_paper_are_no_options_of_another():
    assert "d_lr" not in set().union(*map(fields, OTHERS))
    assert "learner" not in set().union(*map(fields, ("bc", "dagger", "dac", "iq_learn", "sqil")))
    for option, owner in {
        "expert_share": "dac",
        "draws": "drail",
        "features": "amp",
        "offline": "iq_learn",
        "beta": "pwil",
        "expert_policy": "dagger",
        "information": "vail",
    }.items():
        assert [p for p in PAPERS.names() if option in fields(p)] == [owner]
    for option in ("gradient_steps", "buffer_size"):
        having = [p for p in PAPERS.names() if option in fields(p)]
        assert having == ["dac", "dagger", "iq_learn", "sqil"]


def fields(paper):
    return {f.name for f in dataclasses.fields(PAPERS.config(paper))}


def test_dac_for_mujoco_is_what_it_was_measured_with():
    o = options_of("dac", "mujoco")
    wanted = {"env_steps": 320_000, "envs": 8, "rollout": 8, "gradient_steps": 8, "hidden": 128}
    wanted |= {"buffer_size": 100_000, "expert_share": 0.25, "target_entropy": -2.0, "gamma": 0.99}
    wanted |= {"ema_decay": 0.999, "minibatch": 256, "g_lr": 1e-3, "d_batch": 128, "d_lr": 3e-4}
    wanted |= {"penalty": "gradient_penalty=10", "subsample": 20, "eval_episodes": 20}
    wanted |= {"evaluate_every": 400, "save_seconds": 300.0, "d_hidden": 64}
    assert {name: getattr(o, name) for name in wanted} == wanted


def test_dac_by_default_takes_an_optimizer_step_for_every_environment_step():
    o = options_of("dac", "classic")
    assert o.gradient_steps == o.round_steps() == 64
    assert (o.env_steps, o.evaluate_every) == (20_000, 25)
    assert o.hidden == options_of("dac", "mujoco").hidden


# ---------------------------------------------------------------------------------------- refusals

WRONG = [
    *(("gail", {n: 0}, f"--{n} 0") for n in ("env_steps", "envs", "rollout", "epochs", "hidden")),
    *(("gail", {n: 0}, f"--{n} 0") for n in ("minibatch", "subsample", "d_steps", "d_batch")),
    *(("gail", {n: -1}, f"--{n} -1") for n in ("trajectories", "max_episode_steps", "bc_steps")),
    *(("gail", {n: 0.0}, f"--{n} 0") for n in ("g_lr", "d_lr", "bc_lr", "gamma", "gae_lambda")),
    *(("gail", {n: 1.0}, f"--{n} 1") for n in ("gamma", "gae_lambda", "ema_decay")),
    ("gail", {"eval_episodes": 0}, "--eval_episodes 0"),
    ("gail", {"learner": "hope"}, "--learner hope"),
    ("gail", {"reward": "hope"}, "--reward hope"),
    ("gail", {"loss": "hope"}, "--loss hope"),
    ("gail", {"penalty": "hope=1"}, "--penalty hope"),
    ("gail", {"env_weight": 1.5}, "--env_weight 1.5"),
    ("gail", {"learner": "trpo", "entropy": 0.1}, "--entropy"),
    ("gail", {"stepping": "hope"}, "--stepping hope"),
    ("vail", {"information": 0.0}, "--information 0"),
    ("vail", {"d_hidden": 1}, "--d_hidden 1"),
    ("bc", {"bc_steps": 0}, "--bc_steps 0"),
    ("bc", {"batch": 0}, "--batch 0"),
    ("dac", {"expert_share": 1.0}, "--expert_share 1"),
    *((p, {n: 0}, f"--{n} 0") for p in ("dac", "dagger") for n in ("gradient_steps",)),
    *((p, {n: 0}, f"--{n} 0") for p in ("dac", "dagger") for n in ("buffer_size",)),
]


@pytest.mark.parametrize(("paper", "change", "says"), WRONG)
def test_contradictions_are_refused_and_the_option_named(paper, change, says):
    options_of(paper)
    with pytest.raises(UserError) as caught:
        options_of(paper, **change)
    assert says in str(caught.value)


def test_no_module_of_the_recipe_names_a_paper():
    """What differs from paper to paper stands in the papers; the default is named once."""
    import ast
    from pathlib import Path

    folder = Path(recipe.__file__).parent
    for name in ("config", "build", "report", "recipe"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        named = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and node.value in PAPERS.names()
        ]
        assert named == (["gail"] if name == "recipe" else [])
