"""The documentation's links lead somewhere: files, and headings inside of them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
)


BUILT = ("systems/", "reference/")
"""Folders of pages that the site's build writes from the sources."""


def links(text: str) -> list[str]:
    """Targets of a page's links and pictures, other sites left out."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in found if not target.startswith(("http:", "https:", "mailto:"))]


def anchors(text: str) -> set[str]:
    """Names that headings have on GitHub."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page: Path, text: str) -> list[str]:
    """Links that lead nowhere."""
    found = []
    for target in links(text):
        name, _, anchor = target.partition("#")
        if page.parent == ROOT / "docs" and name.startswith(BUILT):
            continue
        file = page.parent / name if name else page
        if not file.exists() or (
            anchor and anchor not in anchors(file.read_text(encoding="utf-8"))
        ):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One: two, three\n[a](#one-two-three) [b](#other) [c](gone.md) [d](page.md#x)"
    )
    assert broken(page, page.read_text()) == ["#other", "gone.md", "page.md#x"]


def test_every_picture_is_shown_somewhere():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in links(page.read_text(encoding="utf-8"))
    }
    assert {p for p in (ROOT / "docs" / "pictures").iterdir() if p.resolve() not in shown} == set()
