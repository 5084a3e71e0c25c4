"""Docstrings of this project as reStructuredText: formulas become blocks, signs stay signs."""

import re
from collections.abc import Iterable

SECTION = re.compile(r"(Args|Returns|Raises|Yields|Source|Attributes):\s*(.*)")
PROSE = re.compile(
    r"""(["'`(A-Z0-9].*[.:)]$)|\* |(?!.*\n )(.*\b[a-z]{2,}\s[a-z]{2,}\s[a-z]{2,}\b.*[.:]$)""",
    re.DOTALL,
)
"""A paragraph of sentences, which may begin with a symbol, or a list; any other is a formula."""
FORMULA = re.compile(
    r"(?!\* )(.*\S {2,}\S| {9,}\(|(?!.*\b[a-z]{2,}\s[a-z]{2,}\s[a-z]{2,}\b).* = .*\)$)"
)
"""A line with a gap, as before its source, or a source far in, or an equation without three words
that ends in a bracket."""


def as_rst(lines: Iterable[str]) -> list[str]:
    """Lines of reStructuredText, sections in Google's style left for napoleon.

    Args:
        lines: Lines of a docstring, without its indentation.
    """
    out: list[str] = []
    paragraph: list[str] = []
    section = ""
    for line in [*lines, ""]:
        begun = SECTION.fullmatch(line.strip()) if not line.startswith(" ") else None
        section = begun[1] if begun else section
        if section:
            out += item(line, section)
        elif line.strip():
            paragraph.append(line)
        else:
            out += [*block(paragraph), ""]
            paragraph = []
    return out


def item(line: str, section: str) -> list[str]:
    """A line of a section; names within an argument, and of several results, become a list.

    Args:
        line: Line of the section, indented by four for each level.
        section: Name of the section.
    """
    level = 4 if section == "Returns" else 8
    named = re.match(rf" {{{level}}}\w+: \S", line)
    if named:
        return ["", " " * level + "* " + escaped(line.strip())]
    if line.startswith(" " * (level + 4)):
        return [" " * (level + 2) + escaped(line.strip())]
    return [escaped(line)]


def block(paragraph: list[str]) -> list[str]:
    """A paragraph of sentences as it is, a formula as a literal block with its source near by.

    Args:
        paragraph: Lines of it.
    """
    text = "\n".join(paragraph)
    if not paragraph or (PROSE.match(text) and not any(map(FORMULA.match, paragraph))):
        return [escaped(line) for line in paragraph]
    near = (re.sub(r" {5,}(?=\()", "    ", line) for line in paragraph)
    return ["::", "", *(f"    {line}" for line in near)]


def escaped(line: str) -> str:
    """A line whose stars, bars and underscores outside of backticks are plain signs.

    Args:
        line: Line of prose.
    """
    if line.startswith("* "):
        return "* " + escaped(line[2:])
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(
        f"`{part}`" if part.startswith("`") else re.sub(r"([*|]|_(?!\w)|_(?=\W))", r"\\\1", part)
        for part in parts
    )
