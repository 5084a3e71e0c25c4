"""Inputs that readers of text misread: right values, or one sentence with a way out."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest

from image_core import packed
from image_core.adversarial.errors import UserError
from seqgan.data import read_texts, records


def pack_to(path: Path, content: bytes) -> None:
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    path.write_bytes(pack.get(path.suffix, bytes)(content))


def rows(*values: object) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def put(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


NESTED = rows({"id": 1, "meta": {"text": "a b"}}, {"id": 2, "meta": {"text": "c"}})
CHAT = rows({"turns": [{"said": "a b"}, {"said": "c"}]})
TOKENS = rows({"t": ["C#4|0.5", "<num>"]}, {"t": ["[SEP]"]})

WORDS = [("1-2", "au"), ("1", "a"), ("2", "le"), ("3", "nord"), ("3.1", "not written")]
LETTERS = [(str(i), letter) for i, letter in enumerate("abcd", 1)]
CONLLU = "\n".join(
    "# text = x\n" + "".join(f"{i}\t{word}" + "\t_" * 8 + "\n" for i, word in sentence)
    for sentence in (WORDS, LETTERS)
).encode()

READ: list[tuple[str, bytes, dict, list[str]]] = [
    # Line ends, marks, encodings
    ("a.txt", b"a\r\nb\r\n", {}, ["a", "b"]),
    ("a.txt", b"a\rb\r", {}, ["a", "b"]),
    ("a.txt", b"a\r\nb\nc\rd", {}, ["a", "b", "c", "d"]),
    ("a.txt", "a\u2028b\x85c\x0bd\x1ee\n".encode(), {}, ["a\u2028b\x85c\x0bd\x1ee"]),
    ("a.txt", b"\xef\xbb\xbfa\nb", {}, ["a", "b"]),
    ("a.txt", "\ufeffa\nb\u010d\n".encode("utf-16-le"), {}, ["a", "b\u010d"]),
    ("a.txt", "\ufeffa\nb\u010d\n".encode("utf-16-be"), {}, ["a", "b\u010d"]),
    ("a.txt", "a\u00a0b\n\u00a0\n\u3000\nc".encode(), {}, ["a\u00a0b", "c"]),
    (
        "a.txt",
        "e\u0301 \u00e9 \U0001f600\u200d\n".encode(),
        {},
        ["e\u0301 \u00e9 \U0001f600\u200d"],
    ),
    ("a.txt", b"\n\n a \n\t\n", {}, [" a "]),
    ("a.txt", b"a\tb\n", {}, ["a\tb"]),
    ("a.txt", b"NA\nNone\nnan\nnull\n", {}, ["NA", "None", "nan", "null"]),
    ("a.txt", b'"a", b\n{"t": 1}\n', {}, ['"a", b', '{"t": 1}']),
    ("a.txt", b"x" * 300_000 + b"\nb\n", {}, ["x" * 300_000, "b"]),
    ("no_ending", b"a\nb", {}, ["a", "b"]),
    # Packed, by name or by the first bytes
    ("a.txt.gz", b"a\nb\n", {}, ["a", "b"]),
    ("a.txt.bz2", b"a\nb\n", {}, ["a", "b"]),
    ("a.txt.xz", b"a\nb\n", {}, ["a", "b"]),
    ("a.txt", gzip.compress(b"a\nb\n"), {}, ["a", "b"]),
    ("a.txt.gz", gzip.compress(b"a\n") + gzip.compress(b"b\n"), {}, ["a", "b"]),
    ("a.csv.bz2", b"t\na\n", {}, ["a"]),
    # JSON
    ("a.jsonl", rows({"t": "a"}, {"t": None}, {"u": 1}, {"t": "b"}), {"field": "t"}, ["a", "b"]),
    ("a.jsonl", b'{"t": "a"}\n\n  \n{"t": "b"}', {}, ["a", "b"]),
    ("a.jsonl", b'{"t": "\\u0061\\n\\tb"}\n', {}, ["a \tb"]),
    ("a.jsonl", b'{"t": "\\ud83d\\ude00"}\n', {}, ["\U0001f600"]),
    ("a.jsonl", rows({"id": 7, "text": "a", "title": "b"}), {}, ["a"]),
    ("a.jsonl", NESTED, {"field": "meta.text"}, ["a b", "c"]),
    ("a.jsonl", NESTED, {}, ["a b", "c"]),
    ("a.jsonl", rows({"meta.text": "a", "meta": {"text": "b"}}), {"field": "meta.text"}, ["a"]),
    ("a.jsonl", CHAT, {"field": "turns.1.said"}, ["c"]),
    ("a.jsonl", TOKENS, {"field": "t"}, ["C#4|0.5 <num>", "[SEP]"]),
    ("a.jsonl", b'"a b"\n"c"\n', {}, ["a b", "c"]),
    ("a.json", b'["a", "b"]', {}, ["a", "b"]),
    ("a.json", b'{"data": [{"t": "a"}, {"t": "b"}], "version": 1}', {}, ["a", "b"]),
    ("a.json", b'{"t": "a"}\n{"t": "b"}\n', {}, ["a", "b"]),
    ("a.json", '[{"t": "a"}]'.encode("utf-16"), {}, ["a"]),
    ("a.json", b'[\n  {"t": "a"},\n  {"t": "b"}\n]\n', {}, ["a", "b"]),
    ("a.json", b'["a", "b"]\n["c"]\n', {}, ["a b", "c"]),
    ("a.json", b'{"text": ["a", "b"], "label": [0, 1]}', {}, ["a", "b"]),
    ("a.json", b'{"columns": ["y", "text"], "index": [0], "data": [[1, "a"]]}', {}, ["a"]),
    ("a.jsonl", b'{"text": "a"}\n{"text": NaN}\n{"text": "b"}\n', {}, ["a", "b"]),
    ("a.jsonl", b'{"text": "a"}\n\xef\xbb\xbf{"text": "b"}\n', {}, ["a", "b"]),
    ("a.jsonl", b'{"text": "a"},\r\n{"text": "b,"}\r\n', {}, ["a", "b,"]),
    ("a.jsonl", b'[\n{"text": "a"},\n{"text": "b"}\n]\n', {}, ["a", "b"]),
    ("a.jsonl", b'["a", "b"]\n["c"]\n', {}, ["a b", "c"]),
    ("a.txt", b'{"text": "a"},\n{"text": "b"},\n', {}, ["a", "b"]),
    ("a.txt", b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", {}, ["a", "b"]),
    ("a.txt", "a\nb\u010d\n".encode("utf-32"), {}, ["a", "b\u010d"]),
    ("a.csv", b"sep=;\ntext;y\na, b;1\n", {}, ["a, b"]),
    ("a.csv", b"text|y\na, b|1\n", {}, ["a, b"]),
    # CSV
    ("a.csv", b'id,t\n1,"a, ""b"""\n', {"field": "t"}, ['a, "b"']),
    ("a.csv", b'id,t\n1,"a\r\nb"\n2,c\n', {"field": "t"}, ["a b", "c"]),
    ("a.csv", b"id;t\n1;a, b\n", {"field": "t"}, ["a, b"]),
    ("a.csv", b"id\tt\n1\ta, b\n", {"field": "t"}, ["a, b"]),
    ("a.csv", b"\xef\xbb\xbft,id\na,1\n", {"field": "t"}, ["a"]),
    ("a.csv", b"id, t\n1,a\n2\n3,NA\n", {"field": "t"}, ["a", "NA"]),
    ("a.csv", b"t\r\na\r\n\r\nb\r\n", {}, ["a", "b"]),
    ("a.csv", b"t,u\n" + b"x" * 200_000 + b",1\n", {"field": "t"}, ["x" * 200_000]),
    ("a.tsv", b't\tu\n"a\tb"\tc\n', {"field": "t"}, ["a\tb"]),
    ("a.csv", b"text;y;;\na;1;;\nb;2;;\n", {}, ["a", "b"]),  # columns beyond the table
    ("a.csv", b"text,y\na,1,,\nb,2\n", {}, ["a", "b"]),
    ("a.csv", b"id;text;score\n1;a, b;3,5\n", {}, ["a, b"]),
    # Text between marks of its own, told by what it holds
    ("a.conllu", CONLLU, {}, ["au nord", "a b c d"]),
    ("a.txt", CONLLU, {}, ["au nord", "a b c d"]),
    (
        "a.txt",
        b"-DOCSTART- -X- O\n\nEU NNP B-ORG\nwins VBZ O\n. . O\n\na DT O\nb NN O\n",
        {},
        ["EU wins .", "a b"],
    ),
    ("a.txt", b"a O\nb O\nc O\nd O\ne O\n", {}, ["a O", "b O", "c O", "d O", "e O"]),
    ("a.txt", b"__label__x hi\n__label__x __label__y a b\n", {}, ["hi", "a b"]),
    ("a.txt", b"__label__x hi\n__label__y a\n", {"label_field": "label"}, ["hi", "a"]),
    ("a.txt", b"__label__ is a mark\nof fastText\n", {}, ["__label__ is a mark", "of fastText"]),
    ("a.fa", b">p\n" + b"MK" * 15 + b"\nTA\n>q\nMK\n", {}, [" ".join("MK" * 15 + "TA"), "M K"]),
    ("a.txt", b"> quoted\nmore\n", {}, ["> quoted", "more"]),
    ("a.yaml", b"- text: no\n  n: 1\n- text: 2020-01-02\n", {}, ["no", "2020-01-02"]),
    ("a.yml", b"- a b\n- c\n", {}, ["a b", "c"]),
    ("a.txt", rows({"text": "a"}, {"text": "b"}), {}, ["a", "b"]),
    ("a.nb", b'{\n "cells": [{"source": "a b"}],\n "n": 4}', {"field": "source"}, ["a b"]),
    ("a.txt", b'{"a"\n[1] b\n', {}, ['{"a"', "[1] b"]),
    # What pandas writes by default, and records by their names
    ("a.json", b'{"text": {"0": "a b", "1": "c"}, "n": {"0": 1, "1": 2}}', {}, ["a b", "c"]),
    ("a.json", b'{"x": {"text": "a b"}, "y": {"text": "c"}}', {}, ["a b", "c"]),
]


@pytest.mark.parametrize(("name", "content", "options", "lines"), READ)
def test_it_is_read_rightly(tmp_path, name, content, options, lines):
    path = tmp_path / name
    pack_to(path, content)
    if content.startswith(b"\x1f\x8b"):
        path.write_bytes(content)
    assert list(read_texts(str(path), **options).lines) == lines


REFUSED: list[tuple[str, bytes, dict, str]] = [
    ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhi\n", {}, "holds subtitles, whose numbers"),
    ("a.txt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n", {}, "save what is said alone"),
    ("a.arff", b"@relation x\n", {}, "an ARFF table; save it as CSV"),
    ("a.txt", b"<doc id='1' title='x'>\na\n</doc>\n", {}, "is a page or document of marks"),
    ("a.tmx", b"<tmx version='1.4'><body>", {}, "is a page or document of marks"),
    ("a.arrow", b"\xff\xff\xff\xff\x10\0", {}, "name the folder that save_to_disk wrote"),
    ("a.yaml", b"a: [1\n", {}, "a.yaml cannot be read as YAML .*; repair"),
    ("a.yaml", b"- &x [1]\n- *x\n", {}, "as YAML .it has aliases .*; write what they stand for"),
    ("a.conllu", CONLLU + b"\n1\t \t" + b"_\t" * 7 + b"_\n", {}, "line 14 of .* has no word"),
    ("a.txt", b"__label__x a\n" * 900 + b"b\n", {}, "line 901 of .* does not begin with __label"),
    ("a.jsonl", b'{\n"text": "a"\n}\n', {}, "write one record a line, for example by `jq -c .`"),
    ("a.txt", b"a\nna\xefve\n", {}, "is not UTF-8: see line 2; save it as UTF-8"),
    ("a.txt", b"\xff\xfea\0\n\0b", {}, "begins as UTF-16 and is none .*; save it anew as UTF-8"),
    ("a.csv", b"hello there\ngeneral kenobi\n", {}, "add such a line, or call the file .txt"),
    ("a.csv", b"1,hello world\n2,foo bar\n", {}, "add such a line, or call the file .txt"),
    ("a.csv", b"text,y\na,0\nb,\n", {"label_field": "y"}, "record 2 of .* has no label in"),
    ("a.jsonl", b'{"text": "a"}\n3\n', {}, r"holds numbers, not text \(record 2\); mend the rec"),
    ("a.jsonl", b'{"text": ["a", "b c"]}\n', {}, "'b c' is none; .* by --field text.0"),
    ("a.txt", b"a\nb\0c\n", {}, "line 2 of .* holds a NUL character"),
    ("a.txt", "ab\n".encode("utf-16-le"), {}, "line 1 of .* UTF-16 without its mark; save it"),
    ("a.txt", b"PK\x03\x04rest", {}, "is a zip archive; unpack it"),
    ("a.txt", b"%PDF-1.4", {}, "is a PDF document; save its text"),
    ("a.txt", b"\x28\xb5\x2f\xfd....", {}, "zstd.* unpack it"),
    ("a.xlsx", b"PK\x03\x04rest", {}, "is a workbook; save its table as CSV"),
    ("a.docx", b"PK\x03\x04rest", {}, "is a Word document; save its text"),
    ("a.txt", b"7z\xbc\xaf'\x1c", {}, "is a 7z archive; unpack it"),
    ("a.txt", b"Rar!\x1a\x07", {}, "is a RAR archive; unpack it"),
    ("a.lz4", b"\x04\x22\x4d\x18..", {}, "unpack it with `lz4 -d`"),
    ("a.rtf", b"{\\rtf1 hi}", {}, "is a document in RTF; save its text"),
    ("a.txt", b"\x89PNG\r\n", {}, "is a picture; name a file of text"),
    ("a.htm", b"\xef\xbb\xbf <!DOCTYPE html><p>hi", {}, "is a page or document of marks"),
    ("a.txt", b"<?xml version='1.0'?><TEI/>", {}, "save its text without them"),
    ("a.csv", b'id,text\n1,"he said \\"hi\\" to"\n', {}, "record 1 of .*; write \"\" for a quot"),
    ("a.txt.gz", b"", {}, "is empty"),
    ("a.jsonl", b'{"t": "a"}\n{"t": \n', {}, "line 2 of .* cannot be read as JSON lines"),
    ("a.jsonl", rows({"t": "a"}, {"t": 5}), {"field": "t"}, r"holds numbers, .*record 2\)"),
    ("a.jsonl", NESTED, {"field": "meta"}, r"holds records, .*--field may be meta.text"),
    ("a.jsonl", NESTED, {"field": "meta.txt"}, "no field 'meta.txt'; --field may be meta.text"),
    ("a.jsonl", b'{"t": "\\ud800"}\n', {}, "record 1 of .* lone surrogate"),
    ("a.jsonl", rows({"t": ["a", "b c"]}), {}, "record 1 of .* 'b c' is none"),
    ("a.jsonl", rows({"a": "x", "b": "y"}), {}, "name its text with --field, one of a, b"),
    ("a.jsonl", rows({"t": "a", "l": 1}, {"t": "b"}), {"field": "t", "label_field": "l"},
     "record 2 of .* has no label"),
    ("a.jsonl", rows({"t": "a", "l": 1, "m": {"l": 2}}), {"field": "t", "label_field": "lable"},
     "has no field 'lable'; --label_field may be t, l, m.l"),
    ("a.csv", b"t,l\na,1\n", {"field": "t", "label_field": "k"}, "no field 'k'; .* may be t, l"),
    ("a.jsonl", rows({"t": "a", "l": ["x"]}), {"field": "t", "label_field": "l"},
     "record 1 of .* holds a list in --label_field l; .* l.0"),
    ("a.jsonl", rows({"t": "a", "l": {"x": 1}}), {"field": "t", "label_field": "l"},
     "record 1 of .* holds a record in --label_field l; .* l.x"),
    ("a.jsonl", b'{"t": "a", "l": 1}\n{"t": "b", "l": NaN}\n', {"field": "t", "label_field": "l"},
     "record 2 of .* has no label"),
    ("a.json", b'{"train": [1], "test": [2]}', {}, "holds several lists .train, test.; save one"),
    ("a.json", b"5", {}, "holds no list of records"),
    ("a.csv", b"t,t\na,b\n", {}, "several columns named 't'; rename"),
    ("a.csv", b"id,t\n1,a,b\n", {}, "record 1 of .* has 3 fields and the header 2; quote"),
    ("a.csv", b't\na\n"b\n', {}, "record 2 of .* cannot be read as CSV"),
    ("a.csv", b"n\n1\n2.5\n-3e4\n", {"field": "n"}, "holds numbers, not text"),
    ("a.txt", b"a\n", {"field": "t"}, "is plain text and has no field 't'; leave --field away"),
    ("a.txt", b"a\n", {"label_field": "l"}, "has no field 'l'; leave --label_field away"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "options", "said"), REFUSED)
def test_it_is_refused_in_one_sentence(tmp_path, name, content, options, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        read_texts(str(tmp_path / name), **options)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_blanks_around_a_label_are_none_of_it(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"t,l\na, good\nb,good \nc,bad\n")
    assert read_texts(str(tmp_path / "a.csv"), "t", label_field="l").classes == ("bad", "good")


def test_columns_of_parquet_and_their_labels(tmp_path):
    import pyarrow
    import pyarrow.parquet

    file = str(tmp_path / "a.parquet")
    table = {
        "meta": [{"text": "a b"}, {"text": None}, {"text": "c"}],
        "t": [["C#4", "x"], ["y"], ["z"]],
        "label": [1, 0, 0],
    }
    pyarrow.parquet.write_table(pyarrow.table(table), file)
    texts = read_texts(file, "meta.text", label_field="label")
    assert (list(texts.lines), list(texts.numbers), texts.dropped) == (["a b", "c"], [1, 3], 1)
    assert (texts.labels.tolist(), texts.classes) == ([1, 0], ("0", "1"))
    old = {"text": [b"a", "\u00e9".encode()], "raw": [b"\xff", b"b"]}  # as older writers do
    pyarrow.parquet.write_table(pyarrow.table(old), tmp_path / "old.parquet")
    assert list(read_texts(str(tmp_path / "old.parquet")).lines) == ["a", "\u00e9"]
    with pytest.raises(UserError, match=r"'raw' of .* holds bytes, not text .record 1"):
        read_texts(str(tmp_path / "old.parquet"), "raw")
    texts = read_texts(file, "t")
    assert texts.tokens
    assert list(texts.lines) == ["C#4 x", "y", "z"]
    renamed = tmp_path / "a.txt"
    renamed.write_bytes(Path(file).read_bytes())
    assert list(read_texts(str(renamed), "t").lines) == ["C#4 x", "y", "z"]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.txt.gz"])
def test_a_limit_reads_no_further(tmp_path, name):
    """What follows the limit is damaged, and is not seen."""
    good = {"a.jsonl": '{"t": "a"}\n', "a.csv": "a\n"}.get(name, "a\n").encode()
    content = (b"t\n" if name == "a.csv" else b"") + good * 30_000
    pack_to(tmp_path / name, content)
    with (tmp_path / name).open("ab") as stream:
        stream.write(b"\xff\xff\n")
    texts = read_texts(str(tmp_path / name), limit=1500)
    assert (len(texts.lines), set(texts.lines)) == (1500, {"a"})
    assert list(texts.pick([3, 7]).numbers) == [4, 8]
    with pytest.raises(UserError):
        read_texts(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.gz", "a.csv.gz"])
def test_a_packed_file_that_fills_the_disk_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 16)
    row = b'{"t": "a"}\n' if "json" in name else b"t,u\n"
    path = put(tmp_path, name, gzip.compress(row * (1 << 16)))
    with pytest.raises(UserError, match=rf"{name} unpacks to .* over 100 times its size"):
        read_texts(path, None if name == "a.txt.gz" else "t")


def test_a_line_or_a_document_that_fills_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MOST_CHARACTERS", 1000)
    path = put(tmp_path, "a.txt.gz", gzip.compress(b"a b\n" + b"0" * 5000))
    with pytest.raises(UserError, match=r"line 2 of .*a.txt.gz has more than 1,000 characters; wr"):
        read_texts(path)
    path = put(tmp_path, "a.csv", b't\n"' + b"0\n" * 5000)
    with pytest.raises(UserError, match=r"record 1 of .*a.csv cannot be read as CSV \(field la"):
        read_texts(path)
    monkeypatch.setattr(records, "MOST_OF_JSON", 1000)
    path = put(tmp_path, "a.json", b'{"data": [' + b"1," * 5000 + b"1]}")
    with pytest.raises(UserError, match=r"a.json is a JSON document of more than 1,000 charact"):
        read_texts(path)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_lists_in_lists_without_end_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="maximum recursion depth"):
        read_texts(put(tmp_path, name, b"[" * 100_000))


def test_tar_archives_and_pickles_are_refused_with_a_way_out(tmp_path):
    tar = bytes(257) + b"ustar" + bytes(250)
    with pytest.raises(UserError, match=r"a.txt is a tar archive; unpack it and name a file in it"):
        read_texts(put(tmp_path, "a.txt", tar))
    with pytest.raises(UserError, match="is a pickle, which would run whatever it says; save its"):
        read_texts(put(tmp_path, "a.pkl", b"\x80\x04."))


def test_zstd_is_unpacked_while_it_is_read(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    pack = zstandard.ZstdCompressor().compress
    whole = pack(b"a b\n" * 9000) + pack(b"c\n")  # frames in a row
    (tmp_path / "a.txt.zst").write_bytes(whole)
    lines = read_texts(str(tmp_path / "a.txt.zst")).lines
    assert (len(lines), lines[9000]) == (9001, "c")
    (tmp_path / "a.txt.zst").write_bytes(whole[:20])
    with pytest.raises(UserError, match="is not a whole zstd file"):
        read_texts(str(tmp_path / "a.txt.zst"))
