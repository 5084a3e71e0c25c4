"""Tables of ratings and of answers as users have them: read rightly, or refused in one sentence."""

import gzip
import io
import json
import random
import zipfile

import pandas as pd
import pytest

from image_core.adversarial.errors import UserError
from seqgan.retrieval import arrow_rows
from seqgan.retrieval import columns as reading
from seqgan.retrieval.columns import read_table
from seqgan.retrieval.interactions import ROLES, _Reader, _times


def table(tmp_path, name, content, **options):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_table(str(file), ROLES, **options)
    return texts(found.frame), found.told


def texts(frame):
    """Cells as texts by column; of times that are read as numbers, too."""
    if "time" in frame:
        numbers = pd.to_numeric(frame["time"], errors="coerce")
        times = [t if n != n else f"{n:.0f}" for t, n in zip(frame["time"], numbers)]
        frame = frame.assign(time=["" if time != time else time for time in times])
    frame = frame.astype("string")
    return {role: frame[role].tolist() for role in frame}


def rated(*rows):
    """Columns of (user, item, rating, time) rows, as many as the rows have."""
    names = ("user", "item", "rating", "time")
    return {name: [str(row[n]) for row in rows] for n, name in enumerate(names[: len(rows[0])])}


FOUR = rated((1, "a", 5, 900000001), (2, "b", 3, 900000002), (2, "a", 1, 900000003))
THREE = {name: FOUR[name] for name in ("user", "item", "rating")}
TWO = {name: FOUR[name] for name in ("user", "item")}


def joined(columns, between, header=None):
    rows = [*zip(*columns.values())]
    return "".join(between.join(row) + "\n" for row in ([header] if header else []) + rows)


def zipped(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


JSON = [{"uid": 1, "asin": "a", "overall": 5.0}, {"uid": 2, "asin": "b", "overall": 3.0},
        {"uid": 2.0, "asin": "a", "overall": 1}]  # fmt: skip
WORDS = rated(("ann", "fig"), ("ann", "nut"), ("bob", "fig"), ("bob", "nut"))
NASTY = {
    "Amazon's, items first": (
        "r.csv",
        "B000000001,A00000000X,5.0,900000001\n000000002X,A00000000Y,3.0,900000002\n",
        rated(("A00000000X", "B000000001", "5.0", 900000001),
              ("A00000000Y", "000000002X", "3.0", 900000002)),
        {},
    ),
    # separators
    "double colons": ("r.dat", joined(FOUR, "::"), FOUR, {}),
    "double colons of three": ("r.dat", joined(THREE, "::"), THREE, {}),
    "double colons around a tab": ("r.dat", "1::a\tb::5\n2::c::3\n",
                                   rated((1, "a\tb", 5), (2, "c", 3)), {}),
    "semicolons": ("r.csv", joined(THREE, ";"), THREE, {}),
    "semicolons in quotes": ("r.csv", '"1";"a";"5"\n"2";"b;c";"3"\n',
                             rated((1, "a", 5), (2, "b;c", 3)), {}),
    "a header in quotes": ("r.csv", '"User-ID";"ISBN";"Book-Rating"\n' + joined(THREE, ";"),
                           THREE, {}),
    "qrels": ("r.txt", "1 0 a 5\n2 0 b 3\n2 0 a 1\n", THREE, {}),
    "qrels of numbers": ("q.txt", "1 0 10 1\n1 0 11 0\n", rated((1, 10, 1), (1, 11, 0)), {}),
    "bars": ("r.txt", joined(THREE, "|"), THREE, {}),
    "blanks": ("r.txt", joined(THREE, " "), THREE, {}),
    "many blanks": ("r.data", "  1   a  5\n 2 b     3\n2  a 1\n", THREE, {}),
    "tabs in .data": ("u.data", joined(FOUR, "\t"), FOUR, {}),
    "tabs in .csv": ("r.csv", joined(FOUR, "\t"), FOUR, {}),
    "commas in .tsv": ("r.tsv", joined(FOUR, ","), FOUR, {}),
    "commas without a suffix": ("ratings", joined(FOUR, ","), FOUR, {}),
    "a comma inside quotes": ("r.csv", 'u,"a, b",5\nv,c,3\n',
                              rated(("u", "a, b", 5), ("v", "c", 3)), {}),
    "a quotation mark among tabs": ("r.tsv", 'u\t12" disc\t5\nv\t"c\t3\n',
                                    rated(("u", '12" disc', 5), ("v", '"c', 3)), {}),
    "all in quotes among tabs": ("r.tsv", '"u"\t"a"\n"v"\t"b"\n', rated(("u", "a"), ("v", "b")),
                                 {}),
    "commas in the numbers of .csv": ("r.csv", "user;item;rating\n1;a;4,5\n2;b;3,5\n",
                                      rated((1, "a", "4,5"), (2, "b", "3,5")), {}),
    "commas in numbers, no header": ("r.csv", "1;a;4,5\n2;b;3,5\n",
                                     rated((1, "a", "4,5"), (2, "b", "3,5")), {}),
    "names of items in the third column": ("plays.tsv", "u1\tm1\tBlur\t7\nu2\tm2\tPulp\t9\n",
                                           rated(("u1", "m1"), ("u2", "m2")), {}),
    "a matrix of MatrixMarket": ("r.mtx", "%%MatrixMarket matrix coordinate real general\n%\n"
                                 "2 2 3\n" + joined(THREE, " "), THREE, {}),
    # archives
    "MovieLens latest": ("ml.zip", zipped({"ml/movies.csv": "movieId,title\n1,x\n",
                         "ml/ratings.csv": joined(FOUR, ",", ("userId", "movieId", "rating",
                         "timestamp")), "ml/tags.csv": "1,2\n"}), FOUR, {}),
    "MovieLens 100k": ("ml.zip", zipped({"ml/u.data": joined(FOUR, "\t"), "ml/u1.test": "1\t2\n",
                       "ml/u.item": b"1|\xe9|x\n"}), FOUR, {}),
    "MovieLens 1M": ("ml.zip", zipped({"ml/ratings.dat": joined(FOUR, "::"), "ml/users.dat": "1::F",
                     "__MACOSX/ml/._ratings.dat": b"\0"}), FOUR, {}),
    "a gzipped table in a zip": ("a.zip", zipped({"r.tsv.gz": gzip.compress(
        joined(FOUR, "\t").encode())}), FOUR, {}),
    # lines
    "Windows": ("r.csv", joined(FOUR, ",").replace("\n", "\r\n"), FOUR, {}),
    "old Macs": ("r.csv", joined(FOUR, ",").replace("\n", "\r"), FOUR, {}),
    "no last line break": ("r.csv", joined(FOUR, ",").rstrip(), FOUR, {}),
    "blank lines": ("r.csv", "\n\n" + joined(FOUR, ",").replace("\n", "\n\n"), FOUR, {}),
    "comments of KONECT": ("out.graph", "% bip weighted\n% 3 2 2\n" + joined(FOUR, " "), FOUR, {}),
    "comments of SNAP": ("r.txt", "# from to\n" + joined(FOUR, "\t"), FOUR, {}),
    "a byte order mark": ("r.csv", b"\xef\xbb\xbf" + joined(FOUR, ",").encode(), FOUR, {}),
    "UTF-16 of Excel": ("r.txt", joined(FOUR, "\t").encode("utf-16"), FOUR, {}),
    "gzip without its suffix": ("r.csv", gzip.compress(joined(FOUR, ",").encode()), FOUR, {}),
    "gzip": ("r.tsv.gz", gzip.compress(joined(FOUR, "\t").encode()), FOUR, {}),
    # headers
    "MovieLens": ("ratings.csv", joined(FOUR, ",", ("userId", "movieId", "rating", "timestamp")),
                  FOUR, {}),
    "RecBole": ("r.inter", joined(FOUR, "\t", ("user_id:token", "item_id:token", "rating:float",
                                               "timestamp:float")), FOUR, {}),
    "in another order": ("r.csv", "time,rating,item,user\n9e8,5,a,1\n", {
        "user": ["1"], "item": ["a"], "rating": ["5"], "time": ["900000000"]}, {}),
    "more columns than are read": ("r.csv", "n,user,x,item\n0,1,y,a\n1,2,y,b\n2,2,y,a\n", TWO, {}),
    "names that only the user knows": ("r.csv", joined(THREE, ",", ("wer", "was", "wie")), THREE,
                                       {"columns": ("wer", "was", "wie")}),
    "a header said to be one": ("r.csv", joined(WORDS, ",", ("customer", "product")), WORDS,
                                {"header": "yes"}),
    "words over words": ("r.csv", joined(WORDS, ",", ("kunde", "artikel")), WORDS, {}),
    "words over words, none a header": (
        "r.csv", joined(WORDS, ",", ("eve", "fig")), rated(("eve", "fig"), *zip(*WORDS.values())),
        {}),
    "words over words, said to be rows": (
        "r.csv", joined(WORDS, ",", ("kunde", "artikel")),
        rated(("kunde", "artikel"), *zip(*WORDS.values())), {"header": "no"}),
    "columns by number": ("r.csv", "0,1,a,5\n1,2,b,3\n2,2,a,1\n", THREE,
                          {"columns": ("2", "3", "4")}),
    "columns by number under a header": ("r.csv", "n,wer,was,wie\n0,1,a,5\n1,2,b,3\n2,2,a,1\n",
                                         THREE, {"columns": ("2", "3", "4")}),
    # values
    "times without ratings": ("r.csv", "1,a,900000001\n2,b,900000002\n", {
        "user": ["1", "2"], "item": ["a", "b"], "time": ["900000001", "900000002"]}, {}),
    "a column that is meant beside one named alike": (
        "r.csv", "userId,user_id,item\n1,2,a\n", rated((2, "a")), {"columns": ("user_id", "item")}),
    "NA and null are names": ("r.csv", "NA,null\nnan,None\n", rated(("NA", "null"),
                                                                    ("nan", "None")), {}),
    "leading zeros": ("r.csv", "007,01\n7,1\n", rated(("007", "01"), (7, 1)), {}),
    "ids of 20 digits": ("r.csv", "12345678901234567890,1\n2,1\n",
                         rated(("12345678901234567890", 1), (2, 1)), {}),
    "letters of everywhere": ("r.csv", "Zoë,ファイル\nÅsa,naïve\n",
                              rated(("Zoë", "ファイル"), ("Åsa", "naïve")), {}),
    "a row that is short": ("r.csv", "1,a,5\n2\n2,a,1\n",
                            rated((1, "a", 5), (2, "", ""), (2, "a", 1)), {}),
    # other kinds
    "jsonl of Amazon": ("r.jsonl", "\n".join(map(json.dumps, JSON)), THREE, {}),
    "a list of objects": ("r.json", json.dumps(JSON), THREE, {}),
    "an object of columns": ("r.json", json.dumps({k: [*v] for k, v in THREE.items()}), THREE, {}),
    "columns of pandas": ("r.json", json.dumps({k: {str(i): x for i, x in enumerate(v)}
                                                for k, v in THREE.items()}), THREE, {}),
    "a list under data": ("r.json", json.dumps({"data": JSON}), THREE, {}),
    "fields inside fields": ("r.jsonl", '{"who": {"id": 1}, "what": "a"}\n'
                             '{"what": "b", "who": {"id": 2}}\n', rated((1, "a"), (2, "b")),
                             {"columns": ("who.id", "what")}),
    "lines with commas after them": ("r.jsonl", "".join(json.dumps(o) + ",\n" for o in JSON), THREE,
                                     {}),
    "a list under its own name": ("r.json", json.dumps({"n": 3, "ratings": JSON}), THREE, {}),
    "a line separator in another field": ("r.jsonl", "\n".join(json.dumps(
        {**o, "x": "a\u2028b"}, ensure_ascii=False) for o in JSON), THREE, {}),
    "NaN is nothing": ("r.jsonl", '{"user": 1, "item": "a"}\n{"user": NaN, "item": "b"}\n',
                       rated((1, "a"), ("", "b")), {}),
    "a missing field": ("r.jsonl", '{"user": 1, "item": "a"}\n{"user": null}\n',
                        rated((1, "a"), ("", "")), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", NASTY)
def test_ratings_are_read_as_what_they_are(tmp_path, case):
    name, content, wanted, options = NASTY[case]
    assert table(tmp_path, name, content, **options)[0] == wanted


@pytest.mark.parametrize("case", ["double colons", "MovieLens", "in another order", "a row that is "
                                  "short", "words over words"])  # fmt: skip
def test_many_rows_are_read_in_parts(tmp_path, monkeypatch, case):
    name, content, wanted, options = NASTY[case]
    whole = table(tmp_path, name, content, **options)
    monkeypatch.setattr(reading, "_ROWS", 2)
    monkeypatch.setattr(arrow_rows, "BLOCK", 64)
    assert table(tmp_path, name, content, **options) == whole == (wanted, whole[1])
    found = read_table(str(tmp_path / name), ROLES, **options).frame
    assert found.index.tolist() == [*range(len(found))]
    assert found["user"].cat.categories.tolist() == list(dict.fromkeys(wanted["user"]))
    with pytest.raises(UserError, match="row 5 has 3 columns, not 2"):
        table(tmp_path, "r.csv", "1,a\n2,b\n3,c\n4,d\n5,e,f\n")


@pytest.mark.parametrize("case", NASTY)
def test_pandas_understands_the_same(tmp_path, monkeypatch, case):
    name, content, wanted, options = NASTY[case]
    monkeypatch.setattr(reading, "read_parts", lambda *_: None)
    assert table(tmp_path, name, content, **options)[0] == wanted


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
def test_drawn_cells_are_read_alike_by_both(tmp_path, monkeypatch, separator):
    draw, made = random.Random(0), []
    for number in range(300):
        cells = ["".join(draw.choices("ab1 .é\"'-", k=draw.randrange(1, 5))) for _ in range(2)]
        if separator != "::" and separator != "\t":
            cells = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        time = draw.choice(["", "5", " 7", "1e3", "900000000", "nan"])
        made.append(separator.join([*cells, str(number % 5), time]))
    content = draw.choice(["\n", "\r\n"]).join(made)
    monkeypatch.setattr(arrow_rows, "BLOCK", 256)
    ways = []
    for way in (arrow_rows.read_parts, lambda *_: None):
        monkeypatch.setattr(reading, "read_parts", way)
        (tmp_path / "r.dat").write_text(content, newline="")
        found = read_table(str(tmp_path / "r.dat"), ROLES, ("1", "2", "3", "4")).frame
        ways.append((found.drop(columns="time").astype("string"), _times(found["time"])))
    assert ways[0][0].equals(ways[1][0])
    assert ways[0][1].equals(ways[1][1])


def test_parquet_ids_with_a_gap_keep_no_point(tmp_path):
    frame = pd.DataFrame({"user_id": [1.0, None], "item_id": ["a", "b"], "x": [1, 2]})
    frame.to_parquet(tmp_path / "r.parquet")
    found = read_table(str(tmp_path / "r.parquet"), ROLES)
    assert found.frame.astype("string").to_numpy().tolist() == [["1", "a"], ["", "b"]]
    assert found.told == "2 rows: user = user_id, item = item_id"


def test_a_saved_data_set_and_columns_of_parquet_that_do_not_say(tmp_path):
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"user_id": [1, 2], "item_id": ["a", "b"]})
    made.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(str(tmp_path / "two"))
    for name in ("one", "two"):
        found = read_table(str(tmp_path / name), ROLES)
        assert found.frame.astype("string").to_numpy().tolist() == [["1", "a"], ["2", "b"]]
    pd.DataFrame({"x": [1], "y": [2]}).to_parquet(tmp_path / "r.parquet")
    with pytest.raises(UserError, match=r"r.parquet has the columns x, y, whose .* --columns"):
        read_table(str(tmp_path / "r.parquet"), ROLES)


def test_one_line_says_what_was_understood(tmp_path):
    """Separator, header and columns; a header that is only suspected with the way out."""
    told = table(tmp_path, "r.dat", joined(FOUR, "::"))[1]
    assert told == (
        '3 rows separated by "::", no header: '
        "user = column 1, item = column 2, rating = column 3, time = column 4"
    )
    told = table(tmp_path, "r.csv", joined(TWO, ";", ("movieId", "userId")))[1]
    assert told == "3 rows separated by semicolons, a header: user = userId, item = movieId"
    told = table(tmp_path, "r.csv", joined(WORDS, ",", ("kunde", "artikel")))[1]
    assert "its first row (kunde,artikel) taken for a header (--header no if" in told


REFUSED = {
    "numbered features": ("r.libfm", "5 1:1 21:1\n3 2:1 22:1\n", "as libFM and SVM", {}),
    "a run of TREC": ("r.txt", "1 Q0 a 1 9.5 x\n1 Q0 b 2 9.1 x\n", "is a TREC run file.*--col", {}),
    "one name of two": ("r.csv", "who,what\n1,a\n2,b\n", "needs columns of user, item; name them",
                        {"columns": ("who",)}),
    "one column": ("r.tsv", "1\n2\n", "no 2 columns", {}),
    "an unescaped comma": ("r.csv", "1,a,5\n2,b, c,3\n2,a,1\n", r"row 2 has 4 columns, not 3", {}),
    "other names": ("r.csv", "x,y,z\n1,2,3\n1,3,2\n2,3,1\n", r"header \(x,y,z\).*--columns", {}),
    "a name that is not there": ("r.jsonl", '{"user": 1, "item": 2}\n', "no column 'who'",
                                 {"columns": ("who", "item")}),
    "names unknown in objects": ("r.jsonl", '{"a": 1, "b": 2}\n', "columns a, b, whose", {}),
    "a column too far": ("r.csv", "1,a\n", "--columns 1,9: .* has 2 columns",
                         {"columns": ("1", "9")}),
    "a header said to be one, unknown": ("r.csv", "x,y\na,b\n", "columns x, y, whose",
                                         {"header": "yes"}),
    "a header alone": ("r.csv", "user,item\n", "a header and no rows", {}),
    "nothing": ("r.csv", "", "empty", {}),
    "blank lines alone": ("r.csv", "\n \n", "empty", {}),
    "latin-1": ("r.csv", "1,a\n2,café\n".encode("latin-1"), "row 2 is not UTF-8", {}),
    "a torn workbook": ("r.csv", b"PK\x03\x04rest", "a broken zip archive; get it", {}),
    "null bytes": ("r.csv", b"1,a\0\n", "null bytes", {}),
    "a torn gzip": ("r.csv.gz", gzip.compress(b"1,a\n" * 999)[:-20], "not a whole gzip file", {}),
    "a torn object": ("r.jsonl", '{"user": 1, "item": 2}\n{"user": 1,\n', "row 2 is not JSON", {}),
    "a list for an id": ("r.jsonl", '{"user": [1], "item": 2}\n', "row 1: user is no single", {}),
    "dates for items": ("r.txt", "1\t2010-10-19T23:55:27Z\t30.2\t9\n" * 3,
                        "has dates in column 2: .* by their numbers, as in --columns 1,5", {}),
    "five columns without names": ("r.csv", "1,2,3,pv,1511544171\n" * 3,
                                   "5 columns without names.*--columns 1,5", {}),
    "two columns of a name": ("r.csv", "user,user,item\n" + "1,2,3\n" * 4,
                              "several columns named 'user' and 'user'; rename them", {}),
    "two columns that are named alike": ("r.csv", "userId,user_id,item\n" + "1,2,3\n" * 4,
                                         "named 'userId' and 'user_id'; .*--columns 1,3", {}),
    "two columns of a name that is meant": ("r.csv", "a,b,a\n" + "1,2,3\n" * 4,
                                            "named 'a' and 'a'", {"columns": ("a", "b")}),
    "a matrix": ("r.csv", "9,1.5,99,-3,2,4,99\n" * 4, "7 columns without names", {}),
    "web queries": ("r.txt", "2 qid:1 1:0.5 2:0.1 #x\n" * 3, "of web queries.*--task web", {}),
    "items above their users": ("r.txt", "1:\n7,3,2005-09-06\n8,5,2005-05-13\n2:\n7,1,2005-1-1\n",
                                "names an item, '1:', above the rows.*awk -F,", {}),
    "all items of a user a line": ("r.txt", "1 4 5 6\n2 7\n3\n4 8 9\n5 1\n",
                                   "write a pair a line where a line holds all items", {}),
    "Python's objects": ("r.jsonl", "{'user': 1, 'item': 2}\n", "row 1 .*ast.literal_eval", {}),
    "zstd": ("r.csv", b"\x28\xb5\x2f\xfdx", "unpack it with `zstd -d`", {}),
    "7z": ("r.csv", b"7z\xbc\xaf'", "unpack it, for example with `7z x`", {}),
    "users by items": ("r.csv", "user,i1,i2\n1,5,\n2,,3\n3,4,4\n", r"\(user,i1,i2\).*t.melt\(", {}),
    "users by items of pandas": ("r.csv", ",10,11\n7,5,\n8,,3\n", r"\(,10,11\).*t.melt\(", {}),
    "a row of names that is short": ("r.csv", "user,item,rating\n" + "1,7,a,5\n2,8,b,3\n",
                                     "row 1 names 3 columns, and its rows have 4; name each", {}),
    "a first row that is long": ("r.csv", "1,a,5,6,7\n2,b,3\n2,a,1\n", "row 1 has 5 columns, not 3",
                                 {}),
    "items after a colon": ("r.txt", "1: 5 6\n2: 7 8\n", "items of a user after a colon .*awk", {}),
    "a pickle of protocol 5": ("r.pkl", b"\x80\x05x", "would run whatever it says; save the", {}),
    "no objects": ("r.jsonl", "[1, 2]\n", "row 1 is no object", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_ratings_that_cannot_be_read_are_refused_with_a_way_out(tmp_path, case):
    name, content, said, options = REFUSED[case]
    with pytest.raises(UserError, match=said) as refused:
        table(tmp_path, name, content, **options)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


DATED = {
    "days first": (("13/01/2020", "01/02/2020"), [1578873600, 1580515200], 0),
    "months first": (("01/13/2020", "02/01/2020"), [1578873600, 1580515200], 0),
    "points": (("13.01.2020", "01.02.2020"), [1578873600, 1580515200], 0),
    "points and seconds": (
        ("13.01.2020 00:00:10", "01.02.2020 00:00:00"),
        [1578873610, 1580515200],
        0,
    ),
    "months and halves of days": (
        ("01/13/2020 12:00:10 AM", "02/01/2020 01:00:00 PM"),
        [1578873610, 1580562000],
        0,
    ),
    "Goodreads": (("Thu Dec 19 08:44:36 -0800 2013",) * 2, [1387471476] * 2, 0),
    "Amazon": (("06 3, 2013", "11 20, 2013"), [1370217600, 1384905600], 0),
    "days or months": (("02/01/2020", "03/01/2020"), None, 2),
}


@pytest.mark.parametrize("case", DATED)
def test_dates_are_read_where_they_can_be_told(tmp_path, case):
    (one, other), seconds, unread = DATED[case]
    file = tmp_path / "r.csv"
    file.write_text(f"user;item;date\n1;a;{one}\n1;b;{other}\n")
    reader = _Reader((), "auto", None)
    rows = reader.rows(str(file))
    assert (rows["time"].tolist() if "time" in rows else None) == seconds
    assert sum(reader.noted.values()) == unread
