"""Two processes of one module of tests, each told its rank and a folder to write RANK.pt in."""

from importlib import import_module

import torch

from tests.forked import forked


def play(module, folder, seconds):
    """What both wrote, in rank order; an error of either is shown."""
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
