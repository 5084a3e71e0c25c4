"""Files of a task with prompts: those with answers, those without, and the ceiling's labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def write_tasks(folder: Path, sets: Mapping[str, Sequence[tuple[str, str]]], mark: str) -> None:
    """Write each set as a file of lines; `prompts` leaves its answers out, `labelled` has them.

    Args:
        folder: Folder, which is made.
        sets: Prompts with an answer each, by the name of their set.
        mark: Word between prompt and answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in {**sets, "labelled": sets["prompts"]}.items():
        told = [
            (task, mark) if name == "prompts" else (task, mark, answer) for task, answer in rows
        ]
        lines = "".join(" ".join(words) + "\n" for words in told)
        (folder / f"{name}.txt").write_text(lines, encoding="utf-8")
