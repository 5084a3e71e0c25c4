import os

import pytest
import torch

# Processes that tests start compute as this one does: with two threads sums end differently.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _seed_and_one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)
