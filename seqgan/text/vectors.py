"""`--embeddings`: pretrained vectors of words, from which token vectors of a policy start."""

import io
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.packed import open_unpacked
from seqgan.data.records import find_file, told
from seqgan.lm.policies import SequencePolicy

_BLANKS = re.compile(r"[ \t]+")
"""What stands between a word and its numbers; words may hold blanks of other kinds."""


def fill(game: nn.Module, ids: Mapping[str, int], file: str, size: int) -> None:
    """Give the policies of a game the vectors of a file; words that it lacks keep their own.

    Args:
        game: Game before it learns, with all copies of its policy.
        ids: Id of each token.
        file: File of vectors, see `read_vectors`.
        size: Size of a token's vector in the policy.

    Raises:
        UserError: The file or the policy cannot be used.
    """
    tables = [p.token_vectors() for p in game.modules() if isinstance(p, SequencePolicy)]
    fitting = [t for t in tables if t is not None and t.shape[1] == size]
    if not fitting:
        raise UserError(f"--embeddings {file}: the policy has vectors of its own; leave it out")
    found = read_vectors(file, ids, size)
    if not found:
        raise UserError(
            f"--embeddings {file}: it has no word of the text's vocabulary; its lines are a word "
            "and its numbers, or its tensors have the names of words"
        )
    places, values = torch.tensor(list(found)), torch.stack(list(found.values()))
    with torch.no_grad():
        for table in fitting:
            table[places.to(table.device)] = values.to(table)
    print(f"embeddings: {file} has {len(found)} of {len(ids)} tokens", file=sys.stderr)


def read_vectors(file: str, ids: Mapping[str, int], size: int) -> dict[int, Float[Tensor, " E"]]:
    """Vectors of the tokens that a file has, by id.

    Args:
        file: Text of a word and its numbers a line, the first of which may be the counts of words
            and numbers; or a .safetensors file with a vector for each word.
        ids: Id of each token.
        size: Numbers of a vector.

    Raises:
        UserError: The file is missing or of another form, or its vectors have another size.
    """
    if not Path(file).is_file():
        raise UserError(f"--embeddings {file}: there is no such file")
    pairs = _named(file, ids) if file.endswith(".safetensors") else _lines(file, ids, size)
    found: dict[int, Tensor] = {}
    for word, vector in pairs:
        if vector.dim() != 1:
            raise UserError(
                f"--embeddings {file}: the tensor of {word!r} has the shape {tuple(vector.shape)}; "
                "give a vector"
            )
        if len(vector) != size:
            raise UserError(
                f"--embeddings {file}: the vector of {word!r} has {len(vector)} numbers, and "
                f"others {size}; repair it"
                if found
                else f"--embeddings {file}: its vectors have {len(vector)} numbers; pass "
                f"--embedding {len(vector)} in place of {size}"
            )
        if not torch.isfinite(vector).all():
            raise UserError(f"--embeddings {file}: the vector of {word!r} is not finite")
        found[ids[word]] = vector
    return found


def _named(file: str, ids: Mapping[str, int]) -> Iterator[tuple[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as tensors:
            for word in tensors.keys():  # noqa: SIM118  it is no mapping
                if word in ids:
                    yield word, tensors.get_tensor(word).float()
    except SafetensorError as error:
        raise UserError(f"--embeddings {file}: it is no safetensors file ({error})") from error


def _lines(file: str, ids: Mapping[str, int], size: int) -> Iterator[tuple[str, Tensor]]:
    found = find_file(file)
    with (
        told(found),
        io.TextIOWrapper(open_unpacked(found.path), "utf-8", errors="replace") as stream,
    ):
        for number, line in enumerate(stream, 1):
            word, *numbers = _BLANKS.split(line.rstrip())
            if word not in ids or (number == 1 and len(numbers) == 1):
                continue  # the counts of words and numbers may stand first
            if not all(map(_is_number, numbers[:-size])):
                continue  # a phrase that begins with the word
            if not numbers or not all(map(_is_number, numbers)):
                raise UserError(f"--embeddings {file}: line {number} is not a word and its numbers")
            yield word, torch.tensor([float(value) for value in numbers])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
