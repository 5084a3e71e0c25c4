"""What was read of some dialogues, with examples; nothing is trained."""

from seqgan.dialogue.data import DialogueDataOptions
from seqgan.dialogue.facts import facts_of, tell
from seqgan.dialogue.reading import read_splits
from seqgan.dialogue.turns import Dialogue, backwards, pairs_of

SHOWN, WIDE = 5, 200
"""Number of examples, and most characters of a turn that are shown."""


def look(config: DialogueDataOptions) -> None:
    """Print what was read, and the first training dialogues with the replies that are learned.

    Args:
        config: Options of a run on dialogues.

    Raises:
        UserError: The dialogues cannot be read.
    """
    c = config
    sets = read_splits(c.data, c.valid, c.test, c.limit, c.where, c.columns)
    sets = backwards(sets) if c.backward else sets
    for part in {id(part): part for part in sets}.values():
        print(part.told())
    tell(facts_of(sets), sets)
    for number, dialogue in enumerate(sets.train.items[:SHOWN], 1):
        print(f"  example {number}")
        for line in _shown(dialogue):
            print(f"    {line}")


def _shown(dialogue: Dialogue) -> list[str]:
    learned = {id(reply) for _, reply in pairs_of(dialogue)}
    marks = (" (learned)" if id(turn) in learned else "" for turn in dialogue.turns)
    return [
        f"{turn.role}{mark}: {' / '.join(turn.text.splitlines())[:WIDE]}"
        for turn, mark in zip(dialogue.turns, marks, strict=True)
    ]
