"""A judge, victim or encoder: moved with the game, and in nothing else of it."""

import copy

import pytest
import torch
from torch import nn

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Loss, Outsider, Turn, outsiders
from tests.image_core.adversarial.test_checkpoint import assert_same
from tests.image_core.adversarial.toys import ToyGAN, adam, points, rounds


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 1))


class Judged(ToyGAN):
    """The generator raises what the judge says of its samples, the critic apart."""

    def __init__(self, judge=None):
        super().__init__()
        if judge is not None:
            self.judge = Outsider(judge)

    def generator_move(self, batches):
        yield Loss(-self.judge(self.G(next(batches)["noise"])).mean())


def judged(seed=0, judge_seed=0):
    torch.manual_seed(seed)
    game = Judged()
    game.judge = Outsider(network(judge_seed))
    return Engine(game, {"G": adam, "D": adam}, ema={"G": 0.9})


def test_it_is_no_part_of_the_game():
    game, plain = Judged(network()), ToyGAN()
    assert game.state_dict().keys() == plain.state_dict().keys()
    assert [n for n, _ in game.named_parameters()] == [n for n, _ in plain.named_parameters()]
    assert [n for n, _ in game.named_buffers()] == []
    assert outsiders(game) == {"judge": game.judge}
    assert outsiders(plain) == {}


def test_it_stays_in_evaluation_mode():
    module = network().train()
    game = Judged(module)
    assert not module.training
    game.train()
    assert game.G.training
    for each in (game.judge, *module.modules()):
        assert not each.training
    x = torch.randn(5, 2)
    assert torch.equal(game.judge(x), game.judge(x))  # no dropout
    assert torch.equal(module[1].running_mean, torch.zeros(3))


def test_it_moves_with_the_game():
    game = Judged(network())
    game.to("meta")
    assert {p.device.type for p in game.judge.module.parameters()} == {"meta"}
    assert game.judge.module[1].running_var.device.type == "meta"
    game = Judged(network()).double()
    assert game.judge(torch.ones(1, 2, dtype=torch.float64)).dtype == torch.float64


def test_gradients_flow_through_it_to_its_input_alone():
    game = Judged(nn.Linear(2, 1))
    game.requires_grad_(True)
    x = torch.randn(4, 2, requires_grad=True)
    game.judge(x).sum().backward()
    assert torch.equal(x.grad, game.judge.module.weight.detach().expand(4, 2))
    assert all(not p.requires_grad and p.grad is None for p in game.judge.module.parameters())


def test_the_engine_teaches_through_it_and_leaves_it_alone():
    engine = judged()
    judge = engine.game.judge.module
    before = copy.deepcopy(judge.state_dict())
    (logs,) = rounds(engine, 1, turns=[Turn("G", engine.game.generator_move)], data=points)
    assert logs["G/grad_norm"] > 0
    assert_same(before, judge.state_dict())


def test_going_on_with_the_same_outsider(tmp_path):
    engine = judged()
    rounds(engine, 2, data=points)
    engine.save(tmp_path / "run")
    names = [file.name for file in (tmp_path / "run").iterdir()]
    assert not any(
        "judge" in (tmp_path / "run" / name).read_text("latin-1")
        for name in names
        if name != "state.json"
    )
    rounds(engine, 2, data=points)
    again = judged(seed=1)
    again.load(tmp_path / "run")
    rounds(again, 2, data=points)
    assert_same(engine.game.state_dict(), again.game.state_dict())


def other_weights(engine):
    engine.game.judge = Outsider(network(1))


def one_weight(engine):
    with torch.no_grad():
        engine.game.judge.module[3].bias += 1e-6


def statistics(engine):
    engine.game.judge.module[1].running_mean += 1


def other_precision(engine):
    engine.game.judge.module.double()


def other_shape(engine):
    weight = engine.game.judge.module[0].weight
    engine.game.judge.module[0].weight = nn.Parameter(weight.detach().reshape(2, 3))


def none_at_all(engine):
    del engine.game.judge


def one_more(engine):
    engine.game.encoder = Outsider(nn.Linear(1, 1))


@pytest.mark.parametrize(
    "change",
    [other_weights, one_weight, statistics, other_precision, other_shape, none_at_all, one_more],
)
def test_another_outsider_is_refused_and_nothing_is_copied(change, tmp_path):
    engine = judged()
    engine.save(tmp_path / "run")
    again = judged(seed=1)
    change(again)
    before = copy.deepcopy(again.game.state_dict())
    name = "encoder" if change is one_more else "judge"
    for load in (again.load, again.load_learned):
        with pytest.raises(UserError, match=f"run was made with another outsider '{name}' than"):
            load(tmp_path / "run")
    assert_same(before, again.game.state_dict())


def test_a_fingerprint_of_many_types():
    """Half precision, whole numbers, truth values, single numbers and nothing at all."""
    module = nn.Module()
    for name, value in {
        "short": torch.ones(2, 3, dtype=torch.bfloat16).T,
        "whole": torch.tensor(3),
        "truth": torch.tensor([True]),
        "nothing": torch.zeros(0, 2),
    }.items():
        module.register_buffer(name, value)
    first = Outsider(module).fingerprint()
    assert Outsider(copy.deepcopy(module)).fingerprint() == first
    module.whole = module.whole.view(torch.float64)  # the same bits
    assert Outsider(module).fingerprint() != first
    module.whole = module.whole.view(torch.int64) + 1
    assert Outsider(module).fingerprint() != first
