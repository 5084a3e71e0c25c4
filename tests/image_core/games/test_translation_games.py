"""Games of translation: values, parity with textbook loops, what is computed once, refusals."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn

from image_core.adversarial import losses, penalties
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.tricks import linear
from image_core.games.cycle import CycleGAN
from image_core.games.paired import PairedGAN
from image_core.games.translation import Adversary, domain, layer_gap, padded, translating
from image_core.nets.patch import MultiScale, PatchDiscriminator
from image_core.nets.translator import Translator
from image_core.nets.unet import UNet
from tests.image_core.games import textbook

SGD = partial(torch.optim.SGD, lr=0.01)
DRAW = torch.Generator().manual_seed(3)
A, B = torch.rand(2, 12, 1, 16, 16, generator=DRAW) * 2 - 1
BATCHES = [(A[i : i + 4], B[i : i + 4]) for i in (0, 4, 8)]


def feed(index):
    a, b = BATCHES[index % 3]
    return {"a": a, "b": b}


def engine_of(game):
    return Engine(game, dict.fromkeys(game.players(), SGD))


def same_weights(one, other):
    return all(
        torch.allclose(x, y, atol=2e-5)
        for x, y in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


class Constant(nn.Module):
    """A translator whose pictures are all of one level."""

    multiple = scale = 1

    def __init__(self, level):
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))

    def forward(self, images):
        return torch.ones_like(images) * self.level


class Sums(nn.Module):
    """A discriminator whose one logit a picture is w times the mean of what it reads."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, images):
        return self.weight * images.mean((1, 2, 3), keepdim=True)


def step(game, name):
    turn = next(turn for turn in game.turns() if turn.player == name)
    return next(turn.move(iter([{"a": -torch.ones(2, 1, 8, 8), "b": torch.ones(2, 1, 8, 8)}])))


def test_the_loss_of_pairs_in_closed_form():
    game = PairedGAN(Constant(0.5), Sums(2.0), reconstruction=100.0)
    total, logs = step(game, "G")
    # D reads a = -1 beside 0.5: mean -0.25, logit -0.5
    assert logs["adversarial"].item() == pytest.approx(math.log(1 + math.exp(0.5)))
    assert logs["reconstruction"].item() == pytest.approx(0.5)
    assert total.item() == pytest.approx(50 + math.log(1 + math.exp(0.5)))
    total.backward()
    sigmoid = 1 / (1 + math.exp(-0.5))
    # d/dlevel: -100 (it lies below 1), and -sigmoid(0.5) w / 2
    assert float(game.G.level.grad) == pytest.approx(-100 - sigmoid, rel=1e-5)
    game.G.level.grad = None
    loss = step(game, "D").total
    # real: (-1 + 1) / 2 = 0
    assert loss.item() == pytest.approx(math.log(2) + math.log(1 + math.exp(-0.5)))
    loss.backward()
    assert game.G.level.grad is None


def test_the_loss_of_round_trips_in_closed_form():
    game = CycleGAN(
        Constant(0.5),
        Constant(0.25),
        Sums(1.0),
        Sums(1.0),
        pool=0,
        rows=(torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)),
        cycle=10.0,
        identity=2.0,
    )
    total, logs = step(game, "G")
    assert logs["cycle_a"].item() == pytest.approx(1.25)  # 0.25 back to -1
    assert logs["cycle_b"].item() == pytest.approx(0.5)
    assert logs["identity"].item() == pytest.approx(1.25 + 0.5)
    assert logs["adversarial_b"].item() == pytest.approx(0.5**2 / 2)
    assert logs["adversarial_a"].item() == pytest.approx(0.75**2 / 2)
    assert total.item() == pytest.approx(17.5 + 3.5 + 0.125 + 0.28125)
    assert step(game, "DA").total.item() == pytest.approx((-1 - 1) ** 2 / 2 + 0.25**2 / 2)
    assert step(game, "DB").total.item() == pytest.approx(0.5**2 / 2)


def test_pairs_are_learned_as_in_a_textbook():
    torch.manual_seed(0)
    G, D = UNet(1, 1, 2, 3, "instance", 0.0), PatchDiscriminator(2, 3, 1, "instance")
    one, other = copy.deepcopy((G, D))
    textbook.pix2pix(one, other, BATCHES, 10.0)
    engine_of(PairedGAN(G, D, reconstruction=10.0)).run(feed, 3)
    assert same_weights(G, one)
    assert same_weights(D, other)


def test_round_trips_are_learned_as_in_a_textbook():
    torch.manual_seed(0)
    nets = [
        *(Translator(1, 1, 3, 1, 1) for _ in range(2)),
        *(PatchDiscriminator(1, 3, 1, "instance") for _ in range(2)),
    ]
    plain = copy.deepcopy(nets)
    textbook.cyclegan(*plain, BATCHES, 10.0, 5.0)
    game = CycleGAN(*nets, pool=0, rows=(A[0], B[0]), identity=5.0)
    engine_of(game).run(feed, 3)
    assert all(same_weights(one, other) for one, other in zip(nets, plain))


def calls(net):
    """A list that grows with the number of pictures of each pass."""
    found = []
    net.register_forward_hook(lambda _, given, __: found.append(len(given[0])))
    return found


def test_fakes_are_made_once_and_a_discriminator_reads_both_at_once():
    G, D = UNet(1, 1, 2, 3, "instance"), PatchDiscriminator(2, 3, 1, "instance")
    made, read = calls(G), calls(D)
    engine = engine_of(PairedGAN(G, D))
    engine.run(feed, 2)
    assert (made, read) == ([4, 4], [4, 8, 4, 8])
    assert engine.drawn == 2
    nets = [Translator(1, 1, 3, 1, 1) for _ in range(2)]
    judges = [PatchDiscriminator(1, 3, 1, "none") for _ in range(2)]
    counted = [calls(net) for net in (*nets, *judges)]
    game = CycleGAN(*nets, *judges, pool=8, rows=(A[0], B[0]), identity=1.0)
    engine = engine_of(game)
    engine.run(feed, 1)
    assert counted == [[8, 4], [8, 4], [4, 8], [4, 8]]
    assert engine.drawn == 1


def test_further_discriminator_steps_draw_further_pictures():
    G, D = UNet(1, 1, 2, 3, "instance"), PatchDiscriminator(2, 3, 1, "instance")
    engine = engine_of(PairedGAN(G, D, d_steps=3))
    engine.run(feed, 2)
    assert engine.steps == {"G": 2, "D": 6}
    assert engine.drawn == 6


def test_batch_norm_reads_real_and_fake_apart():
    D = PatchDiscriminator(2, 3, 1, "batch")
    read = calls(D)
    engine_of(PairedGAN(UNet(1, 1, 2, 3), D)).run(feed, 1)
    assert read == [4, 4, 4]


def test_a_pool_gives_earlier_fakes_and_is_in_the_checkpoint():
    torch.manual_seed(0)
    nets = [Translator(1, 1, 3, 1, 1) for _ in range(2)]
    judges = [PatchDiscriminator(1, 3, 1, "none") for _ in range(2)]
    game = CycleGAN(*nets, *judges, pool=6, rows=(A[0], B[0]))
    engine_of(game).run(feed, 2)
    assert game.state_dict()["pool_b.filled"] == 6
    assert game.state_dict()["pool_b.images"].abs().sum() > 0
    assert not any(name.startswith("_made") for name in game.state_dict())


def test_a_curriculum_moves_weight_to_the_round_trips():
    nets = [Constant(0.5), Constant(0.25), Sums(1.0), Sums(1.0)]
    rows = (torch.zeros(1, 8, 8),) * 2
    game = CycleGAN(*nets, pool=0, rows=rows, cycle=1.0, curriculum=linear(0.25, 0.75, 2))
    first = step(game, "G").total.item()
    assert first == pytest.approx(0.75 * (0.125 + 0.28125) + 0.25 * 1.75)
    engine_of(game).run(lambda i: {"a": A[:2], "b": B[:2]}, 2)
    assert float(game.step) == 2
    total, logs = step(game, "G")
    trips = logs["cycle_a"] + logs["cycle_b"]
    real = logs["adversarial_a"] + logs["adversarial_b"]
    assert total.item() == pytest.approx((0.25 * real + 0.75 * trips).item())


def test_matched_features_of_two_discriminators():
    torch.manual_seed(0)
    nets = [Translator(1, 1, 3, 1, 1) for _ in range(2)]
    judges = [PatchDiscriminator(1, 3, 1, "none") for _ in range(2)]
    rows = A[0], B[0]
    game = CycleGAN(*nets, *judges, pool=0, rows=rows, cycle=0.0, feature_matching=0.9)
    a, b = BATCHES[0]
    total, logs = next(game.generator_move(iter([{"a": a, "b": b}])))
    expected = logs["adversarial_a"] + logs["adversarial_b"]
    for D, real, fake in ((game.DA, a, game.ba(b)), (game.DB, b, game.ab(a))):
        for r, f in zip(D.features(real)[:-1], D.features(fake)[:-1]):
            expected = expected + 0.9 * (r.mean(0) - f.mean(0)).square().mean() / 2
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_matched_features_of_scales():
    torch.manual_seed(0)
    D = MultiScale([PatchDiscriminator(2, 3, 1, "instance") for _ in range(2)])
    game = PairedGAN(UNet(1, 1, 2, 3, "instance", 0.0), D, feature_matching=7.0, reconstruction=1.0)
    a, b = BATCHES[0]
    total, logs = next(game.generator_move(iter([{"a": a, "b": b}])))
    fake = game.G(a)
    real, made = D.features(torch.cat([a, b], 1)), D.features(torch.cat([a, fake], 1))
    gap = sum(
        (r - m).abs().mean() / 2 / 2
        for one, other in zip(real, made)
        for r, m in zip(one[:-1], other[:-1])
    )
    assert logs["feature_matching"].item() == pytest.approx(gap.item(), rel=1e-5)
    adversarial = sum(nn.functional.softplus(-m[-1]).mean() / 2 for m in made)
    expected = (fake - b).abs().mean() + adversarial + 7 * gap
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert layer_gap(real, real) == 0


def test_a_penalty_reads_the_slope_of_the_mean_logit():
    w, (a, b) = 3.0, BATCHES[0]
    found = Adversary(losses.wasserstein, penalties.r1(2.0)).d(Sums(w), b, -b, a)
    # mean over 2 x 256 inputs, of which 256 are the picture's
    assert float(found.logs["penalty"]) == pytest.approx(256 * (w / 512) ** 2, rel=1e-5)
    assert found.total.item() == pytest.approx(
        float(found.logs["adversarial"] + found.logs["penalty"]), rel=1e-5
    )


@pytest.mark.parametrize("name", ["relativistic", "hinge"])
def test_a_loss_that_compares_reads_the_real_pictures(name):
    loss, (_, b) = getattr(losses, name), BATCHES[0]
    D, fake = Sums(2.0), b.flip(2) * 0.5
    expected = loss.g(D(b), D(fake))
    assert Adversary(loss).g(D, b, fake).item() == pytest.approx(expected.item(), rel=1e-5)


def test_pictures_of_any_size_are_padded_and_cut_back():
    G = UNet(1, 1, 3, 2, "none", 0.0)
    images = torch.rand(1, 1, 13, 21) * 2 - 1
    made = padded(G, images)
    assert made.shape == images.shape
    reflected = nn.functional.pad(images, (0, 3, 0, 3), mode="reflect")
    assert torch.equal(made, G(reflected)[..., :13, :21])
    assert padded(G, torch.rand(1, 1, 2, 3)).shape == (1, 1, 2, 3)


def test_dropout_is_noise_only_where_the_game_says_so():
    G = UNet(1, 1, 3, 4, "batch", 0.5)
    images = torch.rand(2, 1, 16, 16)
    for noisy in (True, False):
        with translating(G, noisy):
            assert torch.equal(G(images), G(images)) != noisy
            assert not G.up[0][2].training
    assert G.training


def test_what_does_not_fit_is_refused():
    nets = [Constant(0.0), Constant(0.0), Sums(1.0), Sums(1.0)]
    rows = torch.zeros(1, 16, 16), torch.zeros(3, 16, 16)
    with pytest.raises(UserError, match=r"--identity .* 1 colours and B 3"):
        CycleGAN(*nets, rows=rows, identity=1.0)
    with pytest.raises(UserError, match="BatchNorm2d"):
        PairedGAN(Constant(0.0), PatchDiscriminator(2, 2), penalty=penalties.r1())
    with pytest.raises(UserError, match="pictures 'b'"):
        domain({"a": A}, "b")
