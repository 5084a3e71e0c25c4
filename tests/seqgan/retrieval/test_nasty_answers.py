"""Tables of questions and answers as users have them: read rightly, or refused in one sentence."""

import bz2
import gzip
import json
import lzma

import pytest

from image_core.adversarial.errors import UserError
from seqgan.retrieval.judged import read_answers, read_letor
from tests.seqgan.retrieval.test_nasty_tables import zipped

QA = [("7", "1", "who is it ?", "a , b"), ("7", "0", "who is it ?", 'the "c"'),
      ("8", "1", "why ?", "so; it is")]  # fmt: skip
WIKI = "QuestionID\tQuestion\tDocumentID\tSentence\tLabel\n"
ANSWERS = {
    "tabs": ("q.tsv", "".join("\t".join(row) + "\n" for row in QA), {}),
    "WikiQA": ("q.tsv", WIKI + "".join(f"{i}\t{q}\tD1\t{a}\t{n}\n" for i, n, q, a in QA), {}),
    "commas in quotes": ("q.csv", 'qid,question,answer,label\n7,who is it ?,"a , b",1\n'
                         '7,who is it ?,"the ""c""",0\n8,why ?,so; it is,1\n', {}),
    "words for labels": ("q.tsv", "".join(f"{i}\t{('no', 'yes')[int(n)]}\t{q}\t{a}\n"
                                          for i, n, q, a in QA), {}),
    "objects": ("q.jsonl", "\n".join(json.dumps({"query": q, "passage": a, "label": n == "1",
                                                 "id": int(i)}) for i, n, q, a in QA), {}),
    "blanks around": ("q.tsv", "".join("\t".join(f" {f} " for f in row) + "\n" for row in QA), {}),
    "by number": ("q.tsv", "".join(f"x\t{a}\t{q}\t{n}\t{i}\n" for i, n, q, a in QA),
                  {"columns": ("5", "4", "3", "2")}),
    "bars": ("q.txt", "".join("|".join(row) + "\n" for row in QA), {}),
}  # fmt: skip


TABS = ANSWERS["tabs"][1]
HEADED = ANSWERS["commas in quotes"][1]
OBJECTS = [{"qid": i, "label": int(n), "question": q, "answer": a} for i, n, q, a in QA]
ANSWERS |= {
    "old Macs": ("q.tsv", TABS.replace("\n", "\r"), {}),
    "Windows": ("q.csv", HEADED.replace("\n", "\r\n"), {}),
    "a mark and UTF-16": ("q.txt", TABS.encode("utf-16"), {}),
    "a mark": ("q.csv", "\ufeff" + HEADED, {}),
    "gzip": ("q.tsv.gz", gzip.compress(TABS.encode()), {}),
    "gzip without its ending": ("q.tsv", gzip.compress(TABS.encode()), {}),
    "a zip": ("q.zip", zipped({"x/q.tsv": TABS}), {}),
    "a zip with a table of Macs": ("q.zip", zipped({"q.csv": HEADED, "__MACOSX/._q.csv": "x"}), {}),
    "no last line break": ("q.tsv", TABS.rstrip("\n"), {}),
    "blank lines": ("q.tsv", "\n" + TABS.replace("\n", "\n\n"), {}),
    "an answer twice": ("q.tsv", TABS + TABS, {}),
    "a question without an answer": ("q.tsv", TABS + "9\t1\twho ?\t\n", {}),
    "a label that is none": ("q.tsv", TABS + "8\t?\twhy ?\tx\n", {}),
    "no label": ("q.tsv", TABS + "8\t\twhy ?\tx\n", {}),
    "labels with points": ("q.tsv", TABS.replace("\t1\t", "\t1.0\t"), {}),
    "true and false": ("q.tsv", TABS.replace("\t1\t", "\tTrue\t").replace("\t0\t", "\tFALSE\t"),
                       {}),
    "bars under a header": ("q.txt", "qid|label|question|answer\n"
                            + "".join("|".join(row) + "\n" for row in QA), {}),
    "sentences": ("q.csv", HEADED.replace("question,answer", "Query_Text,Sentence"), {}),
    "passages": ("q.csv", HEADED.replace("qid,question,answer,label", "QueryID,query,passage,rel"
                                         "evance"), {}),
    "correct ones": ("q.csv", HEADED.replace("label", "is_correct"), {}),
    "a header said to be one": ("q.csv", HEADED, {"header": "yes"}),
    "no header, said so": ("q.tsv", TABS, {"header": "no"}),
    "names that only the user knows": ("q.csv", HEADED.replace("qid,question,answer,label",
                                       "nr,frage,antwort,wert"),
                                       {"columns": ("nr", "wert", "frage", "antwort")}),
    "a list": ("q.json", json.dumps(OBJECTS), {}),
    "a list under data": ("q.json", json.dumps({"version": 1, "data": OBJECTS}), {}),
    "an object of columns": ("q.json", json.dumps({k: [o[k] for o in OBJECTS] for k in OBJECTS[0]}),
                             {}),
    "lines of another name": ("q.ndjson", "\n\n".join(map(json.dumps, OBJECTS)), {}),
    "inside fields": ("q.jsonl", "\n".join(json.dumps({"q": o, "n": 1}) for o in OBJECTS),
                      {"columns": ("q.qid", "q.label", "q.question", "q.answer")}),
    "lines with commas after them": ("q.jsonl", "".join(json.dumps(o) + ",\n" for o in OBJECTS),
                                     {}),
    "decimal commas": ("q.tsv", TABS.replace("\t1\t", "\t1,0\t"), {}),
    "a line separator in another field": ("q.jsonl", "\n".join(json.dumps(
        {**o, "x": "a\u2028b"}, ensure_ascii=False) for o in OBJECTS), {}),
    "more columns than are read": ("q.jsonl", "\n".join(json.dumps({**o, "x": [1]})
                                                        for o in OBJECTS), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_are_read_as_what_they_are(tmp_path, case):
    name, content, options = ANSWERS[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_answers(str(tmp_path / name), **options)
    assert found.ids == ["7", "8"]
    assert found.names == ["who is it ?", "why ?"]
    assert found.texts == ["a , b", 'the "c"', "so; it is"]
    assert found.label.tolist() == [1, 0, 1]
    assert found.query.tolist() == [0, 0, 1]
    rows = 3 + sum(found.dropped.values())
    assert f" {rows} rows" in found.told or f" {rows} objects" in found.told
    assert "2 questions" in found.told


@pytest.mark.parametrize("columns", [("wert", "frage", "antwort"), ("1", "2", "3")])
def test_three_columns_are_label_question_and_answer(tmp_path, columns):
    (tmp_path / "q.csv").write_text('\ufeffwert;frage;antwort\n1;"was; wer";x\n0;"was; wer";y\n')
    found = read_answers(str(tmp_path / "q.csv"), columns)
    assert (found.names, found.texts, found.label.tolist()) == (["was; wer"], ["x", "y"], [1, 0])
    with pytest.raises(UserError, match="needs columns of label, question, answer; name them"):
        read_answers(str(tmp_path / "q.csv"), ("wert", "frage"))


def test_without_numbers_equal_questions_are_one(tmp_path):
    rows = [{"question": "q", "answer": "a", "label": 1}, {"question": "r", "answer": "b",
            "label": 1}, {"question": "q", "answer": "c", "label": 0}]  # fmt: skip
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read_answers(str(tmp_path / "q.jsonl"))
    assert found.texts == ["a", "c", "b"]
    assert found.names == found.ids == ["q", "r"]


LETOR = {
    "a comment with a line separator": ("1 qid:1 1:1 # a\u2028b\n0 qid:1 2:3\n", [[1, 0], [0, 3]]),
    "tabs and Windows": ("1\tqid:1\t1:1\r\n\r\n0\tqid:1\t1:2\r\n", [[1], [2]]),
    "UTF-16": ("1 qid:1 1:1\n0 qid:1 1:2\n".encode("utf-16"), [[1], [2]]),
    "a label below 0": (
        "# x\n\n1 qid:1 1:1\n-1 qid:1 1:1\n",
        "row 4: the label is not a number",
    ),
    "no number": ("# x\n1 qid:1 1:1 2:nan\n", "row 2: feature 2 is not finite"),
    "a feature too far": ("1 qid:1 9999999999:1\n", "line 1 is not .*no feature is above 100"),
    "bzip2": (bz2.compress(b"1 qid:1 1:1\n0 qid:1 1:2\n"), [[1], [2]]),
    "xz": (lzma.compress(b"1 qid:1 1:1\n0 qid:1 1:2\n"), [[1], [2]]),
    "a torn bzip2": (b"BZh91AY", "is not a whole bzip2 file .*; download it again or unpack it"),
    "no bzip2": (b"BZh91AY&SY" + b"x" * 99, "is not a whole bzip2 file .*Invalid data"),
    "a torn gzip": (
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 9,
        "is not a whole gzip file .*; download it again or unpack it",
    ),
}


@pytest.mark.parametrize("case", LETOR)
def test_judged_documents(tmp_path, case):
    content, wanted = LETOR[case]
    file = tmp_path / "w.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    if isinstance(wanted, list):
        assert read_letor(str(file)).features.tolist() == wanted
        return
    with pytest.raises(UserError, match=f"w.txt.*{wanted}"):
        read_letor(str(file))


def test_a_row_is_told_by_its_place_in_the_file(tmp_path):
    (tmp_path / "q.tsv").write_text("7\t1\t\tno question\n7\t-1\twhy\tx\n7\t1\twhy\ty\n")
    with pytest.raises(UserError, match="row 2: the label is not a number of 0 or more"):
        read_answers(str(tmp_path / "q.tsv"))
