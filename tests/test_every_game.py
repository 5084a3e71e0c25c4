"""Every game that ships learns, and goes on from a checkpoint as if it had never stopped.

A game is found by its module: any that has a `tiny()`, which returns the game and one batch (or a
function from the number of a batch to it).
"""

import math
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import torch

from image_core.adversarial import control_variates, estimators, losses, penalties, relaxations
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.adversarial.nash import diagnose
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.sequence import SequenceGame
from seqgan.text.games.sequence import tiny as tiny_sequence
from seqgan.text.rewards import rollout_reward, sentence_reward

ROOT = Path(__file__).resolve().parents[1]


def games():
    """The names of the modules that have a `tiny()`."""
    for package in ("seqgan", "rl", "image_core"):
        for file in sorted((ROOT / package).rglob("*.py")):
            if "\ndef tiny(" in file.read_text(encoding="utf-8"):
                yield ".".join(file.relative_to(ROOT).with_suffix("").parts)


GAMES = list(games())
adam = partial(torch.optim.Adam, lr=1e-2)


def start(name, seed):
    """A tiny game, an engine with Adam for every player, and the data."""
    torch.manual_seed(seed)
    game, batch = import_module(name).tiny()
    engine = Engine(game, dict.fromkeys(game.players(), adam))
    return engine, batch if callable(batch) else lambda index: batch


def test_games_are_found():
    assert {"seqgan.lm.likelihood_game", "seqgan.text.games.sequence"} <= set(GAMES)


@pytest.mark.parametrize("name", GAMES)
def test_every_player_of_every_game_learns(name):
    engine, data = start(name, 0)
    before = {n: [p.detach().clone() for p in ps] for n, ps in engine.players.items()}
    norms = {}
    for logs in engine.rounds(data, 3):
        assert all(math.isfinite(float(value)) for value in logs.values())
        for key, value in logs.items():
            if key.endswith("/grad_norm"):
                norms.setdefault(key.split("/")[0], []).append(float(value))
    assert set(norms) == {turn.player for turn in engine.game.turns()}
    for player, values in norms.items():
        assert min(values) > 0, player
    for player, parameters in engine.players.items():
        moved = [bool((p != q).any()) for p, q in zip(parameters, before[player], strict=True)]
        assert all(moved), player
    assert engine.round == 3


@pytest.mark.parametrize("name", GAMES)
def test_every_game_goes_on_bit_for_bit(name, tmp_path):
    """From a checkpoint, and after a diagnosis too."""
    engine, data = start(name, 0)
    list(engine.rounds(data, 2))
    engine.save(tmp_path / "run")
    undisturbed = list(engine.rounds(data, 2))
    again, data = start(name, 1)
    again.load(tmp_path / "run")
    assert diagnose(again, data, rounds=1, products=1, draws=1)["gap"]
    resumed = list(again.rounds(data, 2))
    for one, other in zip(undisturbed, resumed, strict=True):
        assert {k: float(v) for k, v in one.items()} == {k: float(v) for k, v in other.items()}
    other = again.game.state_dict()
    for key, value in engine.game.state_dict().items():
        assert torch.equal(value, other[key]), key


@pytest.mark.bf16
@pytest.mark.parametrize("name", GAMES)
def test_games_play_in_bfloat16(name):
    """What `--precision bf16` does on a CPU."""
    accelerate = pytest.importorskip("accelerate")
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = accelerate.Accelerator(mixed_precision="bf16", cpu=True)
    try:
        game, batch = import_module(name).tiny()
        optim = dict.fromkeys(game.players(), adam)
        engine = Engine(game, optim, accelerator=accelerator)
        (logs,) = engine.rounds(batch if callable(batch) else lambda index: batch, 1)
        assert all(math.isfinite(float(value)) for value in logs.values())
    finally:
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


# ------------------------------------------------------- every loss, penalty, estimator together

OF_VARIABLES = (*relaxations.__all__, *control_variates.__all__)
"""Those that take logits of independent variables, and not (log_prob, reward, mask)."""
ESTIMATORS = [name for name in estimators.__all__ if name not in OF_VARIABLES]
TRANSFORMS = {"importance": torch.exp, "boundary_seeking": lambda logit: logit}
"""What the estimator expects as a reward, where that is not D(y)."""


def assemble(loss, penalty, estimator):
    """The tiny sequence game with parts of one's choice; the clipped estimator has two epochs."""
    G = LSTMPolicy(12, 4, 4, start=1, end=2, pad=0)
    D = CNNDiscriminator(12, 4, ((1, 2), (2, 2)), end=2)
    return SequenceGame(
        G,
        D,
        5,
        reward=rollout_reward(2, TRANSFORMS.get(estimator, torch.sigmoid)),
        estimator=getattr(estimators, estimator)(),
        loss=getattr(losses, loss),
        penalty=None if penalty is None else getattr(penalties, penalty)(),
        samples=4,
        policy_updates=2 if estimator == "clipped" else 1,
        d_steps=1,
        d_epochs=1,
        negatives=4,
    )


def test_score_function_estimators_are_told_from_those_of_variables():
    assert {"reinforce", "importance", "boundary_seeking", "clipped"} <= set(ESTIMATORS)
    assert set(OF_VARIABLES) <= set(estimators.__all__)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("penalty", [None, *penalties.__all__])
@pytest.mark.parametrize("loss", losses.__all__)
def test_every_combination_plays_a_round(loss, penalty, estimator):
    game = assemble(loss, penalty, estimator)
    engine = Engine(game, {"G": adam, "D": adam})
    before = {n: [p.detach().clone() for p in ps] for n, ps in engine.players.items()}
    _, data = tiny_sequence()
    (logs,) = engine.rounds(lambda index: data[:8, :5].clone(), 1)
    assert all(math.isfinite(float(value)) for value in logs.values())
    assert ("D/penalty" in logs) == (penalty is not None)
    assert engine.steps == {"G": 2 if estimator == "clipped" else 1, "mle": 0, "D": 1}
    for player in ("G", "D"):
        assert float(logs[f"{player}/grad_norm"]) > 0
        moved = [(p != q).any() for p, q in zip(engine.players[player], before[player])]
        assert all(moved), player


@pytest.mark.parametrize("loss", [n for n in losses.__all__ if getattr(losses, n).reward])
def test_every_loss_that_is_a_reward_rewards(loss):
    game = assemble(loss, None, "reinforce")
    game.reward = sentence_reward(getattr(losses, loss).reward)
    engine = Engine(game, {"G": adam, "D": adam})
    tokens = torch.tensor([[5, 6, 2, 0, 0], [7, 8, 9, 10, 2]])
    expected = getattr(losses, loss).reward(game.D.eval()(tokens))
    assert torch.allclose(game.reward(game.G, game.D, tokens), expected[:, None].expand(2, 5))
    (logs,) = engine.rounds(lambda index: tokens, 1, turns=[Turn("G", game.policy_move)])
    assert math.isfinite(float(logs["G/reward"]))
    assert float(logs["G/grad_norm"]) > 0


def test_a_policy_that_ends_at_once():
    """Every sample is one end token: a policy gone astray, or very short data."""
    game, data = tiny_sequence()
    with torch.no_grad():
        game.G.output_bias[2] = 100.0
    engine = Engine(game, {"G": adam, "D": adam})
    (logs,) = engine.rounds(lambda index: data, 1)
    assert math.isfinite(float(logs["G/reward"]))


def test_too_few_negatives_for_a_critic_step_are_refused():
    game, data = tiny_sequence()
    game.negatives = 3
    engine = Engine(game, {"G": adam, "D": adam})
    with pytest.raises(UserError, match="negatives"):
        list(engine.rounds(lambda index: data, 1))
