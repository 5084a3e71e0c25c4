"""Answers of a trained run to questions about the pictures of a folder."""

from collections.abc import Sequence
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.data.pictures import ENDINGS, decode, to_channels
from image_core.data.tree import open_tree
from seqgan.vqa.loaded import LoadedAnswerer


def answers(loaded: LoadedAnswerer, source: str, questions: Sequence[str]) -> list[str]:
    """A line for each picture and question: name, question, likeliest answer and probability.

    Args:
        loaded: A trained run.
        source: Folder or zip of pictures of the run's size.
        questions: Questions about each picture.

    Raises:
        UserError: A picture cannot be read or is of another size, or a word is unknown.
    """
    if not Path(source).exists():
        raise UserError(f"--input {source}: there is no such folder")
    tree, lines = open_tree("--input", Path(source)), []
    names = tree.ending(*ENDINGS)
    if not names:
        raise UserError(f"--input {source} holds no pictures ({', '.join(ENDINGS)})")
    for name in names:
        pixels = to_channels(decode(f"{tree.name}/{name}", tree.files[name]()).pixels[None], 3)
        for question in questions:
            (found,) = loaded.answer(pixels.numpy(), [question])
            answer, probability = next(iter(found.items()))
            lines.append(f"{name}: {question} {answer} {probability:.2f}")
    return lines
