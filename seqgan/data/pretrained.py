"""What a folder of transformers has to hold."""

from typing import Any

from image_core.adversarial.errors import UserError


def check_has_tokens(tokenizer: Any, name: str) -> None:
    """Refuse the tokenizer that transformers makes of a model's config alone.

    Args:
        tokenizer: Tokenizer of transformers.
        name: Folder or hub name that it was loaded from.

    Raises:
        UserError: It has special tokens alone.
    """
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise UserError(
            f"{name} holds a model without its tokenizer; write it there by "
            "`tokenizer.save_pretrained`"
        )
