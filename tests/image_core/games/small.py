"""A small image game, its images and its rounds."""

from functools import partial

import torch

from image_core.adversarial.engine import Engine
from image_core.games import PlainGAN
from image_core.nets import dcgan

adam = partial(torch.optim.Adam, lr=1e-3)


def small(norm="none", **options):
    torch.manual_seed(0)
    G, D = dcgan(16, 1, 4, width=0.05, norm=norm)
    return PlainGAN(G, D, 4, batch=6, **options)


def images(count=6, size=16):
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1


def play(game, rounds=2):
    engine = Engine(game, {"G": adam, "D": adam})
    data = images()
    return engine, list(engine.rounds(lambda index: data, rounds))
