"""Scenes of single objects: label maps against pictures, masks against grounds."""

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.data.domains import make_domains
from image_core.data.images import ImageSet
from image_core.data.scenes import OBJECT, PALETTE

DRAW = torch.Generator().manual_seed(0)
DRAWN = torch.randint(0, 256, (9, 1, 8, 8), generator=DRAW, dtype=torch.uint8)
SET = ImageSet(DRAWN, torch.arange(9) % 3, ["x", "y", "z"], "none")


def test_a_mosaic_holds_four_pictures_their_classes_and_their_numbers():
    a, b, paired = make_domains(SET, "mosaics", 4)
    assert paired
    assert a.images.shape == b.images.shape == (2, 3, 16, 16)
    assert a.labels is None
    order = torch.randperm(9, generator=torch.Generator().manual_seed(4))[:8]
    for i, row in enumerate(order.tolist()):
        scene, cell = divmod(i, 4)
        top, left = 8 * (cell // 2), 8 * (cell % 2)
        maps = a.images[scene, :, top : top + 8, left : left + 8].long()
        inside = DRAWN[row, 0] >= OBJECT
        assert torch.equal(maps[0], inside * (row % 3 + 1))
        assert torch.equal(maps[1], inside * (cell + 1))
        assert maps[2].sum() == 0
        ink = torch.tensor(PALETTE[row % 3])[:, None, None] / 255
        shown = b.images[scene, :, top : top + 8, left : left + 8].float()
        assert (shown - DRAWN[row].float() * ink).abs().max() <= 0.5 + 1e-4
    with pytest.raises(UserError, match="--domains mosaics needs labels"):
        make_domains(SET._replace(labels=None), "mosaics")


def test_objects_stand_in_their_masks_on_a_ground_of_their_own():
    a, b, _ = make_domains(SET, "objects", 4)
    assert a.images.shape == b.images.shape == (9, 1, 12, 12)
    assert torch.equal(a.labels, SET.labels)
    places = set()
    for picture, mask, source in zip(a.images[:, 0], b.images[:, 0], DRAWN[:, 0]):
        where = (mask == 255).nonzero()
        (top, left), last = where[0].tolist(), where[-1].tolist()
        assert (last[0] - top, last[1] - left, len(where)) == (7, 7, 64)
        assert (picture[top : top + 8, left : left + 8] >= source).all()
        assert picture[mask == 0].max() < 96  # darker than an object
        places.add((top, left))
    assert len(places) > 3
    assert torch.equal(a.images, make_domains(SET, "objects", 4).a.images)
    assert not torch.equal(a.images, make_domains(SET, "objects", 5).a.images)
