"""Three joint distributions: each loss by hand, and that fakes are made once."""

from functools import partial

import pytest
import torch
from torch.nn.functional import softplus

from image_core.adversarial.engine import Engine
from image_core.games.triangle import tiny

SGD = partial(torch.optim.SGD, lr=0.01)


def test_the_losses_are_the_papers():
    torch.manual_seed(0)
    game, batch = tiny()
    for net in (game.ab, game.ba):
        for layer in net.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
    (g,) = game.generator_move(iter([batch]))
    forth = torch.cat([batch["a"], game.ab(batch["a"])], 1)
    back = torch.cat([game.ba(batch["b"]), batch["b"]], 1)
    pairs = torch.cat([batch["pair_a"], batch["pair_b"]], 1)
    D1, D2 = game.D1, game.D2
    expected = softplus(-D1(forth)).mean() + softplus(-D1(back)).mean()
    expected = expected + softplus(D2(forth)).mean() + softplus(-D2(back)).mean()
    assert g.total.item() == pytest.approx(expected.item(), rel=1e-5)
    (d,) = game.discriminator_move(iter([]))
    first = softplus(-D1(pairs)).mean() + softplus(D1(forth)).mean() + softplus(D1(back)).mean()
    second = softplus(-D2(forth)).mean() + softplus(D2(back)).mean()
    assert d.total.item() == pytest.approx((first + second).item(), rel=1e-5)


def test_the_first_step_of_the_discriminators_reads_the_generators_fakes():
    torch.manual_seed(0)
    game, batch = tiny()
    made = []
    game.ab.register_forward_hook(lambda *_: made.append(1))
    engine = Engine(game, dict.fromkeys(game.players(), SGD))
    engine.run(lambda index: batch, 2)
    assert engine.steps == {"G": 2, "D": 4}
    assert (len(made), engine.drawn) == (4, 4)  # once for both players, once more for D alone
    assert game.d_scores("ba", batch["b"], batch["a"]).shape == (5,)
