"""A checkpoint is a folder that is written atomically and verified before it is loaded.

It is written to a temporary folder beside its destination, synced, and renamed; the previous
checkpoint is kept until then. Weights are stored as safetensors; the optimizers' torch files are
read with `weights_only=True`, so no pickle is ever executed. `state.json` is written last and holds
the size and CRC-32 of every other file.
"""

import io
import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_model
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import any_sharded, held, load_weights, twins

FORMAT = 1
TRIES = 100
"""Number of saves that may come between before a reader gives up."""
Result = TypeVar("Result")


@contextmanager
def writing(folder: str | Path) -> Iterator[Path]:
    """A temporary folder that replaces `folder` when the block ends without an error.

    Args:
        folder: Destination; must be new, empty or a checkpoint.

    Raises:
        UserError: The destination holds other files, the disk is full, or the folder is not
            writable.
    """
    folder = Path(folder)
    temporary, previous = _beside(folder, "tmp"), _beside(folder, "old")
    ours = (folder / "state.json").exists() or (folder.is_dir() and not any(folder.iterdir()))
    if folder.exists() and not ours:
        raise UserError(f"{folder} holds files that are not a checkpoint; name another folder")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.iterdir():
            _sync(file)
        _sync(temporary)
        if folder.exists():
            shutil.rmtree(previous, ignore_errors=True)
            folder.rename(previous)
        temporary.rename(folder)
        _sync(folder.parent)
        shutil.rmtree(previous, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(
            f"cannot write {folder}: {_reason(error)}; the previous checkpoint is untouched, "
            "free some space or choose another folder"
        ) from error


def tidy(folder: str | Path) -> None:
    """Remove what a save that was killed after it had replaced the checkpoint left beside it.

    Args:
        folder: Folder of the checkpoint; without one nothing is removed.
    """
    if (Path(folder) / "state.json").exists():
        for suffix in ("tmp", "old"):
            shutil.rmtree(_beside(Path(folder), suffix), ignore_errors=True)


def stable(folder: str | Path, read: Callable[[Path], Result]) -> Result:
    """What `read` makes of one complete checkpoint, even while another process saves.

    A save replaces the folder as a whole, and a folder's files never change. So whatever is read
    between two looks at one `state.json` belongs to one save; else it is read again.

    Args:
        folder: Folder of the checkpoint, or its predecessor if a save was interrupted.
        read: Function from the folder of the checkpoint to what is read; changes nothing.

    Raises:
        UserError: There is no checkpoint, it cannot be read, or it changes all the time.
    """
    for _ in range(TRIES):
        seen = _look(folder)
        try:
            found = read(seen[0])
        except (UserError, OSError, RuntimeError):  # safetensors raises all three
            if _look(folder) == seen:
                raise
        else:
            if _look(folder) == seen:
                return found
    raise UserError(f"{folder} is saved more often than it can be read; read it later")


def _look(folder: str | Path) -> tuple[Path, bytes]:
    # Twice: a save may move the folders between two looks
    for candidate in _candidates(folder) * 2:
        with suppress(OSError):
            return candidate, (candidate / "state.json").read_bytes()
    raise UserError(
        f"no checkpoint in {folder}: state.json is missing; name a run that has saved one"
    )


def has_checkpoint(folder: str | Path) -> bool:
    """Whether anything has been saved at `folder`, valid or not.

    Args:
        folder: Folder of the checkpoint.
    """
    return any(candidate.exists() for candidate in _candidates(folder) * 2)


def saved_processes(folder: str | Path) -> int:
    """Number of processes that have saved a checkpoint.

    Args:
        folder: Folder of the checkpoint.
    """
    return int(stable(folder, read_state)["processes"])


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write `state.json`, with the size and CRC-32 of every file already in the folder.

    Args:
        folder: Folder that holds all other files of the checkpoint.
        state: JSON values to store.

    Raises:
        UserError: The notes hold something else.
    """
    try:
        json.dumps(state)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"engine.notes hold what is no plain value ({error}); put in strings, numbers, lists "
            "and mappings, and make a tensor a buffer of the game"
        ) from error
    files = {f.name: _fingerprint(f) for f in sorted(folder.iterdir())}
    content = {"format": FORMAT, "files": files, **state}
    text = json.dumps({**content, "crc": _crc(content)}, indent=1)
    (folder / "state.json").write_text(text, encoding="utf-8")


def read_state(folder: Path) -> dict[str, Any]:
    """Read `state.json` after checking every file it lists.

    Args:
        folder: Folder of a complete checkpoint.

    Raises:
        UserError: A file is missing, truncated, corrupt, or of another format version.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        files, expected_crc = state["files"], state.pop("crc")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder / 'state.json'} is corrupt; resume from another checkpoint"
        ) from error
    if _crc(state) != expected_crc:
        raise UserError(f"{folder / 'state.json'} is corrupt; resume from another checkpoint")
    if state["format"] != FORMAT:
        raise UserError(f"{folder / 'state.json'} has format {state['format']}, not {FORMAT}")
    for name, expected in files.items():
        file = folder / name
        if not file.is_file():
            raise UserError(f"{file} is missing; resume from another checkpoint")
        if _fingerprint(file) != expected:
            raise UserError(f"{file} is corrupt or truncated; resume from another checkpoint")
    return state


def save_module(module: nn.Module, file: Path) -> None:
    """Write weights and buffers as safetensors; tensors shared by two modules are stored once.

    Args:
        module: Module to save.
        file: Destination file.
    """
    save_model(module, str(file))


def check_module(module: nn.Module, file: Path) -> None:
    """Check that a file holds the weights of a module.

    Args:
        module: Module to be filled.
        file: File written by `save_module`.

    Raises:
        UserError: The file is missing, corrupt, or was made for another architecture.
    """
    try:
        with safe_open(str(file), "pt") as content:
            saved = {name: content.get_slice(name).get_shape() for name in content.keys()}  # noqa: SIM118
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{file} cannot be read: {_reason(error)}") from error
    for what, names in _differences(module, saved).items():
        if names:
            raise UserError(
                f"{file} does not fit this game ({what}: {', '.join(sorted(names)[:5])}); use the "
                "options it was made with"
            )


def _differences(module: nn.Module, saved: Mapping[str, list[int]]) -> dict[str, set[str]]:
    """Names of tensors that differ between a module and a file, by the kind of mismatch."""
    state = module.state_dict()
    places = {name: _place_in_memory(state[name]) for name in saved.keys() & state}
    # A tensor with two names is stored under one of them; a view into another tensor is not stored
    missing = {
        name
        for name in state.keys() - saved.keys() - twins(module)
        if not any(_inside(_place_in_memory(state[name]), whole) for whole in places.values())
    }
    often = Counter(places.values())
    return {
        "missing": missing,
        "unknown": set(saved.keys() - state.keys()),
        "tied here": {
            n for n, (start, end) in places.items() if often[start, end] > 1 and start < end
        },
        "of another shape": {n for n in places if list(state[n].shape) != saved[n]},
    }


def _place_in_memory(tensor: Tensor) -> tuple[int, int]:
    start = held(tensor).data_ptr()
    return start, start + held(tensor).nbytes


def _inside(part: tuple[int, int], whole: tuple[int, int]) -> bool:
    return whole[0] <= part[0] < part[1] <= whole[1]


def read_module(module: nn.Module, file: Path) -> dict[str, Tensor]:
    """Weights of a file of `save_module`, checked to fit the module, which is not changed.

    Args:
        module: Module to be filled.
        file: File written by `save_module`.

    Raises:
        UserError: The file is missing, corrupt, or was made for another architecture.
    """
    check_module(module, file)
    try:
        return load_file(str(file))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{file} cannot be read: {_reason(error)}") from error


def fill_module(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights of `read_module` into the module.

    Args:
        module: Module to be filled.
        weights: Weights that fit it.
    """
    if any_sharded(module):
        load_weights(module, weights)
    else:
        # A tensor with two names is in the file under one of them, hence not strict
        module.load_state_dict(weights, strict=False)


def save_tensors(value: Any, file: Path) -> None:
    """Write optimizer and random-number states: tensors, numbers and strings in plain containers.

    Args:
        value: Containers of tensors and plain values.
        file: Destination file.
    """
    # Through memory: torch's own writer hides the cause of a failed write.
    buffer = io.BytesIO()
    torch.save(value, buffer)
    # Not a view of it: Python 3.12.1 dies in its garbage collector on one whose write has failed
    file.write_bytes(buffer.getvalue())


def load_tensors(file: Path) -> Any:
    """Read a file of `save_tensors`; only tensors and plain values are constructed.

    Args:
        file: File written by `save_tensors`.

    Raises:
        UserError: The file is missing or corrupt.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many exception types for one cause
        raise UserError(f"{file} cannot be read: {_reason(error)}") from error


def _candidates(folder: str | Path) -> tuple[Path, Path]:
    return Path(folder), _beside(Path(folder), "old")


def _beside(folder: Path, suffix: str) -> Path:
    # Hidden: a visible name could belong to the user
    return folder.with_name(f".{folder.name}.{suffix}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__


def _crc(content: Mapping[str, Any]) -> int:
    # As it will be read: JSON turns numeric keys into text.
    read = json.loads(json.dumps(content))
    return zlib.crc32(json.dumps(read, sort_keys=True).encode())


def _fingerprint(file: Path) -> list[int]:
    crc, size = 0, 0
    with file.open("rb") as stream:
        while block := stream.read(1 << 22):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return [size, crc]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
