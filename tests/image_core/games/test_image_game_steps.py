"""What a step of an image game costs: forwards, gradients, penalties, graphs."""

import functools

import pytest
import torch
from torch import nn

from image_core.adversarial import losses, penalties, tricks
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.games import PlainGAN, common
from image_core.games.paired import PairedGAN
from image_core.nets import dcgan, sndcgan
from image_core.nets.patch import PatchDiscriminator
from image_core.nets.unet import UNet
from tests.forked import forked
from tests.image_core.games.small import adam, images, play, small


class Counting(nn.Module):
    """A discriminator that remembers what it was given."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, x):
        self.seen.append((len(x), x.requires_grad))
        return self.inner(x)


@pytest.mark.parametrize(("norm", "forwards"), [("none", [12]), ("batch", [6, 6])])
def test_reals_and_fakes_share_a_forward_unless_batch_norm_forbids_it(norm, forwards):
    G, D = dcgan(16, 1, 4, width=0.05, norm=norm)
    counting = Counting(D)
    game = PlainGAN(G, counting, 4, batch=6)
    list(game.discriminator_move(iter([images()])))
    assert counting.seen == [(count, False) for count in forwards]  # no graph of the generator


def test_the_generators_step_computes_no_gradient_of_the_discriminators_weights():
    engine, _ = play(small())
    game, seen = engine.game, []

    def spy(batches):
        for loss in game.generator_move(batches):
            seen.extend(p.requires_grad for p in game.D.parameters())
            yield loss
        seen.extend(p.grad is not None for p in game.D.parameters())

    from image_core.adversarial.game import Turn

    engine.play(Turn("G", spy), iter([]))
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("gammas", [(2.0, 0.0), (0.0, 3.0), (1.0, 2.0)])
def test_r1_and_r2_from_the_losses_own_forward_are_the_same_penalties(gammas):
    given = [make(g) for make, g in zip((penalties.r1, penalties.r2), gammas) if g]
    game = small(penalty=penalties.total(*given))
    batch = images()
    torch.manual_seed(2)
    (loss,) = game.discriminator_move(iter([batch]))
    torch.manual_seed(2)
    real, fake = batch, game.G(game.draw(len(batch))).detach()
    apart = penalties.total(*given, lambda discriminator, real, fake: real.new_zeros(()))
    expected = game.loss.d(game.D(real), game.D(fake)) + apart(game.D, real, fake)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    weights = list(game.D.parameters())
    one = torch.autograd.grad(loss.total, weights)
    other = torch.autograd.grad(expected, weights)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(one, other))
    assert batch.grad is None
    assert not batch.requires_grad


def test_relativistic_generators_see_real_images_and_others_pull_none():
    paired, single = small(loss=losses.relativistic), small()
    pulled = []

    def stream():
        while True:
            pulled.append(1)
            yield images()

    list(paired.generator_move(stream()))
    list(single.generator_move(stream()))
    assert len(pulled) == 1


def test_lazy_penalty_has_steps_of_its_own_and_full_strength():
    every, seen = small(penalty=penalties.r1(2.0)), []
    lazy = small(penalty=penalties.r1(2.0), lazy=4, d_steps=3)
    (loss,) = lazy.penalty_move(iter([images()]))
    (plain_loss,) = every.discriminator_move(iter([images()]))
    assert loss.total.item() == pytest.approx(12 * plain_loss.logs["penalty"].item(), rel=1e-5)
    engine = Engine(lazy, {"G": adam, "D": adam})
    for logs in engine.rounds(lambda index: images(), 5):
        seen.append("D/penalty" in logs)
    assert seen == [True, False, False, False, True]
    assert engine.steps == {"G": 5, "D": 17}


def test_clipped_weights_stay_in_their_bound_from_the_start():
    game = small(loss=losses.wasserstein, weight_clip=0.01)
    assert max(float(p.detach().abs().max()) for p in game.D.parameters()) <= 0.01
    play(game)
    assert max(float(p.detach().abs().max()) for p in game.D.parameters()) <= 0.01


def test_noise_falls_with_the_discriminators_steps_and_the_penalty_with_it():
    game = small(
        penalty=penalties.js_reg(1.0),
        noise=tricks.linear(0.5, 0.0, 2),
        anneal=tricks.exponential(1.0, 0.01, 2),
    )
    seen = [game._seen(torch.zeros(1, 1, 40, 40)).std().item()]
    play(game, rounds=2)
    seen.append(game._seen(torch.zeros(1, 1, 40, 40)).std().item())
    assert seen[0] == pytest.approx(0.5, rel=0.1)
    assert seen[1] == 0
    assert game.anneal(game.step).item() == pytest.approx(0.01)


def test_bytes_and_floats_are_the_same_images():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    read = common.to_images(levels)
    assert read.min() == -1
    assert read.max() == 1
    assert common.to_images({"images": read}) is read


def compiled_steps():
    data = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for norm, options in (
        ("spectral", {}),
        ("layer", {"penalty": penalties.gradient_penalty(10.0)}),
        ("none", {"penalty": penalties.r1(10.0), "lazy": 2}),
    ):
        found = []
        for compiled in (False, True):
            torch.manual_seed(0)
            G, D = dcgan(8, 1, 4, width=0.1, norm=norm)
            with torch.no_grad():
                for weight in D.parameters():
                    weight.mul_(4)  # as it starts, the slope is nearly 0
            game = PlainGAN(G, D, 4, batch=4, **options)
            if compiled:
                game.compile_steps(backend="aot_eager")
            engine = Engine(game, {"G": adam, "D": adam})
            torch.manual_seed(1)
            logs = list(engine.rounds(lambda index: data, 3))
            found.append((logs, game.state_dict()))
        torch.testing.assert_close(*found)
        assert not options or float(found[0][0][0]["D/penalty"]) > 0.01
    compiled_without_its_penalty()
    compiled_nets()


def compiled_without_its_penalty():
    """Why the penalty is in the graph: where torch no longer refuses this, it need not be."""
    D = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    x, fake = torch.randn(2, 3), torch.randn(2, 3)

    def slope(critic):
        points = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
        return found.pow(2).sum()

    graph = functools.partial(torch.compile, backend="aot_eager")
    for refused in (lambda: slope(graph(D)), lambda: graph(lambda: slope(D))()):
        with pytest.raises(RuntimeError, match="does not currently support double backward"):
            refused().backward()
    for penalty in (penalties.r1(1.0), penalties.gradient_penalty(1.0)):
        with pytest.raises(UserError, match=r"torch\.compile has made a graph of"):
            penalty(graph(D), x, fake)
    wrapped = PlainGAN(torch.nn.Linear(4, 3), graph(D), 4, batch=2, penalty=penalties.r1(1.0))
    with pytest.raises(UserError, match=r"torch\.compile has made a graph of"):
        list(Engine(wrapped, {"G": adam, "D": adam}).rounds(lambda index: x, 1))
    whole_step(slope, D, graph)


def whole_step(slope, D, graph):
    """Torch can hold a step's backward pass in the graph too, behind a switch of its own."""
    slope(D).backward()
    expected = [p.grad for p in D.parameters()]

    def step():
        D.zero_grad()
        slope(D).backward()

    with torch._dynamo.config.patch(trace_autograd_ops=True):
        graph(step, fullgraph=True)()
    torch.testing.assert_close([p.grad for p in D.parameters()], expected)


def compiled_nets():
    """The networks of a game of two domains."""
    pictures = torch.rand(2, 4, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    data = dict(zip("ab", pictures, strict=True))
    found, counters = [], torch._dynamo.utils.counters
    counters.clear()
    for compiled in (False, True):
        torch.manual_seed(0)
        game = PairedGAN(UNet(1, 1, 2, 4, "instance", 0.0), PatchDiscriminator(2, 4, 1, "instance"))
        if compiled:
            game.compile_nets(backend="aot_eager")
        engine = Engine(game, dict.fromkeys(game.players(), adam))
        logs = list(engine.rounds(lambda index: data, 3))
        found.append((logs, game.state_dict()))
    torch.testing.assert_close(*found)
    assert counters["stats"]["unique_graphs"] >= 2


def test_a_compiled_step_is_the_same_step(tmp_path):
    """One graph, or `fullgraph` raises; power iterations are taken as often.

    In a process of its own: checks of shapes, which are on here, are no part of a graph.
    """
    process = forked(compiled_steps, told=tmp_path / "told")
    process.join()
    assert process.exitcode == 0, (tmp_path / "told").read_text()


def test_spectral_norm_is_not_compiled_network_by_network():
    game = PairedGAN(UNet(1, 1, 2, 4, "none", 0.0), PatchDiscriminator(2, 4, 1, "spectral"))
    with pytest.raises(UserError, match="spectral norm"):
        game.compile_nets()


def test_steps_that_take_the_discriminator_apart_are_not_compiled():
    G, D = sndcgan(16, 1, 4, width=0.05)
    with pytest.raises(UserError, match="--feature_matching"):
        PlainGAN(G, D, 4, feature_matching=1.0).compile_steps()
