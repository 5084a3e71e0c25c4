"""Objects of one class into those of another: losses by hand, groups of rows, untouched ground."""

import pytest
import torch
from torch.nn.functional import softplus

from image_core.adversarial.errors import UserError
from image_core.games.contrast import ContrastGAN, contrast_of, mask_of, tiny


@pytest.fixture
def played():
    """A game, its pictures and masks, and what both players' losses are."""
    torch.manual_seed(0)
    game, batch = tiny()
    (g,) = game.generator_move(iter([batch]))
    shift, _, _, made = game._made
    (d,) = game.discriminator_move(iter([]))
    return game, batch["a"], mask_of(batch["b"]), shift, made, g, d


def terms(game, x, m, shift, made):
    """The least-squares terms of both sides and Q, from loops over single rows."""
    of_g, of_d, contrast = [], [], []
    for k, D in enumerate(game.D):
        rows = [i for i in range(6) if (i % 3 + shift) % 3 == k]
        own = [i for i in range(6) if i % 3 == k]
        real = [D.features((x * m)[i : i + 1]) for i in own]
        fake = [D.features((made * m)[i : i + 1]) for i in rows]
        source = [D.features((x * m)[i : i + 1]) for i in rows]
        of_g.append(torch.stack([(maps[-1] - 1).square().mean() / 2 for maps in fake]).mean())
        on_real = torch.stack([(maps[-1] - 1).square().mean() / 2 for maps in real]).mean()
        of_d.append(on_real + torch.stack([maps[-1].square().mean() / 2 for maps in fake]).mean())
        wanted = torch.stack([maps[-2] for maps in real]).mean(0)
        gaps = [
            softplus((f[-2] - wanted).abs().mean() - (f[-2] - s[-2]).abs().mean())
            for f, s in zip(fake, source)
        ]
        contrast.append(torch.stack(gaps).mean())
    return (torch.stack(parts).mean() for parts in (of_g, of_d, contrast))


def test_the_losses_are_those_of_each_class(played):
    game, x, m, shift, made, g, d = played
    of_g, of_d, contrast = terms(game, x, m, shift, made)
    labels = torch.arange(6) % 3
    back = torch.where(
        m > 0,
        game.N(
            torch.cat(
                [made * m, m, torch.eye(3)[labels][:, :, None, None].expand(-1, -1, 16, 16)], 1
            )
        ),
        made,
    )
    cycle = (back - x).abs().mean()
    assert g.total.item() == pytest.approx((5 * of_g + contrast + 10 * cycle).item(), rel=1e-4)
    assert d.total.item() == pytest.approx((of_d - contrast).item(), rel=1e-4)


def test_the_contrast_is_small_where_the_result_is_near_its_target():
    real, source = torch.ones(2, 3, 1, 1), torch.zeros(4, 3, 1, 1)
    near, far = (float(contrast_of(real, made, source)) for made in (real[[0] * 4], source))
    assert near == pytest.approx(float(softplus(torch.tensor(-1.0))))
    assert far == pytest.approx(float(softplus(torch.tensor(1.0))))


def test_the_ground_is_left_as_it_is_bit_for_bit():
    torch.manual_seed(0)
    game, batch = tiny()
    made = game.edit(batch["a"], batch["b"], torch.tensor([1, 2, 0, 1, 2, 0]))
    inside = mask_of(batch["b"]).expand_as(made) > 0
    assert torch.equal(made[~inside], batch["a"][~inside])
    assert (made[inside] != batch["a"][inside]).float().mean() > 0.9
    others = game.edit(batch["a"], batch["b"], torch.tensor([2, 0, 1, 2, 0, 1]))
    assert not torch.equal(made, others)  # the class is read


def test_every_target_but_the_own_class_is_drawn(played):
    game, batch = tiny()
    shifts = {game._turned(iter([batch]))[0] for _ in range(20)}
    assert shifts == {1, 2}
    with pytest.raises(UserError, match="5 pictures do not hold equally many of 3"):
        list(game.generator_move(iter([{n: x[:5] for n, x in batch.items()}])))
    with pytest.raises(UserError, match="give two"):
        ContrastGAN(game.N, list(game.D)[:1])
