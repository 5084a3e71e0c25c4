"""Translations of a trained run on the disk: a folder of pictures in, a folder of pictures out."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from image_core.adversarial.errors import UserError
from image_core.data.pictures import ENDINGS, decode
from image_core.data.tree import open_tree
from image_core.recipes.translate.loaded import LoadedTranslator
from image_core.runs import options
from image_core.runs.picture_files import check_new, to_pictures


@dataclass(frozen=True)
class Translation:
    """What to translate.

    Args:
        source: Folder or zip of pictures of any sizes.
        out: Folder that does not exist yet, for a PNG of each picture under its own name.
        direction: Direction, ab or ba.
        seed: Seed of a generator's noise, the same for each picture.
    """

    source: str
    out: str
    direction: str = "ab"
    seed: int = 0

    def check(self) -> None:
        """Refuse what makes no sense, before a run is loaded for it.

        Raises:
            UserError: Names the option.
        """
        options.check_seed(self.seed)
        options.check_choice("direction", self.direction, ("ab", "ba"))
        check_new("out", self.out, "")
        if not Path(self.source).exists():
            raise UserError(f"--input {self.source}: there is no such folder")


def write_translations(loaded: LoadedTranslator, what: Translation) -> None:
    """Translate every picture of a folder at its own size.

    Args:
        loaded: A trained run.
        what: Pictures and direction.

    Raises:
        UserError: A picture cannot be read, two would have one name, or a file cannot be written.
    """
    tree = open_tree("--input", Path(what.source))
    names = tree.ending(*ENDINGS)
    if not names:
        raise UserError(f"--input {what.source} holds no pictures ({', '.join(ENDINGS)})")
    targets = [PurePosixPath(name).with_suffix(".png") for name in names]
    if len(set(targets)) < len(targets):
        twice = next(t for t in targets if targets.count(t) > 1)
        raise UserError(
            f"--input {what.source} holds several pictures that would be written to {twice}; "
            "rename one of them"
        )
    for name, target in zip(names, targets):
        pixels = decode(f"{tree.name}/{name}", tree.files[name]()).pixels
        made = loaded.translate(pixels[None].numpy(), what.direction, seed=what.seed)
        file = Path(what.out) / target
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            to_pictures(made)[0].save(file)
        except OSError as error:
            raise UserError(f"cannot write {file}: {error.strerror or error}") from error
    print(what.out)
