"""Facts of the data: sizes, duplicates, near duplicates, and sets that hold nothing new."""

import pytest

from image_core.adversarial.errors import UserError
from seqgan.dialogue.facts import facts_of, tell
from seqgan.dialogue.reading import read_splits
from seqgan.dialogue.turns import Dialogue, Dialogues, Splits, Utterance
from tests.seqgan.dialogue.test_dialogue_recipe import written

LONG = "one two three four five six seven eight nine ten"


def part(name, *pairs):
    items = [
        Dialogue([Utterance("user", a), Utterance("assistant", b)], equals=True) for a, b in pairs
    ]
    return Dialogues(name, items)


def test_shares_of_exact_and_near_duplicates():
    train = part("a", ("hi there", "hello"), (LONG, "eleven"), ("how are you", "fine"))
    valid = part("b", ("Hi there", "Hello"), ("who are you", "nobody"))
    test = part(
        "c", (LONG, "twelve"), ("and this", "is new"), ("so is", "that"), ("HI there", "hello")
    )
    facts = facts_of(Splits(train, valid, test))
    assert facts["train_rows"] == 3
    assert (facts["valid_rows"], facts["test_rows"]) == (2, 4)
    assert (facts["valid_in_train"], facts["test_in_train"]) == (0.5, 0.25)
    assert (facts["valid_near_train"], facts["test_near_train"]) == (0.5, 0.5)


def test_what_holds_nothing_else_is_refused_and_what_is_shared_is_told(capsys):
    train, same = part("a", ("hi", "hello"), ("and", "so")), part("b", ("hi", "hello"))
    other = part("c", ("who", "me"), ("hi", "hello"))
    with pytest.raises(UserError, match="of b is in the training set too; name a --test file"):
        facts_of(Splits(train, other, same))
    sets = Splits(train, other, other)
    capsys.readouterr()
    tell(facts_of(sets), sets)
    assert "test: 2 rows beside 2 to learn from; 50.0% are in" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["answers", "grows"])
def test_what_belongs_together_is_held_out_together(tmp_path, form):
    """Several answers to one prompt, and the records of one conversation that grows."""
    rows = []
    for number in range(40):
        ask = {"role": "user", "content": f"question {number}"}
        replies = [{"role": "assistant", "content": f"answer {n} of {number}"} for n in range(3)]
        if form == "answers":
            rows += [{"prompt": [ask], "completion": [reply]} for reply in replies]
        else:
            grown = [ask, replies[0], {"role": "user", "content": "more"}, replies[1]]
            rows += [{"messages": grown[:2]}, {"messages": grown}]
    sets = read_splits(written(tmp_path, rows), None, None, None)
    train, valid = ({d.turns[0].text for d in one.items} for one in sets[:2])
    assert valid
    assert not train & valid
