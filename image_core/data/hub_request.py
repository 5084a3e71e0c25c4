"""One short request to the hub, before libraries that retry for long; and their silence."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image_core.adversarial.errors import UserError

_HUB_SECONDS = 2.0


def ask_hub(name: str, source: str) -> None:
    """Ask once whether the hub has a data set: `load_dataset` alone retries for half a minute.

    Args:
        name: OWNER/NAME, or NAME.
        source: What the user wrote, for complaints.

    Raises:
        UserError: There is none of that name, or the hub cannot be reached.
    """
    import datasets
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    if datasets.config.HF_HUB_OFFLINE:
        return
    try:
        HfApi().dataset_info(name, timeout=_HUB_SECONDS)
    except RepositoryNotFoundError as error:
        raise UserError(
            f"there is no file {source}, nor a hub data set of that name; check its name"
        ) from error
    except Exception as error:  # the types depend on the http library
        raise UserError(
            f"there is no file {source}, and the hub request for a data set of that name failed "
            f"({_reason(error)}); check the path or your connection, or set HF_HUB_OFFLINE=1 to "
            "use a copy downloaded before"
        ) from error


def ask_hub_for_model(name: str) -> None:
    """Ask once for a model that is neither a folder nor downloaded: `from_pretrained` retries.

    Args:
        name: Folder, or OWNER/NAME.

    Raises:
        UserError: The hub cannot be reached.
    """
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import RepositoryNotFoundError

    if Path(name).exists() or constants.HF_HUB_OFFLINE:
        return
    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return
    try:
        HfApi().model_info(name, timeout=_HUB_SECONDS)
    except RepositoryNotFoundError:
        return  # which `from_pretrained` says at once, too
    except Exception as error:  # the types depend on the http library
        raise UserError(
            f"there is no folder {name}, and the hub cannot be reached: {_reason(error)}; check "
            "the name or your connection"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' progress bars and logs: errors are reported in one sentence."""
    import datasets
    import huggingface_hub.utils as hub

    logs = [datasets.utils.logging, hub.logging]
    levels = [log.get_verbosity() for log in logs]
    bars = [lib for lib in (datasets, hub) if not lib.are_progress_bars_disabled()]
    try:
        for log in logs:
            log.set_verbosity(logging.CRITICAL)
        for library in bars:
            library.disable_progress_bars()
        yield
    finally:
        for log, level in zip(logs, levels):
            log.set_verbosity(level)
        for library in bars:
            library.enable_progress_bars()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
