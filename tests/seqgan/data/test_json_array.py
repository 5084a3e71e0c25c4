"""Lists of JSON values read in parts are those that are read at once."""

import io
import json

import pytest

from seqgan.data import json_array
from seqgan.data.json_array import JsonList
from seqgan.data.source import read_texts

VALUES = [
    {"text": 'a "quoted" \\ line\nbreak', "n": -1.5e10, "deep": [[], {}, [1, [2, {"x": None}]]]},
    "caf\u00e9 \u2028 \U0001f600 ]",
    12345678901234567890,
    -0.25e-3,
    True,
    None,
    float("-inf"),
    [],
    "x" * 200,
    {"": ", ]"},
]


@pytest.mark.parametrize("part", [1, 2, 7, 64, 1 << 20])
@pytest.mark.parametrize(
    "form", [{}, {"indent": 2}, {"separators": (",", ":"), "ensure_ascii": False}]
)
def test_values_whatever_the_parts_are(monkeypatch, part, form):
    monkeypatch.setattr(json_array, "_PART", part)
    text = f" \n{json.dumps(VALUES, **form)}\r\n "
    assert list(JsonList(io.StringIO(text), 10_000)) == VALUES
    assert list(JsonList(io.StringIO(" [ ] "), 10_000)) == []


BROKEN = {
    "[1, 2": "cut short",
    '[1, {"a": ': "Expecting value",
    '["a", "b': "Unterminated string",
    "[1, 2,]": "Expecting value",
    "[1 2]": "expected a comma and found '2'",
    "[1, nul]": "Expecting value",
    "[1] [2]": "'\\['.* follows the list",
    '["%s"]' % ("x" * 2000): "it has more than 100 characters",
    '{"a": 1}': "it is no list",
}


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_what_is_no_list_is_told(monkeypatch, text):
    monkeypatch.setattr(json_array, "_PART", 50)
    with pytest.raises(ValueError, match=BROKEN[text]):
        list(JsonList(io.StringIO(text), 100))


def test_a_wrong_value_does_not_read_the_rest(monkeypatch):
    monkeypatch.setattr(json_array, "_PART", 100)
    stream = io.StringIO('[{"a" 1}, ' + "0, " * 10_000)
    with pytest.raises(ValueError, match="Expecting ':'"):
        list(JsonList(stream, 1 << 20))
    assert stream.tell() == 100


def test_a_limit_reads_no_more_than_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(json_array, "_PART", 100)
    file = tmp_path / "a.json"
    file.write_text(json.dumps([{"text": f"line {i}"} for i in range(2000)]) + "broken")
    assert list(read_texts(str(file), limit=3).lines) == ["line 0", "line 1", "line 2"]
