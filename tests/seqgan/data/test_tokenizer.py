import contextlib
import io
import json
import os
import subprocess
import sys

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from nltk.tokenize import NLTKWordTokenizer

from image_core.adversarial.errors import UserError
from seqgan.data import END, PAD, SPECIALS, START, UNK, TextTokenizer, counting, read_texts
from seqgan.data.counting import frequent_tokens
from tests.data_folder import data_folder

LEVELS = ["word", "char", "bpe"]
TEXTS = ["A dog, a cat.", "a dog isn't a  cat", "<end> über <pad> 犬"]
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


def test_special_ids():
    assert (PAD, START, END, UNK) == (0, 1, 2, 3)
    for level in LEVELS:
        tokenizer = TextTokenizer.train(TEXTS, level)
        for index, name in enumerate(SPECIALS):
            assert tokenizer.decode([index]) == (name if index == UNK else "")


def test_words_are_sorted_by_count_then_spelling():
    tokenizer = TextTokenizer.train(["c b! B a", "d c b"], "word")
    assert tokenizer.vocab_size == 9
    assert [tokenizer.decode([i]) for i in range(4, 9)] == ["b", "c", "!", "a", "d"]


def test_characters_are_sorted_by_count_then_spelling():
    tokenizer = TextTokenizer.train(["ba b", "Ba\t"], "char")
    assert tokenizer.vocab_size == 8
    assert [tokenizer.decode([i]) for i in range(4, 8)] == ["b", "a", "\t", " "]


def test_rare_tokens_are_unknown():
    tokenizer = TextTokenizer.train(["a a b", "c c"], "word", min_count=2)
    assert tokenizer.vocab_size == 6
    assert tokenizer.encode(["a b c d"]) == [[4, UNK, 5, UNK]]
    assert tokenizer.decode([4, UNK, 5]) == "a <unk> c"


@pytest.mark.parametrize("level", LEVELS)
def test_lowercase_is_an_option(level):
    lower = TextTokenizer.train(["Ab ab"], level)
    assert lower.encode(["AB"]) == lower.encode(["ab"])
    exact = TextTokenizer.train(["Ab ab"], level, lowercase=False)
    assert exact.encode(["Ab"]) != exact.encode(["ab"])
    assert exact.decode(exact.encode(["Ab"])[0]) == "Ab"


def test_decode_stops_at_the_first_end_and_leaves_out_pad_and_start():
    tokenizer = TextTokenizer.train(["ab"], "char")
    a, b = tokenizer.encode(["ab"])[0]
    assert tokenizer.decode([START, PAD, a, b, END, a, END, b, PAD]) == "ab"
    assert tokenizer.decode([]) == ""


@pytest.mark.parametrize("token", [-1, 6, 10**9])
def test_decode_refuses_an_id_of_another_vocabulary(token):
    tokenizer = TextTokenizer.train(["ab"], "char")
    with pytest.raises(UserError, match=f"token {token} is outside this vocabulary of 6;"):
        tokenizer.decode([4, token])


@pytest.mark.parametrize("level", LEVELS)
def test_specials_written_in_a_text_are_text(level):
    tokenizer = TextTokenizer.train(TEXTS, level)
    text = "<end> a <pad> a"
    ids = tokenizer.encode([text])[0]
    assert min(ids) > UNK
    assert tokenizer.decode(ids).replace(" ", "") == text.replace(" ", "")


@settings(max_examples=100, deadline=None)
@given(TEXT)
def test_bpe_is_an_exact_inverse(text):
    ids = BPE.encode([text])[0]
    assert BPE.decode(ids) == text
    assert not {PAD, START, END, UNK} & set(ids)


BPE = TextTokenizer.train(TEXTS * 3, "bpe", vocab_size=300, lowercase=False)


@settings(max_examples=100, deadline=None)
@given(TEXT)
@example("a\n\nb")
def test_char_is_an_exact_inverse(text):
    assume(text)
    tokenizer = TextTokenizer.train([text], "char", lowercase=False)
    ids = tokenizer.encode([text])[0]
    assert len(ids) == len(text)
    assert min(ids) > UNK
    assert tokenizer.decode(ids) == text


@settings(max_examples=100, deadline=None)
@given(TEXT)
def test_words_are_those_of_nltk(text):
    words = NLTKWordTokenizer().tokenize(text.lower())
    assume(words)
    tokenizer = TextTokenizer.train([text], "word")
    ids = tokenizer.encode([text])[0]
    assert len(ids) == len(words)
    assert min(ids) > UNK
    assert tokenizer.decode(ids) == " ".join(words)


@pytest.mark.parametrize("level", LEVELS)
def test_a_batch_is_encoded_as_its_texts_alone(level, monkeypatch):
    monkeypatch.setattr("seqgan.data.tokenizer._SLICE", 2)
    tokenizer = TextTokenizer.train(TEXTS, level)
    texts = [*TEXTS, "", "unseen words", TEXTS[0]]
    assert tokenizer.encode(texts) == [tokenizer.encode([text])[0] for text in texts]
    assert tokenizer.encode(texts)[3] == []
    assert tokenizer.encode([]) == []


def test_bpe_vocabulary_has_the_size_asked_for():
    assert TextTokenizer.train(["abcdefgh " * 9], "bpe", vocab_size=263).vocab_size == 263
    assert TextTokenizer.train(["ab ab ab cd"], "bpe", min_count=4).vocab_size == 260
    assert TextTokenizer.train(["ab ab ab cd"], "bpe", min_count=3).vocab_size > 260
    with pytest.raises(UserError, match=r"--vocab_size 259 is too small for level bpe.* 260;"):
        TextTokenizer.train(["ab"], "bpe", vocab_size=259)


@pytest.mark.parametrize("level", ["word", "char"])
def test_an_empty_vocabulary_is_refused(level):
    with pytest.raises(
        UserError, match=f"no {level} occurs 5 times in the texts; lower --min_count"
    ):
        TextTokenizer.train(["a b"], level, min_count=5)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("level", LEVELS)
def test_save_and_load(tmp_path, level, lowercase):
    tokenizer = TextTokenizer.train(TEXTS, level, lowercase=lowercase)
    tokenizer.save(tmp_path / "new" / "folder")
    again = TextTokenizer.load(tmp_path / "new" / "folder")
    assert (again.level, again.lowercase) == (level, lowercase)
    assert again.vocab_size == tokenizer.vocab_size
    texts = [*TEXTS, "<end> A dog über <start>"]
    ids = tokenizer.encode(texts)
    assert again.encode(texts) == ids
    assert [again.decode(row) for row in ids] == [tokenizer.decode(row) for row in ids]


def test_the_saved_file_serves_tokenizers_alone(tmp_path):
    from tokenizers import Tokenizer

    tokenizer = TextTokenizer.train(TEXTS, "bpe", lowercase=False)
    tokenizer.save(tmp_path)
    alone = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert alone.encode(TEXTS[0]).ids == tokenizer.encode(TEXTS[:1])[0]
    assert [alone.token_to_id(name) for name in SPECIALS] == [PAD, START, END, UNK]


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_options.json"])
def test_a_missing_file_is_named(tmp_path, name):
    TextTokenizer.train(TEXTS, "word").save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing; name a folder"):
        TextTokenizer.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"3", b"\xff\xfe", b"null"])
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_options.json"])
def test_a_corrupt_file_is_named(tmp_path, name, content):
    TextTokenizer.train(TEXTS, "word").save(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} (is corrupt|cannot be read)"):
        TextTokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": "syllable"}, "names an unknown level"),
        ({"lowercase": "yes"}, "names an unknown level"),
        ({"format": 9}, "has format 9, not 1; update seqgan"),
        ({"level": "bpe"}, "belong to two tokenizers; copy both from one"),
        ({"level": "char"}, "belong to two tokenizers; copy both from one"),
    ],
)
def test_wrong_options_are_named(tmp_path, change, words):
    TextTokenizer.train(TEXTS, "word").save(tmp_path)
    file = tmp_path / "tokenizer_options.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UserError, match=f"tokenizer_options.json .*{words}"):
        TextTokenizer.load(tmp_path)


def test_a_foreign_vocabulary_is_refused(tmp_path):
    TextTokenizer.train(TEXTS, "char").save(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text(file.read_text().replace("<end>", "</s>"))
    with pytest.raises(UserError, match=r"tokenizer.json does not begin its vocabulary with <pad>"):
        TextTokenizer.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"no tokenizer can be written to .*file \(.*exists\)"):
        TextTokenizer.train(TEXTS, "char").save(tmp_path / "file")


SCRIPT = """
import seqgan.data
words = sorted({"aa", "bb", "cc", "dd", "ee", "ff"}) + list({"gg", "hh", "ii", "jj", "kk", "ll"})
for level in ("word", "char", "bpe"):
    texts = [f"{a}{b} {b}" for a in sorted(words) for b in sorted(words)]
    tokenizer = seqgan.data.TextTokenizer.train(texts, level, vocab_size=320)
    print(tokenizer.vocab_size, tokenizer.encode(texts))
"""


HEAVY = {"datasets", "pandas", "pyarrow", "transformers", "tokenizers", "nltk", "huggingface_hub"}
LIGHT = f"""
import sys
import seqgan.data
assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)
"""


def test_two_processes_make_the_same_ids_and_importing_is_light():
    """This one, whose hashes are seeded at random, and one that is seeded with a number."""
    environment = {**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LIGHT + SCRIPT]
    first = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    with contextlib.redirect_stdout(io.StringIO()) as mine:
        exec(SCRIPT, {})
    assert len(first.stdout) > 1000
    assert first.stdout == mine.getvalue()


def test_the_quatrains_have_24_characters():
    texts = read_texts(str(data_folder("text") / "poem_quatrains5.txt.gz")).lines
    assert len(texts) == 16_394
    tokenizer = TextTokenizer.train((text.replace(" ", "") for text in texts), "char")
    rows = tokenizer.encode([text.replace(" ", "") for text in texts])
    assert {len(row) for row in rows} == {24}


def test_counts_that_go_to_the_disk_are_the_same(monkeypatch):
    rows = [[f"w{i * i % 97}", "é\n", "a"] for i in range(300)]
    expected = frequent_tokens(rows, 2, "blank")
    monkeypatch.setattr(counting, "IN_MEMORY", 20)
    assert frequent_tokens(rows, 2, "blank") == expected
    assert expected[:2] == ["a", "é\n"]
    monkeypatch.setattr(counting, "MOST_TOKENS", 30)
    with pytest.raises(UserError, match="more than 30 different tokens that occur 2 times; raise"):
        frequent_tokens(rows, 2, "blank")


def test_words_that_are_spelled_like_special_tokens_are_unknown(tmp_path):
    """Such as <unk> in Penn Treebank; once they moved the ids of the special tokens themselves."""
    made = TextTokenizer.train(["a <end> b <unk> c c"], "blank")
    assert made.encode(["c <unk> q <end>"]) == [[4, UNK, UNK, UNK]]
    made.save(tmp_path)
    assert TextTokenizer.load(tmp_path).ids() == made.ids()
    assert [made.ids()[name] for name in SPECIALS] == [0, 1, 2, 3]


def test_one_string_is_no_list_of_texts():
    tokenizer = TextTokenizer.train(["the dog"], "char")
    for read in (tokenizer.encode, tokenizer.split):
        with pytest.raises(UserError, match=r"texts is one string, 'the dog'; put it in \[ \]"):
            read("the dog")
