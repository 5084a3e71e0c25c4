"""Chats that programs export as tables or logs, and texts with a template's marks."""

import json

import pytest

from image_core.adversarial.errors import UserError
from seqgan.dialogue.marked import marked_turns
from seqgan.dialogue.reading import read_dialogues
from seqgan.dialogue.turns import pairs_of

AT = "2023-12-31T23:5{}:00.000+00:00"
LATER = "2024-01-01T01:50:00+00:00"


def discord(number, who, what, at, **more):
    author = {"id": "1", "name": who, "nickname": who.title(), "isBot": False}
    made = {"id": str(number), "type": "Default", "timestamp": at, "content": what}
    return {**made, "author": author, "attachments": [], **more}


DISCORD = {
    "guild": {"name": "x"},
    "messages": [
        discord(1, "ann", "hi", AT.format(1)),
        discord(2, "bob", "hello", AT.format(2)),
        discord(3, "bob", "", AT.format(3)),
        discord(4, "eve", "Joined the server.", AT.format(4), type="GuildMemberJoin"),
        discord(5, "ann", "again", LATER),
        discord(6, "bob", "yes", LATER.replace(":50:", ":51:")),
    ],
}
DISCORD_CSV = (
    "AuthorID,Author,Date,Content,Attachments,Reactions\n"
    f'"1","ann","{AT.format(1)}","hi","",""\n"2","bob","{AT.format(2)}","hello","",""\n'
)
RULE = "=" * 62
DISCORD_TXT = f"""\
{RULE}
Guild: My Server
Channel: Text / general
{RULE}

[12/31/2023 11:58 PM] ann
hi: there

and more

{{Attachments}}
https://x/y.png


[12/31/2023 11:59 PM] bob (pinned)
hello

{{Reactions}}
x (2)

[01/01/2024 02:00 AM] ann
again

[01/01/2024 02:01 AM] bob
yes

{RULE}
Exported 4 message(s)
{RULE}
"""
OLD_TXT = "[31-Dec-23 11:58 PM] ann#1\nhi\n\n[31-Dec-23 11:59 PM] bob#2\nhello\n"
SLACK = [
    {"type": "message", "user": "U2", "text": "hello", "ts": "1700000060.0001"},
    {"type": "message", "user": "U1", "text": "hi", "ts": "1700000000.0001"},
    {"type": "message", "subtype": "channel_join", "user": "U3", "text": "x", "ts": "1700000001.0"},
]


def telegram(who, what, at, **more):
    made = {"id": 1, "type": "message", "date": at, "from": who, "from_id": "user1", "text": what}
    return {**made, **more}


TELEGRAM = {
    "name": "Bob",
    "messages": [
        {"id": 0, "type": "service", "date": "2023-12-31T10:00:00", "actor": "Ann", "text": ""},
        telegram(
            "Ann", ["see ", {"type": "link", "text": "http://x"}, " ?"], "2023-12-31T10:01:00"
        ),
        telegram("Bob", "yes", "2023-12-31T10:02:00"),
        telegram("Bob", "", "2023-12-31T10:03:00", photo="a.jpg"),
    ],
}
MESSENGER = {
    "participants": [{"name": "Ann"}, {"name": "Bob"}],
    "messages": [
        {"sender_name": "Bob", "timestamp_ms": 1700000060000, "content": "caf\u00c3\u00a9"},
        {"sender_name": "Ann", "timestamp_ms": 1700000000000, "content": "hi"},
        {"sender_name": "Ann", "timestamp_ms": 1690000000000, "photos": [{}]},
    ],
}
CLAUDE = [{"uuid": "u", "chat_messages": [
    {"sender": "human", "text": "hi", "content": [{"type": "text", "text": "hi"}]},
    {"sender": "assistant", "text": "x", "content": [{"type": "thinking", "thinking": "?"},
     {"type": "token_budget"}, {"type": "text", "text": "hello"}]}]}]  # fmt: skip
GEMINI = {"systemInstruction": {"parts": [{"text": "be kind"}]}, "contents": [
    {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"data": ""}}]},
    {"role": "model", "parts": [{"text": "hello"}]}]}  # fmt: skip
BOOKING = {"dialogue_id": "1", "turns": [{"speaker": "USER", "utterance": "hi"},
           {"speaker": "SYSTEM", "utterance": "hello"}]}  # fmt: skip
SQUAD = {
    "data": [
        {
            "title": "t",
            "paragraphs": [
                {
                    "context": "c",
                    "qas": [
                        {"question": "q", "id": "1", "answers": [{"text": "a", "answer_start": 0}]}
                    ],
                }
            ],
        }
    ]
}
TWEETS = (
    "tweet_id,author_id,inbound,text,response_tweet_id,in_response_to_tweet_id\n"
    "1,u,True,hi,2,\n2,Shop,False,hello,,1\n"
)
EMPATHETIC = "conv_id,utterance_idx,speaker_idx,utterance\nc,1,1,hi\nc,2,2,yes_comma_ hello\n"
WEIGHT = {"messages": [{"role": "user", "content": "hi"},
          {"role": "assistant", "content": "bad", "weight": 0}, {"role": "user", "content": "so"},
          {"role": "assistant", "content": "good", "weight": 1}]}  # fmt: skip

READ = {
    "discord.json": (DISCORD, [["hi", "hello"], ["again", "yes"]], {"parts": 1, "notes": 1}),
    "discord.csv": (DISCORD_CSV, [["hi", "hello"]], {}),
    "discord.txt": (DISCORD_TXT, [["hi: there\n\nand more", "hello"], ["again", "yes"]], {}),
    "old.txt": (OLD_TXT, [["hi", "hello"]], {}),
    "slack.json": (SLACK, [["hi", "hello"]], {"notes": 1}),
    "telegram.json": (TELEGRAM, [["see http://x ?", "yes"]], {"parts": 1, "notes": 1}),
    "messenger.json": (MESSENGER, [["hi", "caf\u00e9"]], {"parts": 1}),
    "claude.json": (CLAUDE, [["hi", "hello"]], {"parts": 2}),
    "gemini.json": ([GEMINI], [["be kind", "hi", "hello"]], {"parts": 1}),
    "booking.json": ([BOOKING], [["hi", "hello"]], {}),
    "squad.json": (SQUAD, [["c\nq", "a"]], {}),
    "tweets.csv": (TWEETS, [["hi", "hello"]], {}),
    "empathetic.csv": (EMPATHETIC, [["hi", "yes, hello"]], {}),
    "weight.json": ([WEIGHT], [["hi", "bad", "so", "good"]], {"muted": 1}),
    "legacy.json": ([{"prompt": "\n\nHuman: hi\n\nAssistant:", "completion": " hello"}],
                    [["hi", "hello"]], {}),
    "french.txt": ("31/12/2023 \u00e0 10:00 - A: hi\n31/12/2023 \u00e0 10:01 - B: hello\n",
                   [["hi", "hello"]], {}),
    "german.txt": ("31.12.23, 10:00 - A: hi\n31.12.23, 10:01 - B: hello\n"
                   "31.12.23, 10:02 - B: Diese Nachricht wurde gel\u00f6scht.\n",
                   [["hi", "hello"]], {"parts": 1}),
    "guanaco.json": ([{"text": "### Human: hi### Assistant: hello"}], [["hi", "hello"]], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_exports_are_read_as_what_they_are(tmp_path, name):
    content, said, counted = READ[name]
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_dialogues(str(tmp_path / name))
    assert [[turn.text for turn in dialogue.turns] for dialogue in found.items] == said
    assert {key: getattr(found.counts, key) for key in counted} == counted


def test_answers_of_weight_0_are_said_and_not_learned(tmp_path):
    system = {"system": "s", **WEIGHT}
    (tmp_path / "a.json").write_text(json.dumps([system]))
    found = read_dialogues(str(tmp_path / "a.json"))
    assert [reply.text for _, reply in pairs_of(found.items[0])] == ["good"]
    assert "1 answers of weight 0 not learned" in found.told()


def test_a_bad_message_of_an_export_is_named(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps([SLACK[0], {**SLACK[1], "ts": "today"}]))
    with pytest.raises(UserError, match=r"record 2 of .* is no message of an export of Slack"):
        read_dialogues(str(file))


MARKED = {
    "ChatML": "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
    "<|im_start|>assistant\nhello<|im_end|>\n",
    "Llama 2": "<s>[INST] <<SYS>>\ns\n<</SYS>>\n\nhi [/INST] hello </s>",
    "Llama 3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\ns<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nhello<|eot_id|>",
    "Zephyr": "<|system|>\ns</s>\n<|user|>\nhi</s>\n<|assistant|>\nhello</s>",
    "Guanaco": "### System: s\n### Human: hi\n### Assistant: hello",
}


@pytest.mark.parametrize("name", MARKED)
def test_marks_of_templates_are_no_words(name):
    said = [("system", "s"), ("user", "hi"), ("assistant", "hello")]
    assert [tuple(turn) for turn in marked_turns(MARKED[name])] == said


@pytest.mark.parametrize("text", ["hi", "a ### Human: b", "<|im_start|>narrator\nx", "[INST", ""])
def test_other_texts_have_no_marks(text):
    assert marked_turns(text) == []
