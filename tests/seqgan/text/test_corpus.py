"""What a corpus makes of text: levels, lists of tokens, labels, one length; and `seqgan look`."""

import json

import pytest
import torch

from image_core.adversarial.errors import UserError
from image_core.data.split import held_out
from seqgan.cli import main
from seqgan.text import corpus
from seqgan.text import splits as module
from seqgan.text.corpus import read_corpus
from seqgan.text.notes import cut_tokens, like_a_table
from seqgan.text.splits import CorpusConfig
from tests.recipes.made import content, refusal, sentences

STRUCTURED = ["C#4|0.5 <num> [SEP] @-@", "D5|1 <num> @-@", "E5|0.25 [SEP]"]


def written(folder, lines, name="a.txt"):
    file = folder / name
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


def rows(folder, *values):
    file = folder / "a.jsonl"
    file.write_text("".join(json.dumps(value) + "\n" for value in values))
    return str(file)


def structured(count):
    return [f"{STRUCTURED[i % 3]} n{i % 7}" for i in range(count)]


def test_blanks_alone_part_tokens(tmp_path):
    config = CorpusConfig(data=written(tmp_path, structured(60)), level="blank", lowercase=False)
    read = read_corpus(config)
    assert {"C#4|0.5", "<num>", "[SEP]", "@-@"} <= read.tokenizer.ids().keys()
    row = read.tokenizer.encode([STRUCTURED[0]])[0]
    assert len(row) == 4
    assert read.tokenizer.decode(row) == STRUCTURED[0]
    assert {len(words) for words in read.train_words(10)} <= {3, 4, 5}


def test_word_level_says_where_it_cuts_what_holds_no_blank(tmp_path, capsys):
    read_corpus(CorpusConfig(data=written(tmp_path, structured(60)), lowercase=False))
    said = capsys.readouterr().err
    assert "--level blank keeps it whole" in said
    assert cut_tokens(STRUCTURED) == (
        "level word cuts 77.8% of what stands between blanks, for example <num> into < num >; "
        "--level blank keeps it whole"
    )
    ordinary = [
        "I can't say; it's Tom's (old) dog -- isn't it?", '"Well," she said, "we\'ll cannot go..."',
        "\u201cSo,\u201d he said \u2014 and left\u2026", "U.S. e.g. 3.14 and/or re-read",
    ]  # fmt: skip
    assert cut_tokens(ordinary) == ""


def test_rows_of_a_table_under_another_name_are_noted():
    assert like_a_table(["1\ta b", "2\tc"]).startswith("100% of the lines have 1 tabs, whose cells")
    assert like_a_table(["a\tb\tc"] * 19 + ["a"]).startswith("95% of the lines have 2 tabs")
    for ordinary in (["a\tb", "c\td"], ["1 a", "2 b"], ["a\tb\tc", "a", "b"]):
        assert like_a_table(ordinary) == ""


def test_a_vocabulary_that_cannot_be_made_names_its_file(tmp_path):
    source = rows(tmp_path, *({"text": f"a{i} b{i}"} for i in range(40)))
    with pytest.raises(UserError, match=rf"{source}: no word occurs 5 times in the texts; lower"):
        read_corpus(CorpusConfig(data=source, min_count=5))


def test_a_list_of_tokens_is_not_split_again(tmp_path, capsys):
    values = [{"id": i, "tokens": line.split()} for i, line in enumerate(structured(60))]
    read = read_corpus(CorpusConfig(data=rows(tmp_path, *values), lowercase=False))
    assert read.tokenizer.level == "blank"
    assert "C#4|0.5" in read.tokenizer.ids()
    said = capsys.readouterr().err
    assert "read as JSON lines, column tokens, lists of tokens" in said
    assert "--level blank" not in said


def test_labels_are_held_out_alike_and_counted(tmp_path, capsys):
    made = list(dict.fromkeys(sentences(900)))[:220]
    labels = ["neg" if i < 180 else "pos" for i in range(len(made))]  # sorted, nine to two
    values = [{"t": line, "y": label} for line, label in zip(made, labels, strict=True)]
    source = rows(tmp_path, *values)
    read = read_corpus(CorpusConfig(data=source, field="t", label_field="y"))
    facts = read.facts
    held = {k: facts["valid_classes"][k] + facts["test_classes"][k] for k in ("neg", "pos")}
    assert held == {"neg": 18, "pos": 4}
    assert facts["train_classes"] == {"neg": 162, "pos": 36}
    assert "labels: neg 162, pos 36" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"has no field 'z'; --label_field may be t, y"):
        read_corpus(CorpusConfig(data=source, field="t", label_field="z"))


def test_a_label_for_each_line_holds_none_out(tmp_path):
    values = [{"t": line, "y": i / 7} for i, line in enumerate(sentences(40))]
    options = CorpusConfig(data=rows(tmp_path, *values), field="t", label_field="y")
    with pytest.raises(UserError, match="too few different lines of each of its 40 labels"):
        read_corpus(options)


def test_lines_of_one_length_have_no_end_and_other_lengths_are_refused(tmp_path, capsys):
    six = [" ".join((s.split() * 6)[:6]) for s in sentences(60)]
    proposed = "all lines have 6 tokens; --fixed_length true"
    assert read_corpus(CorpusConfig(data=written(tmp_path, six))).train.width == 7
    assert proposed in capsys.readouterr().err
    read_corpus(CorpusConfig(data=written(tmp_path, sentences(60), "c.txt")))
    assert proposed not in capsys.readouterr().err
    read = read_corpus(CorpusConfig(data=written(tmp_path, six), fixed_length=True))
    assert read.train.width == read.test.shape[1] == 6
    assert [len(row) for row in read.sentences(read.test)] == [6] * len(read.test)
    assert read.references == read.sentences(read.test)
    seven = written(tmp_path, [*six, "a cat"], "b.txt")
    with pytest.raises(UserError, match="has 2 tokens and those before it 6"):
        read_corpus(CorpusConfig(data=seven, fixed_length=True))
    valid = written(tmp_path, ["a cat sees"] * 3, "v.txt")
    with pytest.raises(UserError, match=r"sets have lines of \[3, 6\] tokens"):
        read_corpus(CorpusConfig(data=written(tmp_path, six), valid=valid, fixed_length=True))


def test_held_out_lines_of_a_long_text_are_drawn_by_their_checksums(tmp_path, monkeypatch):
    """As many as of a short one, up to the greatest number; equal lines stay together."""
    made = [f"{line} {i % 400}" for i, line in enumerate(sentences(1200))]
    source = written(tmp_path, made + made[:200])
    monkeypatch.setattr(module, "CANDIDATES", 300)
    monkeypatch.setattr(corpus, "COMPARED", 2)  # near duplicates are for other tests
    read = read_corpus(CorpusConfig(data=source))
    held = read.facts["valid_lines"] + read.facts["test_lines"]
    assert held == pytest.approx(0.1 * 1400, abs=4)
    assert read.facts["valid_in_train"] == read.facts["test_in_train"] == 0
    assert read.facts["train_lines"] == 1400 - held
    monkeypatch.setattr(module, "MOST", 20)
    read = read_corpus(CorpusConfig(data=source))
    assert read.facts["valid_lines"] + read.facts["test_lines"] == pytest.approx(40, abs=4)
    other = read_corpus(CorpusConfig(data=source, split_seed=1))
    assert other.references != read.references
    again = read_corpus(CorpusConfig(data=source))
    assert again.references == read.references


def test_a_short_text_is_split_as_ever(tmp_path):
    made = sentences(200)
    read = read_corpus(CorpusConfig(data=written(tmp_path, made)))
    held = set(held_out(len(made), 0.1, 0, groups=made))
    assert list(read.train_text) == [line for i, line in enumerate(made) if i not in held]
    assert read.train_lines(len(made)) == list(read.train_text)


def test_some_lines_of_a_sorted_text_are_of_everywhere(tmp_path):
    """Of a file sorted by length the first lines would be the shortest."""
    made = [" ".join(["a"] * n + [f"w{n}"]) for n in range(1, 201)]
    read = read_corpus(CorpusConfig(data=written(tmp_path, made), max_length=220))
    lengths = [len(words) for words in read.train_words(60)]
    assert 80 < sum(lengths) / 60 < 120
    assert [len(line.split()) for line in read.train_lines(60)] == lengths
    rows = read.train[torch.tensor(read.some_train(60))]
    assert [len(words) for words in read.sentences(rows)] == lengths


# ------------------------------------------------------------------------------------------- look


def test_look_prints_what_was_understood_and_five_examples(tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    values = [{"meta": {"text": line}} for line in sentences(80)]
    source = rows(tmp_path, *values, {"meta": {"text": " "}})
    assert main(["look", "--data", source, "--field", "meta.text", "--min_count", "5"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    train = next(line for line in out.splitlines() if line.startswith("train: "))
    assert f"{source}, 72 lines, at most " in train
    assert "1 blank lines left out, read as JSON lines, column meta.text" in train
    lines = out[out.index("vocabulary: ") :].splitlines()
    assert len(lines) == 11
    for line, tokens in zip(lines[1::2], lines[2::2], strict=True):
        plain = [token.removeprefix("<unknown: ") for token in tokens.strip().split(" | ")]
        assert [token.removesuffix(">") for token in plain] == line.split()
    assert content(tmp_path / "here") == {}


def test_look_refuses_as_training_does(tmp_path, capsys):
    source = written(tmp_path, sentences(80))
    assert "leave --field away" in refusal(capsys, "look", "--data", source, "--field", "t")
    assert "--recipe oracle: choose one of" in refusal(
        capsys, "look", "--data", source, "--recipe", "oracle"
    )
