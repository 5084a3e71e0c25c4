"""Chat logs as programs export them, and Cornell's movie dialogs."""

import pytest

from image_core.adversarial.errors import UserError
from seqgan.dialogue.reading import read_dialogues

ANDROID = """\
12/31/20, 10:15 PM - Messages and calls are end-to-end encrypted. Tap to learn more.
12/31/20, 10:15 PM - Ann: Hi: are you there?
12/31/20, 10:16 PM - Bob B.: yes
and at home

since 5
12/31/20, 10:17 PM - Ann: <Media omitted>
12/31/20, 10:18 PM - Ann: nice
12/31/20, 11:30 PM - Bob B.: later
12/31/20, 11:59 PM - Ann: This message was deleted
12/31/20, 11:59 PM - Ann: good night
1/1/21, 12:05 AM - Bob B.: happy
1/1/21, 12:06 AM - Ann: new year
"""
IPHONE = """\
\ufeff[31.12.2020, 22:15:03] Ann: \u200eMessages and calls are end-to-end encrypted.
[31.12.2020, 22:15:04] Ann: Hi
\u200e[31.12.2020, 22:15:30] Bob: \u200eimage omitted
[31.12.2020, 22:16:00] Bob: hello
[31.12.2020, 22:16:01] \u200eBob: and more
"""
IRC = """\
--- Log opened Mon Jan 01 12:00:00 2018
12:00 -!- ann [a@b.c] has joined #x
12:01 <@ann> does it work?
12:03 < bob> bob: it does <now>
12:04 * bob smiles
13:10 <ann> again
13:11 <bob> yes
09:00 <ann> morning
09:01 <bob> hi
"""
WEECHAT = """\
2018-01-01 12:00:00\t-->\tann has joined #x
2018-01-01 12:01:00\t@ann\tdoes it work?
2018-01-01 12:02:00\t*\tbob smiles
2018-01-01 12:03:00\tbob\tit\tdoes
"""
UBUNTU = """\
=== ann [~a@b.c] has joined #x
[12:01] <ann> does it work?
[12:03] <user> it does
[12:04] <carl> not here
"""
READ = {
    "android": (
        ANDROID,
        [
            ["Hi: are you there?", "yes\nand at home\n\nsince 5", "nice"],
            ["later", "good night"],
            ["happy", "new year"],
        ],
        {"parts": 2, "notes": 1, "several": 0},
    ),
    "iphone": (
        IPHONE,
        [["Hi", "hello\nand more"]],
        {"parts": 2, "merged": 1},
    ),
    "24 hours": (
        "31/12/2020, 22:15 - Ann: a\n31/12/2020, 23:14 - Bob: b\n",
        [["a", "b"]],
        {"notes": 0},
    ),
    "irc": (
        IRC,
        [["does it work?", "bob: it does <now>"], ["again", "yes"], ["morning", "hi"]],
        {"notes": 3},
    ),
    "weechat": (WEECHAT, [["does it work?", "it\tdoes"]], {"notes": 2}),
    "line": (
        "2020/01/01(Wed)\n10:00\tAnn\thi\n10:01\tBob\tyo\n",
        [["hi", "yo"]],
        {"notes": 1},
    ),
    "ubuntu": (UBUNTU, [["does it work?", "it does", "not here"]], {"notes": 1, "several": 1}),
}


@pytest.mark.parametrize("name", READ)
def test_logs(tmp_path, name):
    text, said, counted = READ[name]
    (tmp_path / "log.txt").write_text(text, encoding="utf-8")
    read = read_dialogues(str(tmp_path / "log.txt"))
    assert [[turn.text for turn in item.turns] for item in read.items] == said
    assert {key: vars(read.counts)[key] for key in counted} == counted
    assert all(item.equals for item in read.items)
    assert "a dialogue up to a pause of 60 minutes" in read.kind


PLAIN = {
    "times in what is said": ("12:30 is late\nno it is not\n\n12:40 then\nfine\n", 2),
    "a tab a turn": ("<a> hi\tthere\n<b> so\tnot\n", 2),
}


@pytest.mark.parametrize("name", PLAIN)
def test_other_text_is_no_log(tmp_path, name):
    text, dialogues = PLAIN[name]
    (tmp_path / "a.txt").write_text(text)
    read = read_dialogues(str(tmp_path / "a.txt"))
    assert len(read.items) == dialogues
    assert read.kind.startswith("text, a ")


@pytest.mark.parametrize("comma", [",", "."])
def test_subtitles_do_not_say_who_speaks(tmp_path, comma):
    blocks = [f"{i}\n00:00:0{i}{comma}000 --> 00:00:0{i}{comma}900\nHi {i}\n" for i in range(1, 4)]
    (tmp_path / "a.srt").write_text("\n".join(blocks))
    with pytest.raises(UserError, match=r"a\.srt holds subtitles, which do not say who speaks; w"):
        read_dialogues(str(tmp_path / "a.srt"))


LINES = b"""\
L1 +++$+++ u0 +++$+++ m0 +++$+++ BIANCA +++$+++ Hi\x85
L3 +++$+++ u0 +++$+++ m0 +++$+++ BIANCA +++$+++ Fine.
L2 +++$+++ u1 +++$+++ m0 +++$+++ CAMERON +++$+++ How <u>are</u> you? caf\xe9
L4 +++$+++ u1 +++$+++ m0 +++$+++ CAMERON +++$+++\x20
"""
TALKS = b"u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L1', 'L2', 'L3']\nu1 +++$+++ u0 +++$+++ m0 +++$+++ "


@pytest.mark.parametrize("named", ["movie_lines.txt", "movie_conversations.txt"])
def test_cornell_movie_dialogs(tmp_path, named):
    (tmp_path / "movie_lines.txt").write_bytes(LINES)
    (tmp_path / "movie_conversations.txt").write_bytes(TALKS + b"['L3', 'L2']\n")
    read = read_dialogues(str(tmp_path / named))
    assert [[turn.text for turn in item.turns] for item in read.items] == [
        ["Hi\u2026", "How <u>are</u> you? caf\u00e9", "Fine."],
        ["Fine.", "How <u>are</u> you? caf\u00e9"],
    ]


def test_half_of_cornells_corpus(tmp_path):
    (tmp_path / "movie_lines.txt").write_bytes(LINES)
    with pytest.raises(UserError, match=r"put movie_lines\.txt and movie_conversations\.txt into"):
        read_dialogues(str(tmp_path / "movie_lines.txt"))
    talks = tmp_path / "movie_conversations.txt"
    talks.write_bytes(TALKS + b"['L3', 'L9']\n")
    with pytest.raises(UserError, match=r"line 2 of .*conversations.txt lists lines that .*'L9'"):
        read_dialogues(str(talks))
