"""Reading dialogues, and turning them into padded ids."""

import gzip
import itertools
import json

import pytest

from image_core.adversarial.errors import UserError
from seqgan.dialogue.encode import MARKS, Format, train_tokenizer
from seqgan.dialogue.floors import dull_replies, nearest_replies, random_replies
from seqgan.dialogue.reading import read_dialogues, read_splits
from seqgan.dialogue.turns import Dialogue, Dialogues, Splits, Utterance, backwards, pairs_of
from seqgan.dialogue.words import joined


def file_of(folder, rows, name="d.jsonl"):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    place = folder / name
    if name.endswith(".gz"):
        place.write_bytes(gzip.compress(text.encode()))
    else:
        place.write_text(text, encoding="utf-8")
    return str(place)


def said(found):
    return [[tuple(turn) for turn in item.turns] for item in found.items]


def test_the_same_dialogue_in_every_layout(tmp_path):
    turns = ["hi", "hello"]
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    rows = {
        "turns.jsonl": [{"turns": turns}],
        "turns.jsonl.gz": [{"turns": turns}],
        "messages.jsonl": [{"messages": messages}],
        "completion.jsonl": [{"prompt": "hi", "completion": "hello"}],
        "both.jsonl": [{"prompt": messages[:1], "completion": messages[1:]}],
    }
    expected = [[("user", "hi"), ("assistant", "hello")]]
    for name, content in rows.items():
        assert said(read_dialogues(file_of(tmp_path, content, name))) == expected, name
    for line in ("hi\thello\n", "hi __eou__ hello __eou__\n"):
        (tmp_path / "plain.txt").write_text(line)
        assert said(read_dialogues(str(tmp_path / "plain.txt"))) == expected


def test_empty_turns_and_lone_turns_leave_and_are_counted(tmp_path):
    rows = [{"turns": ["a", " ", "b"]}, {"turns": ["alone"]}, {"turns": ["", ""]}, {"turns": []}]
    found = read_dialogues(file_of(tmp_path, [*rows, {"turns": ["a", "", "b", "c"]}]))
    assert said(found) == [[("user", "a\nb"), ("assistant", "c")]]
    assert (found.counts.read, found.counts.short, found.counts.empty) == (5, 4, 4)
    assert "4 with fewer than two turns or without a reply left out" in found.counts.told()


def test_rows_are_kept_by_a_column(tmp_path):
    rows = [{"turns": [str(i), "x"], "overlap": i / 2} for i in range(4)]
    found = read_dialogues(file_of(tmp_path, rows), where="overlap=0.5")
    assert said(found) == [[("user", "1"), ("assistant", "x")]]
    with pytest.raises(UserError, match="--where nothing=1"):
        read_dialogues(file_of(tmp_path, rows), where="nothing=1")


def test_a_drawn_twentieth_of_the_dialogues_validates_and_equal_ones_stay_together(tmp_path):
    rows = [{"turns": [str(i // 2), "x"]} for i in range(120)]
    splits = read_splits(file_of(tmp_path, rows), None, None, None)
    first = [[item.turns[0].text for item in part.items] for part in splits]
    assert not set(first[0]) & set(first[1])
    assert (len(first[0]), len(first[1])) == (114, 6)
    places = sorted(map(int, set(first[1])))
    assert len({b - a for a, b in itertools.pairwise(places)}) > 1  # not every n-th


def test_all_turns_of_equals_are_replies_and_only_the_assistants_otherwise():
    turns = [
        Utterance("user", "a"),
        Utterance("assistant", "b"),
        Utterance("user", "c"),
        Utterance("assistant", "d"),
    ]
    assert [r.text for _, r in pairs_of(Dialogue(turns, True))] == ["b", "c", "d"]
    assert [r.text for _, r in pairs_of(Dialogue(turns, False))] == ["b", "d"]
    system = [Utterance("system", "be kind"), *turns[:2]]
    assert [r.text for _, r in pairs_of(Dialogue(system, True))] == ["b"]


def test_backwards_each_turn_is_what_was_said_before_its_answer():
    turns = [Utterance("user", "a"), Utterance("assistant", "b"), Utterance("user", "c")]
    chat = Dialogues("chat", [Dialogue([Utterance("system", "be kind"), *turns], False)])
    other = Dialogues("other", [Dialogue(turns, True)])
    found = backwards(Splits(chat, other, other))
    for part in found:
        pairs = [(before[-1].text, reply.text) for before, reply in pairs_of(part.items[0])]
        assert pairs == [("c", "b"), ("b", "a")]
    assert found.test is found.valid
    further = Dialogues("other", [Dialogue(turns, False, last_only=True)])
    (item,) = backwards(Splits(further, further, further)).train.items
    assert [reply.text for _, reply in pairs_of(item)] == ["b"]


TURNS = [
    Utterance("user", "do you like tea ?"),
    Utterance("assistant", "yes ."),
    Utterance("user", "why ?"),
]


@pytest.fixture(scope="module")
def form():
    texts = ["do you like tea ?", "yes .", "why ?", "because it is warm ."] * 5
    return Format(train_tokenizer(texts, 300))


def test_contexts_carry_roles_relative_to_who_answers(form):
    found = Dialogues("made", [Dialogue(TURNS, True)])
    encoded = form.encode(found, context_tokens=40, reply_tokens=20, turns=4)
    texts = [
        form.tokenizer.decode(row[attention_mask])
        for row, attention_mask in zip(encoded.context, encoded.attention_mask, strict=True)
    ]
    assert texts == [
        "<user>do you like tea ?<assistant>",
        "<assistant>do you like tea ?<end><user>yes .<assistant>",
    ]
    assert [form.decode(row.tolist()) for row in encoded.reply] == ["yes .", "why ?"]
    assert (encoded.context[~encoded.attention_mask] == form.pad).all()
    assert not encoded.attention_mask[:, 0].any()
    assert encoded.attention_mask[:, -1].all()


def test_long_contexts_lose_their_oldest_turns_and_long_replies_their_end(form):
    found = Dialogues(
        "made", [Dialogue([*TURNS, Utterance("assistant", "because it is warm .")], True)]
    )
    whole = form.encode(found, context_tokens=60, reply_tokens=3, turns=4)
    assert found.counts.cut == 0
    assert found.counts.long == int((whole.reply != form.end).all(1).sum()) > 0
    width = 6
    cut = form.encode(found, context_tokens=width, reply_tokens=20, turns=4)
    assert found.counts.cut > 0
    for row, attention_mask in zip(cut.context, cut.attention_mask, strict=True):
        text = form.tokenizer.decode(row[attention_mask])
        assert text.endswith("<assistant>")
        assert "why ?" not in text or text == "<user>why ?<assistant>"


def test_marks_spelled_out_in_a_text_are_text(form):
    found = Dialogues(
        "made",
        [Dialogue([Utterance("user", "<end><user>"), Utterance("assistant", "<end>")], True)],
    )
    encoded = form.encode(found, context_tokens=40, reply_tokens=20, turns=2)
    ids = encoded.context[0][encoded.attention_mask[0]].tolist()
    marks = {form.tokenizer.convert_tokens_to_ids(mark) for mark in MARKS.values()}
    assert sum(i in marks for i in ids) == 2
    assert encoded.reply[0].tolist().count(form.end) == 1
    assert encoded.reply[0, 0] != form.end


def test_the_tokenizers_own_template_says_the_same(form):
    messages = [{"role": turn.role, "content": turn.text} for turn in TURNS]
    ids = form.tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=True
    )["input_ids"]
    context, attention_mask = form.context(TURNS, 60)
    assert context[0][attention_mask[0]].tolist() == ids


def test_without_marks_or_template_turns_end_and_without_padding_the_end_pads(form):
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    text = form.tokenizer.backend_tokenizer.to_str().replace("<user>", "<u>")
    other = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(text), eos_token="<end>")
    plain = Format(other)
    assert plain.pad == plain.end
    context, attention_mask = plain.context(TURNS, 60)
    assert (context[0][attention_mask[0]] == plain.end).sum() == 3
    assert int(context[0, -1]) == plain.end
    other.chat_template = (
        "{% if messages[0]['role'] != 'user' %}{{ raise_exception('user first') }}{% endif %}"
        "{% for m in messages %}{{ '#' + m['content'] }}{% endfor %}"
    )
    templated = Format(other)
    context, attention_mask = templated.context([Utterance("assistant", "yes ."), *TURNS], 60)
    text = other.decode(context[0][attention_mask[0]])
    assert text == "#do you like tea ?#yes .#why ?"
    context, attention_mask = templated.context(TURNS, 8)
    assert other.decode(context[0][attention_mask[0]]).endswith("why ?")
    for template, says in (
        ("{{ raise_exception('users only') if messages|length > 1 }}", "user and assistant .*only"),
        (
            "{% for m in messages %}{{ m['content'] + ' ' }}{% endfor %}",
            "the texts of a chat alone",
        ),
    ):
        other.chat_template = template
        with pytest.raises(UserError, match=f"{says}.*; give the model one that marks the turns"):
            Format(other)
    other.eos_token = None
    with pytest.raises(UserError, match="eos_token"):
        Format(other)


def test_pieces_add_up_to_the_reply_whole_characters_at_a_time(form):
    ids = form.texts(["Ünïcödé — 日本 ok"])[0]
    pieces = form.pieces([*ids, form.end, 5])
    assert "".join(pieces) == "Ünïcödé — 日本 ok"
    assert not any("\ufffd" in piece for piece in pieces)


def test_floors():
    contexts = ["the red car", "a green tree in spring", "music at night"]
    replies = ["fast", "Leaves .", "leaves ."]
    assert nearest_replies(contexts, replies, ["red cars and a car", "spring"]) == [
        "fast",
        "Leaves .",
    ]
    assert dull_replies(replies, 2) == ["leaves .", "leaves ."]
    assert set(random_replies(replies, 200)) == set(replies)
    assert random_replies(replies, 5) == random_replies(replies, 5)


def test_words_are_joined_as_they_are_written():
    assert joined("I don ' t know , do you ?") == "I don't know, do you?"
    assert joined("it \u2019 s me !") == "it's me!"
    assert joined("plain text.") == "plain text."
