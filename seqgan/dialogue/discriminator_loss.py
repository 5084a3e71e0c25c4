"""The loss of a discriminator of replies: people's against the policy's to the same contexts."""

from collections.abc import Mapping

import torch
from torch import Tensor

from image_core.adversarial.game import Loss
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from seqgan.dialogue.discriminators import DialogueDiscriminator, EmbeddedDiscriminator, pool


def discriminator_loss(
    D: DialogueDiscriminator,
    rows: Mapping[str, Tensor],
    masks: tuple[Tensor, Tensor],
    loss: AdversarialLoss,
    penalty: Penalty | None,
    pooling: str,
) -> Loss:
    """The loss and what is logged, of one pass over both kinds of replies.

    Args:
        D: Discriminator.
        rows: Contexts (N, C) under `context` and `attention_mask`, and replies (N, T), people's
            under `human` and the policy's under `reply`.
        masks: True at the tokens that count, of people's replies and of the policy's.
        loss: Adversarial loss of the outputs.
        penalty: Penalty of an `EmbeddedDiscriminator`, on embedded replies; None for none.
        pooling: How its logits become one output a reply, see `discriminators.pool`.
    """
    context, attention_mask = rows["context"], rows["attention_mask"].bool()
    both = torch.cat([rows["human"], rows["reply"]])
    scores = D(context.repeat(2, 1), attention_mask.repeat(2, 1), both)
    d_real, d_fake = pool(scores, torch.cat(masks), pooling, learning=True).chunk(2)
    with torch.no_grad():
        right = (d_real > d_fake).float() + 0.5 * (d_real == d_fake).float()
    logs = {"d_real": d_real.mean(), "d_fake": d_fake.mean(), "accuracy": right.mean()}
    total = loss.d(d_real, d_fake)
    if penalty is not None and isinstance(D, EmbeddedDiscriminator):
        longer = masks[0] | masks[1]

        def pooled(embedded: Tensor) -> Tensor:
            return pool(D.score(context, attention_mask, embedded), longer, pooling)

        logs["penalty"] = penalty(pooled, D.embed(rows["human"]), D.embed(rows["reply"]))
        total = total + logs["penalty"]
    return Loss(total, logs)
