"""One page of reference a package: every module and its public names, from the docstrings."""

from importlib import import_module
from pathlib import Path

from image_core.adversarial.losses import AdversarialLoss

PACKAGES = {
    "The facade": ["seqgan", "seqgan.commands.recipes"],
    "The core": [
        "image_core.adversarial",
        "image_core.memory",
        "image_core.packed",
        "image_core.archives",
    ],
    "Runs": ["image_core.runs"],
    "Images": ["image_core.data", "image_core.nets", "image_core.metrics", "image_core.games"],
    "Image recipes": ["image_core.recipes"],
    "Imitation": ["rl"],
    "Text data and language models": ["seqgan.data", "seqgan.lm"],
    "Metrics, judges, evaluation": ["seqgan.metrics", "seqgan.judges", "seqgan.evaluation"],
    "Text": ["seqgan.text"],
    "Discrete variables": ["seqgan.discrete"],
    "Dialogue": ["seqgan.dialogue"],
    "Retrieval": ["seqgan.retrieval"],
    "Text to image": ["seqgan.text2image"],
    "Decipherment": ["seqgan.decipher"],
    "Questions about pictures": ["seqgan.vqa"],
}

FACADE = ["   :members:", "   :imported-members:"]
MEMBERS = ["   :members:", "   :ignore-module-all:"]
"""`__all__` is the table of names that the command line takes, not all that is public."""


def modules(root: Path, package: str) -> list[str]:
    """Names of the modules of a package and its folders, or of one module.

    Args:
        root: Folder of the repository.
        package: Name of the package, or of a module.
    """
    folder = root / package.replace(".", "/")
    if package == "seqgan" or folder.with_suffix(".py").is_file():
        return [package]
    files = sorted(f for f in folder.rglob("*.py") if f.name != "__init__.py")
    return [".".join(f.relative_to(root).with_suffix("").parts) for f in files]


def losses_of(module: str) -> list[str]:
    """Names of the adversarial losses of a module: values, whose documentation is of their parts.

    Args:
        module: Name of the module.
    """
    held = vars(import_module(module))
    return [name for name in held.get("__all__", ()) if isinstance(held.get(name), AdversarialLoss)]


def write_reference(root: Path, folder: Path) -> None:
    """Write one page a line of `PACKAGES`, and their index.

    Args:
        root: Folder of the repository.
        folder: Folder of the pages.
    """
    folder.mkdir(exist_ok=True)
    names = []
    for title, packages in PACKAGES.items():
        name = title.lower().replace(",", "").replace(" ", "_")
        names.append(name)
        lines = [f"# {title}", ""]
        for package in packages:
            for module in modules(root, package):
                lines += [f"## {module}", "", "```{eval-rst}", f".. automodule:: {module}"]
                # The facade's names have their pages where they are defined
                lines += ["   :no-index:", *FACADE] if module == "seqgan" else MEMBERS
                for loss in losses_of(module):
                    lines += ["", f".. autodata:: {module}.{loss}", "   :no-value:"]
                lines += ["```", ""]
        (folder / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")
    index = ["# Reference", "", "Every public name, with shapes, units, errors and source.", ""]
    index += ["```{toctree}", *names, "```", ""]
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")
