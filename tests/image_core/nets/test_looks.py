"""Looks of objects: means by hand, centres of clusters, draws of the right class."""

import torch
from torch import nn

from image_core.nets.looks import ObjectLooks, first_pixels, k_means, object_means

OBJECTS = torch.tensor([[[0, 0, 7], [7, 7, 0]], [[3, 3, 3], [3, 3, 9]]])


def test_means_are_those_of_each_object_of_each_picture():
    maps = torch.randn(2, 4, 2, 3, generator=torch.Generator().manual_seed(0))
    found = object_means(maps, OBJECTS)
    for n in range(2):
        for number in OBJECTS[n].unique():
            inside = OBJECTS[n] == number
            expected = maps[n][:, inside].mean(1, keepdim=True)
            assert torch.allclose(found[n][:, inside], expected, atol=1e-6)
            assert found[n][:, inside].var(1, correction=0).max() < 1e-10
    assert torch.allclose(object_means(found, OBJECTS), found, atol=1e-6)


def test_an_object_is_found_once_where_it_begins():
    assert first_pixels(OBJECTS).nonzero().tolist() == [[0, 0, 0], [0, 0, 2], [1, 0, 0], [1, 1, 2]]


def test_centres_of_clusters_that_are_apart_are_their_means():
    draw = torch.Generator().manual_seed(1)
    corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    points = (corners[:, None] + torch.rand(3, 20, 2, generator=draw)).flatten(0, 1)
    found = k_means(points[torch.randperm(60, generator=draw)], 3)
    expected = points.view(3, 20, 2).mean(1)
    assert torch.allclose(found[torch.cdist(expected, found).argmin(1)], expected, atol=1e-5)
    assert len(found) == 3
    assert len(k_means(corners.repeat(4, 1), 10)) == 3  # no more than there are different ones
    assert len(k_means(corners[:0], 10)) == 0


def test_looks_are_drawn_of_their_own_class_alone():
    looks = ObjectLooks(nn.Identity(), 2, classes=3, centres=4)
    assert looks.drawn(OBJECTS * 0, OBJECTS).abs().sum() == 0  # none is known yet
    classes = torch.where(OBJECTS == 7, 1, 0)
    images = torch.stack([classes * 5.0 + 1, OBJECTS.float()], 1)
    looks.remember(looks(images, OBJECTS), classes, OBJECTS)
    assert looks.known.tolist() == [3, 1, 0]  # the ground and two objects; one; none
    torch.manual_seed(0)
    seen = set()
    for _ in range(30):
        drawn = looks.drawn(classes, OBJECTS)
        assert torch.equal(object_means(drawn, OBJECTS), drawn)
        assert torch.equal(drawn[0][:, OBJECTS[0] == 7], torch.tensor([[6.0], [7.0]]).expand(2, 3))
        seen.add(tuple(drawn[1, :, 0, 0].tolist()))
    assert seen == {(1.0, 0.0), (1.0, 3.0), (1.0, 9.0)}
    looks.remember(looks(images, OBJECTS), classes * 0 + 2, OBJECTS)
    assert looks.known.tolist() == [0, 0, 4]
    assert looks.centres[:2].abs().sum() == 0
