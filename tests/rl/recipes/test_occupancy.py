"""Where policies have been: shares of cells, their distance from the expert's, the picture."""

import numpy as np
import pytest

from rl.demos import Trajectory
from rl.recipes.occupancy import draw_occupancy, occupancy_of


def episode(states):
    obs = np.array(states, np.float32)
    return Trajectory(obs, np.zeros(len(obs)), obs[-1], False, np.zeros(len(obs)))


def corner(x, y, times):
    return [[x, y]] * times


def test_shares_and_distances_by_hand():
    """The expert is in three corners at 1/2, 1/4, 1/4; the policy in one of these and elsewhere."""
    found = occupancy_of(
        {
            "expert": [
                episode(corner(0, 0, 2)),
                episode(corner(2, 0, 1) + corner(0, 4, 1)),
            ],
            "same": [episode(corner(0, 0, 4) + corner(2, 0, 2) + corner(0, 4, 2))],
            "policy": [episode(corner(0, 0, 1) + corner(2, 4, 3))],
            "elsewhere": [episode(corner(1, 1, 3))],
        }
    )
    expert = found.shares["expert"]
    assert [expert[0, 0], expert[-1, 0], expert[0, -1]] == [0.5, 0.25, 0.25]
    assert all(share.sum() == pytest.approx(1) for share in found.shares.values())
    # |1/2 - 1/4| + 1/4 + 1/4 + 3/4, halved
    assert found.distances() == {"same": 0, "policy": 0.75, "elsewhere": 1}


def test_only_two_numbers_are_drawn():
    three = [episode([[0, 0, 0], [1, 1, 1]])]
    assert occupancy_of({"expert": three, "policy": three}) is None
    still = [episode(corner(1, 1, 2))]
    assert occupancy_of({"expert": still, "policy": still}).distances() == {"policy": 0}


def test_the_picture_has_a_panel_each_on_one_scale_and_the_right_way_up():
    """Observations lie along x and y; what nobody visited is masked."""
    states = {"expert": [episode(corner(0, 0, 1) + corner(1, 5, 3))], "policy": [episode([[1, 0]])]}
    figure = draw_occupancy(occupancy_of(states))
    first, second, colours = figure.axes
    image = first.images[0]
    assert image.get_extent() == [0, 1, 0, 5]
    drawn = image.get_array()
    assert (drawn[0, 0], drawn[-1, -1]) == (0.25, 0.75)
    assert drawn.mask[0, -1]
    assert drawn.mask[-1, 0]
    assert second.images[0].norm is image.norm
    assert "1.00 from the expert" in second.get_title()
    assert colours.get_ylabel() == "share of the states"
