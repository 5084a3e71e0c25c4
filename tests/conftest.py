import gc
import os
from pathlib import Path

import jaxtyping
import pytest
import torch

from tests.typecheck import checked

# No test cuts the power, and else what is written is read again without it: 9 ms a file
os.fsync = lambda descriptor: None
# What is imported stays: it is not looked through while more of it comes, nor afterwards
gc.disable()
# Found by the import hook of --jaxtyping-packages, before the first module of ours is imported
jaxtyping.jaxtyped = lambda *, typechecker: checked

# Processes that tests start compute as this one does: with two threads sums end differently.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _seed_and_one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)


DOT = (
    "89504e470d0a1a0a0000000d4948445200000001000000010100000000376ef924"
    "0000000a4944415478016360000000020001737501180000000049454e44ae426082"
)
EMPTY = {"png": bytes.fromhex(DOT), "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>'}


@pytest.fixture(autouse=True)
def _figures_unpainted(request, monkeypatch):
    """A tiny run's figures are made, and written as one dot: to paint them takes most of its time.

    Those of runs that a module shares are painted, and those of tests marked `pictures`.
    """
    if not request.node.get_closest_marker("pictures"):
        from matplotlib.figure import Figure

        def savefig(self, target, *, format=None, **options):
            if isinstance(target, str | Path):
                Path(target).write_bytes(EMPTY[format or Path(target).suffix[1:]])
            else:
                target.write(EMPTY[format])

        monkeypatch.setattr(Figure, "savefig", savefig)


def pytest_collection_modifyitems(items):
    """Files with slow tests first, so that no worker is left with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def pytest_make_parametrize_id(val, argname):
    """Bytes get their argument's name: gzip's hold the time, and all workers must collect alike."""
    return argname if isinstance(val, bytes) else None
