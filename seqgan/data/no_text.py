"""Files that are no text, known by their first bytes, and what is to be done with them."""

import re
from pathlib import Path

from image_core.adversarial.errors import UserError

HEAD = 262
"""Bytes that tell."""
OTHER = {
    b"PK\x03\x04": "a zip archive; unpack it and name a file in it",
    b"7z\xbc\xaf": "a 7z archive; unpack it, for example with `7z x`, and name a file in it",
    b"Rar!": "a RAR archive; unpack it and name a file in it",
    b"\x04\x22\x4d\x18": "packed by lz4; unpack it with `lz4 -d`",
    b"\x1f\x9d": "packed by compress; unpack it with `uncompress`",
    b"%PDF": "a PDF document; save its text as UTF-8",
    b"{\\rtf": "a document in RTF; save its text as UTF-8",
    b"\xd0\xcf\x11\xe0": "a document of Office; save its text as UTF-8, or its table as CSV",
    b"SQLite": "a database; export the table as CSV",
    b"\x80\x04": "a pickle, which would run whatever it says; save its text as JSON lines",
    b"\x89HDF": "an HDF5 file; save its text as JSON lines",
    b"ARROW1": "an Arrow file; save its table as parquet",
    b"\xff\xff\xff\xff": "an Arrow file; name the folder that save_to_disk wrote, or save its "
    "table as parquet",
    b"@relation": "an ARFF table; save it as CSV",
    b"@RELATION": "an ARFF table; save it as CSV",
    b"\x89PNG": "a picture; name a file of text",
    b"\xff\xd8\xff": "a picture; name a file of text",
}
"""What files begin with, what they are, and the way out."""
OFFICE = {
    ".xlsx": "a workbook; save its table as CSV in UTF-8",
    ".ods": "a workbook; save its table as CSV in UTF-8",
    ".docx": "a Word document; save its text as UTF-8",
    ".odt": "a document; save its text as UTF-8",
    ".epub": "a book; save its text as UTF-8",
}
"""Zip archives by their names."""
MARKUP = re.compile(
    rb"\s*<(?:!doctype|\?xml|(?:html|body|div|p|table|svg|rss|feed|mediawiki|tmx|xliff|tei|srcset|"
    rb"refset|tstset)(?:\s[^<>]*)?>|doc\s[^<>]*>)",
    re.IGNORECASE,
)
SUBTITLES = re.compile(r"(?:\d{1,2}:)?\d{2}:\d{2}[,.]\d{3} --> (?:\d{1,2}:)?\d{2}:\d{2}[,.]\d{3}")
"""What subtitles say of when they are shown."""


def check_text(source: str, path: Path, head: bytes) -> None:
    """Refuse what is no text, nor a table that is read.

    Args:
        source: Name of the file, for complaints.
        path: Path of the file.
        head: Its first bytes.

    Raises:
        UserError: It is something else.
    """
    for magic, what in OTHER.items():
        if head.startswith(magic):
            raise UserError(f"{source} is {OFFICE.get(path.suffix.lower(), what)}")
    if head[HEAD - 5 :] == b"ustar":
        raise UserError(f"{source} is a tar archive; unpack it and name a file in it")
    if MARKUP.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise UserError(
            f"{source} is a page or document of marks (HTML, XML); save its text without them as "
            "UTF-8, a sentence a line"
        )
