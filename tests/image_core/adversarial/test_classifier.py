"""One player that tells classes apart: its loss by hand, and that it learns."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial.classifier import ClassifierGame, class_loss
from image_core.adversarial.engine import Engine


def test_the_loss_by_hand():
    even = class_loss(torch.zeros(4, 3), torch.tensor([0, 1, 2, 2]))
    assert float(even) == pytest.approx(math.log(3))
    sure = class_loss(torch.tensor([2.0, -1.0]), torch.tensor([1, 1]))
    assert float(sure) == pytest.approx((math.log1p(math.exp(-2)) + math.log1p(math.e)) / 2)


def test_one_logit_is_two_logits_of_which_the_first_is_0():
    logit, classes = torch.randn(9), torch.randint(2, (9,))
    both = torch.stack([torch.zeros(9), logit], 1)
    torch.testing.assert_close(class_loss(logit, classes), class_loss(both, classes))


@pytest.mark.parametrize("C", [nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))])
def test_it_learns_which_half_of_the_plane_a_point_lies_in(C):
    def data(index):
        x = torch.randn(64, 2, generator=torch.Generator().manual_seed(index))
        return {"x": x, "y": (x.sum(1) > 0).long()}

    game = ClassifierGame(C.eval())
    engine = Engine(game, {"C": lambda weights: torch.optim.Adam(weights, lr=0.1)})
    engine.run(data, 100)
    assert C.training
    batch = data(1000)
    assert class_loss(C(batch["x"]), batch["y"]).item() < 0.2
