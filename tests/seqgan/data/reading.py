"""Files to read, and what of them was read."""

import gzip
import json
from pathlib import Path

import pytest

from image_core.adversarial.errors import UserError
from seqgan.data import Texts, read_texts


def write(path: Path, content: bytes) -> str:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def json_lines(*rows: object) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def parquet(path: Path, **columns: list) -> str:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return str(path)


def found(texts: Texts) -> tuple:
    return list(texts.lines), list(texts.numbers), texts.dropped


def sentence_of(source: str, *args: str) -> str:
    with pytest.raises(UserError) as caught:
        read_texts(source, *args)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence
