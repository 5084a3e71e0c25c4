"""StackGAN v2 and AttnGAN: their losses by hand, and who moves whom."""

import pytest
import torch

from image_core.adversarial import losses, penalties
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from seqgan.text2image.encoders import EncodedSentences
from seqgan.text2image.games.stack import as_floats, shrink
from seqgan.text2image.games.tree import TreeGame
from seqgan.text2image.nets.stack import MatchingDiscriminator
from seqgan.text2image.nets.tree import colour_distance
from seqgan.text2image.papers.attngan import tiny as tiny_attn
from seqgan.text2image.papers.stackgan_v2 import tiny


def fixed(game, images):
    """The game draws these pictures, whose conditions diverge by 0.5."""
    game.generate = lambda batch: (images, torch.tensor(0.5))
    return game


def made(seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [torch.rand(8, 3, s, s, generator=draw) * 2 - 1 for s in (8, 16)]


def by_hand(D, batch, real, fake):
    """D's loss: pairs right, wrong and made, and pictures alone."""
    seen, drawn = D.trunk(real), D.trunk(fake)
    loss = losses.non_saturating.d
    right = D.judge(seen, batch["text"])
    pairs = loss(right, D.judge(drawn, batch["text"])) + loss(right, D.judge(seen, batch["wrong"]))
    return pairs / 2 + loss(D.judge_alone(seen), D.judge_alone(drawn))


def test_the_discriminators_loss_is_the_sum_over_sides_of_pairs_and_pictures_alone():
    torch.manual_seed(0)
    game, batch = tiny()
    for D in game.D1:  # batch norm in training would depend on how often it was called
        for module in D.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.track_running_stats = False
    fakes = made()
    (loss,) = fixed(game, fakes).discriminator_move(iter([batch]))
    real = as_floats(batch["image"])
    parts = [by_hand(D, batch, shrink(real, f.shape[-1]), f) for D, f in zip(game.D1, fakes)]
    torch.testing.assert_close(loss.total, sum(parts))


def test_the_generators_loss_is_discriminators_divergence_colours_and_damsm():
    torch.manual_seed(0)
    game, batch = tiny_attn()
    fakes = made()
    fixed(game, fakes)
    values = {}
    for damsm, colour in ((0.0, 0.0), (3.0, 0.0), (0.0, 2.0)):
        game.damsm_weight, game.colour_weight = damsm, colour
        (values[damsm, colour],) = game.generator_move(iter([batch]))
    plain = values[0.0, 0.0].total
    g = losses.non_saturating.g
    wanted = 2.0 * 0.5
    for D, fake in zip(game.D1, fakes):
        seen = D.trunk(fake)
        pair, alone = D.judge(seen, batch["text"]), D.judge_alone(seen)
        wanted = wanted + g(pair, pair) + g(alone, alone)
    torch.testing.assert_close(plain, wanted)
    text = EncodedSentences(batch["sentence"], batch["words"], batch["mask"])
    found = game.matcher.compare(fakes[1], text, torch.eye(8, dtype=torch.bool)).loss
    torch.testing.assert_close(values[3.0, 0.0].total, plain + 3 * found)
    apart = colour_distance(*fakes)
    torch.testing.assert_close(values[0.0, 2.0].total, plain + 2 * apart)


@pytest.mark.parametrize("make", [tiny, tiny_attn])
def test_each_turn_moves_its_own_player(make):
    torch.manual_seed(0)
    game, batch = make()
    engine = Engine(game, dict.fromkeys(game.players(), lambda ps: torch.optim.SGD(ps, lr=0.1)))
    for turn in game.turns():
        before = {k: v.clone() for k, v in game.state_dict().items()}
        engine.play(turn, iter([batch]))
        changed = {k.split(".")[0] for k, v in game.state_dict().items() if (v != before[k]).any()}
        own = {"match": {"encoder", "matcher"}}.get(turn.player, {turn.player})
        also = {"D1": {"G1"}, "G1": {"D1"}}  # batch norm's averages
        assert own <= changed <= own | also.get(turn.player, set()), turn.player


@pytest.mark.parametrize("player", ["match", "D1", "G1"])
def test_a_move_asks_nothing_back_from_the_device(monkeypatch, player):
    off = torch.autocast("cpu", enabled=False)  # autocast does not know the device "meta"
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: off)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    game, batch = tiny_attn()
    game.colour_weight = 1.0
    game.to("meta")
    engine = Engine(game, {player: lambda ps: torch.optim.Adam(ps, lr=1e-3)})
    moves = {turn.player: turn.move for turn in game.turns()}
    batch = {name: value.to("meta") for name, value in batch.items()}
    assert f"{player}/loss" in engine.play(Turn(player, moves[player]), iter([batch]))


def test_penalties_and_batch_norm_are_refused_together():
    game, _ = tiny()
    with pytest.raises(UserError, match="batch norm"):
        TreeGame(game.encoder, game.matcher, game.G1, list(game.D1), penalty=penalties.r1())


def test_every_discriminator_also_judges_pictures_alone():
    game, _ = tiny()
    assert all(isinstance(D, MatchingDiscriminator) and D.alone is not None for D in game.D1)
