"""Two processes of one module of tests: each told its rank, or as a launcher starts them."""

from importlib import import_module

import torch
from accelerate.state import AcceleratorState

from tests.forked import forked


def play(module, folder, seconds):
    """What the module's `main` of (rank, folder) left in RANK.pt, in rank order."""
    told, work = [folder / f"{rank}.err" for rank in range(2)], import_module(module).main
    processes = [forked(work, rank, folder, told=told[rank]) for rank in range(2)]
    try:
        for process in processes:
            process.join(seconds)
    finally:
        for process in processes:
            process.kill()
    said = "\n".join(file.read_text() for file in told)
    assert [process.exitcode for process in processes] == [0, 0], said
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def launch(work, folder, seconds):
    """Start a function of a folder twice, with the agent behind torchrun and accelerate launch."""
    told = folder / "launch.err"
    agent = forked(_agent, work, folder, told=told)
    agent.join(seconds)
    agent.kill()
    assert agent.exitcode == 0, told.read_text()[-3000:]


def _agent(work, folder):
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    place = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "local_addr": "localhost"}
    config = LaunchConfig(1, 1, 2, **place, run_id=folder.name, start_method="fork", max_restarts=0)
    elastic_launch(config, _unprepared)(work, folder)


def _unprepared(work, folder):
    """What this process knows of accelerate's is of another number of processes."""
    AcceleratorState._reset_state(reset_partial_state=True)
    work(folder)
