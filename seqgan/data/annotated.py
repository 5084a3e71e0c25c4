"""Text between marks of its own: CoNLL's tables of tokens, fastText's labels, FASTA's sequences.

They are told by their first lines, for their names vary; so are JSON and YAML under another name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.data.json_lines import line_value

Line = tuple[int, str]
"""Number of a line from 1, and the line without its end."""
Row = dict[str, Any]

CONLL, FASTTEXT, FASTA = "CoNLL", "fastText", "FASTA"
LOOKED_AT = 1 << 13
"""Bytes in which the kind of a file is looked for."""
_FEWEST = 5
"""Lines that tell tokens with tags from sentences."""
_NUMBER = re.compile(r"\d+(?:[-.]\d+)?")
_TAG = re.compile(r"O|[BIELSUM]-\S+")
_LABELS = re.compile(r"((?:__label__\S+\s+)+)(\S.*)")
_RESIDUES = re.compile(r"[A-Z*-]{20,}")
_CONLLU_FIELDS = 10


def kind_of(path: PurePath, head: str) -> str:
    """What a file holds whose name does not say it; "" for sentences.

    Args:
        path: Its name, without the ending of a packer.
        head: Its first characters.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        return "YAML"
    if head.lstrip().startswith("{") and _are_objects(head):
        return "JSON lines"
    lines = head.split("\n")
    lines = [line.rstrip("\r") for line in (lines[:-1] if len(lines) > _FEWEST else lines)]
    said = [line for line in lines if line.strip()]
    if said and all(map(_LABELS.fullmatch, said)):
        return FASTTEXT
    if len(said) > 1 and said[0].startswith(">") and _RESIDUES.fullmatch(said[1]):
        return FASTA
    rows = [line for line in said if not _is_comment(line)]
    if len(rows) < _FEWEST:
        return ""
    if all(_is_conllu(line.split("\t")) for line in rows) or _are_tagged(rows, len(said), lines):
        return CONLL
    return ""


def _are_objects(head: str) -> bool:
    """Whether the first lines are whole objects of JSON, one each."""
    lines = [line for line in head.split("\n")[:3] if line.strip()]
    if len(lines) > 2:
        lines = lines[:2]  # the last may be cut
    try:
        return len(lines) > 1 and all(isinstance(line_value(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return False


def _is_comment(line: str) -> bool:
    return line.startswith(("# ", "#\t", "-DOCSTART-")) or line == "#"


def _is_conllu(fields: Sequence[str]) -> bool:
    return len(fields) == _CONLLU_FIELDS and _NUMBER.fullmatch(fields[0]) is not None


def _are_tagged(rows: Sequence[str], said: int, lines: Sequence[str]) -> bool:
    """Whether each line is a token and its tags, with empty lines between sentences."""
    fields = [line.split() for line in rows]
    tagged = all(len(one) == len(fields[0]) > 1 and _TAG.fullmatch(one[-1]) for one in fields)
    return tagged and len(lines) > said


# ------------------------------------------------------------------------------------ their records


def records_of_kind(kind: str, lines: Iterable[Line], source: str) -> Iterator[tuple[int, Row]]:
    """Numbers and rows of the records: `text`, a list where the file tells tokens, and `label`.

    Args:
        kind: A value that `kind_of` returns, of this module.
        lines: Lines of the file.
        source: Name of the file, for messages.

    Raises:
        UserError: A line is of another kind than the others.
    """
    return enumerate(_READERS[kind](lines, source), 1)


def _conll(lines: Iterable[Line], source: str) -> Iterator[Row]:
    """Sentences of tokens; of CoNLL-U's contractions (1-2) the word as written."""
    tokens: list[str] = []
    until = 0
    for number, line in lines:
        if not line.strip():
            if tokens:
                yield {"text": tokens}
            tokens, until = [], 0
            continue
        if _is_comment(line):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if not _NUMBER.fullmatch(fields[0]) or len(fields) < _CONLLU_FIELDS:
            tokens.append(fields[0])
        elif not fields[1].strip():
            raise UserError(
                f"line {number} of {source} has no word in its second column; mend it, or leave "
                "the sentence out"
            )
        elif "." not in fields[0]:  # 8.1 is a word that nobody wrote
            first, _, last = fields[0].partition("-")
            if int(first) > until:
                tokens.append("".join(fields[1].split()))
            until = int(last) if last else until
    if tokens:
        yield {"text": tokens}


def _fasttext(lines: Iterable[Line], source: str) -> Iterator[Row]:
    for number, line in lines:
        if not line.strip():
            continue
        found = _LABELS.fullmatch(line)
        if found is None:
            raise UserError(
                f"line {number} of {source} does not begin with __label__, as the others do, or "
                "has no text; mend it, or leave it out"
            )
        yield {"text": found[2], "label": found[1].replace("__label__", "").strip()}


def _fasta(lines: Iterable[Line], source: str) -> Iterator[Row]:
    """Sequences whose tokens are single letters."""
    name, letters = "", list[str]()
    for _, line in lines:
        if line.startswith(">"):
            if letters:
                yield {"text": letters, "name": name}
            name, letters = line[1:].strip(), []
        else:
            letters += "".join(line.split())
    if letters:
        yield {"text": letters, "name": name}


_READERS: Mapping[str, Any] = {CONLL: _conll, FASTTEXT: _fasttext, FASTA: _fasta}
