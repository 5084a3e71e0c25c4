"""GSGAN and TextGAN: the schedule of the temperature, features matched, tokens exchanged."""

import pytest
import torch
import torch.nn.functional as F

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.mmd import squared_mmd
from image_core.adversarial.tricks import match_features
from seqgan.lm.policies import LSTMPolicy
from seqgan.text import oracle_recipe as oracle
from seqgan.text.config import Sequences
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.papers import gsgan, textgan
from seqgan.text.papers.textgan import MatchingGame, swapped
from tests.recipes.made import built

SEQUENCES = Sequences(12, 10, 1, 2, 0, lambda: torch.zeros(1, 10, dtype=torch.int64))


def test_gsgans_temperature_falls_geometrically_to_its_end():
    o = built(oracle, paper="gsgan", out="run", rounds=4, tau_start=8.0, tau_end=0.5)
    game = gsgan.game(o, SEQUENCES)
    seen = []
    for _ in range(6):
        seen.append(1 / float(game.beta()))
        game.played += 1
    assert seen == pytest.approx([8, 4, 2, 1, 0.5, 0.5], rel=1e-6)
    fixed = gsgan.game(built(oracle, paper="gsgan", out="run", tau_start=1, tau_end=1), SEQUENCES)
    assert float(fixed.beta()) == 1.0
    with pytest.raises(UserError, match="--tau_end 0"):
        built(oracle, paper="gsgan", out="run", tau_end=0.0)


def matching(**options):
    torch.manual_seed(0)
    G = LSTMPolicy(12, 8, 8, start=1, end=2, pad=0, init_std=1.0)
    D = CNNDiscriminator(12, 8, ((1, 4), (2, 4)), end=2, dropout=0.0, l2=0.0)
    data = torch.randint(4, 12, (8, 6))
    data[:, 4], data[:, 5] = 2, 0
    return MatchingGame(G, D, 6, moves=3, beta_min=2.0, beta_max=2.0, **options), data


@pytest.mark.parametrize(("name", "gap"), [("mmd", squared_mmd), ("mean", match_features)])
def test_the_policy_matches_features(name, gap):
    """The loss is that of the features of what it has written, computed from one-hot tokens."""
    game, data = matching(feature_matching=name)
    x, mask = game.write(8, torch.tensor(2.0))
    hard = F.one_hot(x.argmax(-1), 12).float()
    tokens = torch.where(mask, x.argmax(-1), 0)
    game.write = lambda count, beta: (hard.requires_grad_(), mask)
    (loss,) = game.policy_move(iter([data]))
    expected = gap(game.D.represent(data), game.D.represent(tokens))
    torch.testing.assert_close(loss.total, expected, atol=1e-6, rtol=1e-5)
    (slope,) = torch.autograd.grad(loss.total, hard)
    assert (slope[~mask] == 0).all()
    assert float(slope[mask].abs().sum()) > 0


def test_the_discriminator_raises_the_discrepancy():
    """Its loss is the logistic one less the weighted discrepancy of the same features."""
    game, data = matching(d_mmd_weight=0.5, loss=losses.non_saturating)
    x, mask = game.write(8, torch.tensor(2.0))
    x, mask = x.detach(), mask
    game.write = lambda count, beta: (x, mask)
    (loss,) = game.discriminator_steps(iter([data]), 1)
    features = game.features(x, mask)
    logits = F.softplus(-game.D(data)).mean() + F.softplus(game.D.logit_of(features)).mean()
    apart = squared_mmd(game.D.represent(data), features)
    torch.testing.assert_close(loss.total, logits - 0.5 * apart)
    halves = game.D.represent(data).chunk(2)
    torch.testing.assert_close(loss.logs["mmd_real"], squared_mmd(*halves))


def test_two_tokens_change_places_and_the_end_stays():
    torch.manual_seed(0)
    rows = torch.tensor([[3, 4, 5, 6, 2, 0], [7, 8, 2, 0, 0, 0], [9, 2, 0, 0, 0, 0]]).repeat(40, 1)
    found = swapped(rows, 2)
    changed = (found != rows).sum(1).view(40, 3)
    assert changed.tolist() == [[2, 2, 0]] * 40
    assert torch.equal(found.sort(1).values, rows.sort(1).values)
    assert (found[1::3] == torch.tensor([8, 7, 2, 0, 0, 0])).all()
    first = found[::3, :4].tolist()
    assert len({tuple(row) for row in first}) == 6  # every pair is drawn
    whole = torch.arange(5).repeat(20, 1)
    assert ((swapped(whole, None) != whole).sum(1) == 2).all()


def test_the_discriminator_warms_up_on_exchanged_tokens(monkeypatch):
    game, data = matching(loss=losses.non_saturating)
    monkeypatch.setattr(textgan, "swapped", lambda tokens, end: tokens.flip(0))
    (loss,) = game.swap_steps(iter([data]), 1)
    d = game.D(data)
    torch.testing.assert_close(loss.total, (F.softplus(-d) + F.softplus(d)).mean())


def test_what_textgan_refuses():
    for changes, says in (
        ({"feature_matching": "all"}, "--feature_matching all"),
        ({"batch": 3}, "--batch 3"),
        ({"beta": 0.0}, "--beta 0"),
    ):
        with pytest.raises(UserError, match=says):
            built(oracle, paper="textgan", out="run", **changes)
