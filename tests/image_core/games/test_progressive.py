"""Progressive growing: the ends of a fade, what learns in a stage, and going on in the middle."""

from functools import partial

import pytest
import torch
from torch.nn.functional import avg_pool2d

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.games.progressive import ProgressiveGAN
from image_core.nets.progressive import (
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    doubled,
)
from image_core.recipes.image.papers.progressive import Options, stages

adam = partial(torch.optim.Adam, lr=1e-2, betas=(0.0, 0.99))
IMAGES = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1


def nets():
    torch.manual_seed(0)
    return ProgressiveGenerator(16, 1, 4, width=0.02), ProgressiveDiscriminator(16, 1, width=0.02)


@pytest.mark.parametrize("training", [True, False])
def test_a_fade_begins_with_the_old_networks_and_ends_with_the_new(training):
    G, D = nets()
    z = torch.randn(3, 4)
    G.train(training), D.train(training)
    for net in (G, D):
        net.enter(1, fading=False)
    small = avg_pool2d(IMAGES, 2)
    old_g, old_d = G(z), D(small)
    for net in (G, D):
        net.enter(2, fading=True)
    torch.testing.assert_close(G(z), doubled(old_g))
    torch.testing.assert_close(D(IMAGES), old_d)
    torch.testing.assert_close(D.reduced(IMAGES), doubled(small))
    for net in (G, D):
        net.enter(2, fading=False)
    new_g, new_d = G(z), D(IMAGES)
    assert (new_g - doubled(old_g)).abs().max() > 1e-3
    for net in (G, D):
        net.at(2, fading=True)  # in training faded to the end, in evaluation told by the buffer
        net.fade.fill_(1.0)
    torch.testing.assert_close(G(z), new_g)
    torch.testing.assert_close(D(IMAGES), new_d)
    torch.testing.assert_close(D.reduced(IMAGES), IMAGES)


def test_half_way_is_the_mean_of_both_paths():
    G, _ = nets()
    z = torch.randn(3, 4)
    G.enter(1, fading=False)
    old = G(z)
    G.enter(2, fading=False)
    new = G(z)
    G.enter(2, fading=True)
    G.fade.fill_(0.5)
    torch.testing.assert_close(G(z), (doubled(old) + new) / 2)


def start(seed):
    torch.manual_seed(seed)
    game = ProgressiveGAN(*nets(), 4, loss=losses.wasserstein, batch=3)
    return Engine(game, {"G": adam, "D": adam}, ema={"G": 0.9}), lambda i: IMAGES


def played(rounds, folder=None, at=None):
    """Stages of 3 rounds: 8 pixels, 16 fading in; saved after round `at`."""
    engine, data = start(0)
    game, found = engine.game, []
    plan = [(1, False), (2, True)]
    while engine.round < rounds:
        level, fading = plan[engine.round // 3]
        if engine.round % 3 == 0:
            game.enter(level, fade_rounds=3 if fading else 0)
            for player in engine.players:
                engine.reset(player)
        turns = game.turns_of(level, fade_rounds=3 if fading else 0)
        (logs,) = engine.rounds(data, 1, turns=turns)
        found.append({k: float(v) for k, v in logs.items()})
        if engine.round == at:
            engine.save(folder)
    return engine, found


def test_only_the_layers_of_a_stage_learn():
    before = dict(played(0)[0].game.named_parameters())
    after = dict(played(3)[0].game.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    later = {n for n in before if n.startswith(("G.blocks.2", "G.to_image.2", "D.blocks.2"))}
    assert later
    assert not moved & later
    assert {"G.blocks.1.0.parametrizations.weight.original", "G.to_image.1.bias"} <= moved


def test_the_fade_rises_with_the_rounds():
    assert [float(played(n)[0].game.G.fade) for n in (3, 4, 5, 6)] == pytest.approx(
        [1.0, 1 / 3, 2 / 3, 1.0]
    )


def test_a_run_goes_on_in_the_middle_of_a_fade(tmp_path):
    whole, logs = played(6, tmp_path / "run", at=4)
    engine, data = start(9)
    engine.load(tmp_path / "run")
    game = engine.game
    rest = engine.rounds(data, 2, turns=game.turns_of(2, fade_rounds=3))
    again = [{k: float(v) for k, v in x.items()} for x in rest]
    assert again == logs[4:]
    for mine, theirs in ((game, whole.game), (engine.ema["G"], whole.ema["G"])):
        other = theirs.state_dict()
        assert all(torch.equal(v, other[k]) for k, v in mine.state_dict().items())


def test_samples_have_the_full_side_at_every_level():
    game = start(0)[0].game
    game.enter(0)
    images = game.sample(2)
    assert images.shape == (2, 1, 16, 16)
    torch.testing.assert_close(images, doubled(doubled(avg_pool2d(images, 4))))


def options(**given):
    return Options(out="x", paper="progressive", **({"rounds": 10} | given))


def test_stages_add_up_to_the_rounds():
    assert stages(options(), 32) == [
        (1, False, 2),
        (2, True, 2),
        (2, False, 2),
        (3, True, 2),
        (3, False, 2),
    ]
    assert stages(options(first_size=32), 32) == [(3, False, 10)]
    assert sum(rounds for *_, rounds in stages(options(rounds=17), 32)) == 17


@pytest.mark.parametrize(
    ("given", "named"),
    [({"first_size": 12}, "--first_size 12"), ({"first_size": 64}, "--first_size 64")],
)
def test_stages_that_do_not_fit_the_size(given, named):
    with pytest.raises(UserError, match=named):
        stages(options(**given), 32)


def test_fewer_rounds_than_stages():
    with pytest.raises(UserError, match="--rounds 3"):
        stages(options(rounds=3), 32)


@pytest.mark.parametrize(
    "given", [{"arch": "resnet_cifar"}, {"norm": "layer"}, {"minibatch": "std", "penalty": ""}]
)
def test_options_of_other_networks_are_refused(given):
    with pytest.raises(UserError, match="progressive"):
        Options(out="x", paper="progressive", **given)
