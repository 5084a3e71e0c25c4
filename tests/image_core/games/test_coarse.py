"""Coarse to fine: label maps by hand, which half learns when, what either half reads."""

from functools import partial

import pytest
import torch
from torch.nn.functional import avg_pool2d

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.games.coarse import CoarseToFineGAN, tiny
from image_core.nets.enhancer import Enhancer, LabelPlanes, boundaries, halved
from image_core.nets.looks import ObjectLooks
from image_core.nets.translator import Translator

SGD = partial(torch.optim.SGD, lr=0.05)


def test_boundaries_are_where_a_neighbour_is_another_object():
    numbers = torch.zeros(1, 4, 5)
    numbers[0, 1:3, 1:3] = 7
    numbers[0, 1:3, 3] = 8
    expected = [[0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0]]
    assert torch.equal(boundaries(numbers)[0, 0], torch.tensor(expected).float())
    assert boundaries(torch.full((1, 3, 3), 2.0)).sum() == 0


def test_planes_are_one_a_class_and_the_boundary():
    levels = torch.tensor([[[0, 2], [1, 1]], [[0, 5], [5, 5]], [[9, 9], [9, 9]]])[None]
    planes = LabelPlanes(3)(levels.float() / 127.5 - 1)
    assert planes.shape == (1, 4, 2, 2)
    assert torch.equal(planes[0, :3].argmax(0), levels[0, 0])
    assert torch.equal(planes[0, :3].sum(0), torch.ones(2, 2))
    assert torch.equal(planes[0, 3], torch.tensor([[1.0, 1.0], [1.0, 0.0]]))


def test_the_whole_is_built_around_the_half():
    torch.manual_seed(0)
    game, batch = tiny()
    G, planes = game.whole.G, game.whole.planes(batch["a"].float() / 127.5 - 1)
    maps = G.coarse.decode[:-2](G.coarse.encode(halved(planes)))
    assert torch.equal(G(planes), G.up(G.down(planes) + maps))
    assert torch.allclose(G.coarse.decode[-2:](maps), G.coarse(halved(planes)))
    assert torch.equal(halved(planes), avg_pool2d(planes, 3, 2, 1, count_include_pad=False))


@pytest.mark.parametrize("player", ["G1", "E", "G"])
def test_only_the_named_part_learns(player):
    torch.manual_seed(0)
    game, batch = tiny()
    turns = game.coarse_turns() if player == "G1" else game.fine_turns(player)
    before = {n: p.detach().clone() for n, p in game.named_parameters()}
    engine = Engine(game, dict.fromkeys(game.players(), SGD))
    engine.run(lambda index: batch, 1, turns=turns)
    moved = {n for n, p in game.named_parameters() if not torch.equal(p, before[n])}
    half = {n for n in before if n.startswith("whole.G.coarse.")}
    if player == "G":  # its last convolution makes small pictures alone
        half = {n for n in half if not n.startswith("whole.G.coarse.decode.3")}
    around = {n for n in before if n.startswith(("whole.G.down.", "whole.G.up."))}
    assert len(half & moved) == (len(half) if player != "E" else 0)
    assert len(around & moved) == (len(around) if player != "G1" else 0)
    judge, other = ("coarse.D.", "fine.D.") if player == "G1" else ("fine.D.", "coarse.D.")
    assert any(n.startswith(judge) for n in moved)
    assert not any(n.startswith(other) for n in moved)


def test_the_half_plays_pairs_of_half_the_size():
    torch.manual_seed(0)
    game, batch = tiny()
    (own,) = game.coarse_generator_move(iter([batch]))
    half = {"a": halved(game.whole.planes(batch["a"].float() / 127.5 - 1)), "b": halved(batch["b"])}
    (expected,) = game.coarse.generator_move(iter([half]))
    assert own.total.item() == pytest.approx(expected.total.item(), rel=1e-6)
    assert set(own.logs) == {"reconstruction", "feature_matching", "adversarial"}


def test_a_class_that_was_never_seen_is_refused():
    game, batch = tiny()
    maps = batch["a"].float() / 127.5 - 1
    assert game.translate(maps).shape == (6, 1, 16, 16)
    maps[0, 0, 0, 0] = 3 / 127.5 - 1
    with pytest.raises(UserError, match="names class 3, and this run knows 3"):
        game.translate(maps)


@pytest.fixture
def with_looks():
    """A tiny game whose network reads two numbers of an object's look behind the planes."""
    torch.manual_seed(0)
    plain, batch = tiny()
    G = Enhancer(Translator(6, 1, 4, 1, 1), 6, 1, 2, 1, "instance")
    looks = ObjectLooks(Translator(1, 2, 2, 1, 0), 2, classes=3)
    game = CoarseToFineGAN(LabelPlanes(3), G, plain.coarse.D, plain.fine.D, looks=looks)
    return game, batch


@pytest.mark.parametrize("player", ["G1", "E", "G"])
def test_looks_learn_with_either_size_and_rest_with_the_layers_around(with_looks, player):
    game, batch = with_looks
    looks = game.whole.looks
    before = [p.detach().clone() for p in looks.parameters()]
    turns = game.coarse_turns() if player == "G1" else game.fine_turns(player)
    Engine(game, dict.fromkeys(game.players(), SGD)).run(lambda index: batch, 1, turns=turns)
    moved = [not torch.equal(p, old) for p, old in zip(looks.parameters(), before)]
    # A bias before an instance norm has no gradient
    assert any(moved) == (player != "E")


def test_a_network_is_told_the_looks_and_the_discriminators_are_not(with_looks):
    game, batch = with_looks
    maps = batch["a"].float() / 127.5 - 1
    told, planes = game.whole.told(maps, batch["b"]), game.whole.planes(maps)
    assert torch.equal(told[:, :4], planes)
    looks = game.whole.looks(batch["b"], batch["a"][:, 1].long())
    assert torch.equal(told[:, 4:], looks)
    seen = []
    for D in (game.coarse.D, game.fine.D):
        D.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    engine = Engine(game, dict.fromkeys(game.players(), SGD))
    engine.run(lambda index: batch, 1)
    assert set(seen) == {5}  # planes of three classes and boundaries, and the picture


def test_known_looks_are_drawn_by_the_seed(with_looks):
    game, batch = with_looks
    maps = batch["a"].float() / 127.5 - 1
    game.remember_looks(batch["a"], batch["b"], chunk=4)
    assert int(game.whole.looks.known.min()) > 1
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(game.translate(maps))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
