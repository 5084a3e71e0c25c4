"""Stacked GAN: its losses term by term, and which gradient reaches which level."""

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from image_core.games.stacked import tiny


@pytest.fixture(scope="module")
def made():
    torch.manual_seed(0)
    return tiny()


def noise(game, batch, seed):
    torch.manual_seed(seed)
    z = game.draw(len(batch["images"]))
    return z[:, :3], z[:, 3:]


def played(game, move, batch, joint):
    torch.manual_seed(4)
    turns = {turn.player: turn.move for turn in game.turns_of(joint=joint)}
    return next(iter(turns[move](iter([batch]))))[0]


@pytest.mark.parametrize("joint", [False, True])
def test_losses_are_the_sums_of_their_terms(made, joint):
    game, batch = made
    game.train()
    game.condition_weight, game.entropy_weight = 0.7, 1.9
    found_d, found_g = (played(game, move, batch, joint) for move in ("D", "G"))
    z1, z0 = noise(game, batch, 4)
    E, G, D = game.E.eval(), game.G, game.D
    h, y = E.trunk(batch["images"]), batch["labels"]
    h1 = G.upper(z1, y)
    below = h1 if joint else h
    x = G.lower(torch.cat([below, z0], 1))
    (r1, _), (f1, q1) = D.upper(h), D.upper(h1)
    (r0, _), (f0, q0) = D.lower(batch["images"]), D.lower(x)
    entropy = (q1 - z1).square().mean() + (q0 - z0).square().mean()
    told = softplus(-r1).mean() + softplus(f1).mean() + softplus(-r0).mean() + softplus(f0).mean()
    torch.testing.assert_close(found_d, told / 2 + 1.9 * entropy)
    missed = cross_entropy(E.head(h1), y) + (E.trunk(x) - below).square().mean()
    fooled = softplus(-f1).mean() + softplus(-f0).mean()
    torch.testing.assert_close(found_g, fooled + 0.7 * missed + 1.9 * entropy)
    game.E.train()


@pytest.mark.parametrize("joint", [False, True])
def test_the_images_loss_teaches_the_lower_generator_alone(made, joint):
    """Together the upper generator's gradient is the one it has alone."""
    game, batch = made
    total = played(game, "G", batch, joint)
    upper = list(game.G.upper.parameters())
    slopes = torch.autograd.grad(total, upper, retain_graph=True)
    z1, _ = noise(game, batch, 4)
    logit, read = game.D.upper(game.G.upper(z1, batch["labels"]))
    alone = softplus(-logit).mean() + game.entropy_weight * (read - z1).square().mean()
    named = game.E.head(game.G.upper(z1, batch["labels"]))
    alone = alone + game.condition_weight * cross_entropy(named, batch["labels"])
    for found, wanted in zip(slopes, torch.autograd.grad(alone, upper), strict=True):
        torch.testing.assert_close(found, wanted)
    lower = torch.autograd.grad(total, list(game.G.lower.parameters()))
    assert all(slope.abs().sum() > 0 for slope in lower[-2:])


def test_samples_go_through_both_levels(made):
    game, _ = made
    torch.manual_seed(1)
    images = game.sample(5)
    torch.manual_seed(1)
    z, labels = game.inputs(5)
    game.G.eval()
    with torch.no_grad():
        features = game.G.upper(z[:, :3], labels)
        assert torch.equal(images, game.G.lower(torch.cat([features, z[:, 3:]], 1)))
    assert labels.tolist() == [0, 1, 2, 0, 1]
    assert features.min() >= 0
