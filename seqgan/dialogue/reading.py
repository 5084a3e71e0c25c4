"""Dialogues of a file, a hub data set or an installed package, and their sets."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.data.split import held_out
from seqgan.data.annotated import CONLL, FASTA, FASTTEXT
from seqgan.data.chat import chitchat_conversations
from seqgan.data.hub_records import is_saved
from seqgan.data.records import PLAIN, exists, find_file, records
from seqgan.data.source import read_rows
from seqgan.dialogue.cornell import dialogues_of_cornell, is_cornell
from seqgan.dialogue.html_turns import without_html
from seqgan.dialogue.layouts import dialogues_of_rows, renamed
from seqgan.dialogue.messages import alternating
from seqgan.dialogue.plain import dialogues_of_lines
from seqgan.dialogue.turns import Counts, Dialogue, Dialogues, Splits, Utterance

CHITCHAT, CHATTERBOT = "chitchat", "chatterbot"
"""Names of the corpora that are packages: `chitchat-dataset` (MIT), `chatterbot-corpus` (BSD)."""

HELD_OUT, SPLIT_SEED = 0.05, 0
"""Share of the dialogues drawn for validation where no set is named, and the seed of the draw."""


def read_splits(
    data: str,
    valid: str | None,
    test: str | None,
    limit: int | None,
    where: str = "",
    columns: str = "",
) -> Splits:
    """Read the sets; a twentieth of the dialogues, drawn, validates where no file does.

    Dialogues that begin alike are all held out or none.

    Args:
        data: A file, a hub data set, "chitchat" or "chatterbot".
        valid: The same, or None.
        test: The same; the validation set where None.
        limit: Most dialogues of the data.
        where: Condition on a column that rows of the test set meet, as in "train_overlap=0".
        columns: Names of the columns, as in `read_dialogues`.

    Raises:
        UserError: A set cannot be read, or holds no dialogue.
    """
    if data == CHITCHAT:
        sets = [_equals(CHITCHAT, part) for part in chitchat_conversations(limit)]
        return Splits(*(_checked(part) for part in sets))
    train = _checked(read_dialogues(data, limit, columns=columns))
    if valid is None:
        train, validation = _halves(train)
    else:
        validation = _checked(read_dialogues(valid, columns=columns))
    if test is None:
        return Splits(train, validation, validation)
    measured = _checked(read_dialogues(test, where=where, columns=columns))
    return Splits(train, validation, measured)


def _halves(found: Dialogues) -> tuple[Dialogues, Dialogues]:
    """Without what is drawn to validate, and that."""
    same = [_opening(dialogue) for dialogue in found.items]
    places = set(held_out(len(same), HELD_OUT, SPLIT_SEED, groups=same))
    kept = [d for i, d in enumerate(found.items) if i not in places]
    held = [d for i, d in enumerate(found.items) if i in places]
    if not held:
        raise UserError(
            f"--data {found.source} has {len(same)} dialogues, too few different ones to hold some "
            "out; name --valid FILE or add dialogues"
        )
    drawn = Dialogues(f"{HELD_OUT:.0%} of {found.source}, drawn", held, Counts(read=len(held)))
    return Dialogues(found.source, kept, found.counts, found.kind), drawn


def _opening(dialogue: Dialogue) -> tuple[Utterance, ...]:
    """How a dialogue begins: dialogues that begin alike are held out together.

    Equal dialogues do, several answers to one prompt, and the records of one that grows by a turn.
    """
    said = [turn for turn in dialogue.turns if turn.role != "system"]
    asked = not dialogue.equals and said[0].role == "user"
    return tuple(said[: 1 if asked else 2])


def read_dialogues(
    source: str, limit: int | None = None, where: str = "", columns: str = ""
) -> Dialogues:
    """Read the dialogues of one source, in whatever layout its columns or lines tell.

    See `layouts.py` for tables and `plain.py` for text.

    Args:
        source: A file, a hub data set, or "chatterbot".
        limit: Most dialogues, from the first.
        where: Condition on a column that rows meet, as in "train_overlap=0".
        columns: Names of the columns, as in "prompt=question,completion=meta.answer"; told by the
            reader where empty.

    Raises:
        UserError: The source cannot be read, or a record is no dialogue.
    """
    if source == CHATTERBOT:
        return _equals(source, _chatterbot()[:limit])
    counts = Counts()
    file = find_file(source) if exists(source) and not is_saved(source) else None
    if file is not None and file.kind == PLAIN:
        if columns or where:
            raise UserError(
                f"{source} is plain text and has no columns; leave --columns and --where away, or "
                "end the file's name in .jsonl, .csv, .tsv or .parquet"
            )
        if is_cornell(file.path):
            return _taken(
                functools.partial(dialogues_of_cornell, file.path, source),
                Dialogues(source, counts=counts),
                limit,
            )
        return _taken(
            functools.partial(dialogues_of_lines, [line for _, line in records(file)], source),
            Dialogues(source, counts=counts),
            limit,
        )
    if file is not None and file.kind in (CONLL, FASTTEXT, FASTA):
        raise UserError(
            f"{source} is a file of {file.kind}, which holds sentences and no dialogues; name "
            "another, or read it by `seqgan look --recipe text`"
        )
    rows: Sequence[Mapping[str, Any]] = read_rows(source)
    if where:
        rows = _kept(rows, where, source)
    if columns:
        rows = renamed(rows, columns, source)
    table = file is not None and file.kind in ("CSV", "TSV")
    way_out = "; a table begins with a line of column names, else call it .txt" if table else ""
    return _taken(
        functools.partial(dialogues_of_rows, rows, source, way_out=way_out),
        Dialogues(source, counts=counts),
        limit,
    )


Reader = Callable[..., Iterator[tuple[str, Dialogue, str]]]


def _taken(read: Reader, found: Dialogues, limit: int | None) -> Dialogues:
    """The dialogues of a reader, at most so many of its records."""
    kinds: dict[str, None] = {}
    counts = replace(found.counts)
    for place, dialogue, kind in read(counts=found.counts):
        if limit is not None and found.counts.read > limit:
            found.counts = counts
            break
        found.add(dialogue, place)
        counts = replace(found.counts)
        kinds[kind] = None
    found.kind = " and ".join(kinds)
    return without_html(found)


def _kept(rows: Sequence[Mapping[str, Any]], where: str, source: str) -> list[Mapping[str, Any]]:
    name, equals, value = where.partition("=")
    if not equals or any(name not in row for row in rows[:1]):
        raise UserError(f"--where {where}: write COLUMN=VALUE with a column of {source}")
    try:
        wanted = float(value)
        kept = [row for row in rows if row[name] is not None and float(row[name]) == wanted]
    except ValueError:
        kept = [row for row in rows if str(row[name]) == value]
    return kept


def _equals(source: str, conversations: Iterable[Sequence[str]]) -> Dialogues:
    found = Dialogues(source)
    for texts in conversations:
        found.counts.read += 1
        found.add(Dialogue(alternating(texts), True), source)
    return found


def _checked(found: Dialogues) -> Dialogues:
    if not found.items:
        told = found.counts.told()
        raise UserError(
            f"{found.source} holds no dialogue of two turns ({told}); name a file that does"
        )
    return found


def _chatterbot() -> list[list[str]]:
    package = find_spec("chatterbot_corpus")
    if package is None or not package.submodule_search_locations:
        raise UserError(
            "the package chatterbot-corpus is not installed; pip install chatterbot-corpus"
        )
    import yaml

    folder = Path(package.submodule_search_locations[0]) / "data" / "english"
    found: list[list[str]] = []
    for file in sorted(folder.glob("*.yml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        found += [[str(text) for text in turns] for turns in content["conversations"]]
    return found
