"""The StackGAN game: its losses by hand, its gradients, and what each part changes."""

import pytest
import torch
from torch.nn.functional import softplus

from image_core.adversarial import losses, penalties
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import outsiders
from seqgan.text2image.games.stack import (
    StackGame,
    alike,
    as_floats,
    discriminator_loss,
    generator_loss,
    shrink,
    tiny,
)
from seqgan.text2image.nets.stack import FirstStage, MatchingDiscriminator


class PlainDiscriminator(MatchingDiscriminator):
    """Its logit is a known number: the mean of the picture times the first of the text."""

    def __init__(self):
        super().__init__(8, 6, condition=2, width=2, norm="none")
        self.trunk = torch.nn.Identity()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def judge(self, seen, text):
        return self.weight * seen.mean((1, 2, 3)) * text[:, 0]


def pairs():
    draw = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 5, 3, 8, 8, generator=draw)
    text, wrong = torch.randn(2, 5, 6, generator=draw)
    return real, fake, text, wrong


def test_the_discriminators_loss_is_the_papers():
    real, fake, text, wrong = pairs()
    loss, logs = discriminator_loss(
        PlainDiscriminator(), losses.non_saturating, None, real, fake, text, wrong
    )
    d_real, d_wrong = real.mean((1, 2, 3)) * text[:, 0], real.mean((1, 2, 3)) * wrong[:, 0]
    d_fake = fake.mean((1, 2, 3)) * text[:, 0]
    wanted = softplus(-d_real).mean() + (softplus(d_wrong).mean() + softplus(d_fake).mean()) / 2
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(logs["d_wrong"], d_wrong.mean())


def test_without_wrong_pairs_it_is_the_plain_loss():
    real, fake, text, _ = pairs()
    loss, logs = discriminator_loss(
        PlainDiscriminator(), losses.hinge, None, real, fake, text, None
    )
    D = PlainDiscriminator()
    torch.testing.assert_close(loss, losses.hinge.d(D(real, text), D(fake, text)))
    assert "d_wrong" not in logs


def test_a_penalty_is_of_pictures_beside_their_sentence():
    real, fake, text, wrong = pairs()
    arguments = (losses.hinge, penalties.r1(2.0), real, fake, text, wrong)
    total, logs = discriminator_loss(PlainDiscriminator(), *arguments)
    # the gradient of mean(x) t_0 is t_0 / n in each of n pixels
    torch.testing.assert_close(logs["penalty"], text[:, 0].square().mean() / (3 * 8 * 8))
    without, _ = discriminator_loss(
        PlainDiscriminator(), losses.hinge, None, real, fake, text, wrong
    )
    torch.testing.assert_close(total, without + logs["penalty"])


@pytest.mark.parametrize("name", losses.__all__)
def test_every_loss_trains_both_sides(name):
    torch.manual_seed(0)
    loss = getattr(losses, name)
    real, fake, text, wrong = pairs()
    D = MatchingDiscriminator(8, 6, condition=2, width=2, norm="none")
    total, _ = discriminator_loss(D, loss, None, real, fake, text, wrong)
    assert any(float(g.abs().sum()) > 0 for g in torch.autograd.grad(total, list(D.parameters())))
    G = FirstStage(8, 6, condition=2, noise=2, width=2)
    made, _ = G(torch.randn(5, 2), text)
    bytes_ = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    value = generator_loss(D, loss, bytes_, made, text)
    weights = list(G.grow.parameters())
    assert any(float(g.abs().sum()) > 0 for g in torch.autograd.grad(value, weights))


def test_a_relative_loss_compares_with_real_pictures_and_others_never_look_at_them():
    _, fake, text, _ = pairs()
    D = PlainDiscriminator()
    dark, bright = torch.zeros(2, 5, 3, 8, 8, dtype=torch.uint8)
    bright += 255
    for name, depends in (("relativistic", True), ("hinge", False)):
        loss = getattr(losses, name)
        one, other = (generator_loss(D, loss, image, fake, text) for image in (dark, bright))
        assert bool(one != other) is depends


def engine_of(game):
    return Engine(game, dict.fromkeys(game.players(), lambda ps: torch.optim.SGD(ps, lr=0.1)))


def test_each_turn_moves_its_own_player_and_stage_two_leaves_stage_one_as_it_was():
    torch.manual_seed(0)
    game, batch = tiny()
    engine = engine_of(game)
    for turn in game.turns():
        before = {k: v.clone() for k, v in game.state_dict().items()}
        engine.play(turn, iter([batch] * 2))
        changed = {k.split(".")[0] for k, v in game.state_dict().items() if (v != before[k]).any()}
        own = {"match": {"encoder", "matcher"}}.get(turn.player, {turn.player})
        also = {"D1": {"G1"}, "D2": {"G2"}, "G1": {"D1"}, "G2": {"D2"}}  # batch norm's averages
        assert own <= changed <= own | also.get(turn.player, set()), turn.player


def test_interpolation_and_divergence_enter_the_generators_loss():
    game, batch = tiny()
    values = {}
    for interpolation, kl in ((False, 0.0), (False, 3.0), (True, 0.0)):
        torch.manual_seed(0)
        game, batch = tiny()
        game.interpolation, game.kl_coef = interpolation, kl
        (loss,) = game.generator_move(1, iter([batch]))
        values[interpolation, kl] = loss
    plain, with_kl = values[False, 0.0], values[False, 3.0]
    torch.testing.assert_close(with_kl.total, plain.total + 3 * plain.logs["kl"])
    assert float(values[True, 0.0].total.detach()) > float(plain.total.detach())


def test_penalties_and_batch_norm_are_refused_together():
    game, _ = tiny()
    with pytest.raises(UserError, match="batch norm"):
        StackGame(game.encoder, game.matcher, game.G1, game.D1, penalty=penalties.r1())
    with pytest.raises(UserError, match="both"):
        StackGame(game.encoder, game.matcher, game.G1, game.D1, game.G2)


def test_equal_captions_and_equal_pictures_are_alike():
    batch = {"caption": torch.tensor([0, 1, 0]), "picture": torch.tensor([5, 6, 6])}
    assert alike(batch).tolist() == [[True, False, True], [False, True, True], [True, True, True]]


def test_bytes_become_floats_and_shrinking_is_a_mean():
    image = torch.tensor([0, 255], dtype=torch.uint8).repeat(2).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert as_floats(image).flatten().tolist() == [-1.0, 1.0] * 6
    assert shrink(as_floats(image), 1).flatten().tolist() == [0.0] * 3


def test_a_frozen_encoder_is_an_outsider_that_no_checkpoint_holds():
    game, _ = tiny()
    assert any(name.startswith("encoder.") for name in game.state_dict())
    game.encoder.frozen = True
    frozen = StackGame(game.encoder, game.matcher, game.G1, game.D1, game.G2, game.D2)
    assert list(outsiders(frozen)) == ["encoder"]
    assert not any(name.startswith("encoder.") for name in frozen.state_dict())
    learned = {id(parameter) for parameter in frozen.players()["match"]}
    assert learned == {id(parameter) for parameter in game.matcher.parameters()}
    assert not frozen.train().encoder.module.training


def test_a_frozen_encoder_reads_nothing_again():
    torch.manual_seed(0)
    game, batch = tiny()
    with torch.no_grad():
        text = game.encoder(batch["tokens"])
    batch |= text._asdict()
    game.encoder.frozen = True
    game = StackGame(game.encoder, game.matcher, game.G1, game.D1, game.G2, game.D2)
    game.encoder.forward = None  # whoever calls it fails
    (loss,) = game.match_move(iter([batch]))
    wanted = game.matcher.compare(as_floats(batch["image"]), text, alike(batch))
    torch.testing.assert_close(loss.total, wanted.loss)
