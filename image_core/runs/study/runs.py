"""One run of a study: begun, gone on with, or read where it has ended."""

import json
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from image_core.adversarial.engine import NonFiniteError
from image_core.adversarial.errors import UserError
from image_core.runs.folder import RunFolder
from image_core.runs.run import Watch, unwatched


class Diverged(Exception):
    """A run did not end in finite numbers."""


def finish(module: Any, config: Any, watch: Watch = unwatched) -> Mapping[str, Any]:
    """Train a run to its end, from its last checkpoint if it has one.

    Args:
        module: Module of the recipe.
        config: Options of the run.
        watch: Function called with each logged record; what it raises ends the training.

    Returns:
        Content of its result.json.

    Raises:
        Diverged: A loss, a gradient, a weight or a metric is not finite.
    """
    folder = RunFolder(config.out)
    if folder.result.exists():  # its worker died in a later run of the point
        for record in _logged(folder):
            watch(record)
    else:
        _forget_dead(folder)
        try:
            with folder.locked():
                run = module.Run(config, data=True)
                if folder.config.exists():
                    run.resume()
                    print(f"{config.out}: from round {run.engine.round}", file=sys.stderr)
                    for record in _logged(folder, run.engine.round):
                        watch(record)
                else:
                    run.start()
                run.train(watch)
        except NonFiniteError as error:
            raise Diverged(str(error)) from error
        except UserError as error:
            if "not finite" in str(error):
                raise Diverged(str(error)) from error
            raise
    return json.loads(folder.result.read_text(encoding="utf-8"))


def _logged(folder: RunFolder, rounds: int | None = None) -> list[dict[str, Any]]:
    """The records that stand, all or those up to the checkpoint."""
    if not folder.log.exists():
        return []
    lines = folder.log.read_text(encoding="utf-8").splitlines()[:rounds]
    return [json.loads(line) for line in lines]


def _forget_dead(folder: RunFolder) -> None:
    """Remove another machine's lock: its worker has given no sign of life for too long."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        host = json.loads(folder.lock.read_text(encoding="utf-8"))["host"]
        if host != socket.gethostname():
            folder.lock.unlink()


def drop_checkpoints(place: Path) -> None:
    """Remove the checkpoints of a point that has ended; logs, results and samples stay.

    Args:
        place: Folder of the point's runs.
    """
    for checkpoint in [*place.glob("*/checkpoint"), *place.glob("*/.checkpoint.*")]:
        shutil.rmtree(checkpoint, ignore_errors=True)
