import gzip
import json
import os
import socket
from pathlib import Path

import pytest

from image_core.adversarial.errors import UserError
from seqgan.data import read_texts
from tests.seqgan.data.reading import found, json_lines, parquet, sentence_of, write

LINES = ["one two", "three\u2028four", "fi\x85ve\x0bsix", "seven\x1cei\x0cght", "last"]


@pytest.mark.parametrize(
    "name", ["a.txt", "a.txt.gz", "a.TXT.GZ", "a", "a.log", "[a]*?.txt", "a::b c.txt"]
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_plain_text_splits_at_line_ends_only(tmp_path, name, ending):
    path = tmp_path / name
    content = ending.join(LINES).encode()
    path.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
    assert read_texts(str(path)).lines == LINES


def test_blank_lines_are_dropped_and_counted_and_the_rest_keep_their_numbers(tmp_path):
    texts = read_texts(write(tmp_path / "a.txt", b"\n a \n\n \t \nb\n\n"))
    assert found(texts) == ([" a ", "b"], [2, 5], 4)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_byte_order_mark_is_no_text(tmp_path, name):
    assert read_texts(write(tmp_path / name, b"\xef\xbb\xbfone\ntwo\n")).lines == ["one", "two"]


TABLE = [
    {"id": 1, "t": "a, b"},
    {"id": 2, "t": "NA"},
    {"id": 3, "t": ""},
    {"id": 4, "t": "x\u2028y"},
]
CSV = 'id,t\n1,"a, b"\n2,NA\n3,\n4,x\u2028y\n'.encode()
TABLES = {
    "a.jsonl": json_lines(*TABLE),
    "a.ndjson": json_lines(*TABLE),
    "a.json": json.dumps(TABLE, indent=1).encode(),
    "a.csv": CSV,
    "a.tsv": "id\tt\n1\ta, b\n2\tNA\n3\t\n4\tx\u2028y\n".encode(),
}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path, name, packed, mark):
    texts = read_texts(write(tmp_path / (name + packed), mark + TABLES[name]), "t")
    assert found(texts) == (["a, b", "NA", "x\u2028y"], [1, 2, 4], 1)


@pytest.mark.parametrize("packed", [False, True])
def test_parquet(tmp_path, packed):
    source = parquet(tmp_path / "a.parquet", t=["a", None, "b"], i=[1, 2, 3])
    if packed:
        source = write(tmp_path / "b.parquet.gz", Path(source).read_bytes())
    assert found(read_texts(source, "t")) == (["a", "b"], [1, 3], 1)


def test_a_json_list_of_strings_has_the_field_text(tmp_path):
    assert read_texts(write(tmp_path / "a.json", b'["a", "b"]'), "text").lines == ["a", "b"]


def test_a_line_break_inside_a_table_becomes_a_blank(tmp_path):
    assert read_texts(write(tmp_path / "a.jsonl", json_lines({"t": "a\r\nb\nc"})), "t").lines == [
        "a b c"
    ]
    assert read_texts(write(tmp_path / "a.csv", b't\n"a\nb"\n'), "t").lines == ["a b"]


def test_a_missing_json_value_is_a_blank(tmp_path):
    source = write(tmp_path / "a.jsonl", json_lines({"t": "a"}, {"u": "b"}, {"t": None}))
    assert found(read_texts(source, "t")) == (["a"], [1], 2)


def test_another_csv_column_may_change_its_type_half_way(tmp_path):
    rows = b"id,t\n" + b"1,a\n" * 10_001 + b"x,b\n"
    assert read_texts(write(tmp_path / "a.csv", rows), "t").lines[-2:] == ["a", "b"]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl", "a.csv.gz"])
def test_a_rewritten_file_is_read_anew(tmp_path, name):
    def content(word: str) -> bytes:
        return json_lines({"t": word}) if "json" in name else f"t\n{word}\n".encode()

    field = () if "txt" in name else ("t",)
    source = write(tmp_path / name, content("old"))
    os.utime(source, (1e9, 1e9))
    assert read_texts(source, *field).lines[-1] == "old"
    write(tmp_path / name, content("new"))
    os.utime(source, (1e9, 1e9))
    assert read_texts(source, *field).lines[-1] == "new"


def test_a_local_read_leaves_nothing_behind_and_speaks_to_nobody(tmp_path, monkeypatch, capfd):
    import datasets

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    calls: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *args: calls.append(args))
    source = write(tmp_path / "a.csv", CSV)
    read_texts(source, "t")
    sentence_of(source, "nope")
    sentence_of(write(tmp_path / "bad.jsonl", b'{"t": \n'), "t")
    assert not calls
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "bad.jsonl", "temporary"]
    assert not list((tmp_path / "temporary").iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name", ["none.txt", "none.jsonl", "deep/er/none", "./none", "none.txt.gz", "a b"]
)
def test_missing_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert f"there is no file {name};" in sentence_of(name)


def test_a_folder_is_no_file(tmp_path):
    assert f"{tmp_path} is a folder; name a file" in sentence_of(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_before_it_blocks(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "pipe is not a regular file" in sentence_of(str(tmp_path / "pipe"))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything"
)
def test_an_unreadable_file_is_named(tmp_path):
    source = write(tmp_path / "a.txt", b"a\n")
    os.chmod(source, 0)
    assert f"{source} cannot be read: Permission denied" in sentence_of(source)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl", "a.csv", "a.parquet"])
def test_an_empty_file(tmp_path, name):
    field = () if "txt" in name else ("t",)
    assert f"{tmp_path / name} is empty;" in sentence_of(write(tmp_path / name, b""), *field)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"\n \n\t\n"),
        ("a.txt", b"\xef\xbb\xbf"),
        ("a.jsonl", json_lines({"t": ""}, {"t": None})),
        ("a.jsonl", b"\n\n"),
        ("a.json", b"[]"),
        ("a.csv", b"id,t\n"),
        ("a.csv", b"id,t\n1,\n2,  \n"),
    ],
)
def test_a_file_of_blanks(tmp_path, name, content):
    source = write(tmp_path / name, content)
    assert f"{source} holds no text" in sentence_of(source, *(() if "txt" in name else ("t",)))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # `datasets` leaves
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the file it failed on to the collector
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"ok\nfine\nna\xefve\n"),
        ("a.txt.gz", b"ok\nfine\nna\xefve\n"),
        ("a.csv", b"t\nfine\nna\xefve\n"),
        ("a.jsonl", b'{"t": "ok"}\n{"t": "fine"}\n{"t": "na\xefve"}\n'),
    ],
)
def test_not_utf8_names_the_line(tmp_path, name, content):
    source = write(tmp_path / name, content)
    field = () if "txt" in name else ("t",)
    assert f"{source} is not UTF-8: see line 3;" in sentence_of(source, *field)


@pytest.mark.parametrize("damage", ["cut", "rot", "plain"])
def test_a_broken_gzip(tmp_path, damage):
    packed = bytearray(gzip.compress(b"some words\n" * 1000))
    if damage == "cut":
        packed = packed[: len(packed) // 2]
    elif damage == "rot":
        packed[len(packed) // 2] ^= 0xFF
    else:
        packed = bytearray(b"not packed at all\n")
    path = tmp_path / "a.txt.gz"
    path.write_bytes(packed)
    assert f"{path} is not a whole gzip file" in sentence_of(str(path))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # `datasets` leaves
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the file it failed on to the collector
@pytest.mark.parametrize(
    ("name", "content", "clue"),
    [
        ("a.jsonl", b'{"t": "a"}\n{"t": \n', "as JSON lines (Expecting value"),
        ("a.json", b"hello", "as JSON (Expecting value"),
        (
            "a.csv",
            b"id,t\n1,a\n2,b,c\n",
            "as CSV (it has 3 fields and the header 2; quote fields",
        ),
        ("a.csv", b't\n"a\nb\n', "as CSV (unexpected end of data"),
        ("a.csv", b"t\nhello, world\n", "as CSV (it has 2 fields and the header 1"),
        ("a.parquet", b"PAR1 nonsense", "as parquet (Parquet magic bytes not found"),
    ],
)
def test_a_corrupt_table(tmp_path, name, content, clue):
    source = write(tmp_path / name, content)
    assert f"{source} cannot be read {clue}" in sentence_of(source, "t")


def test_a_cut_parquet(tmp_path):
    source = parquet(tmp_path / "a.parquet", t=["a"] * 1000)
    content = Path(source).read_bytes()
    Path(source).write_bytes(content[: len(content) // 2])
    assert f"{source} cannot be read as parquet" in sentence_of(source, "t")


def test_the_field_of_a_table(tmp_path):
    source = parquet(tmp_path / "a.parquet", t=["a"], i=[1], u=["b"], n=[["c"]])
    assert f"{source} is a table; name its text with --field, one of t, u, n" in sentence_of(source)
    assert f"{source} has no field 'v'; --field may be t, u, n" in sentence_of(source, "v")
    assert (
        f"field 'i' of {source} holds numbers, not text (record 1); --field may be t, u, n"
        in sentence_of(source, "i")
    )
    assert read_texts(source, "n").lines == ["c"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_numbers_are_no_text(tmp_path, name):
    content = b"id,t\n1,a\n" if name == "a.csv" else json_lines({"id": 1, "t": "a"})
    source = write(tmp_path / name, content)
    assert (
        f"field 'id' of {source} holds numbers, not text (record 1); --field may be t"
        in sentence_of(source, "id")
    )


def test_plain_text_has_no_field(tmp_path):
    source = write(tmp_path / "a.txt", b"a\n")
    assert f"{source} is plain text and has no field 't'; leave --field away" in sentence_of(
        source, "t"
    )


def test_a_file_has_no_split(tmp_path):
    source = write(tmp_path / "a.txt", b"a\n")
    with pytest.raises(UserError, match="is a file and has no split 'test'; leave --split away"):
        read_texts(source, split="test")
