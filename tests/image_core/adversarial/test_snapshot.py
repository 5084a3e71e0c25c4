"""A checkpoint is checked as a whole before anything is copied, and modules import in one order."""

import ast
from pathlib import Path

import pytest
import torch
from torch import nn

import image_core.adversarial
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from tests.image_core.adversarial.test_checkpoint import assert_same, everything, new
from tests.image_core.adversarial.toys import ToyGAN, adam, points, rounds

FOLDER = Path(image_core.adversarial.__file__).parent


def imported(source):
    """The modules of the core that a source imports, those for type checkers and lazy ones too."""
    prefix = "image_core.adversarial"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(prefix):
            name = node.module.removeprefix(prefix).removeprefix(".")
            yield from [name] if name else [alias.name for alias in node.names]


def order(graph):
    """Modules below those that import them; what is left over stands in a circle."""
    placed = []
    while ready := [n for n in graph if n not in placed and set(graph[n]) <= set(placed)]:
        placed += ready
    return placed


def test_no_two_modules_import_each_other():
    sources = {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py")}
    graph = {name: set(imported(source)) for name, source in sources.items()}
    placed = order(graph)
    assert set(graph) == set(placed)
    assert placed.index("snapshot") < placed.index("engine") < placed.index("callbacks")
    graph["snapshot"].add("engine")
    assert "engine" not in order(graph)


@pytest.fixture
def saved(tmp_path):
    engine = new()
    rounds(engine, 3, data=points)
    engine.notes["phase"] = "warm-up"
    engine.save(tmp_path / "run")
    return tmp_path / "run"


def wider(engine):
    engine.game.D[3] = nn.Linear(4, 2)


def deeper(engine):
    engine.game.D.append(nn.Linear(1, 1))


def shallower(engine):
    del engine.game.D[3]


def wider_average(engine):
    engine.ema["G"].module[2] = nn.Linear(4, 3)


def other_optimizer(engine):
    engine.optimizers["D"] = torch.optim.RMSprop(engine.players["D"])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (wider, r"game\.safetensors does not fit .*of another shape: D\.3\.bias, D\.3\.weight\)"),
        (deeper, r"game\.safetensors does not fit this game \(missing: D\.4\.bias, D\.4\.weight\)"),
        (shallower, r"game\.safetensors does not fit this game \(unknown: D\.3\.bias, D\.3\.weigh"),
        (wider_average, r"ema\.G\.safetensors does not fit this game \(of another shape"),
        (other_optimizer, r"another optimizer of 'D'"),
    ],
)
@pytest.mark.parametrize("learned_only", [False, True])
def test_a_refused_checkpoint_leaves_the_engine_as_it_was(saved, change, match, learned_only):
    """Most of the weights would fit, those of G among them, and would be copied first."""
    engine = new(seed=1)
    change(engine)
    before = {name: value.clone() for name, value in tensors(engine).items()}
    if learned_only and change is other_optimizer:
        return engine.load_learned(saved)
    with pytest.raises(UserError, match=match):
        (engine.load_learned if learned_only else engine.load)(saved)
    assert_same(before, tensors(engine))
    assert (engine.round, engine.notes, engine.saved) == (0, {}, None)


def tensors(engine):
    return {n: v for n, v in everything(engine).items() if torch.is_tensor(v)}


def tied(how):
    """A game with an output layer that may be its embedding, or a part of it."""
    game = ToyGAN()
    game.low, game.high = nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False)
    if how == "tied":
        game.high.weight = game.low.weight
    if how == "part":
        game.register_buffer("part", game.low.weight.detach()[:1])
    return Engine(game, {"G": adam})


def test_tied_weights_are_stored_once_and_found(tmp_path):
    engine = tied("tied")
    engine.save(tmp_path / "run")
    again = tied("tied")
    again.load(tmp_path / "run")
    assert torch.equal(again.game.high.weight, engine.game.low.weight)


def test_a_part_of_another_tensor_is_not_missed(tmp_path):
    engine = tied("part")
    engine.save(tmp_path / "run")
    again = tied("part")
    again.load(tmp_path / "run")
    assert torch.equal(again.game.part, engine.game.low.weight[:1])


@pytest.mark.parametrize(
    ("saved", "loading", "match"),
    [("tied", "free", r"missing: \w+\.weight\)"), ("free", "tied", "tied here: high.weight, low")],
)
def test_tied_and_free_weights_do_not_fit(saved, loading, match, tmp_path):
    tied(saved).save(tmp_path / "run")
    engine = tied(loading)
    before = engine.game.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    with pytest.raises(UserError, match=match):
        engine.load(tmp_path / "run")
    assert_same(before, engine.game.state_dict())


def test_what_was_learned_alone(saved):
    """Weights, averages and counts are those of the checkpoint; Adam has no moments yet."""
    whole, engine = new(seed=1), new(seed=1)
    whole.load(saved)
    draws = torch.get_rng_state()
    engine.load_learned(saved)
    assert_same(whole.game.state_dict(), engine.game.state_dict())
    assert_same(whole.ema["G"].state_dict(), engine.ema["G"].state_dict())
    assert (engine.round, engine.drawn, engine.steps) == (3, 6, {"G": 3, "D": 6})
    assert engine.notes == {"phase": "warm-up"}
    assert engine.saved == saved
    assert not engine.optimizers["G"].state
    assert torch.equal(draws, torch.get_rng_state())
