"""Sending a saved model to a model hub."""

from pathlib import Path

from image_core.adversarial.errors import UserError
from seqgan.data.errors import reason


def push(folder: Path, name: str, *, private: bool) -> str:
    """Send a folder that `save_pretrained` wrote, its page among the files; returns its address.

    Args:
        folder: Folder of the model.
        name: USER/NAME on the hub.
        private: Whether others may not see it, where it is new.

    Raises:
        UserError: There is no model, or the hub refuses.
    """
    from huggingface_hub import HfApi

    if not (folder / "config.json").exists():
        raise UserError(f"{folder} holds no model of transformers; train one to its end first")
    api = HfApi()
    try:
        api.create_repo(name, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=name, folder_path=str(folder)))
    except Exception as error:  # the hub raises many kinds
        raise UserError(
            f"the hub does not take {name} ({reason(error)}); log in with `hf auth login` and name "
            "it USER/NAME"
        ) from error
