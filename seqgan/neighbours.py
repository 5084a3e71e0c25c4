"""The packages `image_core` and `rl` beside this one, and foreign ones that hide them.

Nothing of ours is imported here, since it is read before it is known to be ours.
"""

import functools
from importlib.util import find_spec
from pathlib import Path

OURS = ("image_core", "rl")
"""Packages that are installed beside `seqgan`."""


@functools.cache
def check_neighbours() -> None:
    """Check that Python finds our own packages, and no others of their names.

    Raises:
        ImportError: Another package or folder hides one of ours; the message names it.
    """
    for name in OURS:
        ours = Path(__file__).parents[1] / name / "__init__.py"
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ImportError(f"the package {name} is not at {ours.parent}; install seqgan anew")
        if Path(spec.origin).resolve() != ours.resolve():
            raise ImportError(
                f"{spec.origin} hides seqgan's own package {name}; rename or uninstall it, or work "
                "in another folder"
            )
