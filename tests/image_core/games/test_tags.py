"""Tags and the rest: losses by hand, names to tags, which part of a code is exchanged."""

import pytest
import torch
from torch.nn.functional import softplus

from image_core.adversarial.errors import UserError
from image_core.games.tags import TagCodes, tags_of, tiny


def test_words_are_tags():
    tags = tags_of(["red disc", "blue_ring", "red ring"])
    assert tags.tolist() == [[1, 0], [0, 1], [1, 1]]
    assert tags_of(["3", "5"]).tolist() == [[0], [1]]
    with pytest.raises(UserError, match="'red disc' has 2 of them and 'ring' 1"):
        tags_of(["red disc", "ring"])
    codes = TagCodes(tags, 2)
    found = codes(torch.tensor([0, 2]))
    assert torch.equal(found[0, :2], found[1, :2])  # both red
    assert torch.equal(found[1, 2:], codes.codes[1].weight[1])


def test_the_losses_are_the_papers():
    torch.manual_seed(0)
    game, batch = tiny()
    x, known, labels = batch["b"], batch["labelled"], batch["labels"]
    torch.manual_seed(5)
    (g,) = game.generator_move(iter([batch]))
    (d,) = game.discriminator_move(iter([]))
    torch.manual_seed(5)
    drawn = game.g(torch.randint(4, (4,)))
    R, G, D = game.redraw.E, game.redraw.G, game.D
    code, told = R(torch.cat([x, known])), game.g(labels)
    rest = code[6:, 4:]
    every = torch.cat([code[:6], torch.cat([told, rest], 1), torch.cat([drawn, rest], 1)])
    again, own, other = G(every).split([6, 4, 4])  # batch norm of the generator sees all
    f1 = (code[6:, :4] - told).square().mean()
    f2 = (again - x).square().mean() + (own - known).square().mean()
    f3 = softplus(-D(again)).mean() + softplus(-D(other)).mean()
    assert g.total.item() == pytest.approx((f1 + 10 * f2 + f3).item(), rel=1e-5)
    fake = (softplus(D(again)).mean() + softplus(D(other)).mean()) / 2
    assert d.total.item() == pytest.approx((softplus(-D(x)).mean() + fake).item(), rel=1e-5)


def test_one_tag_is_exchanged_and_the_rest_is_read_from_the_picture():
    torch.manual_seed(0)
    game, batch = tiny()
    x, targets = batch["b"], torch.tensor([0, 1, 2, 3, 0, 1])
    game.redraw.eval()
    with torch.no_grad():
        code, wanted = game.redraw.E(x), game.g(targets)
        code[:, 2:4] = wanted[:, 2:4]
        assert torch.allclose(game.retagged(x, targets, [1]), game.redraw.G(code))
        code[:, :2] = wanted[:, :2]
        assert torch.allclose(game.edit(x, x, targets), game.redraw.G(code))
        assert torch.allclose(game.retagged(x, targets, []), game.redraw(x))
