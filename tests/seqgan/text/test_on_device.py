"""What a GPU runs, checked without one: no value is asked back in a round, and one graph compiles.

The device stands in for a GPU: what would be waited for, as `item`, `nonzero`, boolean indexing and
copies of the program's values, is heard.
"""

import functools

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from image_core.adversarial.penalties import r1
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.relaxed import RelaxedGame
from seqgan.text.games.sequence import seqgan
from seqgan.text.papers.maligan import maligan
from seqgan.text.papers.maligan_mixed import maligan_mixed
from seqgan.text.papers.rankgan import rankgan
from tests.forked import forked
from tests.stand_in import stand_in

adam = functools.partial(torch.optim.Adam, lr=1e-3)


@pytest.fixture
def _waits_for_nothing(heard):
    with stand_in.here():
        yield
    assert not heard


@pytest.mark.usefixtures("_waits_for_nothing")
@pytest.mark.parametrize("end", [2, None])
@pytest.mark.parametrize("player", ["mle", "G", "D"])
def test_a_move_asks_nothing_back_from_the_device(player, end):
    policy = LSTMPolicy(50, 8, 8, start=1, end=end)
    critic = CNNDiscriminator(50, 8, ((1, 4), (3, 4)), end=end)
    sizes = {"samples": 8, "negatives": 64, "d_epochs": 1, "d_steps": 8}
    game = seqgan(policy, critic, 8, rollouts=2, penalty=r1(1.0), **sizes).to("meta")
    engine = Engine(game, {player: adam}, clip={"G": 5.0} if player == "G" else {})
    moves = {"mle": game.mle_move, "G": game.policy_move, "D": game.discriminator_move}
    real = torch.zeros(16, 8, dtype=torch.int64, device="meta")
    logs = engine.play(Turn(player, moves[player]), iter([real] * 8))
    assert f"{player}/loss" in logs
    assert engine.steps[player] == (8 if player == "D" else 1)


@pytest.mark.usefixtures("_waits_for_nothing")
@pytest.mark.parametrize("player", ["G", "D"])
@pytest.mark.parametrize("alias", ["maligan", "maligan_mixed", "rankgan", "relgan"])
def test_nor_does_a_move_of_a_relative(alias, player):
    policy = LSTMPolicy(50, 8, 8, start=1, end=2)
    critic = CNNDiscriminator(50, 8, ((1, 4), (3, 4)), end=2)
    real = torch.zeros(16, 8, dtype=torch.int64, device="meta")
    sizes = {"samples": 8, "negatives": 64, "d_epochs": 1, "d_steps": 8}
    made = {
        "maligan": lambda: maligan(policy, critic, 8, **sizes),
        "maligan_mixed": lambda: maligan_mixed(policy, critic, 8, moves=4, copies=2, **sizes),
        "rankgan": lambda: rankgan(policy, critic, 8, lambda: real, rollouts=2, **sizes),
        "relgan": lambda: RelaxedGame(policy, critic, 8, moves=4, d_steps=1),
    }
    game = made[alias]().to("meta")
    engine = Engine(game, {player: adam})
    move = {"G": game.policy_move, "D": game.discriminator_move}[player]
    for _ in range(2):
        logs = engine.play(Turn(player, move), iter([real] * 8))
    assert f"{player}/loss" in logs


def one_graph():
    critic = CNNDiscriminator(50, 8, ((1, 4), (3, 4)), end=2).eval()
    embedded, lengths = torch.randn(6, 8, 8, requires_grad=True), torch.tensor([8, 8, 5, 3, 2, 1])
    compiled = torch.compile(critic.score, backend="aot_eager", fullgraph=True)
    found = []
    for score in (critic.score, compiled):
        logits = score(embedded, lengths)
        found.append([logits, *torch.autograd.grad(logits.sum(), [embedded, *critic.conv_weight])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_the_critics_gpu_step_is_one_graph(tmp_path):
    """`score` takes the path of a GPU; with fullgraph a break of the graph raises.

    In a process of its own: checks of shapes, which are on here, are no part of a graph.
    """
    process = forked(one_graph, told=tmp_path / "told")
    process.join()
    assert process.exitcode == 0, (tmp_path / "told").read_text()
