"""PSNR, SSIM and sharpness against closed forms and loops."""

import math

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.metrics.paired import psnr, sharpness, ssim


def test_psnr_of_a_known_error():
    true = torch.zeros(2, 1, 4, 4)
    made = true.clone()
    made[0] += 0.2
    assert psnr(made, true).tolist() == pytest.approx([10 * math.log10(4 / 0.04), 100.0])


@pytest.mark.parametrize("side", [7, 13])
def test_ssim_is_that_of_windows_written_out(side):
    draw = np.random.default_rng(0)
    true = draw.uniform(-1, 1, (2, 3, side, side))
    made = np.clip(true + 0.3 * draw.normal(size=true.shape), -1, 1)
    n = min(11, side)
    bell = np.exp(-((np.arange(n) - (n - 1) / 2) ** 2) / (2 * 1.5**2))
    w = np.outer(bell, bell) / np.outer(bell, bell).sum()
    expected = []
    for one, other in zip(made, true):
        found = []
        for x, y in zip(one, other):
            for i in range(side - n + 1):
                for j in range(side - n + 1):
                    p, q = x[i : i + n, j : j + n], y[i : i + n, j : j + n]
                    mp, mq = (w * p).sum(), (w * q).sum()
                    cov = (w * (p - mp) * (q - mq)).sum()
                    spread = (w * (p - mp) ** 2).sum() + (w * (q - mq) ** 2).sum()
                    means = (2 * mp * mq + 0.02**2) / (mp**2 + mq**2 + 0.02**2)
                    found.append(means * (2 * cov + 0.06**2) / (spread + 0.06**2))
        expected.append(np.mean(found))
    made, true = (torch.tensor(x, dtype=torch.float32) for x in (made, true))
    assert ssim(made, true).tolist() == pytest.approx(expected, abs=1e-5)
    assert ssim(true, true).tolist() == pytest.approx([1.0] * 2)


def test_blur_lowers_sharpness():
    images = torch.tensor([[[[1.0, -1.0, 1.0]]], [[[0.0, 0.0, 0.5]]]])
    assert sharpness(images).tolist() == [8.0, 0.25]


def test_other_shapes_are_refused():
    with pytest.raises(UserError, match="one form"):
        psnr(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 8, 8))
