import os

import jaxtyping
import pytest
import torch

from tests.typecheck import checked

# Found by the import hook of --jaxtyping-packages, before the first module of ours is imported
jaxtyping.jaxtyped = lambda *, typechecker: checked

# Processes that tests start compute as this one does: with two threads sums end differently.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _seed_and_one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Files with slow tests first, so that no worker is left with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_make_parametrize_id(val, argname):
    """Bytes get their argument's name: gzip's hold the time, and all workers must collect alike."""
    return argname if isinstance(val, bytes) else None
