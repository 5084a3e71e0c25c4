"""Networks of translation: what a logit sees, what skips carry, sizes, weights."""

import pytest
import torch
from torch import nn

from image_core.adversarial.errors import UserError
from image_core.nets.patch import MultiScale, PatchDiscriminator, mean_logit, patch_side
from image_core.nets.superresolution import SRResNet
from image_core.nets.translator import Translator
from image_core.nets.unet import UNet


@pytest.mark.parametrize(("layers", "field"), [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_the_published_square_and_nothing_else(layers, field):
    side = 96
    D = PatchDiscriminator(1, 2, layers, "none")
    for weight in D.parameters():
        nn.init.constant_(weight, 0.5)
    images = torch.rand(1, 1, side, side, requires_grad=True)
    logits = D(images)
    assert logits.shape[-1] == patch_side(side, layers)
    middle = logits.shape[-1] // 2
    (slope,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    rows = slope[0, 0].abs().sum(1).nonzero()[:, 0]
    assert len(rows) == field
    assert int(rows.max() - rows.min()) + 1 == field


def test_layers_are_those_of_the_paper():
    D = PatchDiscriminator(6, 64, 3, "batch")
    convs = [m for m in D.modules() if isinstance(m, nn.Conv2d)]
    found = [(c.in_channels, c.out_channels, c.stride[0]) for c in convs]
    assert found == [(6, 64, 2), (64, 128, 2), (128, 256, 2), (256, 512, 1), (512, 1, 1)]
    norms = [any(isinstance(m, nn.BatchNorm2d) for m in stage) for stage in D.stages]
    assert norms == [False, True, True, True]


def test_a_discriminator_of_scales_sees_halves():
    D = MultiScale([PatchDiscriminator(1, 2, 1, "none") for _ in range(2)])
    images = torch.rand(2, 1, 16, 16)
    whole, half = D(images)
    pooled = nn.functional.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
    assert torch.equal(whole, D.scales[0](images))
    assert torch.equal(half, D.scales[1](pooled))
    assert pooled[0, 0, 0, 0] == pytest.approx(images[0, 0, :2, :2].mean().item())
    expected = (whole.mean((1, 2, 3)) + half.mean((1, 2, 3))) / 2
    assert torch.allclose(mean_logit([whole, half]), expected)
    assert [maps[-1].shape for maps in D.features(images)] == [whole.shape, half.shape]


def test_a_unet_has_skips_and_no_norm_where_one_pixel_is_left():
    G = UNet(1, 3, 4, 2, "instance", 0.0)
    images = torch.rand(2, 1, 16, 16)
    assert G(images).shape == (2, 3, 16, 16)
    assert not any(isinstance(m, nn.InstanceNorm2d) for m in (*G.down[0], *G.down[-1]))
    with torch.no_grad():  # a bottleneck of zeros: what is left came by the skips
        for weight in (*G.down[-1].parameters(), *G.up[0].parameters()):
            weight.zero_()
    assert (G(images)[0] - G(1 - images)[0]).abs().max() > 0
    drops = [any(isinstance(m, nn.Dropout) for m in stage) for stage in UNet(1, 1, 5, 2).up]
    assert drops == [True, True, True, False, False]


@pytest.mark.parametrize("halvings", [0, 1, 2])
def test_a_translator_keeps_the_size_and_reads_one_picture_alone(halvings):
    G = Translator(1, 3, 4, halvings, 2)
    images = torch.rand(3, 1, 16, 24)
    made = G(images)
    assert made.shape == (3, 3, 16, 24)
    assert torch.allclose(made[1:2], G(images[1:2]), atol=1e-6)
    assert G.multiple == 1 << halvings


def test_super_resolution_multiplies_the_side_and_begins_with_a_residual():
    G = SRResNet(1, 4, 2, 4, "none")
    images = torch.rand(2, 1, 5, 7)
    assert G(images).shape == (2, 1, 20, 28)
    with torch.no_grad():
        for weight in G.blocks.parameters():
            weight.zero_()
    assert torch.equal(G(images), G.larger(G.first(images)))
    with pytest.raises(UserError, match="3 times the side"):
        SRResNet(1, 4, 2, 3)
