"""Scenes with boxes, features of boxes, and the losses of the detector's game by hand."""

from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy, smooth_l1_loss, softplus

from image_core.adversarial.engine import Engine
from image_core.data.crowds import LARGE, OBJECTS, SMALL, crowd, overlap
from image_core.data.images import ImageSet
from image_core.games.detector import tiny
from image_core.nets.detector import offsets_of, placed, sampled

SGD = partial(torch.optim.SGD, lr=0.05)
WHITE = ImageSet(
    torch.full((32, 1, 16, 16), 255, dtype=torch.uint8), torch.arange(32) % 3, list("xyz"), "none"
)


def test_scenes_hold_objects_where_their_boxes_are():
    scenes = crowd(WHITE, 0)
    assert scenes.images.shape == (8, 1, 48, 72)
    sides = torch.tensor([72.0, 48.0, 72.0, 48.0])
    for image, boxes, labels in zip(scenes.images[:, 0], scenes.true * sides, scenes.labels):
        white = (image == 255).sum()
        areas = boxes[:, 2:].prod(1)
        assert white == round(float(areas[[0, 1, 3, 4]].sum()))  # and they never overlap
        assert (labels[[2, 5]] == 3).all()
        assert (labels[[0, 1, 3, 4]] < 3).all()
        for x, y, w, h in boxes[[0, 1, 3, 4]].tolist():
            rows, columns = (slice(round(c - s / 2), round(c + s / 2)) for c, s in ((y, h), (x, w)))
            assert (image[rows, columns] == 255).all()
        assert boxes[LARGE, 2].min() >= 16
        assert boxes[SMALL, 2].max() <= 9
    assert len(scenes.images) * 2 * OBJECTS == 32
    near = overlap(scenes.boxes, scenes.true)
    assert 0.5 < near.min() < near.max() < 1


def test_overlap_is_intersection_over_union():
    one = torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
    other = torch.tensor([[0.5, 0.5, 1.0, 1.0], [1.0, 0.0, 2.0, 2.0], [5.0, 0.0, 1.0, 1.0]])
    assert overlap(one, other).tolist() == pytest.approx([1.0, 1 / 3, 0.0])


def test_offsets_lead_from_one_box_to_the_other():
    draw = torch.Generator().manual_seed(0)
    boxes, true = torch.rand(2, 3, 6, 4, generator=draw) + 0.1
    assert torch.allclose(placed(boxes, offsets_of(boxes, true)), true)
    assert offsets_of(boxes, boxes).abs().max() < 1e-6


def test_a_box_that_is_a_grid_of_pixels_is_cut_out():
    maps = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    # Pixels 4 to 7 across and 2 to 5 down, centre (6, 4)
    boxes = torch.tensor([[[6 / 12, 4 / 8, 4 / 12, 4 / 8]], [[0.5, 0.5, 1.0, 1.0]]]).expand(2, 1, 4)
    found = sampled(maps, boxes, 4)
    assert torch.allclose(found[0], maps[0, :, 2:6, 4:8], atol=1e-5)
    both = sampled(maps, torch.cat([boxes, boxes], 1), 4)
    assert torch.equal(both[1], found[0])  # box after box of the first scene first
    assert torch.equal(both[2], found[1])


def test_the_losses_are_the_papers():
    torch.manual_seed(0)
    game, batch = tiny()
    game.adversarial, game.perception = 0.5, 2.0
    B, G, D = game.B, game.G, game.D
    x = batch["images"].float() / 127.5 - 1
    n = len(x)
    early, late = (maps.unflatten(0, (n, 6)) for maps in B.features(x, batch["boxes"]))
    wanted = offsets_of(batch["boxes"], batch["true"])

    def perceived(maps, which):
        named, offsets = B.heads(maps.flatten(0, 1))
        place = smooth_l1_loss(offsets.unflatten(0, (n, 3))[:, :2], wanted[:, which][:, :2])
        return cross_entropy(named, batch["labels"][:, which].flatten()) + place

    (b,) = game.pretrain_move(iter([batch]))
    assert b.total.item() == pytest.approx(perceived(late[:, :3], LARGE).item(), rel=1e-5)
    (g,) = game.generator_move(iter([batch]))
    made = late[:, 3:] + G(early[:, 3:].flatten(0, 1)).unflatten(0, (n, 3))
    fakes, reals = made[:, :2].flatten(0, 1), late[:, :2].flatten(0, 1)
    expected = 0.5 * softplus(-D(fakes)).mean() + 2 * perceived(made, SMALL)
    assert g.total.item() == pytest.approx(expected.item(), rel=1e-5)
    (d,) = game.discriminator_move(iter([]))
    expected = softplus(-D(reals)).mean() + softplus(D(fakes)).mean()
    assert d.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_detector_is_held_fixed_by_the_other_two():
    torch.manual_seed(0)
    game, batch = tiny()
    engine = Engine(game, dict.fromkeys(game.players(), SGD))
    _, *others = game.turns()
    before = [p.detach().clone() for p in game.B.parameters()]
    list(engine.rounds(lambda index: batch, 1, turns=others))
    assert all(torch.equal(p, q) for p, q in zip(game.B.parameters(), before))
    x = batch["images"].float() / 127.5 - 1
    with torch.no_grad():
        for p in game.G.layers[-1].parameters():
            p.zero_()
    one, other = (game.detect(x, batch["boxes"], brought=b) for b in (True, False))
    assert torch.equal(one.boxes, other.boxes)  # without a residual both are one
