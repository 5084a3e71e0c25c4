"""A checkpoint is a folder that appears whole or not at all, and is checked before it is believed.

It is written beside its place, synced, and renamed; the previous one stays until then. Weights are
safetensors; the optimizers' torch files are read with `weights_only=True`, so no pickle is ever
run. `state.json` is written last and holds the size and CRC-32 of every other file.
"""

import io
import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import any_sharded, held, load_weights, twins

FORMAT = 1


@contextmanager
def writing(folder: str | Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends without an error.

    Raises:
        UserError: the disk is full, or the place cannot be written.
    """
    folder = Path(folder)
    temporary, previous = _beside(folder, "tmp"), _beside(folder, "old")
    ours = (folder / "state.json").exists() or (folder.is_dir() and not any(folder.iterdir()))
    if folder.exists() and not ours:
        raise UserError(f"{folder} holds something else than a checkpoint; name another folder")
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
            "free some space or choose another --out"
        ) from error


def place(folder: str | Path) -> Path:
    """The complete checkpoint at `folder`: itself, or its predecessor where a save was cut.

    Raises:
        UserError: there is none.
    """
    for candidate in _candidates(folder):
        if (candidate / "state.json").is_file():
            return candidate
    raise UserError(
        f"no checkpoint in {folder}: state.json is missing; name a run that has saved one"
    )


def has_checkpoint(folder: str | Path) -> bool:
    """Whether anything has been saved at `folder`, sound or not."""
    return any(candidate.exists() for candidate in _candidates(folder))


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write `state.json`, with the size and CRC-32 of every file already in the folder."""
    files = {f.name: _fingerprint(f) for f in sorted(folder.iterdir())}
    content = {"format": FORMAT, "files": files, **state}
    text = json.dumps({**content, "crc": _crc(content)}, indent=1)
    (folder / "state.json").write_text(text, encoding="utf-8")


def read_state(folder: Path) -> dict[str, Any]:
    """Read `state.json` after checking every file it lists.

    Raises:
        UserError: a file is missing, truncated, corrupt, or of a newer format.
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
        raise UserError(f"{folder / 'state.json'} is of format {state['format']}, not {FORMAT}")
    for name, expected in files.items():
        file = folder / name
        if not file.is_file():
            raise UserError(f"{file} is missing; resume from another checkpoint")
        if _fingerprint(file) != expected:
            raise UserError(f"{file} is corrupt or truncated; resume from another checkpoint")
    return state


def save_module(module: nn.Module, file: Path) -> None:
    """Weights and buffers as safetensors; tensors shared by two modules are stored once."""
    save_model(module, str(file))


def check_module(module: nn.Module, file: Path) -> None:
    """See whether `load_module` would fill a module, and change nothing.

    Raises:
        UserError: The file is not there, corrupt, or made for another architecture.
    """
    try:
        with safe_open(str(file), "pt") as content:
            saved = {name: content.get_slice(name).get_shape() for name in content.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file} cannot be read: {_reason(error)}") from error
    for what, names in _differences(module, saved).items():
        if names:
            raise UserError(
                f"{file} does not fit this game ({what}: {', '.join(sorted(names)[:5])}); use the "
                "options it was made with"
            )


def _differences(module: nn.Module, saved: Mapping[str, list[int]]) -> dict[str, set[str]]:
    """Names that stand between a module and the shapes of a file, by what is wrong with them."""
    state = module.state_dict()
    places = {name: _place_in_memory(state[name]) for name in saved.keys() & state}
    # A tensor of two names is stored under one of them, a part of another one not at all
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


def load_module(module: nn.Module, file: Path) -> None:
    """Fill a module from `save_module`'s file, which `check_module` has found to fit.

    Raises:
        UserError: The file is not there, corrupt, or made for another architecture.
    """
    try:
        if any_sharded(module):
            load_weights(module, file)
        else:
            load_model(module, str(file), strict=True)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file} cannot be read: {_reason(error)}") from error
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise UserError(
            f"{file} does not fit this game ({detail}); use the options it was made with"
        ) from error


def save_tensors(value: Any, file: Path) -> None:
    """Optimizer and random-number states: tensors, numbers, strings in plain containers."""
    # Through memory: torch's own writer hides why the disk refused.
    buffer = io.BytesIO()
    torch.save(value, buffer)
    file.write_bytes(buffer.getbuffer())


def load_tensors(file: Path) -> Any:
    """Read `save_tensors`' file; nothing but tensors and plain values is ever built.

    Raises:
        UserError: the file is not there or corrupt.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for one cause
        raise UserError(f"{file} cannot be read: {_reason(error)}") from error


def _candidates(folder: str | Path) -> tuple[Path, Path]:
    return Path(folder), _beside(Path(folder), "old")


def _beside(folder: Path, suffix: str) -> Path:
    # Hidden: a visible name could be the user's own
    return folder.with_name(f".{folder.name}.{suffix}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__


def _crc(content: Mapping[str, Any]) -> int:
    # As it will be read: keys that are numbers come back as text.
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
