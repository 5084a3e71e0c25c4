"""Dialogues of a text file: ParlAI's formats, chat logs, a dialogue a line, a turn a line."""

import re
from collections.abc import Iterator, Sequence

from image_core.adversarial.errors import UserError
from seqgan.dialogue.chat_logs import check_subtitles, dialogues_of_log, log_kind
from seqgan.dialogue.messages import MARKS, alternating, split, spoken
from seqgan.dialogue.printed import NAMED, SPEAKERS
from seqgan.dialogue.turns import ROLES, Counts, Dialogue, Utterance

Found = tuple[str, Dialogue, str]
"""Line and source, dialogue, and layout."""

_PARLAI = re.compile(r"(?:^|\t)(text|labels|eval_labels|episode_done):")
_FB = re.compile(r"(\d+) (.*)", re.DOTALL)
_NAME_ALONE = re.compile(r"[^\W\d_][^:\t.!?]{0,30}:")

_BAR = re.compile(r"(?<!\\)\|")


def dialogues_of_lines(lines: Sequence[str], source: str, counts: Counts) -> Iterator[Found]:
    """Dialogues of a text file, whose format the first lines tell.

    Args:
        lines: Lines without their ends.
        source: Name of the file.
        counts: Takes what is left out.

    Raises:
        UserError: A line is not in the format of the others, or nothing separates dialogues.
    """
    said = [line for line in lines if line.strip()]
    if not said:
        raise UserError(f"{source} holds no text; name a file with dialogues in it")
    check_subtitles(said, source)
    if (log := log_kind(said)) is not None:
        return dialogues_of_log(lines, log, source, counts)
    if _PARLAI.match(said[0]):
        return _parlai(lines, source, counts)
    if said[0].startswith("1 ") and all(_FB.fullmatch(line) for line in said[:100]):
        return _fb(lines, source, counts)
    marked = sum(any(mark.strip(" ") in line for mark in MARKS) for line in said)
    if 2 * marked >= len(said):
        return _lines(lines, source, counts)
    blocks = list(_blocks(lines))
    if len(blocks) < 2 or len(blocks) == len(said):
        raise UserError(
            f"nothing in {source} separates turns from dialogues; put an empty line between two "
            "dialogues of a turn a line, or tabs between the turns of a dialogue a line"
        )
    alone = [_NAME_ALONE.fullmatch(block[0][1]) for block in blocks if len(block) > 1]
    if len(alone) == len(blocks) and all(alone):
        raise UserError(
            f"{source} names who speaks on a line of its own, as plays do (line {blocks[0][0][0]}: "
            f"{blocks[0][0][1]!r}), and nothing parts dialogues; write NAME: TEXT on one line, and "
            "an empty line between two dialogues"
        )
    return _turns(blocks, source, counts)


def _lines(lines: Sequence[str], source: str, counts: Counts) -> Iterator[Found]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            counts.read += 1
            yield f"line {number} of {source}", Dialogue(alternating(split(line)), True), (
                "text, a dialogue a line"
            )  # fmt: skip


# ------------------------------------------------------------------------------------ a turn a line

Block = list[tuple[int, str]]


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Numbered lines between empty ones."""
    block: Block = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            block.append((number, line.strip()))
        elif block:
            yield block
            block = []


def _turns(blocks: Sequence[Block], source: str, counts: Counts) -> Iterator[Found]:
    """A turn a line; where all begin with one of a few names and a colon, said by these."""
    named = [NAMED.fullmatch(line) for block in blocks for _, line in block]
    names = {match[1] for match in named if match}
    speakers = all(named) and len(names) <= SPEAKERS and len(named) > 2 * len(names)
    kind = "text, a turn a line" + (", speakers named before a colon" if speakers else "")
    chat = all(name.lower() in ROLES for name in names)
    for block in blocks:
        counts.read += 1
        place = f"line {block[0][0]} of {source}"
        if speakers:
            said = [(m[1], m[2].strip()) for _, line in block if (m := NAMED.fullmatch(line))]
            yield place, spoken(said, place, counts, by_role=chat), kind
        else:
            yield place, Dialogue(alternating([line for _, line in block]), True), kind


# ------------------------------------------------------------------------------------------ ParlAI

Example = tuple[str, list[str]]
"""What was said, and the answers to it."""


def _parlai(lines: Sequence[str], source: str, counts: Counts) -> Iterator[Found]:
    """`text:... TAB labels:... TAB episode_done:True`, answers with bars between."""
    episode: list[Example] = []
    begun = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = dict(cell.partition(":")[::2] for cell in line.split("\t"))
        labels = cells.get("labels", cells.get("eval_labels"))
        if "text" not in cells or labels is None:
            lacking = "labels" if "text" in cells else "text"
            raise UserError(
                f"line {number} of {source} has no {lacking}; write text:... and labels:... with a "
                "tab between, or leave the line out"
            )
        begun = begun or number
        episode.append((_unescaped(cells["text"]), _several(labels)))
        if cells.get("episode_done") == "True":
            yield from _episode(episode, f"line {begun} of {source}", "ParlAI text", counts)
            episode, begun = [], 0
    if episode:
        yield from _episode(episode, f"line {begun} of {source}", "ParlAI text", counts)


def _fb(lines: Sequence[str], source: str, counts: Counts) -> Iterator[Found]:
    """`N text TAB labels TAB reward TAB candidates`; 1 begins an episode, no tab is context."""
    episode: list[Example] = []
    context: list[str] = []
    begun = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _FB.fullmatch(line)
        if match is None:
            raise UserError(
                f"line {number} of {source} does not begin with its number in an episode, as the "
                "others do; number it, or leave it out"
            )
        if int(match[1]) == 1:
            if episode:
                yield from _episode(episode, f"line {begun} of {source}", "ParlAI fb", counts)
            episode, context, begun = [], [], number
        text, *cells = match[2].split("\t")
        context.append(_unescaped(text))
        if cells and cells[0].strip():
            episode.append(("\n".join(filter(None, context)), _several(cells[0])))
            context = []
    if episode:
        yield from _episode(episode, f"line {begun} of {source}", "ParlAI fb", counts)


def _several(labels: str) -> list[str]:
    return [_unescaped(label.replace("\\|", "|")) for label in _BAR.split(labels)]


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n").replace("__SILENCE__", "").strip()


def _episode(episode: Sequence[Example], place: str, kind: str, counts: Counts) -> Iterator[Found]:
    """An episode with the first answers, and one that ends with each further answer."""
    counts.read += 1
    turns: list[Utterance] = []
    further: list[Dialogue] = []
    for text, labels in episode:
        turns.append(Utterance("user", text))
        for label in labels[1:]:
            further.append(Dialogue([*turns, Utterance("assistant", label)], False, last_only=True))
        turns.append(Utterance("assistant", labels[0]))
    counts.further += len(further)
    for dialogue in (Dialogue(turns, False), *further):
        yield place, dialogue, kind
