"""Grids of images: every pixel in its place, text above the rows, nothing half written."""

import numpy as np
import pytest
import torch
from PIL import Image

from image_core.adversarial.errors import UserError
from image_core.runs.image_grid import GAP, LINE, to_colours, write_image_grid


def read(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_images_stand_row_by_row_each_pixel_a_square(tmp_path):
    images = torch.rand(5, 2, 3, 3)
    write_image_grid(images, tmp_path / "new" / "grid.png", scale=4, columns=3)
    picture = read(tmp_path / "new" / "grid.png")
    assert picture.shape == (2 * (8 + GAP) + GAP, 3 * (12 + GAP) + GAP, 3)
    wanted = (images * 255).round().byte().numpy().repeat(4, 1).repeat(4, 2)
    for i, image in enumerate(wanted):
        top, left = GAP + i // 3 * (8 + GAP), GAP + i % 3 * (12 + GAP)
        np.testing.assert_array_equal(picture[top : top + 8, left : left + 12], image)
    assert (picture[8 + 2 * GAP :, 2 * (12 + GAP) :] == 255).all()  # no sixth image
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["grid.png"]


def test_it_is_as_square_as_can_be_and_small_images_are_enlarged(tmp_path):
    write_image_grid(torch.zeros(9, 16, 16, 3), tmp_path / "grid.png")
    assert read(tmp_path / "grid.png").shape == (3 * (96 + GAP) + GAP, 3 * (96 + GAP) + GAP, 3)


@pytest.mark.parametrize("title", ["a red circle", "a very long sentence " * 20])
def test_titles_stand_above_their_rows(tmp_path, title):
    images = torch.zeros(4, 96, 96, 3)
    write_image_grid(images, tmp_path / "grid.png", columns=2, titles=[title, ""])
    picture = read(tmp_path / "grid.png")
    row = LINE + 96 + GAP
    assert picture.shape == (2 * row + GAP, 2 * (96 + GAP) + GAP, 3)
    first, second = picture[GAP : GAP + LINE], picture[GAP + row : GAP + row + LINE]
    assert (first < 128).any()
    assert (second == 255).all()
    assert (first[:, -GAP:] == 255).all()  # cut where the picture ends


def test_grey_and_coloured_images_become_colours():
    assert torch.equal(to_colours(torch.ones(2, 1, 4, 5)), torch.ones(2, 4, 5, 3))
    images = torch.tensor([-1.0, 0.0, 3.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(to_colours(images).flatten(), torch.tensor([0.0, 0.5, 1.0]))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_image_grid(torch.zeros(1, 4, 4, 3), tmp_path / "file" / "grid.png")
    (tmp_path / "grid.png").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        write_image_grid(torch.zeros(1, 4, 4, 3), tmp_path / "grid.png")
    assert not (tmp_path / "grid.png.tmp").exists()
