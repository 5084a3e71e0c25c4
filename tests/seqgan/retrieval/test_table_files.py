"""Tables in zip archives that are named, doubtful or dangerous; packed files that fill memory."""

import bz2
import gzip
import lzma
import zipfile

import pandas as pd
import pytest

from image_core import packed
from image_core.adversarial.errors import UserError
from seqgan.retrieval.columns import read_table
from seqgan.retrieval.interactions import ROLES
from seqgan.retrieval.judged import read_answers


def put(folder, name, **files):
    """An archive; two underscores stand for a slash."""
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path.replace("__", "/"), content)
    return str(folder / name)


def test_a_member_is_named_by_its_path(tmp_path):
    source = put(tmp_path, "a.zip", **{"x__u1.base": "1\t2\n", "x__a.csv": "3,4\n"})
    frame, told = read_table(f"{source}/x/a.csv", ROLES)
    assert frame.astype("string").to_numpy().tolist() == [["3", "4"]]
    assert told.startswith("1 rows separated by commas")
    with pytest.raises(UserError, match=rf"a.zip has no member 'b.csv': .* name one as {source}/x"):
        read_table(f"{source}/b.csv", ROLES)


def test_questions_and_answers_are_read_from_a_zip(tmp_path):
    rows = "".join(f"{i % 2}\t{i % 2}\thow {i % 2}\tso {i}\n" for i in range(4))
    source = put(tmp_path, "qa.zip", **{"qa__train.tsv": rows, "qa__README": "x"})
    assert read_answers(source).names == ["how 0", "how 1"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("within", [False, True])
def test_packed_tables_are_read_alike(tmp_path, pack, within):
    end = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz"}[pack]
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["1", "2"]})
    frame.to_parquet(tmp_path / "plain.parquet")
    held = {
        f"a.csv.{end}": pack(b"user,item\nu,1\nv,2\n"),
        f"a.jsonl.{end}": pack(b'{"user": "u", "item": 1}\n{"user": "v", "item": 2}\n'),
        f"a.parquet.{end}": pack((tmp_path / "plain.parquet").read_bytes()),
    }
    for name, content in held.items():
        (tmp_path / name).write_bytes(content)
        source = put(tmp_path, f"{name}.zip", **{name: content}) if within else tmp_path / name
        found = read_table(str(source), ROLES).frame.astype("string")
        assert found.to_numpy().tolist() == [["u", "1"], ["v", "2"]]


def test_a_name_that_is_twice_in_an_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("ratings.csv", "1,2\n")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("ratings.csv", "3,4\n")
    with pytest.raises(UserError, match=r"a.zip holds 'ratings.csv' several times.*pack it anew"):
        read_table(str(tmp_path / "a.zip"), ROLES)


REFUSED = {
    "two tables": ({"a.csv": "1,2\n", "b.csv": "1,2\n"}, "several tables or none: a.csv, b.csv; n"),
    "no table": ({"README": "x"}, "several tables or none: README; name one as"),
    "a path that leads out": ({"..__ratings.csv": "1,2\n"}, "leads out of the archive; pack it an"),
    "a workbook": ({"[Content_Types].xml": "x"}, "is a workbook; save the table as .csv"),
    "a bomb": ({"ratings.csv": "0" * (1 << 18)}, "over 100 times its size; such a file is refused"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_archives_are_refused_with_a_way_out(tmp_path, monkeypatch, case):
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 16)
    files, said = REFUSED[case]
    with pytest.raises(UserError) as caught:
        read_table(put(tmp_path, "a.zip", **files), ROLES)
    assert said in str(caught.value)
    assert f"{tmp_path}/a.zip" in str(caught.value)


OTHER = {
    "a.dat.gz": (gzip.compress(b"0" * (1 << 18)), "over 100 times its size"),
    "a.dat.bz2": (bz2.compress(b"0" * (1 << 18)), "over 100 times its size"),
    "a.csv.xz": (lzma.compress(b"0" * (1 << 18)), "over 100 times its size"),
    "b.csv.xz": (b"1,2\n", "is not a whole xz file (it begins with b'1,')"),
    "a.pkl": (
        b"\x80\x04.",
        "is a pickle, which would run whatever it says; save the table as",
    ),
    "a.csv.bz2": (b"BZh91", "is not a whole bzip2 file"),
    "a.tar": (bytes(257) + b"ustar" + bytes(9), "is a tar archive; unpack it and name a table in"),
    "a.zip": (b"PK\x03\x04 broken", "is a broken zip archive; get it anew"),
    "a.json": (b"[" * 100_000, "maximum recursion depth"),
    "a.csv": (
        "Zo\u00eb,1\n".encode("latin1"),
        "row 1 is not UTF-8; save the file as UTF-8, for",
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_other_files_are_refused_with_a_way_out(tmp_path, monkeypatch, name):
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 16)
    content, said = OTHER[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_table(str(tmp_path / name), ROLES)
    assert said in str(caught.value)
