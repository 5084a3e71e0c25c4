"""One engine, two toy games: every step here is also computed by hand."""

import pytest
import torch
from torch import nn

from image_core.adversarial.callbacks import every
from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Loss, Turn
from tests.image_core.adversarial.toys import (
    A0,
    B0,
    Bilinear,
    ToyGAN,
    adam,
    bilinear,
    play,
    points,
    rounds,
    sgd,
)

# --------------------------------------------------------------------------------------- one step


def test_two_rounds_by_hand():
    game, engine = bilinear()
    a, b = A0, B0
    for logs in rounds(engine, 2):
        assert logs["A/loss"] == pytest.approx(float(a @ b))
        assert logs["A/grad_norm"] == pytest.approx(float(b.norm()))
        a = a - 0.1 * b
        assert logs["B/loss"] == pytest.approx(float(-a @ b))
        assert logs["B/grad_norm"] == pytest.approx(float(a.norm()))
        b = b + 0.1 * a
    assert torch.allclose(game.a, a, atol=1e-6)
    assert torch.allclose(game.b, b, atol=1e-6)
    assert engine.round == 2
    assert engine.steps == {"A": 2, "B": 2}


def test_only_the_player_on_turn_learns():
    game, engine = bilinear()
    seen = []

    def move():
        seen.append((game.a.requires_grad, game.b.requires_grad))
        yield Loss(game.a @ game.b)
        seen.append((game.a.grad, game.b.grad))

    play(engine, move)
    assert seen == [(True, False), (None, None)]
    assert torch.allclose(game.a, A0 - 0.1 * B0)
    assert torch.equal(game.b, B0)
    play(engine, move, "B")
    assert seen[2] == (False, True)
    assert game.a.requires_grad
    assert game.b.requires_grad


def test_freezing_is_undone_after_an_error():
    game, engine = bilinear()
    game.spectator = nn.Parameter(torch.ones(1), requires_grad=False)

    def move():
        yield Loss(game.a @ game.b)
        raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        play(engine, move)
    assert game.a.requires_grad
    assert game.b.requires_grad
    assert not game.spectator.requires_grad
    assert game.spectator == 1


def test_freezing_is_undone_when_there_is_no_move_at_all():
    """A move that is no generator function and fails when it is called."""
    game, engine = bilinear()

    def fails():
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        play(engine, fails)
    assert game.b.requires_grad


def test_gradients_of_a_failed_move_do_not_join_the_next_step():
    game, engine = bilinear(accumulate=2)

    def fails():
        yield Loss(100 * game.a.sum())
        raise ValueError("halfway")

    def works():
        yield Loss(game.a @ game.b)
        yield Loss(game.a @ game.b)

    with pytest.raises(ValueError, match="halfway"):
        play(engine, fails)
    play(engine, works)
    assert torch.allclose(game.a, A0 - 0.1 * B0)


def test_gradient_flows_through_the_frozen_player():
    game, engine = bilinear()

    def move():
        yield Loss((game.b * (game.a * game.b).square()).sum())

    play(engine, move)
    assert torch.allclose(game.a, A0 - 0.1 * 2 * A0 * B0**3)
    assert torch.equal(game.b, B0)


def test_players_may_share_parameters():
    """Each has an optimizer of its own, and momentum in one is unknown to the other."""
    game = Bilinear()
    game.players = lambda: {"A": [game.a], "both": [game.a, game.b]}
    heavy = lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.5)  # noqa: E731
    engine = Engine(game, {"A": heavy, "both": sgd})

    def move():
        yield Loss((game.a + game.b).sum())

    for player in ("A", "both", "A"):
        play(engine, move, player)
    one = torch.ones(2)
    assert torch.allclose(game.a, A0 - 0.1 * (one + one + 1.5 * one))
    assert torch.allclose(game.b, B0 - 0.1 * one)


def test_a_player_without_gradients_for_some_parameters_still_steps():
    game, engine = bilinear()
    engine.players["A"].append(game.b)

    def move():
        yield Loss(game.a.sum())

    assert play(engine, move)["A/grad_norm"] == pytest.approx(2**0.5)
    assert torch.equal(game.b, B0)


def test_what_the_user_froze_stays_frozen():
    """A pretrained layer whose parameters ask for no gradient, inside a player's network."""
    game, engine = bilinear()
    engine.players["A"].append(game.b)
    engine.optimizers["A"].add_param_group({"params": [game.b]})
    game.b.requires_grad_(False)

    def move():
        yield Loss(game.a @ game.b)

    play(engine, move)
    assert torch.equal(game.b, B0)


@pytest.mark.parametrize(("bound", "step"), [(1.0, [0.06, 0.08]), (10.0, [0.3, 0.4])])
def test_clipping_keeps_the_direction_and_logs_the_norm_before(bound, step):
    game, engine = bilinear(clip={"A": bound})

    def move():
        yield Loss(game.a @ torch.tensor([3.0, 4.0]))

    assert play(engine, move)["A/grad_norm"] == pytest.approx(5.0)
    assert torch.allclose(game.a, A0 - torch.tensor(step), atol=1e-6)


def test_clipping_bounds_the_norm_over_all_parameters_and_of_no_other_player():
    game = ToyGAN()
    engine = Engine(game, {"D": sgd, "G": sgd}, clip={"D": 0.01})

    def step_length(turn, player):
        before = torch.cat([p.detach().flatten() for p in engine.players[player]])
        (logs,) = rounds(engine, turns=[turn], data=points)
        after = torch.cat([p.detach().flatten() for p in engine.players[player]])
        return float((after - before).norm()), float(logs[f"{player}/grad_norm"])

    length, norm = step_length(Turn("D", game.critic_move), "D")
    assert norm > 0.1
    assert length == pytest.approx(0.1 * 0.01, rel=1e-3)
    length, norm = step_length(Turn("G", game.generator_move), "G")
    assert norm > 0.01
    assert length == pytest.approx(0.1 * norm, rel=1e-3)


def test_accumulated_parts_equal_one_large_batch():
    rows = torch.randn(12, 2)

    def move(game, parts):
        for part in rows.chunk(parts):
            yield Loss((part @ game.a).square().mean())

    whole, engine = bilinear()
    expected = play(engine, lambda: move(whole, 1))
    parts, engine = bilinear(accumulate=3)
    logs = play(engine, lambda: move(parts, 3))
    assert torch.allclose(parts.a, whole.a, atol=1e-6)
    assert engine.steps["A"] == 1
    for name in ("A/loss", "A/grad_norm"):
        assert torch.allclose(logs[name], expected[name])


def test_six_losses_accumulated_by_three_are_two_steps():
    game, engine = bilinear(accumulate=3)

    def move():
        for weight in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
            yield Loss(weight * game.a.sum())

    logs = play(engine, move)
    assert torch.allclose(game.a, A0 - 0.1 * (2.0 + 5.0))
    assert logs["A/grad_norm"] == pytest.approx((2.0 + 5.0) / 2 * 2**0.5)


# ----------------------------------------------------------------------------------- turns, moves


def test_repeat_and_every():
    game, engine = bilinear()
    played = []

    def turn(player, **options):
        def move(batches):
            played.append((engine.round, player))
            yield Loss(game.get_parameter(player.lower()).sum())

        return Turn(player, move, **options)

    rounds(engine, 5, turns=[turn("A", repeat=2), turn("B", every=3)])
    of_b = {0: [(0, "B")], 3: [(3, "B")]}
    assert played == [p for r in range(5) for p in [(r, "A"), (r, "A"), *of_b.get(r, [])]]
    assert engine.steps == {"A": 10, "B": 2}


def test_several_losses_in_a_move_are_several_steps_and_code_after_a_yield_follows_the_step():
    """Weight clipping: the second loss is taken at weights already clipped."""
    game, engine = bilinear()
    seen = []

    def move():
        for _ in range(2):
            yield Loss(game.a @ torch.tensor([10.0, -10.0]))
            seen.append(game.a.detach().clone())
            with torch.no_grad():
                game.a.clamp_(-0.5, 0.5)

    play(engine, move)
    assert torch.allclose(seen[0], torch.tensor([0.0, 3.0]), atol=1e-6)
    assert torch.allclose(seen[1], torch.tensor([-1.0, 1.5]))
    assert torch.allclose(game.a, torch.tensor([-0.5, 0.5]))


def test_a_move_without_losses_changes_nothing():
    game, engine = bilinear()
    drawn = []

    def move(batches):
        drawn.append(next(batches))
        return
        yield

    (logs,) = rounds(engine, turns=[Turn("A", move), Turn("B", game.move_b)])
    assert torch.equal(game.a, A0)
    assert set(logs) == {"B/loss", "B/grad_norm"}
    assert engine.steps == {"A": 0, "B": 1}
    assert len(drawn) == engine.drawn == 1


def test_only_some_repetitions_of_a_move_have_losses():
    game, engine = bilinear()
    calls = []

    def move(batches):
        calls.append(1)
        if len(calls) == 1:
            yield Loss(game.a.sum())

    (logs,) = rounds(engine, turns=[Turn("A", move, repeat=2)])
    assert logs["A/loss"] == 3.0


def test_logs_of_two_turns_of_one_player_are_averaged():
    """a.b is 1 before the first step, and then a moves by -0.1 b: 1 - 0.1 b.b = 0."""
    game, engine = bilinear()
    (logs,) = rounds(engine, turns=[Turn("A", game.move_a), Turn("A", game.move_a)])
    assert float(logs["A/loss"]) == pytest.approx(0.5)


def test_a_turn_repeated_no_times_is_left_out():
    """The recipes allow it: --policy_steps 0 and --critic_steps 0."""
    game, engine = bilinear()
    (logs,) = rounds(engine, turns=[Turn("A", game.move_a, repeat=0), Turn("B", game.move_b)])
    assert set(logs) == {"B/loss", "B/grad_norm"}


def test_unrolling_by_hand_equals_rounds():
    weights = []
    for by_hand in (False, True):
        torch.manual_seed(2)
        game = ToyGAN()
        engine = Engine(game, {"G": adam, "D": adam})
        if by_hand:
            stream = engine.stream(points)
            for _ in range(3):
                for turn in game.turns():
                    for _ in range(turn.repeat):
                        logs = engine.play(turn, stream)
            assert set(logs) == {"G/loss", "G/grad_norm"}
        else:
            rounds(engine, 3, data=points)
        weights.append(game.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_callbacks_run_after_each_round_and_every_third():
    _, engine = bilinear()
    always, thirds = [], []
    callbacks = [
        lambda engine, logs: always.append((engine.round, float(logs["A/loss"]))),
        every(3, lambda engine, logs: thirds.append(engine.round)),
    ]
    engine.run(points, 7, callbacks=callbacks)
    assert [number for number, _ in always] == [1, 2, 3, 4, 5, 6, 7]
    assert always[0][1] == 1.0
    assert thirds == [3, 6]
