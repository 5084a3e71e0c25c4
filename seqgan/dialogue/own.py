"""The user's own reward of replies beside the discriminator's, `--reward module:function`."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs import outside
from seqgan.dialogue.encode import Format

SIGNATURE = "(prompts, completions) -> a number for each"

OwnReward = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(contexts (N, C), their attention mask, replies (N, T)) -> reward of each reply (N,)."""


def own_reward(name: str, form: Format) -> OwnReward:
    """The user's function as a reward of replies in tokens.

    It is called once a step, with the text of each context, a turn a line, and of each reply.

    Args:
        name: Value of --reward, `module:function`.
        form: Turns tokens into text.

    Raises:
        UserError: There is no such function, or, when it is called, it does not return a finite
            number for each reply.
    """
    function = outside.load_function("reward", name, SIGNATURE, 2)

    @torch.no_grad()
    def reward(
        context: Int64[Tensor, "N C"],
        attention_mask: Bool[Tensor, "N C"],
        reply: Int64[Tensor, "N T"],
    ) -> Float[Tensor, " N"]:
        rows = zip(context.tolist(), attention_mask.tolist(), strict=True)
        prompts = [form.said([i for i, kept in zip(*row, strict=True) if kept]) for row in rows]
        replies = [form.decode(row) for row in reply.tolist()]
        found = torch.as_tensor(
            function(prompts, replies), dtype=torch.float32, device=reply.device
        )
        if found.shape != (len(replies),):
            raise UserError(
                f"--reward {name}: for {len(replies)} replies it returned values of shape "
                f"{tuple(found.shape)}; return one number for each"
            )
        if not torch.isfinite(found).all():
            raise UserError(f"--reward {name}: it returned a number that is not finite")
        return found

    return reward
