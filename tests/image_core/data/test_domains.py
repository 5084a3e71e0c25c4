"""Two domains: those made of one set, pairs by name, side by side and in arrays; refusals."""

import numpy as np
import pytest
import torch
from PIL import Image

from image_core.adversarial.errors import UserError
from image_core.data.domains import MADE, PALETTE, make_domains, read_pairs, read_two
from image_core.data.gather import Reading
from image_core.data.images import ImageSet

DRAWN = torch.randint(
    0, 256, (5, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
)
SET = ImageSet(DRAWN, torch.arange(5) % 2, ["x", "y"], "none")


def made(kind):
    return make_domains(SET, kind)


def test_made_domains_are_what_they_say():
    x = DRAWN.float()
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1), value=-1)
    dilated = padded.unfold(2, 3, 1).unfold(3, 3, 1).amax((4, 5))
    edges = made("edges")
    assert torch.equal(edges.a.images.float(), dilated - x)
    assert torch.equal(edges.b.images, DRAWN)
    assert torch.equal(made("negative").b.images, 255 - DRAWN)
    turned = made("rotation").b.images
    assert turned[0, 0, 15, 3] == DRAWN[0, 0, 3, 0]
    low = made("small").a.images
    assert low.shape == (5, 1, 4, 4)
    assert low[2, 0, 1, 0] == DRAWN[2, 0, 4:8, 0:4].float().mean().round()
    blocks = made("blocks").a.images
    assert torch.equal(blocks[:, :, ::4, ::4], low)
    assert torch.equal(blocks[:, :, 3::4, 3::4], low)
    assert all(made(kind).paired and made(kind).a.labels is SET.labels for kind in MADE)


def test_inks_are_of_the_palette_and_of_the_seed():
    coloured = made("colours").b.images
    white = make_domains(SET._replace(images=torch.full_like(DRAWN, 255)), "colours").b.images
    inks = {tuple(ink) for ink in white[:, :, 0, 0].tolist()}
    assert inks <= set(PALETTE)
    assert len(inks) > 1
    assert torch.equal(coloured, made("colours").b.images)
    assert not torch.equal(coloured, make_domains(SET, "colours", 1).b.images)


def write(folder, name, value, size=(16, 16)):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(folder / name)


def test_pairs_of_folders_are_found_by_name(tmp_path):
    for i in range(3):
        write(tmp_path / "a", f"{i}.png", i)
        write(tmp_path / "b", f"{i}.{'bmp' if i == 0 else 'png'}", 100 + i)
    write(tmp_path / "b", "0-more.png", 7)
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    with pytest.raises(UserError, match=r"1 pictures have no partner.*--a .*: 0-more"):
        read_two(a, b, Reading(), paired=True)
    unpaired = read_two(a, b, Reading(), paired=False)["train"]
    assert (len(unpaired.a.images), len(unpaired.b.images)) == (3, 4)
    assert not unpaired.paired
    (tmp_path / "b" / "0-more.png").unlink()
    pairs = read_two(a, b, Reading(), paired=True)["train"]
    assert pairs.a.images[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert pairs.b.images[:, 0, 0, 0].tolist() == [100, 101, 102]


def test_pictures_side_by_side_are_cut_in_half(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        both = np.zeros((16, 32), np.uint8)
        both[:, 16:] = 200
        Image.fromarray(both).save(tmp_path / split / "1.png")
    found = read_pairs(str(tmp_path), Reading("--pairs"))
    assert set(found) == {"train", "test"}
    assert found["test"].paired
    assert found["train"].a.images.unique().tolist() == [0]
    assert found["train"].b.images.unique().tolist() == [200]
    write(tmp_path / "train", "2.png", 0, (31, 16))
    with pytest.raises(UserError, match="31 pixels wide"):
        read_pairs(str(tmp_path), Reading("--pairs"))
    write(tmp_path / "train", "2.png", 0, (64, 32))
    with pytest.raises(UserError, match="mixes sizes; give --size"):
        read_pairs(str(tmp_path), Reading("--pairs"))
    Image.new("RGB", (32, 16)).save(tmp_path / "train" / "2.png")
    with pytest.raises(UserError, match="mixes grey and coloured"):
        read_pairs(str(tmp_path), Reading("--pairs"))
    mixed = read_pairs(str(tmp_path), Reading("--pairs", channels=3))["train"]
    assert mixed.a.images.shape == (2, 3, 16, 16)


def test_arrays_hold_pairs_by_row(tmp_path):
    x = DRAWN.numpy()
    file = tmp_path / "pairs.npz"
    np.savez(file, a=x, b=255 - x, labels=np.array([3, 1, 3, 1, 1]))
    found = read_pairs(str(file), Reading("--pairs"))["train"]
    assert torch.equal(found.a.images, 255 - found.b.images)
    assert found.b.names == ["1", "3"]
    np.savez(file, a=x, b=x[:3])
    with pytest.raises(UserError, match="5 pictures in `a` and 3 in `b`"):
        read_pairs(str(file), Reading("--pairs"))
    np.savez(file, a=x)
    with pytest.raises(UserError, match="no arrays `a` and `b`; it holds a"):
        read_pairs(str(file), Reading("--pairs"))
    one, other = tmp_path / "a.npy", tmp_path / "b.npy"
    np.save(one, x)
    np.save(other, x[:4])
    with pytest.raises(UserError, match=r"holds 5 pictures and .* 4, and this paper learns from"):
        read_two(str(one), str(other), Reading(), paired=True)


def test_what_is_missing_or_empty_is_said(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "b", "1.png", 0)
    with pytest.raises(UserError, match="holds no pictures"):
        read_two(str(tmp_path / "a"), str(tmp_path / "b"), Reading(), paired=False)
    with pytest.raises(UserError, match="no such file"):
        read_pairs(str(tmp_path / "c"), Reading("--pairs"))
    write(tmp_path / "k" / "a", "ant/1.png", 0)
    write(tmp_path / "k" / "a", "bee/1.png", 0)
    write(tmp_path / "k" / "b", "ant/1.png", 0)
    write(tmp_path / "k" / "b", "cat/1.png", 0)
    with pytest.raises(UserError, match="classes cat, which the training set has not"):
        read_two(str(tmp_path / "k" / "a"), str(tmp_path / "k" / "b"), Reading(), paired=False)
