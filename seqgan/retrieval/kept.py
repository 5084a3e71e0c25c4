"""A run's own copy of its pairs, so that it recommends without the files it learned from."""

import json
from pathlib import Path

import numpy as np
import torch

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from seqgan.data.errors import reason
from seqgan.retrieval.interactions import Interactions
from seqgan.retrieval.ragged import Ragged

NAME = "pairs.npz"
PARTS = ("train", "fit", "valid", "test")


def keep(data: Interactions, folder: Path) -> None:
    """Write names and pairs to a run's folder; among several processes only the first writes.

    Args:
        data: Relevant pairs.
        folder: Folder of the run.
    """
    if not parallel.first():
        return
    arrays = {name: _bytes(names) for name, names in (("users", data.users), ("items", data.items))}
    parts = (data.train, data.fit, data.valid, data.test)
    for name, pairs in zip(PARTS, parts, strict=True):
        arrays[f"{name}_offsets"] = pairs.offsets.numpy()
        arrays[f"{name}_values"] = pairs.values.numpy()
    unfinished = folder / "pairs.tmp.npz"
    np.savez_compressed(unfinished, allow_pickle=False, **arrays)
    unfinished.replace(folder / NAME)


def kept(folder: Path) -> Interactions | None:
    """The pairs of a run's folder; None where there are none.

    Args:
        folder: Folder of the run.

    Raises:
        UserError: The file cannot be read.
    """
    file = folder / NAME
    if not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as found:
            users, items = (json.loads(found[name].tobytes()) for name in ("users", "items"))
            train, fit, valid, test = (
                Ragged(
                    torch.from_numpy(found[f"{name}_offsets"]),
                    torch.from_numpy(found[f"{name}_values"]),
                )
                for name in PARTS
            )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{file} cannot be read ({reason(error)}); remove it, and the run's own data are read"
        ) from error
    return Interactions(users=users, items=items, train=train, fit=fit, valid=valid, test=test)


def _bytes(names: list[str]) -> np.ndarray:
    return np.frombuffer(json.dumps(names).encode(), dtype=np.uint8)
