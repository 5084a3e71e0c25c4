"""Where the real data lie that some tests want; they are not part of the repository."""

import os
from pathlib import Path

import pytest


def data_folder(name: str) -> Path:
    """Find it in `SEQGAN_DATA` or beside the repository; without it the test is skipped."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SEQGAN_DATA") or default) / name
    if not folder.is_dir():
        pytest.skip(f"no real data: there is no folder {name!r} in SEQGAN_DATA or in shared/data")
    return folder
