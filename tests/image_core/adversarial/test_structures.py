"""A loss over lists of logits, against sums by hand."""

import math

import pytest
import torch

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import hinge, least_squares, relativistic, wasserstein
from image_core.adversarial.structures import leaves, nested


def scales(batch=2, shift=0.0):
    """Three maps of patches of other sizes, in a tree."""
    parts = [torch.full((batch, 1, n, n), float(n) + shift) for n in (8, 4, 2)]
    return [parts[0], (parts[1], [parts[2]])]


def test_the_mean_over_scales_of_the_mean_over_patches():
    """Wasserstein's d is E_f - E_r = shift at each scale; least squares by hand at 8, 4 and 2."""
    assert nested(wasserstein).d(scales(), scales(shift=0.5)).item() == pytest.approx(0.5)
    assert nested(wasserstein).g(scales(), scales()).item() == pytest.approx(-(8 + 4 + 2) / 3)
    found = nested(least_squares).d(scales(), scales())
    by_hand = [((n - 1) ** 2 + n**2) / 2 for n in (8, 4, 2)]
    assert found.item() == pytest.approx(sum(by_hand) / 3)
    assert found.shape == ()


def test_a_scale_counts_alike_however_many_patches_it_has():
    real, fake = [torch.zeros(2, 100), torch.zeros(2, 1)], [torch.ones(2, 100), -torch.ones(2, 1)]
    assert nested(wasserstein).d(real, fake).item() == 0


def test_weights_are_of_leaves_depth_first_and_ones_give_the_sum():
    by_scale = [((n - 1) ** 2 + n**2) / 2 for n in (8, 4, 2)]
    found = nested(least_squares, [1.0, 1.0, 1.0]).d(scales(), scales())
    assert found.item() == pytest.approx(sum(by_scale))
    found = nested(least_squares, [1.0, 0.0, 0.5]).d(scales(), scales())
    assert found.item() == pytest.approx(by_scale[0] + by_scale[2] / 2)


@pytest.mark.parametrize("name", losses.__all__)
def test_a_single_tensor_is_the_loss_itself(name):
    loss, real, fake = getattr(losses, name), torch.randn(5, 3), torch.randn(5, 3)
    assert torch.equal(nested(loss).d(real, fake), loss.d(real, fake))
    assert torch.equal(nested(loss).g([real], [fake]), loss.g(real, fake))
    assert nested(loss).reward is None


def test_relativistic_losses_pair_scale_with_scale():
    real = [torch.tensor([2.0]), torch.tensor([0.0])]
    fake = [torch.tensor([0.0]), torch.tensor([1.0])]
    by_hand = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 2
    assert nested(relativistic).d(real, fake).item() == pytest.approx(by_hand)


def test_sides_of_unequal_batches():
    assert nested(hinge).d(scales(batch=3), scales(batch=5)).item() == pytest.approx(
        ((1 + 8) + (1 + 4) + (1 + 2)) / 3
    )


@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.0)])
def test_gradients(weights):
    def flat(*parts):
        real, fake = parts[:3], parts[3:]
        built = [[real[0], (real[1], [real[2]])], [fake[0], (fake[1], [fake[2]])]]
        loss = nested(losses.non_saturating, weights)
        return loss.d(*built) + 2 * loss.g(*built)

    parts = [torch.randn(2, n, n, dtype=torch.float64, requires_grad=True) for n in (3, 2, 1) * 2]
    assert torch.autograd.gradcheck(flat, parts)


def test_leaves_are_in_order():
    assert [leaf.shape[-1] for leaf in leaves(scales())] == [8, 4, 2]


@pytest.mark.parametrize(
    ("real", "fake", "weights", "match"),
    [
        ([1, 2], [1], None, r"real logits are built as \[., .\] and the fake ones as \[.\]"),
        ([1, [2]], [1, 2], None, r"\[., \[.\]\] and the fake ones as \[., .\]"),
        (1, [1], None, r"built as \. and the fake ones as \[.\]"),
        ([], [], None, r"logits are \[\]; give at least one"),
        ([1, 2], [1, 2], [1.0], "1 weights for 2 tensors"),
        ([1, 2], [1, 2], [1.0, 1.0, 1.0], "3 weights for 2 tensors"),
        ([None], [None], None, "hold a NoneType"),
        ({"a": 1}, {"a": 1}, None, "hold a dict"),
    ],
)
def test_structures_that_do_not_fit(real, fake, weights, match):
    def built(value):
        if isinstance(value, list):
            return [built(part) for part in value]
        return torch.zeros(2) if isinstance(value, int) else value

    with pytest.raises(UserError, match=match):
        nested(hinge, weights).d(built(real), built(fake))
