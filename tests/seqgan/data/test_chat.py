import json
import re
import sys

import pytest

from image_core.adversarial.errors import UserError
from seqgan.data import chitchat_turns


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of our own in place of the real one; holds the conversations it is given."""
    folder = tmp_path / "chitchat_dataset"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('nobody imports this')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "chitchat_dataset", raising=False)

    def fill(conversations: dict[str, list[list[str]]]) -> None:
        whole = {
            name: {"messages": [[{"text": text} for text in message] for message in messages]}
            for name, messages in conversations.items()
        }
        (folder / "dataset.json").write_text(json.dumps(whole), encoding="utf-8")

    fill.folder = folder
    return fill


def turns(*texts: str) -> dict[str, list[list[str]]]:
    return {"a": [[text] for text in texts]}


def test_a_turn_is_all_a_speaker_says_and_blanks_are_squeezed(package):
    package({"a": [["  hi\n there", "you  too "], ["fine \u2028 thanks"]]})
    assert chitchat_turns().train == ["hi there you too", "fine thanks"]


def test_turns_too_short_or_too_long_are_dropped(package):
    package(turns("one", "one two", "one two three", "one two three four", " "))
    assert chitchat_turns(max_words=3).train == ["one two", "one two three"]
    with pytest.raises(UserError, match="no chat turn has 2 to 1 words; raise --max_words"):
        chitchat_turns(max_words=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jo.doe+x@mail.example.org.", "write to _email_."),
        ("see https://a.b/c?d=1&e=@f ok", "see _url_ ok"),
        ("see WWW.a.b, or Shop.Example.com/x now", "see _url_ or _url_ now"),
        ("ask @some_one2.x. please", "ask _handle_. please"),
        ("call +1 (555) 010-9999 now", "call _phone_ now"),
        ("call 5550109999, it is mine", "call _phone_, it is mine"),
        ("i am 27, born in 1990-91 ...", "i am 27, born in 1990-91 ..."),
        ("a@b and so.on at e.g. ten", "a@b and so.on at e.g. ten"),
    ],
)
def test_private_things_are_redacted(package, text, expected):
    package(turns(text))
    assert chitchat_turns().train == [expected]


def test_conversations_are_split_by_their_name_alone(package):
    names = [f"conversation {n}" for n in range(2000)]
    package({name: [["turn of", name], ["second of", name]] for name in names})
    chat = chitchat_turns()
    assert [len(split) / 4000 for split in chat] == pytest.approx([0.90, 0.05, 0.05], abs=0.02)
    homes = [{turn.split(" of ")[1] for turn in split} for split in chat]
    assert sum(map(len, homes)) == 2000
    in_order = [f"{which} of {name}" for name in names for which in ("turn", "second")]
    assert chat.train == [turn for turn in in_order if turn.split(" of ")[1] in homes[0]]
    package({name: [["turn of", name]] for name in reversed(names)})
    assert [{turn.split(" of ")[1] for turn in split} for split in chitchat_turns()] == homes


def test_the_split_does_not_depend_on_version_or_process(package):
    # By hand: sha256 puts them at 89, 90, 94, 95, 99 and 0 of a hundred
    package({name: [["hi", name]] for name in ("c2", "c101", "c9", "c99", "c71", "c90")})
    assert chitchat_turns() == (["hi c2", "hi c90"], ["hi c101", "hi c9"], ["hi c99", "hi c71"])


def test_limit_takes_the_first_turns_over_all_splits(package):
    names = [f"conversation {n}" for n in range(300)]
    package({name: [["turn of", name], ["x"], ["second of", name]] for name in names})
    whole, part = chitchat_turns(), chitchat_turns(101)
    assert sum(map(len, part)) == 101
    for few, many in zip(part, whole):
        assert few == many[: len(few)]
    assert part.train[-1].split()[-1] == "50"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("seqgan.data.chat.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"not installed; pip install chitchat-dataset"):
        chitchat_turns()


@pytest.mark.parametrize("content", [b"{", b"\xff", None])
def test_broken_data_are_named(package, content):
    if content is not None:
        (package.folder / "dataset.json").write_bytes(content)
    with pytest.raises(UserError, match=r"dataset.json cannot be read .*--force-reinstall"):
        chitchat_turns()


def test_the_real_package():
    pytest.importorskip("chitchat_dataset", reason="chitchat-dataset is not installed")
    chat = chitchat_turns(20_000)
    assert [len(split) for split in chat] == [18_403, 737, 860]
    lengths = {len(turn.split()) for split in chat for turn in split}
    assert lengths == set(range(2, 21))
    assert chat.train[0] == "Hello How are you doing today?"
    found = [turn for split in chat for turn in split if re.search(r"https?:|(?<!\w)@\w", turn)]
    assert not found
